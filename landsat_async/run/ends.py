"""The end of a run: what is left to do at the service, what is made and told of its files, and what ended it."""

from __future__ import annotations

import os
from contextlib import suppress

import anyio

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
from landsat_async.events import Failed, Notice
from landsat_async.m2m.caller import TIDY_LIMIT_S
from landsat_async.rules.quantities import count_text
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


async def tidy_in_time(context: RunContext, limit_s: float) -> None:
    """Do what is left at the service in a short time, and say what it did not take; the next run tells it again."""
    with anyio.move_on_after(limit_s, shield=True):
        if await clean_up(context):
            return
    with anyio.move_on_after(1.0, shield=True), suppress(LandsatError):
        if await context.ledger.files.unreported(1):
            context.bus.tell(Notice("USGS has not taken all reports of what has arrived; the next run sends the rest"))


async def note_leftovers(context: RunContext, *, told_older: bool) -> None:
    """Say what a newer version or another layout has left behind; it is kept.

    `told_older`: the synchronisation has told what stays of older versions.
    """
    left = await context.ledger.files.leftovers(context.run_id, context.directory)
    if told_older:
        left.older.clear()
    for text in left.told():
        context.bus.tell(Notice(text))


async def write_wanted_outputs(context: RunContext) -> None:
    """Make what [output] asks for of the files that are here now; what is in the way counts as a failure."""
    wanted = context.config.output
    if not wanted.wanted:
        return
    from landsat_async.run.outputs import write_outputs  # loads all that makes STAC

    digest = await context.ledger.digest_of_files()
    written = await write_outputs(context.target, wanted, digest=digest)
    for one in written.refused:
        context.counts.unlisted += 1
        context.counts.failed(one)
        await context.bus.emit(Failed(one.file, one.reason, one.hint))
    if written.scenes:
        made = [name for name, on in (("stac/catalog.json", wanted.stac), ("VRTs", wanted.vrt)) if on]
        made += [f"scenes.{wanted.table}"] if wanted.table else []
        context.bus.tell(Notice(f"{', '.join(made)}: {count_text(written.scenes, 'scene')}"))


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
