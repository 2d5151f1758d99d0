"""Looks up the scenes that the user named: few calls in an archive of any size, by the ways of `run.lookup_plan`."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

import msgspec

from landsat_async.errors import DatasetRefused, EndpointGone, RequestRefused, TooManyHits
from landsat_async.m2m.client import M2MClient
from landsat_async.model import Scene, Unavailable
from landsat_async.rules.scene_ids import RequestedId, missing_ids
from landsat_async.run.lookup_plan import (
    IDS_PER_SEARCH,
    IdFields,
    budget,
    by_day,
    day_filter,
    id_filter,
    kept_for_lists,
)
from landsat_async.run.scene_lists import scene_list

log = logging.getLogger(__name__)

PAGE_ROWS = 1000
DAY_ROWS = 5000
"""A whole day of the largest dataset has about 1,500 scenes."""
_NOT_SO = (RequestRefused, EndpointGone, TooManyHits)
"""The service does not take this way; another one may work."""


class _Dataset(msgspec.Struct):
    """The ids of one dataset, and what was found of them."""

    name: str
    requested: list[RequestedId]
    fields: IdFields = msgspec.field(default_factory=lambda: IdFields({}))
    found: dict[str, Scene] = msgspec.field(default_factory=dict)
    """By display id; only what was requested."""
    seen: dict[str, Scene] = msgspec.field(default_factory=dict)
    """By display id; what else the service showed."""
    refused: DatasetRefused | None = None

    def take(self, scenes: Iterable[Scene]) -> None:
        names = {one.name for one in self.requested}
        for scene in scenes:
            here = replace(scene, dataset=self.name)
            wanted = {scene.entity_id.upper(), scene.display_id.upper()} & names
            (self.found if wanted else self.seen)[scene.display_id] = here

    @property
    def missing(self) -> list[RequestedId]:
        names = {name for s in self.found.values() for name in (s.entity_id.upper(), s.display_id.upper())}
        return [one for one in self.requested if one.name not in names]


async def look_up(m2m: M2MClient, by_dataset: dict[str, list[RequestedId]]) -> tuple[list[Scene], list[Unavailable]]:
    """Find the ids of each dataset; return the scenes, all versions that have the ids, and what is not there.

    Raises:
        DatasetRefused: when there is only one dataset, and it is refused.
    """
    datasets = [_Dataset(name, requested) for name, requested in by_dataset.items()]
    look = _LookUp(m2m, budget(sum(len(one.requested) for one in datasets), len(datasets)), datasets)
    for one in datasets:
        try:
            await look.by_id(one)
        except DatasetRefused as error:
            if len(datasets) == 1:
                raise
            one.refused = error
    for one in datasets:
        if one.refused is None:
            await look.otherwise(one)
    scenes = [scene for one in datasets for scene in one.found.values()]
    return scenes, [gap for one in datasets for gap in _gaps(one)]


def _gaps(dataset: _Dataset) -> list[Unavailable]:
    if dataset.refused is not None:
        reason = f"its dataset, {dataset.name}, is refused: {dataset.refused}"
        return [Unavailable(one.written, reason, dataset.refused.hint) for one in dataset.requested]
    found, seen = list(dataset.found.values()), list(dataset.seen.values())
    return missing_ids(dataset.requested, found, seen, dataset.name)


class _LookUp:
    def __init__(self, m2m: M2MClient, budget: int, datasets: Sequence[_Dataset]) -> None:
        self._m2m, self._datasets = m2m, datasets
        self._budget, self._used = budget, 0

    @property
    def _left(self) -> int:
        return self._budget - self._used - kept_for_lists(len(one.found) for one in self._datasets)

    async def by_id(self, dataset: _Dataset) -> None:
        """Ask for the ids by the fields that hold them."""
        try:
            entries = await self._m2m.dataset_filters(dataset.name)
        except (EndpointGone, RequestRefused):
            return
        dataset.fields = IdFields({entry.label.casefold(): entry.filter_id for entry in entries})
        requested = [one for one in dataset.requested if dataset.fields.field_of(one) is not None]
        for start in range(0, len(requested), IDS_PER_SEARCH):
            batch = requested[start : start + IDS_PER_SEARCH]
            if not await self._search(dataset, id_filter(batch, dataset.fields), PAGE_ROWS):
                return

    async def otherwise(self, dataset: _Dataset) -> None:
        """Look for what is still missing as far as the budget goes."""
        days = by_day(dataset.missing)
        if len(days) > max(1, self._left) and not dataset.found:
            await self._by_list(dataset)
            days = by_day(dataset.missing)
        for day, requested in days.items():
            if self._left < 1:
                break
            await self._by_day(dataset, day, requested)
        if any(one.key is None for one in dataset.missing) and self._left >= 2:
            await self._by_list(dataset)

    async def _by_day(self, dataset: _Dataset, day: dt.date, requested: Sequence[RequestedId]) -> None:
        if dataset.fields.path_row is not None:
            if await self._search(dataset, day_filter(day, requested, dataset.fields), PAGE_ROWS):
                return
            dataset.fields = IdFields({})  # not taken: whole days from now on
        if self._left >= 1:
            await self._search(dataset, day_filter(day, requested, dataset.fields), DAY_ROWS)

    async def _search(self, dataset: _Dataset, scene_filter: dict[str, object], rows: int) -> bool:
        """One page of a search; False when the service does not take it."""
        self._used += 1
        search = self._m2m.scene_search(dataset.name, scene_filter, page_size=rows, pages_max=1)
        try:
            dataset.take([scene async for scene in search])
        except _NOT_SO as error:
            log.warning("ids cannot be looked up like this: %s", error)
            return False
        return True

    async def _by_list(self, dataset: _Dataset) -> None:
        """Let the service resolve the ids by way of a list."""
        named = [one.sent for one in dataset.missing if one.product is not None and one.key is not None]
        others = [one.sent for one in dataset.missing if one.sent not in named]
        kinds = [(field, ids) for field, ids in (("entityId", others), ("displayId", named)) if ids]
        self._used += len(kinds) + 1
        try:
            (id_field, ids), *more = kinds
            async with scene_list(self._m2m, None, dataset.name, ids, id_field) as list_id:
                for id_field, ids in more:
                    await self._m2m.scene_list_add(list_id, dataset.name, ids, id_field=id_field)
                dataset.take(await self._m2m.scene_metadata_list(list_id, dataset.name))
        except _NOT_SO as error:
            log.warning("ids cannot be looked up by a list: %s", error)
