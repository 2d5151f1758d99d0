"""A table of the scenes of a folder, one row a scene: CSV and GeoJSON, row by row."""

from __future__ import annotations

import csv
import io
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from landsat_async.rules.product_id import parse_product_id
from landsat_async.stac.item import SceneFacts

COLUMNS = (
    "display_id", "entity_id", "dataset", "platform", "level", "tier", "path", "row", "acquired", "processed",
    "cloud_cover", "epsg", "files", "size_bytes", "newer", "west", "south", "east", "north",
)  # fmt: skip
GEOJSON_HEAD = b'{"type":"FeatureCollection","name":"landsat_async","features":[\n'
GEOJSON_END = b"\n]}\n"
_POLYGON, _MULTIPOLYGON = 3, 6


def row_of(scene: SceneFacts, item: Mapping[str, Any], sizes: Sequence[int], newer: str | None) -> dict[str, Any]:
    """Return the row of a scene, without its footprint; `sizes` are those of its files, bytes."""
    product = parse_product_id(scene.display_id)
    properties = item["properties"]
    code = properties.get("proj:code") or ""
    known: dict[str, Any] = {"display_id": scene.display_id, "entity_id": scene.entity_id, "dataset": scene.dataset}
    if product is not None:
        known |= {
            "level": product.level, "tier": product.tier, "path": product.path, "row": product.row,
            "processed": product.processed.isoformat(),
        }  # fmt: skip
    known |= {
        "platform": properties.get("platform"),
        "acquired": properties["datetime"] or properties.get("start_datetime"),
        "cloud_cover": properties.get("eo:cloud_cover"),
        "epsg": int(code.removeprefix("EPSG:")) if code else None,
        "files": len(sizes),
        "size_bytes": sum(sizes),
        "newer": newer,
    }
    known |= dict(zip(("west", "south", "east", "north"), item.get("bbox", ()), strict=False))
    return {name: known.get(name) for name in COLUMNS}


def csv_line(values: Sequence[object]) -> bytes:
    """Return one line of CSV (RFC 4180); an unknown value is empty."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(["" if value is None else value for value in values])
    return text.getvalue().encode()


def feature(row: Mapping[str, Any], geometry: object) -> bytes:
    """Return a row with its footprint as a feature of GeoJSON."""
    return msgspec.json.encode({"type": "Feature", "geometry": geometry, "properties": row})


def wkb(geometry: Mapping[str, Any] | None) -> bytes | None:
    """Return a polygon as well-known binary, as GeoParquet keeps it."""
    if geometry is None:
        return None
    if geometry["type"] == "Polygon":
        return _polygon(geometry["coordinates"])
    parts = geometry["coordinates"]
    return struct.pack("<BII", 1, _MULTIPOLYGON, len(parts)) + b"".join(map(_polygon, parts))


def _polygon(rings: Sequence[Sequence[Sequence[float]]]) -> bytes:
    head = struct.pack("<BII", 1, _POLYGON, len(rings))
    return head + b"".join(
        struct.pack("<I", len(ring)) + b"".join(struct.pack("<dd", x, y) for x, y in ring) for ring in rings
    )
