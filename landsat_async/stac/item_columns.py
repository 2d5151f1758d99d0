"""Items as rows of one table, as stac-geoparquet keeps them: which columns there are, and what one item puts into them.

Properties stand beside the other members of the item, the footprint is well-known binary, the box has four named
numbers, moments are moments. Items of several sensors have other assets and properties each, and a table has one
schema, so the schema is learned from all items before the first row is written.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from landsat_async.stac.scene_table import wkb

ITEMS_TABLE = "items.parquet"
"""Its name, beside the collection: relative links in it lead from there, as those of the items do."""
VERSION = "1.0.0"
"""Of the stac-geoparquet specification."""
MOMENTS = frozenset(("datetime", "start_datetime", "end_datetime", "created"))
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_MEMBERS = ("stac_version", "stac_extensions", "id", "collection", "links", "assets")
_NO_POLYGON = b"\x01\x03\x00\x00\x00\x00\x00\x00\x00"
"""A polygon without rings: a scene whose footprint nobody knows; readers take an empty cell for a mistake."""
_INT64 = 2**63
_GEOMETRY = {
    "encoding": "WKB",
    "geometry_types": ["Polygon", "MultiPolygon"],
    "covering": {"bbox": {side: ["bbox", side] for side in _SIDES}},
}


def row_of_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an item puts into each column."""
    row = {name: item[name] for name in _MEMBERS}
    row["geometry"] = wkb(item["geometry"]) or _NO_POLYGON
    row["bbox"] = dict(zip(_SIDES, map(float, item["bbox"]), strict=True)) if "bbox" in item else None
    for name, value in item["properties"].items():
        row[name] = _moment(value) if name in MOMENTS else value
    return row


def _moment(text: str | None) -> dt.datetime | None:
    return None if text is None else dt.datetime.fromisoformat(text)


@dataclass
class ColumnType:
    """What a column holds, as far as the values so far tell."""

    kind: str = ""
    """bool | int | float | text | bytes | moment | list | struct; "" where no value was there yet."""
    fields: dict[str, ColumnType] = field(default_factory=dict)
    """Of a struct, by name; of a list its elements, under the name "element"."""

    def learn(self, value: object) -> None:
        """Take a value in. Raises TypeError where one column would hold two kinds that no type of a table joins."""
        if value is None:
            return
        kind = _kind_of(value)
        if {kind, self.kind} == {"int", "float"}:
            kind = "float"
        elif self.kind not in ("", kind):
            raise TypeError(f"{kind} where {self.kind} was")
        self.kind = kind
        if isinstance(value, Mapping):
            for name, inner in value.items():
                self.fields.setdefault(name, ColumnType()).learn(inner)
        elif isinstance(value, list):
            element = self.fields.setdefault("element", ColumnType())
            for inner in value:
                element.learn(inner)


def _kind_of(value: object) -> str:
    match value:
        case bool():
            return "bool"
        case int():
            return "int" if -_INT64 <= value < _INT64 else "float"
        case float():
            return "float"
        case str():
            return "text"
        case bytes():
            return "bytes"
        case dt.datetime():
            return "moment"
        case list():
            return "list"
        case Mapping():
            return "struct"
        case _:
            raise TypeError(f"no column holds {type(value).__name__}")


def notes_of(collection: Mapping[str, Any]) -> dict[str, str]:
    """Return what the file says about itself, for GeoParquet and stac-geoparquet; `collection` without its items."""
    links = [link for link in collection["links"] if link["rel"] != "item"]
    about = {"version": VERSION, "collections": {collection["id"]: {**collection, "links": links}}}
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": _GEOMETRY}}
    return {"geo": json.dumps(geo), "stac-geoparquet": json.dumps(about)}
