"""How ids are looked up: with few calls whatever the size of the archive, and by ways of which one works.

1. By the id fields of the dataset, a hundred ids to a search (recorded from the live service).
2. By place and day, which an id tells: one search a day. It finds the other versions of a scene too, so it also tells
   what was meant by an id that does not exist.
3. By a scene list at the service (documented only).

What can be spent is bounded by `budget`; the first way is always taken.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from landsat_async.rules.scene_ids import RequestedId
from landsat_async.run.scene_filter import PAIRS_MAX, one_of, path_row_filter

IDS_PER_SEARCH = 100
IDS_PER_LOOKUP = 50
LOOKUPS_MIN = 4
SCENES_PER_LIST = 500
"""For so many scenes a list is made when the files are chosen: that is a look-up too."""


class IdFields(msgspec.Struct, frozen=True):
    """Filter ids of one dataset by what they hold; they differ between datasets, so they are found by their labels."""

    by_label: Mapping[str, str]
    """Label in small letters -> filter id."""

    def field_of(self, requested: RequestedId) -> str | None:
        """Return the field that an id stands in; None where the dataset has none that we know."""
        if requested.product is None:
            return self.by_label.get("landsat scene identifier") if requested.key is not None else None
        level = re.sub(r"\D", "", requested.product.level)[:1]
        return self.by_label.get(f"landsat product identifier l{level}") or self.by_label.get("tile identifier")

    @property
    def path_row(self) -> tuple[str, str] | None:
        """The fields of path and row."""
        path, row = self.by_label.get("wrs path"), self.by_label.get("wrs row")
        return (path, row) if path and row else None


def budget(ids: int, datasets: int) -> int:
    """How many look-ups a list of ids may cost: four, or one for every fifty ids; two for each of many datasets."""
    return max(LOOKUPS_MIN, -(-ids // IDS_PER_LOOKUP), 2 * datasets)


def kept_for_lists(scenes: Iterable[int]) -> int:
    """How many look-ups the choice of files will need, from the number of scenes found in each dataset."""
    return sum(-(-count // SCENES_PER_LIST) for count in scenes)


def id_filter(requested: Sequence[RequestedId], fields: IdFields) -> dict[str, Any]:
    """The sceneFilter that finds these ids, which all have a field."""
    children = [
        {"filterType": "value", "filterId": fields.field_of(one), "value": one.name, "operand": "="}
        for one in requested
    ]
    return {"metadataFilter": one_of(children)}


def by_day(requested: Iterable[RequestedId]) -> dict[dt.date, list[RequestedId]]:
    """The ids that tell place and day, by day."""
    days: dict[dt.date, list[RequestedId]] = {}
    for one in requested:
        if one.key is not None:
            days.setdefault(one.key.acquired, []).append(one)
    return days


def day_filter(day: dt.date, requested: Sequence[RequestedId], fields: IdFields) -> dict[str, Any]:
    """The sceneFilter for the places of these ids on one day; the whole day where places cannot be asked for."""
    days = {"start": day.isoformat(), "end": (day + dt.timedelta(days=1)).isoformat()}  # should the end be exclusive
    scene_filter: dict[str, Any] = {"acquisitionFilter": days}
    places = sorted({(one.key.path, one.key.row) for one in requested if one.key is not None})
    if fields.path_row is not None and len(places) <= PAIRS_MAX:
        scene_filter["metadataFilter"] = path_row_filter(places, fields.path_row)
    return scene_filter
