"""From the config to the scenes: by ids (`lookup`) or by filters (`scan`), and what to say of both."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio.to_thread
import msgspec

from landsat_async.config import Config
from landsat_async.errors import DatasetRefused, EndpointGone, RequestRefused, TooManyHits
from landsat_async.m2m.api_errors import NEWER
from landsat_async.m2m.client import M2MClient
from landsat_async.m2m.payloads import SCENE_SEARCH
from landsat_async.m2m.tolerant import FailedItem
from landsat_async.model import DroppedScene, Scene, Unavailable
from landsat_async.rules.datasets import facts_of
from landsat_async.rules.naming import shown
from landsat_async.rules.scene_ids import group_ids, read_scene_ids
from landsat_async.rules.shards import of_shard
from landsat_async.run.dataset_names import dataset_refused, refuse_other
from landsat_async.run.lookup import look_up
from landsat_async.run.scan import Scan
from landsat_async.run.scene_filter import FilterIds, SearchConfig, keep_named, keep_scenes, scene_filters
from landsat_async.value import Value

if TYPE_CHECKING:  # loads shapely, see run/scene_filter
    from landsat_async.rules.aoi import Aoi

log = logging.getLogger(__name__)

Fields: TypeAlias = dict[str, FilterIds]
"""Ids of filters by dataset."""


class Found(Value, frozen=True):
    """Result of a search."""

    scenes: list[Scene]
    """Each with the dataset that it was found in."""
    dropped: list[DroppedScene] = msgspec.field(default_factory=list)
    missing: list[Unavailable] = msgspec.field(default_factory=list)
    notes: tuple[str, ...] = ()
    """What the user should know: how large the area is and where, what was simplified, where ids were found."""
    warnings: tuple[str, ...] = ()
    """What is probably not meant."""


class UnreadableScenes:
    """Rows of a search that cannot be used: each is a scene that would be left out in silence."""

    def __init__(self) -> None:
        self._rows = 0
        self._first: FailedItem | None = None

    def note(self, row: FailedItem) -> None:
        """Count a row of an answer; rows of other calls are missed where they are needed."""
        if row.call == SCENE_SEARCH:
            self._rows += 1
            self._first = self._first or row
        else:
            log.warning("an answer of the service has a row that cannot be used: %s", row.message)

    def missing(self) -> list[Unavailable]:
        """What cannot be had because of them."""
        if self._first is None:
            return []
        name = f"scene {shown(self._first.entity_id)}" if self._first.entity_id else "a scene of the search"
        if self._rows > 1:
            name = f"{self._rows} scenes of the search"
        return [Unavailable(name, f"what the service says of it cannot be read ({self._first.message})", NEWER)]


async def find_scenes(
    config: Config,
    m2m: M2MClient,
    aoi: Aoi | None,
    *,
    ingested_since: dt.date | None = None,
    fields: Fields | None = None,
) -> Found:
    """Search as the config says.

    Args:
        config: What to search for.
        m2m: Where.
        aoi: As `read_aoi` gave it.
        ingested_since: Only what the service has got on this day or later; None = everything.
        fields: Ids of filters by dataset, as far as they are known; what has to be asked for is added.

    Raises:
        ConfigError: for an unknown dataset, with the nearest names.
        TooManyHits: nothing bounds the search.
    """
    found = await _find(config, m2m, aoi, ingested_since, {} if fields is None else fields)
    if config.shard is None:
        return found
    scenes, dropped, missing = of_shard(config.shard, found.scenes, found.dropped, found.missing)
    note = f"shard {config.shard}: {len(scenes)} of {len(found.scenes)} scenes"
    return msgspec.structs.replace(found, scenes=scenes, dropped=dropped, missing=missing, notes=(*found.notes, note))


async def _find(
    config: Config, m2m: M2MClient, aoi: Aoi | None, ingested_since: dt.date | None, fields: Fields
) -> Found:
    for dataset in config.search.datasets:
        await refuse_other(m2m, dataset)
    if config.search.scenes:
        return await _named_scenes(config, m2m)
    hits: list[Scene] = []
    warnings: list[str] = []
    for dataset in config.search.datasets:
        try:
            scan, doubt = await _scan(dataset, config, m2m, aoi, fields, ingested_since)
            hits += [msgspec.structs.replace(scene, dataset=dataset) for scene in await scan.hits()]
        except DatasetRefused as error:
            raise await dataset_refused(m2m, dataset, error) from None
        warnings += doubt
    hint = None
    if aoi is not None and not hits and ingested_since is None:
        hint = await _swapped(m2m, config.search.datasets[0], aoi)
    kept, dropped = await anyio.to_thread.run_sync(keep_scenes, hits, config.search, aoi)
    notes = () if aoi is None else (f"area: {aoi.place}", *aoi.notes)
    warnings += [] if aoi is None else aoi.warnings
    return Found(kept, dropped, [], (*notes, *filter(None, (hint,))), tuple(warnings))


async def finds_at_most(config: Config, m2m: M2MClient, aoi: Aoi | None, most: int) -> bool:
    """Whether `find_scenes` would look at no more than about `most` scenes; raises what it would raise at once."""
    if config.search.scenes:
        return len(config.search.scenes) <= most
    for dataset in config.search.datasets:
        try:
            scan, _ = await _scan(dataset, config, m2m, aoi, {})
            if not await scan.finds_at_most(most):
                return False
        except DatasetRefused as error:
            raise await dataset_refused(m2m, dataset, error) from None
    return True


async def _scan(
    dataset: str,
    config: Config,
    m2m: M2MClient,
    aoi: Aoi | None,
    known: Fields,
    ingested_since: dt.date | None = None,
) -> tuple[Scan, list[str]]:
    """The search of one dataset, and what it cannot be asked for."""
    fields = known[dataset] if dataset in known else await _fields(dataset, config.search, m2m)
    known[dataset] = fields
    filters = scene_filters(config.search, aoi, fields, ingested_since=ingested_since)
    doubts = []
    if config.search.day_night and not fields.day_night and _has_night(dataset):
        doubts.append(f"{dataset} cannot be searched for day or night: day_night is not applied to it")
    return Scan(m2m, dataset, config.search, aoi, filters), doubts


def _has_night(dataset: str) -> bool:
    facts = facts_of(dataset)
    return facts is None or facts.has_night


async def _named_scenes(config: Config, m2m: M2MClient) -> Found:
    """Look the ids up that decide alone."""
    requested = read_scene_ids(config.search.scenes)
    faults = [one.fault for one in requested if one.fault is not None]
    by_dataset, notes = group_ids(requested, config.search.datasets)
    try:
        scenes, missing = await look_up(m2m, by_dataset)
    except DatasetRefused as error:
        raise await dataset_refused(m2m, next(iter(by_dataset)), error) from None
    kept, dropped = await anyio.to_thread.run_sync(keep_named, scenes, config.search.scenes)
    return Found(kept, dropped, [*faults, *missing], notes)


async def read_window_area(config: Config, aoi: Aoi | None) -> Aoi | None:
    """The area that windows are cut to: that of the search, also where ids decide alone. Raises ConfigError."""
    search = config.search
    if config.select.window == "off" or aoi is not None:
        return aoi
    return await anyio.to_thread.run_sync(_load_area, search.aoi, search.bbox)


async def read_aoi(config: Config) -> Aoi | None:
    """The area of interest; None without one, and where ids decide alone.

    Needs no service, so it comes first. Raises ConfigError.
    """
    search = config.search
    if search.scenes or (search.aoi is None and search.bbox is None):
        return None
    return await anyio.to_thread.run_sync(_load_area, search.aoi, search.bbox)


def _load_area(path: str | None, bbox: tuple[float, float, float, float] | None) -> Aoi | None:
    from landsat_async.aoi_files import load_aoi
    from landsat_async.rules.aoi import aoi_from_bbox

    if path is not None:
        return load_aoi(path)
    return aoi_from_bbox(bbox) if bbox is not None else None


async def _swapped(m2m: M2MClient, dataset: str, aoi: Aoi) -> str | None:
    """What to say when coordinates are probably swapped: nothing ever lay here, and something lies there."""
    from landsat_async.rules.aoi import spatial_filters, swapped

    other = swapped(aoi)
    if other is None:
        return None
    for area, wanted in ((aoi, False), (other, True)):
        found = [await _any(m2m, dataset, {"spatialFilter": one}) for one in spatial_filters(area)]
        if any(found) is not wanted:
            return None
    return f"no scene was ever taken there; if {other.place} is meant, longitude has to come first"


async def _any(m2m: M2MClient, dataset: str, scene_filter: dict[str, Any]) -> bool:
    try:
        return bool([scene async for scene in m2m.scene_search(dataset, scene_filter, page_size=1, pages_max=1)])
    except TooManyHits:
        return True


async def _fields(dataset: str, search: SearchConfig, m2m: M2MClient) -> FilterIds:
    """Ids of the filters that this search can use, by their labels; they differ between datasets."""
    if not (search.path_row or search.tiles or search.day_night):
        return FilterIds()
    try:
        entries = await m2m.dataset_filters(dataset)
    except (EndpointGone, RequestRefused):
        return FilterIds()  # the exact filters on our side do not need them
    return FilterIds.by_label({entry.label.casefold(): entry.filter_id for entry in entries})
