"""The first step of a run: search, select, and say what will be fetched. Nothing is requested before that is done.

A selection is written to the ledger batch by batch, so memory does not grow with the number of scenes, and a run that
is killed here begins with what the ledger has already.
"""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING

from landsat_async.events import Failed, Notice, Planned
from landsat_async.model import Unavailable
from landsat_async.run import fallback
from landsat_async.run.context import RunContext
from landsat_async.run.offers import MissingFiles, choosing
from landsat_async.run.scene_cache import SceneCache
from landsat_async.run.search import Found, UnreadableScenes, find_scenes
from landsat_async.run.selection import Selection

if TYPE_CHECKING:  # loads shapely, see run/scene_filter
    from landsat_async.rules.aoi import Aoi
    from landsat_async.run.sync import Synchroniser

_SIZE = attrgetter("bytes_nominal")


async def prepare(
    context: RunContext, aoi: Aoi | None, unreadable: UnreadableScenes, sync: Synchroniser | None = None
) -> None:
    """Put every selected file into the ledger, and report what cannot be had.

    With `sync`, only what is new may be asked for, and what was here is part of the run as well.

    Raises:
        LandsatError: the search cannot be made, or the selection is unclear.
    """
    config, m2m = context.config, context.m2m
    if sync is None:
        found = await find_scenes(config, m2m, aoi)
    else:
        found = await find_scenes(config, m2m, aoi, ingested_since=sync.scope.since, fields=sync.fields)
    for note in found.notes:
        context.bus.tell(Notice(note))
    for warning in found.warnings:
        context.bus.tell(Notice(warning, "warning"))
    if sync is not None:
        found = await sync.narrowed(found)
    await context.ledger.scenes.remember(found.scenes, context.states.now())
    if context.measuring is not None:
        found = replace(found, scenes=await context.measuring.known_scenes(found.scenes))
    context.counts.scenes += len(found.scenes)
    missing_files = MissingFiles(context.config, had_all=sync is not None and sync.scope.since is not None)
    nominal, whole = await _select(context, found, missing_files)
    await context.ledger.reattach(context.run_id, context.states.now())
    context.states.load(await context.ledger.count(context.run_id))
    missing = [*unreadable.missing(), *found.missing, *missing_files.all()]
    if sync is not None:
        sync.note_gaps(missing)
    context.counts.unlisted = len(missing)
    in_whole = None if context.window is None else whole
    await context.bus.emit(Planned(context.counts.scenes, context.counts.files_total, nominal, in_whole))
    if not context.counts.scenes:
        context.bus.tell(Notice(_nothing_found(len(found.dropped), asked=bool(context.config.search.scenes))))
    await _report_missing(context, missing, missing_files)
    if context.measuring is not None:
        context.measuring.tell_begin()


async def _select(context: RunContext, found: Found, missing: MissingFiles) -> tuple[int, int]:
    """Choose the files of the scenes and put them into the run; returns about what comes, and as whole where cut."""
    config, ledger, nominal, whole = context.config, context.ledger, 0, 0
    cache = SceneCache(config, ledger, context.target, context.states.now, context.window)
    async with choosing(
        config, context.m2m, context.target, ledger, found.scenes, ledger.scenes, cache, context.window
    ) as selections:
        async for selection in selections:
            missing.add(selection)
            nominal += sum(filter(None, map(_SIZE, selection.files)))
            if context.window is not None:
                whole += sum(file.bytes_whole or file.bytes_nominal or 0 for file in selection.files)
            now, complete = context.states.now(), selection.complete
            if context.measuring is not None:
                await context.measuring.select(selection, cache.choice)
            else:
                await ledger.select(selection.files, context.run_id, now, complete=complete, choice=cache.choice)
            if config.select.may_replace_bundles:
                await _note_single_files(context, selection)
    return nominal, whole


async def _note_single_files(context: RunContext, selection: Selection) -> None:
    """Remember and report where single files come in place of bundles."""
    scenes = fallback.scenes_in_files(selection)
    if scenes:
        await context.ledger.scenes.note_replaced(scenes)
        context.bus.tell(fallback.notice_of(len(scenes), fallback.EARLIER))


async def _report_missing(context: RunContext, missing: list[Unavailable], files: MissingFiles) -> None:
    for one in missing:
        context.counts.failed(one)
        await context.bus.emit(Failed(one.file, one.reason, one.hint))
    for lack in files.left_out():
        await context.bus.emit(lack)


def _nothing_found(dropped: int, *, asked: bool) -> str:
    if asked:
        return "None of the scenes that were asked for can be had."
    if dropped:
        return f"No scene is left: {dropped} matched at the service and were dropped by the filters (see: plan)."
    return "No scene matches the search."
