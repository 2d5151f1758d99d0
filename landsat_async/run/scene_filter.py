"""Which scenes: the filters that the service applies, and the same ones again, exactly, on what it answers.

The service compares by day, counts unknown cloud cover by rules nobody has written down, knows no minimum
coverage and returns neighbours near ±180°. So its filters are only ever used to ask for less; `keep_scenes`
decides, and gives every scene that it leaves out a reason with the measured value.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from landsat_async.config_tables import SearchConfig
from landsat_async.model import DroppedScene, Scene
from landsat_async.rules.product_id import ProductId, parse_product_id, parse_scene_key

if TYPE_CHECKING:  # loads shapely, which takes longer than all else; without an area nobody needs it
    from landsat_async.rules.aoi import Aoi

__all__ = [
    "FilterIds", "ProductId", "SearchConfig", "acquired_day", "halve", "keep_named", "keep_scenes",
    "parse_product_id", "scene_filters", "within",
]  # fmt: skip

FIRST_DAY = dt.date(1972, 7, 23)
"""Launch of Landsat 1; stands for "no start"."""
LAST_DAY = dt.date(2099, 12, 31)
"""Stands for "no end"."""
PAIRS_MAX = 40
"""So many paths and rows are sent one by one; more are sent as their span."""


class FilterIds(msgspec.Struct, frozen=True):
    """Filter ids of one dataset, found by the field labels of `dataset-filters`; what it lacks is None.

    An id of another dataset gives no results and no error, so they are never written down in code.
    """

    path_row: tuple[str, str] | None = None
    tile: tuple[str, str, str] | None = None
    """Of region, horizontal and vertical number."""
    day_night: str | None = None

    @classmethod
    def by_label(cls, labels: Mapping[str, str]) -> FilterIds:
        """Find them by labels in small letters."""
        path, row = labels.get("wrs path"), labels.get("wrs row")
        region, horizontal, vertical = (
            labels.get(f"tile grid {what}") for what in ("region", "horizontal", "vertical")
        )
        return cls(
            (path, row) if path and row else None,
            (region, horizontal, vertical) if region and horizontal and vertical else None,
            labels.get("day/night indicator"),
        )


def scene_filters(
    search: SearchConfig,
    aoi: Aoi | None,
    filter_ids: FilterIds = FilterIds(),
    *,
    ingested_since: dt.date | None = None,
) -> list[dict[str, Any]]:
    """Build the sceneFilter objects of a search; each is a search of its own, their results may overlap.

    Not for `search.scenes`: `run.lookup_plan` has the filters for ids.
    """
    common: dict[str, Any] = {}
    if search.start or search.end:
        common["acquisitionFilter"] = _days(search.start or FIRST_DAY, search.end or LAST_DAY)
    if ingested_since is not None:
        common["ingestFilter"] = _days(ingested_since, LAST_DAY)
    if search.cloud_cover:
        low, high = search.cloud_cover
        unknown = search.include_unknown_cloud
        common["cloudCoverFilter"] = {"min": math.floor(low), "max": math.ceil(high), "includeUnknown": unknown}
    if search.months:
        common["seasonalFilter"] = list(search.months)
    if metadata := _metadata_filters(search, filter_ids):
        common["metadataFilter"] = metadata[0] if len(metadata) == 1 else _all_of(metadata)
    if aoi is None:
        return [common]
    from landsat_async.rules.aoi import spatial_filters

    return [{**common, "spatialFilter": spatial} for spatial in spatial_filters(aoi)]


def halve(scene_filter: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Split a search with too many hits into two by date; None when it is down to a single day."""
    days = scene_filter.get("acquisitionFilter") or _days(FIRST_DAY, LAST_DAY)
    start, end = dt.date.fromisoformat(days["start"]), dt.date.fromisoformat(days["end"])
    if start >= end:
        return None
    middle = start + (end - start) // 2
    early, late = _days(start, middle), _days(middle + dt.timedelta(days=1), end)
    return {**scene_filter, "acquisitionFilter": early}, {**scene_filter, "acquisitionFilter": late}


def within(scene_filter: dict[str, Any], start: dt.date, end: dt.date) -> dict[str, Any]:
    """The same search for these days only."""
    return {**scene_filter, "acquisitionFilter": _days(start, end)}


def keep_scenes(
    scenes: Sequence[Scene], search: SearchConfig, aoi: Aoi | None
) -> tuple[list[Scene], list[DroppedScene]]:
    """Apply every filter exactly; of several versions of a scene the newest stays.

    Returns:
        The kept scenes, coverage filled in, by date, path, row and id; and the others, each with the reason.
    """
    unique = list({(scene.entity_id, scene.display_id): scene for scene in scenes}.values())
    dropped: list[DroppedScene] = []
    unique = _without(unique, lambda scene: _wrong_tier(scene, search), dropped)
    unique = _newest(unique, dropped, named=frozenset())
    unique = _without(unique, lambda scene: _filtered(scene, search), dropped)
    kept = _measured(_inside(unique, aoi, dropped), aoi)
    kept = _without(kept, lambda scene: _too_little(scene, search), dropped)
    if search.limit and len(kept) > search.limit:
        kept.sort(key=_order)
        kept.sort(key=_PREFERENCE[search.order])
        which = f"beyond limit = {search.limit}, {search.order.replace('_', ' ')} first"
        dropped += [DroppedScene(scene, which) for scene in kept[search.limit :]]
        kept = kept[: search.limit]
    kept.sort(key=_order)
    return kept, dropped


def keep_named(scenes: Iterable[Scene], names: Iterable[str]) -> tuple[list[Scene], list[DroppedScene]]:
    """Keep the scenes that the user named: no other filter counts.

    An entity id stands for the newest version of its scene, a display id for exactly that version.
    """
    wanted = {name.strip().upper() for name in names}
    unique = {(scene.entity_id, scene.display_id): scene for scene in scenes}.values()
    named = [scene for scene in unique if {scene.entity_id.upper(), scene.display_id.upper()} & wanted]
    dropped: list[DroppedScene] = []
    kept = _newest(named, dropped, named=wanted)
    kept.sort(key=_order)
    return kept, dropped


def acquired_day(scene: Scene) -> dt.date | None:
    """The day a scene was acquired, as the service or the id tells it."""
    if scene.acquired:
        try:
            return dt.date.fromisoformat(scene.acquired[:10])
        except ValueError:
            pass
    product = parse_product_id(scene.display_id)
    key = None if product else parse_scene_key(scene.entity_id)
    return product.acquired if product else key.acquired if key else None


def _days(start: dt.date, end: dt.date) -> dict[str, str]:
    return {"start": start.isoformat(), "end": end.isoformat()}


def _between(filter_id: str, low: int, high: int) -> dict[str, Any]:
    return {"filterType": "between", "filterId": filter_id, "firstValue": low, "secondValue": high}


def _metadata_filters(search: SearchConfig, ids: FilterIds) -> list[dict[str, Any]]:
    """What can be asked for by the fields of the dataset."""
    filters = []
    if search.path_row and ids.path_row:
        filters.append(path_row_filter(search.path_row, ids.path_row))
    if search.tiles and ids.tile:
        filters.append(_tile_filter(search.tiles, ids.tile))
    if search.day_night and ids.day_night:
        filters.append({"filterType": "value", "filterId": ids.day_night, "value": search.day_night.upper()})
    return filters


def _all_of(filters: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"filterType": "and", "childFilters": list(filters)}


def _tile_filter(tiles: Sequence[tuple[str, int, int]], ids: tuple[str, str, str]) -> dict[str, Any]:
    """Each tile, or where there are many the span of each region."""
    spans = [(region, across, across, down, down) for region, across, down in tiles]
    if len(spans) > PAIRS_MAX // 2:
        regions: dict[str, list[tuple[int, int]]] = {}
        for region, across, down in tiles:
            regions.setdefault(region, []).append((across, down))
        spans = []
        for region, own in regions.items():
            across_all, down_all = zip(*own, strict=True)
            spans.append((region, min(across_all), max(across_all), min(down_all), max(down_all)))
    each = [
        _all_of(
            [
                {"filterType": "value", "filterId": ids[0], "value": region},
                _between(ids[1], west, east),
                _between(ids[2], north, south),
            ]
        )
        for region, west, east, north, south in spans
    ]
    return one_of(each)


def one_of(filters: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the metadata filter that lets through what one of these does."""
    return filters[0] if len(filters) == 1 else {"filterType": "or", "childFilters": list(filters)}


def path_row_filter(pairs: Sequence[tuple[int, int]], ids: tuple[str, str]) -> dict[str, Any]:
    """Return the metadata filter of these paths and rows; where they are many, of their span."""
    spans = [(path, path, row, row) for path, row in pairs]
    if len(pairs) > PAIRS_MAX:
        paths, rows = zip(*pairs, strict=True)
        spans = [(min(paths), max(paths), min(rows), max(rows))]
    return one_of(
        [_all_of([_between(ids[0], west, east), _between(ids[1], north, south)]) for west, east, north, south in spans]
    )


def _without(
    scenes: Iterable[Scene], reason_for: Callable[[Scene], str | None], dropped: list[DroppedScene]
) -> list[Scene]:
    kept = []
    for scene in scenes:
        reason = reason_for(scene)
        if reason is None:
            kept.append(scene)
        else:
            dropped.append(DroppedScene(scene, reason))
    return kept


def _wrong_tier(scene: Scene, search: SearchConfig) -> str | None:
    if not search.tiers:
        return None
    product = parse_product_id(scene.display_id)
    tier = product.tier if product else None
    return None if tier in search.tiers else f"tier {tier or 'unknown'} is not one of {', '.join(search.tiers)}"


def _filtered(scene: Scene, search: SearchConfig) -> str | None:
    day = acquired_day(scene)
    if day is not None:
        if search.start and day < search.start:
            return f"acquired {day}, before start = {search.start}"
        if search.end and day > search.end:
            return f"acquired {day}, after end = {search.end}"
        if search.months and day.month not in search.months:
            return f"acquired in month {day.month}, not in months = {list(search.months)}"
    return _wrong_place(scene, search) or _cloudy(scene, search)


def _wrong_place(scene: Scene, search: SearchConfig) -> str | None:
    product = parse_product_id(scene.display_id)
    if product is not None and search.satellites and int(product.sensor[2:]) not in search.satellites:
        return f"Landsat {int(product.sensor[2:])} is not in satellites = {list(search.satellites)}"
    if search.tiles and (product is None or product.region is None) and not search.path_row:
        return "it is not a tile, which tiles asks for"
    if search.tiles and product is not None and product.region is not None:
        tile = (product.region, product.path, product.row)
        inside = tile in search.tiles
        return None if inside else f"tile {tile[0]}/{tile[1]:03d}{tile[2]:03d} is not in tiles"
    if not search.path_row:
        return None
    key = parse_scene_key(scene.display_id) or parse_scene_key(scene.entity_id)
    if key is None:
        return "its id tells no WRS path and row, which path_row asks for"
    inside = (key.path, key.row) in search.path_row
    return None if inside else f"path/row {key.path:03d}/{key.row:03d} is not in path_row"


def _cloudy(scene: Scene, search: SearchConfig) -> str | None:
    if search.cloud_cover is None:
        return None
    low, high = search.cloud_cover
    if scene.cloud_cover is None or scene.cloud_cover < 0:
        return None if search.include_unknown_cloud else "cloud cover unknown (include_unknown_cloud = false)"
    inside = low <= scene.cloud_cover <= high
    return None if inside else f"cloud cover {scene.cloud_cover:g} % is not in {low:g} to {high:g} %"


def _too_little(scene: Scene, search: SearchConfig) -> str | None:
    """A scene whose footprint is unknown is kept: nothing speaks against it."""
    if scene.coverage is None or scene.coverage >= search.min_coverage:
        return None
    return f"covers {scene.coverage:.1%} of the area, less than min_coverage = {search.min_coverage:.1%}"


def _inside(scenes: list[Scene], aoi: Aoi | None, dropped: list[DroppedScene]) -> list[Scene]:
    if aoi is None:
        return scenes
    from landsat_async.rules.aoi import intersects

    meets = intersects(aoi, [scene.footprint for scene in scenes])
    outside = [scene for scene, inside in zip(scenes, meets, strict=True) if not inside]
    dropped += [DroppedScene(scene, "its footprint does not reach the area of interest") for scene in outside]
    return [scene for scene, inside in zip(scenes, meets, strict=True) if inside]


def _measured(scenes: list[Scene], aoi: Aoi | None) -> list[Scene]:
    if aoi is None:
        return scenes
    from landsat_async.rules.aoi import coverages

    shares = coverages(aoi, [scene.footprint for scene in scenes])
    return [replace(scene, coverage=share) for scene, share in zip(scenes, shares, strict=True)]


def _newest(scenes: list[Scene], dropped: list[DroppedScene], *, named: Iterable[str]) -> list[Scene]:
    """Keep the newest version of each scene, and versions that the user named by display id (in capitals).

    The newest is the one processed last: a scene first comes as RT, then as T1 or T2, and may be reprocessed
    later; the tier decides only between versions of one day.
    """
    names = set(named)
    products = {scene.display_id: parse_product_id(scene.display_id) for scene in scenes}
    best: dict[tuple[object, ...], tuple[tuple[object, ...], Scene]] = {}
    for scene in scenes:
        product = products[scene.display_id]
        if product is not None:
            rank = (product.processed, product.tier != "RT", scene.display_id)
            if product.version_key not in best or rank > best[product.version_key][0]:
                best[product.version_key] = (rank, scene)

    def superseded(scene: Scene) -> str | None:
        product = products[scene.display_id]
        if product is None or scene.display_id.upper() in names:
            return None
        winner = best[product.version_key][1]
        return None if winner is scene else f"superseded by {winner.display_id}"

    return _without(scenes, superseded, dropped)


def _order(scene: Scene) -> tuple[str, int, int, str]:
    day, key = acquired_day(scene), parse_scene_key(scene.display_id) or parse_scene_key(scene.entity_id)
    return day.isoformat() if day else "", key.path if key else 0, key.row if key else 0, scene.display_id


def _age(scene: Scene) -> int:
    day = acquired_day(scene)
    return -day.toordinal() if day else 0


_PREFERENCE: dict[str, Callable[[Scene], tuple[float, int]]] = {
    "newest": lambda scene: (0.0, _age(scene)),
    "oldest": lambda scene: (0.0, -_age(scene)),
    "least_cloud": lambda scene: (101.0 if scene.cloud_cover is None else scene.cloud_cover, _age(scene)),
}
"""What comes first where a limit leaves room for some only; a scene without a day or cloud cover comes last."""
