"""Footprints as GeoJSON wants them: cut at the 180° meridian, counter-clockwise, with their box.

M2M gives a ring whose longitudes may jump from 179 to -179. Each ring is first made continuous, then cut into the
parts west and east of the meridian, so that no reader takes it for a belt round the earth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from landsat_async.stac.mtl import Mtl

Point: TypeAlias = tuple[float, float]
Ring: TypeAlias = list[Point]

_DECIMALS = 6
"""About 0.1 m."""
_CORNERS = ("UL", "LL", "LR", "UR")
_GROUP = "PROJECTION_ATTRIBUTES"


@dataclass(frozen=True, slots=True)
class Footprint:
    """A polygon on the ground, degrees."""

    geometry: dict[str, Any]
    """GeoJSON."""
    bbox: list[float]
    """West, south, east, north; west > east where it crosses the 180° meridian."""
    centroid: Point
    """Longitude, latitude."""


def footprint_of_text(text: str | None) -> Footprint | None:
    """Read the GeoJSON text of a footprint; None for what is no polygon."""
    try:
        document = msgspec.json.decode(text or "", type=dict[str, Any])
        coordinates: Any = document.get("coordinates")
        polygons: list[Any] = [coordinates] if document.get("type") == "Polygon" else coordinates
        return _footprint([_ring(polygon[0]) for polygon in polygons])
    except (msgspec.DecodeError, TypeError, ValueError, LookupError):
        return None


def footprint_of_mtl(mtl: Mtl) -> Footprint | None:
    """Return the corners of the image, which hold more than the footprint; None where they are not told."""
    corners = [(mtl.number(f"CORNER_{c}_LON_PRODUCT", _GROUP), mtl.number(f"CORNER_{c}_LAT_PRODUCT", _GROUP))
               for c in _CORNERS]  # fmt: skip
    try:
        return _footprint([_ring(corners)])
    except (TypeError, ValueError):
        return None


def _ring(points: Sequence[Sequence[Any]]) -> Ring:
    """Return a ring without its last point, whose longitudes do not jump. Raises ValueError for what is none."""
    ring: Ring = []
    for point in points:
        lon, lat = float(point[0]), float(point[1])
        if not (math.isfinite(lon) and math.isfinite(lat) and abs(lon) <= 540 and abs(lat) <= 90):
            raise ValueError("no place on the earth")
        if ring:
            lon -= 360 * round((lon - ring[-1][0]) / 360)
        if not ring or (lon, lat) != ring[-1]:
            ring.append((lon, lat))
    if len(ring) > 1 and ring[0] == ring[-1]:
        ring.pop()
    if len(ring) < 3 or abs(ring[0][0] - ring[-1][0]) > 180:
        raise ValueError("no ring, or one round a pole")
    return ring if _area(ring) > 0 else ring[::-1]


def _footprint(rings: list[Ring]) -> Footprint | None:
    areas = [_area(ring) for ring in rings]
    if not rings or min(areas) <= 0:
        return None
    parts = [part for ring in rings for part in _cut(ring)]
    closed = [[[[round(x, _DECIMALS), round(y, _DECIMALS)] for x, y in [*part, part[0]]]] for part in parts]
    geometry: dict[str, Any] = (
        {"type": "Polygon", "coordinates": closed[0]}
        if len(closed) == 1
        else {"type": "MultiPolygon", "coordinates": closed}
    )
    lon = sum(area * _centroid(ring)[0] for area, ring in zip(areas, rings, strict=True)) / sum(areas)
    lat = sum(area * _centroid(ring)[1] for area, ring in zip(areas, rings, strict=True)) / sum(areas)
    return Footprint(geometry, _box(parts), (_turned(lon), lat))


def _area(ring: Ring) -> float:
    """Return the area in square degrees; positive when the ring runs counter-clockwise."""
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in _edges(ring)) / 2


def _centroid(ring: Ring) -> Point:
    six = 6 * _area(ring)
    x = sum((x0 + x1) * (x0 * y1 - x1 * y0) for (x0, y0), (x1, y1) in _edges(ring)) / six
    y = sum((y0 + y1) * (x0 * y1 - x1 * y0) for (x0, y0), (x1, y1) in _edges(ring)) / six
    return x, y


def _edges(ring: Ring) -> list[tuple[Point, Point]]:
    return list(zip(ring, [*ring[1:], ring[0]], strict=True))


def _turned(lon: float) -> float:
    return (lon + 180) % 360 - 180


def _cut(ring: Ring) -> list[Ring]:
    """Return the parts of a ring in the ranges between odd multiples of 180°, each turned into -180 to 180."""
    first = math.floor((min(x for x, _ in ring) + 180) / 360)
    last = math.ceil((max(x for x, _ in ring) + 180) / 360)
    parts = []
    for turn in range(first, last):
        west = 360 * turn - 180
        part = _half(_half(ring, west, 1), west + 360, -1)
        if len(part) >= 3 and _area(part) > 0:
            parts.append([(x - 360 * turn, y) for x, y in part])
    return parts


def _half(ring: Ring, meridian: float, side: int) -> Ring:
    """Return what of a ring lies east (side 1) or west (side -1) of a meridian."""
    kept: Ring = []
    for (x0, y0), (x1, y1) in _edges(ring):
        inside, follows = side * (x0 - meridian) >= 0, side * (x1 - meridian) >= 0
        if inside:
            kept.append((x0, y0))
        if inside != follows:
            kept.append((meridian, y0 + (y1 - y0) * (meridian - x0) / (x1 - x0)))
    return kept


def _box(parts: list[Ring]) -> list[float]:
    south, north = min(y for part in parts for _, y in part), max(y for part in parts for _, y in part)
    spans = [(min(x for x, _ in part), max(x for x, _ in part)) for part in parts]
    west, east = min(west for west, _ in spans), max(east for _, east in spans)
    if west == -180 and east == 180 and len(parts) > 1:  # it lies on both sides of the meridian
        west = min(span[0] for span in spans if span[1] == 180)
        east = max(span[1] for span in spans if span[0] == -180)
    return [round(one, _DECIMALS) for one in (west, south, east, north)]
