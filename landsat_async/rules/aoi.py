"""The area of interest: made valid or refused, split at the 180° meridian, and turned into search filters.

Two promises. What is sent to the service is never smaller than the area, so no scene is lost there; the exact
comparison is made here (`intersects`, `coverages`). And nothing takes unbounded time: a ring that crosses itself
is refused with the place, never repaired (shapely's make_valid took 41 s on a scribble of 400 points).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from shapely.affinity import translate
from shapely.geometry import MultiPolygon, Point, Polygon, box
from shapely.geometry.polygon import orient

from landsat_async.rules import coverage
from landsat_async.rules.aoi_text import Ring, Shapes, aoi_error, read_shapes

FILTER_VERTICES_MAX = 200
"""Rings sent to the service are no longer than this; very long ones were answered with 404."""
FILTER_PARTS_MAX = 8
_CROSSINGS_MAX = 2_000_000
_SAMPLE_EDGES = 1000
_GOLDEN = (math.sqrt(5) - 1) / 2
_WORLD = box(-180, -90, 180, 90)


@dataclass(frozen=True, slots=True)
class Aoi:
    """A valid area (or points), longitude and latitude in degrees, -180..180."""

    geometry: Any
    """shapely Polygon, MultiPolygon (also when split at the 180° meridian), Point or MultiPoint."""
    bbox: tuple[float, float, float, float]
    """West, south, east, north; west > east when it crosses the 180° meridian."""
    notes: tuple[str, ...] = ()
    """What the user should know, such as a split at the 180° meridian."""
    warnings: tuple[str, ...] = ()
    """What is probably not meant, such as a box wider than half the globe."""

    @property
    def place(self) -> str:
        """Size and centre for people, who see at a glance when latitude and longitude were swapped."""
        west, south, east, north = self.bbox
        centre = _place((west + east + (360 if west > east else 0)) / 2, (south + north) / 2)
        km2 = 0.0 if shapely.get_dimensions(self.geometry) == 0 else coverage.area_km2(self.geometry)
        return f"{km2:,.{0 if km2 >= 10 else 4}f} km² around {centre}" if km2 else centre


def parse_aoi(text: str, *, source: str) -> Aoi:
    """Read GeoJSON or WKT.

    Raises:
        ConfigError: with the feature, the fault and what to do.
    """
    shapes = read_shapes(text, source)
    aoi = aoi_from_shapes(shapes, source)
    if not shapes.skipped:
        return aoi
    note = f"{source}: {shapes.skipped} of its features have no geometry (null); they are left out."
    return Aoi(aoi.geometry, aoi.bbox, (*aoi.notes, note))


def aoi_from_bbox(bbox: tuple[float, float, float, float]) -> Aoi:
    """Make an area from west, south, east, north; west > east crosses the 180° meridian, a point is allowed."""
    west, south, east, north = bbox
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        raise aoi_error("bbox", f"[{west:g}, {south:g}, {east:g}, {north:g}] is not west, south, east, north")
    if west == east and south == north:
        return _finish(Point(west, south), bbox, [])
    boxes = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    parts = [box(left, south, right, north) for left, right in boxes if left < right and south < north]
    if not parts:
        raise aoi_error("bbox", "has no area")
    whole = _finish(parts[0] if len(parts) == 1 else MultiPolygon(parts), bbox, [])
    return replace(whole, warnings=_too_wide(west, east))


def aoi_from_shapes(shapes: Shapes, source: str) -> Aoi:
    """Make an area from rings or points that were read."""
    if shapes.points and shapes.polygons:
        raise aoi_error(source, "mixes points and areas", "Keep one kind of them.")
    if shapes.points:
        wrapped = np.array([(_wrap(lon), lat) for lon, lat in shapes.points])
        points = shapely.multipoints(np.unique(wrapped, axis=0))
        single = points.geoms[0] if len(points.geoms) == 1 else points
        return _finish(single, tuple(points.bounds), [])
    notes: list[str] = []
    whole = [_polygon(rings, source, notes) for rings in shapes.polygons]
    parts = [part for polygon in whole for part in _split(polygon)]
    geometry = _united(parts, source)
    bounds = geometry.bounds
    crossing = any(polygon.bounds[0] < -180 or polygon.bounds[2] > 180 for polygon in whole)
    if crossing and bounds[0] == -180 and bounds[2] == 180:
        sides = [part.bounds for part in shapely.get_parts(geometry)]
        west = min((b[0] for b in sides if b[0] >= 0), default=-180.0)
        east = max((b[2] for b in sides if b[2] <= 0), default=180.0)
        if west > east:
            bounds = (west, bounds[1], east, bounds[3])
            notes.append("It crosses the 180° meridian and is split there.")
    elif bounds[2] - bounds[0] > 180:
        span_deg = bounds[2] - bounds[0]
        notes.append(f"It spans {span_deg:.0f}° of longitude; an area across 180° is written with west > east.")
    return _finish(geometry, bounds, notes)


def spatial_filters(aoi: Aoi) -> list[dict[str, Any]]:
    """M2M spatialFilter objects, one search each; together never smaller than the area."""
    parts = list(shapely.get_parts(aoi.geometry))
    if len(parts) > FILTER_PARTS_MAX:
        sides = [[p for p in parts if p.bounds[0] < 0], [p for p in parts if p.bounds[0] >= 0]]
        groups = sides if aoi.bbox[0] > aoi.bbox[2] else [parts]
        return [_mbr(shapely.total_bounds(np.array(group, dtype=object))) for group in groups if group]
    return [_filter(part) for part in parts]


def coverages(aoi: Aoi, footprints: Sequence[str | None]) -> list[float | None]:
    """Share of the area that each footprint (GeoJSON text) covers, 0..1; None for no usable footprint."""
    return coverage.shares(aoi.geometry, footprints)


def intersects(aoi: Aoi, footprints: Sequence[str | None]) -> list[bool]:
    """Whether each footprint meets the area; True where there is no usable footprint."""
    return coverage.touching(aoi.geometry, footprints)


def swapped(aoi: Aoi) -> Aoi | None:
    """The area with longitude and latitude the other way round; None where that is impossible.

    For a search that finds nothing: coordinates that are swapped, but in range, are only noticed then.
    """
    west, south, east, north = aoi.bbox
    if west > east or west < -90 or east > 90:
        return None
    return Aoi(shapely.transform(aoi.geometry, np.fliplr), (south, west, north, east))


def _finish(geometry: Any, bbox: tuple[float, float, float, float], notes: list[str]) -> Aoi:
    west, south, east, north = (float(degree) for degree in bbox)
    return Aoi(geometry, (west, south, east, north), tuple(notes))


def _too_wide(west: float, east: float) -> tuple[str, ...]:
    width_deg = east - west + (360 if west > east else 0)
    if width_deg <= 180:
        return ()
    text = f"the box is {width_deg:.6g}° wide: from west = {west:g} eastwards to east = {east:g}"
    if west > east:
        text += " across the 180° meridian; if west and east were swapped, write the smaller one first"
    return (text,)


def _wrap(lon: float) -> float:
    return lon if -180 <= lon <= 180 else (lon + 180) % 360 - 180


def _place(lon: float, lat: float) -> str:
    lon = _wrap(lon)
    return f"{abs(lat):.2f}° {'N' if lat >= 0 else 'S'} {abs(lon):.2f}° {'E' if lon >= 0 else 'W'}"


def _polygon(rings: list[Ring], source: str, notes: list[str]) -> Any:
    """Make one valid polygon that is continuous in longitude, perhaps beyond 180°."""
    outer = _unwrapped(rings[0], notes)
    middle = (outer[:, 0].min() + outer[:, 0].max()) / 2
    holes = []
    for ring in rings[1:]:
        hole = _unwrapped(ring, [])
        turns = round((middle - (hole[:, 0].min() + hole[:, 0].max()) / 2) / 360)
        holes.append(hole + np.array([360.0 * turns, 0.0]))
    polygon = Polygon(outer, holes)
    if polygon.convex_hull.area < 1e-12:
        raise aoi_error(source, "holds a polygon without area")
    if not polygon.is_valid:
        raise _invalid(shapely.is_valid_reason(polygon), source)
    if polygon.bounds[2] - polygon.bounds[0] > 360:
        raise aoi_error(source, "spans more than 360° of longitude")
    return polygon


def _unwrapped(ring: Ring, notes: list[str]) -> Ring:
    """Follow the ring across the 180° meridian: a step of more than 180° is meant the short way round.

    A step of exactly 360° stays: it is the edge of a map, not a crossing. A ring that ends a turn away from
    where it began goes around a pole, and is closed over it.
    """
    step = np.diff(ring[:, 0])
    turns = np.where((np.abs(step) > 180) & (np.abs(step) < 360 - 1e-9), np.round(step / 360), 0.0)
    result = ring.copy()
    result[1:, 0] -= 360 * np.cumsum(turns)
    if abs(result[-1, 0] - result[0, 0]) < 180:
        return result
    pole = math.copysign(90.0, float(result[:, 1].mean()))
    notes.append(f"It goes around the {'north' if pole > 0 else 'south'} pole and includes it.")
    return np.vstack([result, [[result[-1, 0], pole], [result[0, 0], pole]], result[:1]])


def _invalid(reason: str, source: str) -> Exception:
    match = re.search(r"\[(\S+) (\S+)\]", reason)
    place = f" near {_place(float(match[1]), float(match[2]))}" if match else ""
    fault = reason.partition("[")[0].strip().lower()
    what = "a ring crosses itself" if "self-intersection" in fault else f"the polygon is not valid ({fault})"
    hint = "Mend it, for example with QGIS, Vector > Geometry Tools > Fix geometries."
    return aoi_error(source, f"{what}{place}", hint)


def _split(polygon: Any) -> list[Any]:
    """Cut at the odd multiples of 180° and turn every piece back into -180..180."""
    west, _, east, _ = polygon.bounds
    if west >= -180 and east <= 180:
        return [polygon]
    pieces = []
    for turn in range(math.floor((west + 180) / 360), math.ceil((east + 180) / 360)):
        cut = polygon.intersection(box(360 * turn - 180, -90, 360 * turn + 180, 90))
        moved = translate(cut, -360.0 * turn)
        pieces += [part for part in shapely.get_parts(moved) if part.geom_type == "Polygon"]
    return pieces


def _united(parts: list[Any], source: str) -> Any:
    if len(parts) == 1:
        return parts[0]
    together = MultiPolygon(parts)
    if together.is_valid:
        return together
    if _crossings(parts) > _CROSSINGS_MAX:
        raise aoi_error(source, "its parts cross each other too many times", "Dissolve them first.")
    return shapely.union_all(parts)


def _crossings(parts: list[Any]) -> float:
    """Estimate how often edges meet, from a sample: the union's time and memory go with it.

    Multiples of the golden ratio fall in step with no pattern of a ring, where each n-th edge may miss all long ones.
    """
    rings = [shapely.get_coordinates(ring) for ring in shapely.get_rings(np.array(parts, dtype=object))]
    edges = shapely.linestrings(np.concatenate([np.stack([ring[:-1], ring[1:]], axis=1) for ring in rings]))
    sample = edges
    if len(edges) > _SAMPLE_EDGES:
        sample = edges[(np.arange(_SAMPLE_EDGES) * _GOLDEN % 1 * len(edges)).astype(np.intp)]
    hits = shapely.STRtree(edges).query(sample, predicate="intersects").shape[1]
    return float(hits / len(sample) - 3) * len(edges)  # an edge meets itself and its two neighbours


def _filter(part: Any) -> dict[str, Any]:
    west, south, east, north = part.bounds
    if part.geom_type == "Point" or part.equals(box(west, south, east, north)):
        return _mbr(part.bounds)
    ring = shapely.get_coordinates(_outward(part).exterior)
    return {"filterType": "geojson", "geoJson": {"type": "Polygon", "coordinates": [ring.tolist()]}}


def _mbr(bounds: Sequence[float]) -> dict[str, Any]:
    west, south, east, north = (float(degree) for degree in bounds)
    corners = {"lowerLeft": (south, west), "upperRight": (north, east)}
    points = {name: {"latitude": lat, "longitude": lon} for name, (lat, lon) in corners.items()}
    return {"filterType": "mbr", **points}


def _outward(part: Any) -> Any:
    """A counter-clockwise polygon without holes, of few corners, that contains `part`."""
    plain = Polygon(part.exterior)
    if len(plain.exterior.coords) <= FILTER_VERTICES_MAX:
        return orient(plain)
    west, south, east, north = plain.bounds
    for doubling in range(10):
        tolerance_deg = max(east - west, north - south) * 5e-4 * 2**doubling
        thin = plain.simplify(tolerance_deg)
        if len(thin.exterior.coords) > FILTER_VERTICES_MAX:
            continue
        wider = thin.buffer(tolerance_deg * 1.01, join_style="mitre", mitre_limit=2.0).intersection(_WORLD)
        if wider.geom_type != "Polygon":
            continue
        wider = Polygon(wider.exterior)
        if len(wider.exterior.coords) <= FILTER_VERTICES_MAX and wider.covers(plain):
            return orient(wider)
    return box(west, south, east, north)
