"""From the config to the scenes: every page, split where the service hands out no more, nothing twice."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from landsat_async.config import Config
from landsat_async.errors import ConfigError, DatasetRefused, EndpointGone, RequestRefused, TooManyHits
from landsat_async.m2m.client import M2MClient
from landsat_async.m2m.faults import NEWER
from landsat_async.m2m.replies import FailedItem
from landsat_async.model import DroppedScene, Scene, Unavailable
from landsat_async.rules.naming import shown
from landsat_async.rules.scenes import (
    PathRowFilterIds,
    halve,
    keep_scenes,
    missing_scenes,
    scene_filters,
)

if TYPE_CHECKING:  # loads shapely, see rules/scenes
    from landsat_async.rules.aoi import Aoi

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """Result of a search."""

    dataset: str
    scenes: list[Scene]
    dropped: list[DroppedScene] = field(default_factory=list)
    missing: list[Unavailable] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    """What the user should know of the area: how large it is and where, what was simplified."""


class Unreadable:
    """Rows of a search that cannot be used: each is a scene that would be left out in silence."""

    def __init__(self) -> None:
        self._rows = 0
        self._first: FailedItem | None = None

    def note(self, row: FailedItem) -> None:
        """Take what the client says of a row of an answer; rows of other calls are missed by whoever needs them."""
        if row.message.startswith("scene-search"):
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


async def find_scenes(config: Config, m2m: M2MClient, aoi: Aoi | None) -> Found:
    """Search as the config says; `aoi` as `read_aoi` gave it.

    Raises ConfigError for an unknown dataset, with the nearest names.
    """
    search = config.search
    dataset = search.dataset
    assert dataset is not None  # the config has checked or derived it
    try:
        filters = scene_filters(search, aoi, await _path_row(config, m2m))
        hits = await _all_hits(m2m, dataset, filters)
    except DatasetRefused as error:
        raise await _unknown_dataset(m2m, dataset, error) from None
    kept, dropped = await anyio.to_thread.run_sync(keep_scenes, hits, search, aoi)
    missing = await anyio.to_thread.run_sync(missing_scenes, search.scenes, hits) if search.scenes else []
    return Found(dataset, kept, dropped, missing, _notes(aoi, hits))


async def read_aoi(config: Config) -> Aoi | None:
    """The area of interest; None without one. Needs no service, so it comes first. Raises ConfigError."""
    search = config.search
    if search.aoi is None and search.bbox is None:
        return None
    return await anyio.to_thread.run_sync(_load_area, search.aoi, search.bbox)


def _load_area(path: str | None, bbox: tuple[float, float, float, float] | None) -> Aoi | None:
    from landsat_async.aoi_files import load_aoi
    from landsat_async.rules.aoi import aoi_from_bbox

    if path is not None:
        return load_aoi(path)
    return aoi_from_bbox(bbox) if bbox is not None else None


def _notes(aoi: Aoi | None, hits: Sequence[Scene]) -> tuple[str, ...]:
    if aoi is None:
        return ()
    from landsat_async.rules.aoi import swapped_place

    swapped = swapped_place(aoi) if not hits else None
    hint = (f"nothing lies there; if {swapped} is meant, longitude has to come first",) if swapped else ()
    return (f"area: {aoi.place}", *aoi.notes, *hint)


async def _all_hits(m2m: M2MClient, dataset: str, filters: Sequence[dict[str, Any]]) -> list[Scene]:
    """Run one search for each filter, halving by date what has too many hits."""
    found: dict[tuple[str, str], Scene] = {}
    todo = list(reversed(filters))
    while todo:
        scene_filter = todo.pop()
        try:
            async for scene in m2m.scene_search(dataset, scene_filter):
                found[scene.entity_id, scene.display_id] = scene
        except (TooManyHits, RequestRefused) as error:
            # A search that fails each time while the service lives is too large for it as well.
            splits = isinstance(error, TooManyHits) or error.reference == "fails-each-time"
            halves = halve(scene_filter) if splits else None
            if halves is None:
                raise
            todo += reversed(halves)
    return list(found.values())


async def _path_row(config: Config, m2m: M2MClient) -> PathRowFilterIds | None:
    """Ids of the path and row filters, by their labels; they differ between datasets."""
    search = config.search
    if search.dataset is None or not (search.path_row or search.scenes):
        return None
    try:
        entries = await m2m.dataset_filters(search.dataset)
    except (EndpointGone, RequestRefused):
        return None  # the exact filter on our side does not need them
    labels = {entry.label.casefold(): entry.filter_id for entry in entries}
    path, row = labels.get("wrs path"), labels.get("wrs row")
    return PathRowFilterIds(path, row) if path and row else None


async def _unknown_dataset(m2m: M2MClient, dataset: str, error: DatasetRefused) -> ConfigError:
    aliases = [entry.alias for entry in await m2m.dataset_search()]
    if dataset in aliases:
        return ConfigError(str(error), hint=error.hint, reference="dataset")
    near = difflib.get_close_matches(dataset, aliases, 3, 0.5) or [a for a in aliases if a.startswith("landsat_")][:8]
    return ConfigError(
        f"search.dataset: USGS knows no dataset {dataset!r}.",
        hint=f"Nearest names: {', '.join(near)}. All names: landsat-async datasets",
        reference="dataset",
    )
