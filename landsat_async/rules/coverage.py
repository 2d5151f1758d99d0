"""How much of an area a footprint covers, on an equal-area measure, for tens of thousands of footprints.

Edges are straight in longitude and latitude, as GeoJSON means them. Cutting is done there, exactly, and only
the area of what remains is measured: by the equal-area cylinder x = longitude, y = sin(latitude), whose
integral along a straight edge has a closed form. So nothing has to be subdivided and nothing is approximated,
except areas of thousands of corners, which are thinned first within 0.08 % of their area.

Footprints across the 180° meridian are made continuous by adding 360° to their western half; a footprint is
then compared with the area in its own place and one turn to either side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.affinity import translate

EARTH_RADIUS_KM = 6371.0088
_TEXT_MAX = 200_000
_EXACT_VERTICES = 2000
_THINNING_MAX = 0.0008
_POLYGON, _MULTIPOLYGON = 3, 6
_TEXTS_AT_ONCE = 1000
"""So many texts are read in one call, which lets no other thread run."""

Geometries = npt.NDArray[Any]
"""Array of shapely geometries; None where there is none."""


def area_km2(geometry: Any) -> float:
    """Area on the sphere."""
    return float(_areas(np.array([geometry], dtype=object))[0]) * EARTH_RADIUS_KM**2


def shares(area: Any, footprints: Sequence[str | None]) -> list[float | None]:
    """Share of `area` (polygons, or points by count) that each footprint covers; None for no usable footprint."""
    shapes, usable = _read(footprints)
    covered = np.zeros(len(shapes))
    points = shapely.get_parts(area) if shapely.get_dimensions(area) == 0 else None
    measured = area if points is not None else _thinned(area)
    for near, moved in _placements(measured, shapes, usable):
        if points is None:
            covered[near] += _areas(shapely.intersection(shapes[near], moved))
        else:
            for point in shapely.get_parts(moved):
                covered[near] += shapely.intersects(shapes[near], point)
    whole = float(len(points)) if points is not None else float(_areas(np.array([measured], dtype=object))[0])
    result = np.clip(covered / whole, 0.0, 1.0)
    result[result > 1 - 1e-9] = 1.0  # rounding of the cut
    return [float(share) if known else None for share, known in zip(result, usable, strict=True)]


def touching(area: Any, footprints: Sequence[str | None]) -> list[bool]:
    """Whether each footprint meets `area`; True where there is no usable footprint."""
    shapes, usable = _read(footprints)
    meets = ~usable
    for near, moved in _placements(area, shapes, usable):
        shapely.prepare(moved)
        meets[near] |= shapely.intersects(moved, shapes[near])
    return [bool(one) for one in meets]


def _read(footprints: Sequence[str | None]) -> tuple[Geometries, npt.NDArray[np.bool_]]:
    sane = [text if isinstance(text, str) and len(text) < _TEXT_MAX else None for text in footprints]
    texts = np.array(sane, dtype=object)
    shapes: Geometries = texts.copy()
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        some = slice(start, start + _TEXTS_AT_ONCE)
        shapes[some] = shapely.from_geojson(texts[some], on_invalid="ignore")
    if not len(shapes):
        return shapes, np.zeros(0, dtype=bool)
    usable = np.isin(shapely.get_type_id(shapes), (_POLYGON, _MULTIPOLYGON))
    bounds = shapely.bounds(shapes)
    usable &= np.isfinite(bounds).all(axis=1)
    wide = usable & (bounds[:, 2] - bounds[:, 0] > 180)
    if wide.any():
        shapes[wide] = shapely.transform(shapes[wide], _continuous)
    usable &= shapely.is_valid(shapes)
    return shapes, usable


def _continuous(positions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    moved = positions.copy()
    moved[moved[:, 0] < 0, 0] += 360
    return moved


def _placements(
    area: Any, shapes: Geometries, usable: npt.NDArray[np.bool_]
) -> Iterator[tuple[npt.NDArray[np.intp], Any]]:
    """Yield the indexes of the footprints near the area, and the area, in its place and one turn to either side."""
    if not len(shapes):
        return
    west, south, east, north = shapely.bounds(area)
    bounds = shapely.bounds(shapes)
    for turn_deg in (-360.0, 0.0, 360.0):
        near = usable & (bounds[:, 0] <= east + turn_deg) & (bounds[:, 2] >= west + turn_deg)
        near &= (bounds[:, 1] <= north) & (bounds[:, 3] >= south)
        if near.any():
            yield np.flatnonzero(near), translate(area, turn_deg)


def _areas(geometries: Geometries) -> npt.NDArray[np.float64]:
    """Areas in steradian; lines and points that a cut leaves behind count nothing."""
    parts, owner = shapely.get_parts(geometries, return_index=True)
    while (nested := np.isin(shapely.get_type_id(parts), (_MULTIPOLYGON, 7))).any():
        inner, index = shapely.get_parts(parts[nested], return_index=True)
        parts, owner = np.append(parts[~nested], inner), np.append(owner[~nested], owner[nested][index])
    polygons = shapely.get_type_id(parts) == _POLYGON
    parts, owner = parts[polygons], owner[polygons]
    rings, part = shapely.get_rings(parts, return_index=True)
    sizes = _ring_areas(rings)
    outer = np.append(True, part[1:] != part[:-1]) if len(part) else np.zeros(0, dtype=bool)
    result = np.zeros(len(geometries))
    np.add.at(result, owner[part], np.where(outer, sizes, -sizes))
    return result


def _ring_areas(rings: Geometries) -> npt.NDArray[np.float64]:
    """∮ sin(latitude) d(longitude) along straight edges: Δλ · sin(φ middle) · sin(Δφ/2) / (Δφ/2)."""
    degrees, ring = shapely.get_coordinates(rings, return_index=True)
    lon, lat = np.radians(degrees).T
    same = ring[1:] == ring[:-1]
    bend = np.sinc(np.diff(lat) / (2 * np.pi))  # numpy's sinc(x) is sin(πx)/(πx)
    pieces = np.diff(lon) * np.sin((lat[1:] + lat[:-1]) / 2) * bend
    return np.abs(np.bincount(ring[1:][same], weights=pieces[same], minlength=len(rings)))


def _thinned(area: Any) -> Any:
    """Drop corners that do not matter, so that a long coast line is not cut 50,000 times."""
    if shapely.get_num_coordinates(area) <= _EXACT_VERTICES:
        return area
    west, south, east, north = shapely.bounds(area)
    tolerance_deg = max(east - west, north - south) * 2e-3
    for _ in range(8):
        thin = shapely.simplify(area, tolerance_deg, preserve_topology=True)
        if shapely.is_valid(thin) and not thin.is_empty:
            pair = np.array([shapely.symmetric_difference(area, thin), area], dtype=object)
            difference, whole = _areas(pair)
            if difference <= _THINNING_MAX * whole:
                return thin
        tolerance_deg /= 2
    return area
