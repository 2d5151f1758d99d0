"""The end of a run: what is left to do at the service, and what ended it."""

from __future__ import annotations

from contextlib import suppress

from landsat_async.errors import LandsatError, leaves_of, resources_lacking
from landsat_async.m2m.caller import TIDY_LIMIT_S
from landsat_async.run.context import RunContext
from landsat_async.run.poller import report_completed
from landsat_async.run.scene_lists import remove_leftovers


async def clean_up(context: RunContext, report_limit_s: float = TIDY_LIMIT_S) -> bool:
    """Report what arrived and remove our lists; what does not work now is done by the next run.

    Returns whether nothing is left to do.
    """
    are_gone = is_told = False
    # Lists first: a service that is slow to take reports would leave no time for them, and reports can wait.
    with suppress(LandsatError):
        are_gone = await remove_leftovers(context.m2m, context.ledger)
    with suppress(LandsatError):
        _, is_told = await report_completed(context, limit_s=report_limit_s)
    return are_gone and is_told


def reason_of(error: BaseException) -> LandsatError:
    """What ended a run: one of our errors wherever it stands in a group, else a bug of ours."""
    leaves = leaves_of(error)
    for leaf in leaves:
        if isinstance(leaf, LandsatError):
            return leaf
    for leaf in leaves:
        if (lacking := resources_lacking(leaf)) is not None:
            return lacking
    bug = LandsatError(
        f"Internal error: {type(leaves[0]).__name__}.",
        hint="This is a bug of landsat_async: please report it, with the output of -v. The next run continues.",
    )
    bug.__cause__ = error
    return bug
