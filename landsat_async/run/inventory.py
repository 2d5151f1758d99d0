"""What is already here, and whether there is room for the rest.

Finished files are skipped, found ones adopted, lost ones wanted again.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping, Sequence

import anyio.to_thread
import msgspec

from landsat_async.disk.fs import FileInUse
from landsat_async.disk.inspect import Absent, Facts, Unproven, inspect_apart, why_not_adopted
from landsat_async.disk.ledger import FinishedFile, Item
from landsat_async.disk.ledger_files import Unrecorded
from landsat_async.disk.part import part_name
from landsat_async.disk.target import Look, Place, Recorded, StoredPart, Target
from landsat_async.events import Notice, Skipped
from landsat_async.model import Proof
from landsat_async.rules.lifecycle import State
from landsat_async.rules.naming import is_planned
from landsat_async.rules.quantities import count_text, size_text
from landsat_async.run.context import RunContext
from landsat_async.run.matching import PROXIED

PAGE = 2000
IN_THE_WAY_HINT = "Move it away, or run with --overwrite to replace it."
DELETED_NAMED = 10
"""Of so many deleted files each is named: who has emptied a folder wants to read one line, not ten thousand."""
LITTER_AGE_S = 7 * 86400.0
IN_USE_HINT = "Close it there and run the same command again."
_PART = re.compile(r"(\d+)\.\d+\.part(\.copy|\.window)?(\.old)?")


async def take_stock(context: RunContext, scene: str | None = None) -> None:
    """Compare ledger and disk for every selected file, before anything is asked of the service.

    Of all scenes, or of one (display id) that has come into the run later. What lies under a final name without being
    recorded is proven: it is adopted, or left alone, and that is said.
    """
    if context.states.by_state[State.DONE]:  # not in the first run of a folder
        await _recheck_finished(context, scene)
        if context.window is not None and scene is None:
            for relpath, reason in await context.ledger.files.without_data(context.run_id):
                await context.bus.emit(Skipped(relpath, reason))
    after, files = 0, context.ledger.files
    while page := await files.unrecorded(context.run_id, after=after, limit=PAGE, scene=scene):
        after = page[-1].item_id
        places = await anyio.to_thread.run_sync(_places, context.target, page)
        for file, place in zip(page, places, strict=True):
            if file.was_taken and (context.overwrite or place is Place.FREE):
                await files.forget_stranger(file.relpath)
            if place is not Place.FREE and not is_planned(file.name):
                item = await context.ledger.item(file.item_id)
                await _adopt_one(context, item, place, was_taken=bool(file.was_taken))
        if len(page) < PAGE:
            return


async def sweep_parts(context: RunContext) -> None:
    """Remove what a crash left of finished files, and parts that nobody has spoken of for a week."""
    found = await context.ledger.writer.call(lambda _: context.target.parts())  # they lie on the same disk
    if found:
        names = litter(found, await context.ledger.files.states(), context.states.now())
        await anyio.to_thread.run_sync(context.target.discard, names)


def litter(parts: Sequence[StoredPart], states: Mapping[int, State], now_s: float) -> list[str]:
    """Return the names of the parts that nobody needs, given the states of all files; `now_s` is unix time."""

    def is_litter(part: StoredPart) -> bool:
        if (numbered := _PART.fullmatch(part.name)) is None:
            return False
        state = states.get(int(numbered[1]))
        return state is State.DONE or (state is None and now_s - part.changed_s > LITTER_AGE_S)

    return [part.name for part in parts if is_litter(part)]


class _Deleted(msgspec.Struct):
    """Files that were deleted since they were verified: no list, there may be as many as the run has files."""

    count: int = 0
    last: str = ""


async def _recheck_finished(context: RunContext, scene: str | None) -> None:
    """Skip what is as recorded; what was deleted or changed since is wanted again."""
    after, deleted = 0, _Deleted()
    while page := await context.ledger.files.finished(context.run_id, after=after, limit=PAGE, scene=scene):
        after = page[-1].item_id
        recorded = [Recorded(file.relpath, file.size_bytes, file.mtime_ns) for file in page]
        looks = await anyio.to_thread.run_sync(context.target.look, recorded)
        for file, look in zip(page, looks, strict=True):
            if look is Look.SAME or await _is_the_same(context, file, deleted):
                await context.bus.emit(Skipped(file.relpath, "already here and verified"))
        if len(page) < PAGE:
            break
    if (more := deleted.count - DELETED_NAMED) > 0:
        text = f"also fetched again: {count_text(more, 'more deleted file')}, for example {deleted.last}"
        await context.bus.emit(Notice(text, "warning"))


async def _is_the_same(context: RunContext, file: FinishedFile, deleted: _Deleted) -> bool:
    """Read a finished file whose size or time has changed; when its bytes have, put it aside and want it again.

    `deleted` counts the files that are not there any more; the first ones are told here.
    """
    name = file.relpath.rpartition("/")[2]
    finding = await inspect_apart(context.target.read(file.relpath), name, weakest=Proof.LENGTH)
    if isinstance(finding, Facts) and finding.sha256 == file.sha256:
        await context.ledger.files.touched(file.item_id, finding.mtime_ns)
        return True
    told = f"{file.relpath} was deleted since it was verified; it is fetched again"
    if file.adopted and not isinstance(finding, Absent):  # never ours to move: `take_stock` finds it in the way
        await context.ledger.files.note_stranger(file.relpath, context.states.now())
        told = f"{file.relpath} was found on disk by an earlier run, and has changed since; it is left alone"
    elif not isinstance(finding, Absent):
        told = f"{file.relpath} has changed since it was verified; it is fetched again"
        told += await _put_aside(context.target, file.relpath)
    else:
        deleted.count, deleted.last = deleted.count + 1, file.relpath
    await context.states.apply(context.ledger.files.lose([file.item_id], context.states.now()))
    if deleted.count <= DELETED_NAMED or not isinstance(finding, Absent):
        await context.bus.emit(Notice(told, "warning"))
    return False


async def _put_aside(target: Target, relpath: str) -> str:
    """Move a changed file out of the way; return what is to be told of that."""
    try:
        kept = await anyio.to_thread.run_sync(target.put_aside, relpath)
    except FileInUse:  # `take_stock` finds it in the way
        return ", as soon as no other program has the changed file open"
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return ", and the changed file stays behind the link that leads to it"
    return f", and the changed file is kept as {kept}" if kept else ""


async def _adopt_one(context: RunContext, item: Item, place: Place, *, was_taken: bool) -> None:
    if place is Place.OURS or not was_taken:
        await _adopt(context, item, place)
    elif not context.overwrite or place is Place.UNUSABLE:
        await _leave_alone(context, item, "it stood here when an earlier run wanted to put the file here")


async def warn_of_space(context: RunContext) -> None:
    """Say early that it will not fit. Listed sizes are rounded, so this is no reason to refuse."""
    wanted, free = await context.ledger.files.nominal_left(context.run_id, context.target.free_bytes)
    context.counts.nominal_left, keep = wanted, context.config.download.min_free_bytes
    if wanted > free - keep and not context.config.select.cuts_bundles:  # else they go as soon as windows are cut
        text = f"about {size_text(wanted)} are still to come; {size_text(free)} are free on the disk, of which"
        text += f" min_free_bytes keeps {size_text(keep)}: the run stops before that, and continues later"
        context.bus.tell(Notice(text, "warning"))


async def take_name(context: RunContext, item: Item, name: str) -> Item | None:
    """Give a file the name that the server has told, and look at what lies there; None when the file is done with.

    As at the beginning of a run: a file that is here already is adopted, and one that cannot be proven is left alone.
    """
    named = await context.ledger.files.learn_name(item.item_id, name, context.states.now())
    if named is None:
        reason = f"the server calls it {name}, and another file of this folder has that name"
        await context.routes.fail(
            item, reason, "Keep them apart with a layout, or choose one of the two in [select] products."
        )
        return None
    (place,) = await anyio.to_thread.run_sync(_places, context.target, [named])
    if place is Place.FREE:
        return named
    await _adopt(context, named, place)
    return named if (await context.ledger.item(item.item_id)).state is State.ACTIVE else None


async def facts_of_named(context: RunContext, item: Item, part_names: Sequence[str]) -> Facts | None:
    """Return what a file shows that was given its final name by a process that is lost and could not say so.

    It is known by being the same file as one of these parts. None = it is not, or it cannot be proven.
    """
    if not part_names or is_planned(item.name) or context.target.is_far:
        return None
    wanted = [(item.relpath, name) for name in part_names]
    if Place.OURS not in await anyio.to_thread.run_sync(context.target.places, wanted):
        return None
    level = _level_of_ours(context)
    finding = await inspect_apart(context.target.read(item.relpath), item.name, weakest=Proof.LENGTH, level=level)
    return finding if isinstance(finding, Facts) else None


def _places(target: Target, files: Sequence[Item | Unrecorded]) -> list[Place]:
    """Return what stands under the final name of each file; for threads."""
    return target.places([(file.relpath, part_name(file.item_id, file.generation)) for file in files])


def _level_of_ours(context: RunContext) -> Proof:
    """Return what is to be proven of a file that came as it should, and was named by a process that is no more."""
    asked = Proof(context.config.download.proof)
    return Proof.CONTENT if asked.rank >= Proof.CONTENT.rank else Proof.STRUCTURE


async def _adopt(context: RunContext, item: Item, place: Place) -> None:
    """Prove what has a file's name: record it as that file, or leave it alone."""
    ours = place is Place.OURS
    weakest, level = (Proof.LENGTH, _level_of_ours(context)) if ours else (Proof.STRUCTURE, Proof.CONTENT)
    finding = await inspect_apart(context.target.read(item.relpath), item.name, weakest=weakest, level=level)
    if isinstance(finding, Facts) and not ours:
        doubt = why_not_adopted(item.name, finding, item.bytes_nominal)
        finding = Unproven(doubt) if doubt else finding
    match finding:
        case Facts():
            file = FinishedFile(
                item.item_id, item.relpath, finding.size_bytes, finding.sha256, finding.proof, finding.mtime_ns,
                finding.identity, adopted=not ours,
            )  # fmt: skip
            if await context.states.finish([(file, ours and item.system.startswith(PROXIED))]):
                await context.bus.emit(Skipped(item.relpath, f"found on disk and verified ({finding.proof})"))
        case Unproven(reason, in_use=True):
            await context.routes.fail(item, f"what has its name is {reason}", IN_USE_HINT, alone=True)
        case Unproven(reason) if not context.overwrite or place is Place.UNUSABLE:
            await _leave_alone(context, item, f"it is not recorded here and cannot be verified ({reason})")
        case Unproven() | Absent():
            pass


async def _leave_alone(context: RunContext, item: Item, why: str) -> None:
    """Fail a file because of what stands in its place, and remember that for later runs."""
    await context.ledger.files.note_stranger(item.relpath, context.states.now())
    await context.routes.fail(item, f"something is in the way: {why}; it was kept", IN_THE_WAY_HINT, alone=True)
