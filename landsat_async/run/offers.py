"""From scenes to files: ask what the service offers, a batch of scenes at a time, and apply the selection."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Protocol, TypeAlias, TypeVar

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectSendStream

from landsat_async.config import Config
from landsat_async.disk.ledger import Ledger
from landsat_async.disk.target import Target
from landsat_async.errors import single_error
from landsat_async.events import LeftOut
from landsat_async.m2m.client import M2MClient
from landsat_async.m2m.replies import ProductOption
from landsat_async.model import Scene, Unavailable, WantedFile
from landsat_async.rules.bands import kinds_of_dataset, lacks, nearest_band, where_else
from landsat_async.rules.naming import layout_folder
from landsat_async.run.fallback import with_single_files
from landsat_async.run.order_only import with_orders
from landsat_async.run.scene_cache import SceneCache
from landsat_async.run.scene_lists import scene_list
from landsat_async.run.selection import Lacking, Selection, choose, qa_files
from landsat_async.run.windows import RunWindows, with_windows

SCENES_PER_CALL = 500
"""One scene costs about 50 KB of download-options (22 files under each of four rows)."""

_KIND = attrgetter("kind")

T = TypeVar("T")
_Offered: TypeAlias = tuple[Sequence[Scene], list[ProductOption]]
"""Scenes and what the service offers of them."""


def batches(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Cut a sequence into pieces of at most `size`."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


class EarlierRuns(Protocol):
    """What is known of earlier runs."""

    def replaced(self) -> Awaitable[frozenset[str]]:
        """Display ids of scenes whose bundle was given up for its single files and is not here."""

    def names_of(self, planned: Sequence[str]) -> Awaitable[dict[str, str]]:
        """The names that servers have given products, of those that go by these planned names."""

    def done_among(self, relpaths: Sequence[str]) -> Awaitable[list[WantedFile]]:
        """The files at these places that are proven."""


@asynccontextmanager
async def choosing(
    config: Config,
    m2m: M2MClient,
    target: Target,
    ledger: Ledger | None,
    scenes: Sequence[Scene],
    history: EarlierRuns,
    cached: SceneCache | None = None,
    windows: RunWindows | None = None,
) -> AsyncIterator[AsyncIterator[Selection]]:
    """Give an iterator over the selections for one batch of scenes after the other.

    The service is asked for the next batch while the caller works with the last; no more than that is held, so that
    memory does not grow with the number of scenes. It is not asked about scenes that are `cached`.
    """
    send, offered = anyio.create_memory_object_stream[_Offered | Selection](0)
    with single_error():
        async with anyio.create_task_group() as group:
            group.start_soon(_ask, config, m2m, ledger, scenes, cached, send)
            async with offered:
                yield _choose(config, m2m, target, offered, history, windows)
            group.cancel_scope.cancel()


async def _ask(
    config: Config,
    m2m: M2MClient,
    ledger: Ledger | None,
    scenes: Sequence[Scene],
    cached: SceneCache | None,
    send: MemoryObjectSendStream[_Offered | Selection],
) -> None:
    """Ask what the service offers for each batch."""
    by_group = config.select.type == "band_group"
    async with send:
        async for batch in _uncached(scenes, cached, send):
            dataset = batch[0].dataset
            async with scene_list(m2m, ledger, dataset, [scene.entity_id for scene in batch]) as list_id:
                options = await m2m.download_options(dataset, list_id=list_id, include_secondary_file_groups=by_group)
            await send.send((batch, options))


async def _uncached(
    scenes: Sequence[Scene], cached: SceneCache | None, send: MemoryObjectSendStream[_Offered | Selection]
) -> AsyncIterator[Sequence[Scene]]:
    """Yield the scenes to be asked about in batches of one dataset each; the files of the others are sent."""
    by_dataset: dict[str, list[Scene]] = {}
    for scene in scenes:
        by_dataset.setdefault(scene.dataset, []).append(scene)
    for own in by_dataset.values():
        waiting: list[Scene] = []
        for batch in batches(own, SCENES_PER_CALL):
            known = await cached.files_of(batch) if cached is not None else {}
            if known:
                await send.send(Selection(tuple(file for files in known.values() for file in files), ()))
            waiting += [scene for scene in batch if scene.display_id not in known]
            if len(waiting) >= SCENES_PER_CALL:
                yield waiting[:SCENES_PER_CALL]
                waiting = waiting[SCENES_PER_CALL:]
        if waiting:
            yield waiting


async def _choose(
    config: Config,
    m2m: M2MClient,
    target: Target,
    offered: AsyncIterable[_Offered | Selection],
    history: EarlierRuns,
    windows: RunWindows | None,
) -> AsyncIterator[Selection]:
    """Apply the selection to what is offered."""
    aliases: dict[str, str] = {}
    replaced = await history.replaced() if config.select.may_replace_bundles else frozenset[str]()
    async for one in offered:
        if isinstance(one, Selection):
            yield one
            continue
        batch, options = one
        whole = [scene for scene in batch if scene.display_id not in replaced]
        decide = partial(choose, whole, options, config.select, layout=config.download.layout)
        selection = await anyio.to_thread.run_sync(decide)
        selection = with_windows(selection, windows)
        selection = with_orders(selection, batch)
        if config.select.type == "band_group":
            files = [await _with_alias(m2m, file, aliases) for file in selection.files]
            selection = replace(selection, files=tuple(files))
        if "product" in map(_KIND, selection.files):  # the server names them
            selection = await _with_names(selection, history)
        if places := _places(selection, whole, config.download.layout):
            selection = _with_what_is_here(selection, await history.done_among(places))
        if config.select.may_replace_bundles:
            add = partial(with_single_files, selection, batch, options, config, replaced)
            selection = await anyio.to_thread.run_sync(add)
        if config.search.measures:
            selection = replace(selection, to_measure=await anyio.to_thread.run_sync(qa_files, whole, options))
        await anyio.to_thread.run_sync(target.check_names, [file.relpath for file in selection.files])
        yield selection


async def _with_names(selection: Selection, history: EarlierRuns) -> Selection:
    """Give products the names that an earlier link has told."""
    known = await history.names_of([file.name for file in selection.files])
    return replace(
        selection, files=tuple(replace(file, name=known.get(file.name, file.name)) for file in selection.files)
    )


def _places(selection: Selection, scenes: Sequence[Scene], layout: str) -> list[str]:
    """Where the files that cannot be had would lie, or lie already."""
    by_id = {scene.display_id: scene for scene in scenes}
    places = []
    for gap in selection.unavailable:
        stem = gap.file.removesuffix(".tar")
        while stem and stem not in by_id:
            stem = stem.rpartition("_")[0]
        if stem:
            folder = layout_folder(layout, by_id[stem])
            places.append(f"{folder}/{gap.file}" if folder else gap.file)
    return places


def _with_what_is_here(selection: Selection, here: Sequence[WantedFile]) -> Selection:
    """What the service does not offer now is no gap if it has been fetched already."""
    names = {file.name for file in here}
    gaps = tuple(gap for gap in selection.unavailable if gap.file not in names)
    return replace(selection, files=(*selection.files, *here), unavailable=gaps)


async def _with_alias(m2m: M2MClient, file: WantedFile, aliases: dict[str, str]) -> WantedFile:
    """Replace the id of the secondary dataset by its alias, which dataGroups needs."""
    dataset_id = file.group_dataset
    if dataset_id is None:
        return file
    if dataset_id not in aliases:
        aliases[dataset_id] = (await m2m.dataset(dataset_id=dataset_id)).alias
    return replace(file, group_dataset=aliases[dataset_id])


def _asked_for(config: Config) -> tuple[str, Sequence[str]]:
    """What is asked for by name, and the names."""
    select = config.select
    if select.type == "product":
        return "product", select.products
    return (
        ("band", select.bands) if select.type == "band" or select.cuts_bundles else ("file group", select.file_groups)
    )


class MissingFiles:
    """Collects what was selected and cannot be had, across batches of scenes.

    Args:
        config: What was selected.
        had_all: Scenes that are not in the batches have every band and file group.
    """

    def __init__(self, config: Config, *, had_all: bool = False) -> None:
        self._kind, asked = _asked_for(config)
        self._nowhere = set() if had_all else set(asked)
        """Bands or groups that no batch so far has had."""
        self._datasets = config.search.datasets
        self._lacking: dict[tuple[str, str], Lacking] = {}
        self._named: list[Unavailable] = []
        self._any = False

    def add(self, selection: Selection) -> None:
        """Note the gaps of one batch."""
        self._any = True
        self._nowhere &= set(selection.unmatched_bands)
        self._named += selection.unavailable
        for more in selection.lacking:
            key = more.name, more.sensor
            known = self._lacking.setdefault(key, replace(more, scenes=0))
            self._lacking[key] = replace(known, scenes=known.scenes + more.scenes)

    def all(self) -> list[Unavailable]:
        """Everything that cannot be had; a band is missing only if no batch has it."""
        if not self._any:
            return []
        return [*self._named, *(self._nowhere_gap(name) for name in sorted(self._gone()))]

    def left_out(self) -> list[LeftOut]:
        """Bands that some scenes or sensors have and others lack, by name: no failure, and never silent."""
        reason, gone = f"these scenes have no such {self._kind}", self._gone()
        return [
            LeftOut(lack.name, f"{sensor} has no such band" if sensor else reason, lack.scenes, lack.example)
            for (name, sensor), lack in sorted(self._lacking.items())
            if name not in gone
        ]

    def _gone(self) -> set[str]:
        """What no scene has, but for bands of a sensor of the search that no scene is of."""
        return {name for name in self._nowhere if not self._of_another_sensor(name)}

    def _of_another_sensor(self, name: str) -> bool:
        lacking = [sensor for other, sensor in self._lacking if other == name]
        return bool(lacking) and all(lacking) and not self._impossible(name)

    def _impossible(self, name: str) -> bool:
        """Whether no sensor of the datasets can have a band."""
        kinds = [kind for dataset in self._datasets for kind in kinds_of_dataset(dataset)]
        return self._kind == "band" and bool(kinds) and all(lacks(name, kind) for kind in kinds)

    def _nowhere_gap(self, name: str) -> Unavailable:
        if self._impossible(name):
            reason = f"no sensor of {', '.join(self._datasets)} has this band"
            elsewhere = where_else(name, self._datasets)
            found = f"It is a band of {', '.join(elsewhere)}. " if elsewhere else ""
            return Unavailable(name, reason, found + self._nearest(name))
        lack = next((lack for (other, _), lack in self._lacking.items() if other == name), None)
        spelling = self._nearest(name) if self._kind == "band" else "Check the spelling."
        hint = f"{spelling} {lack.example} {lack.known.removeprefix('It ')}" if lack else spelling
        return Unavailable(name, f"no scene of the search has this {self._kind}", hint)

    def _nearest(self, name: str) -> str:
        """The name that was likely meant."""
        kinds = [kind for dataset in self._datasets for kind in kinds_of_dataset(dataset)]
        near = nearest_band(name, kinds)
        if near is not None and near.casefold() != name.casefold():
            return f"Check the spelling: the nearest name is {near}."
        return "Check the spelling."
