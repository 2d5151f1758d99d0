"""The end of a run: what is left to do at the service, and what ended it."""

from __future__ import annotations

import os
from contextlib import suppress

from landsat_async.disk.folder import OutputFolder, held_elsewhere
from landsat_async.disk.fs import FileInUse
from landsat_async.errors import (
    DiskFull,
    FolderUnwritable,
    LandsatError,
    is_disk_full,
    leaves_of,
    resources_lacking,
)
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


def reason_of(error: BaseException, folder: OutputFolder) -> LandsatError:
    """What ended a run: one of our errors wherever it stands in a group, the disk of its folder, else a bug of ours."""
    leaves = leaves_of(error)
    for leaf in leaves:
        if isinstance(leaf, LandsatError):
            return leaf
    for leaf in leaves:
        if (lacking := resources_lacking(leaf)) is not None:
            return lacking
    for leaf in leaves:
        if isinstance(leaf, OSError) and (refused := _refused_in(leaf, folder)) is not None:
            return refused
    bug = LandsatError(
        f"Internal error: {type(leaves[0]).__name__}.",
        hint="This is a bug of landsat_async: please report it, with the output of -v. The next run continues.",
    )
    bug.__cause__ = error
    return bug


def _refused_in(error: OSError, folder: OutputFolder) -> LandsatError | None:
    """Return what a person is told of a folder of the run that the disk refuses; None for any other error."""
    path = str(error.filename or "")
    within = (str(place.absolute()) for place in (folder.root, folder.state, folder.parts))
    if not any(path == place or path.startswith(place + os.sep) for place in within):
        return None
    if isinstance(error, FileInUse):
        return held_elsewhere(error)
    if is_disk_full(error):
        return DiskFull(f"The disk is full: {path}.", hint="Free some space and run the same command again.")
    return FolderUnwritable(
        f"{path} cannot be used: {error.strerror}.",
        hint="Check that the folder is there and yours to write. Nothing is lost: the same command continues.",
    )
