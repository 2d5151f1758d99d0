"""Reading an area of interest: GeoJSON or WKT text into plain rings and points, in longitude and latitude.

shapely accepts strings as numbers, NaN, metres and empty shapes without a word, so the numbers are checked
here before any geometry is made. Every fault is a ConfigError that says which feature and what to do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from landsat_async.errors import ConfigError
from landsat_async.rules.area_formats import convert_line

Ring: TypeAlias = npt.NDArray[np.float64]
"""n × 2: longitude, latitude; closed."""

VERTICES_MAX = 1_000_000
_DEPTH_MAX = 16
_LON_MAX = 361.0  # 0..360 is a usual form; a little more for rounding
_PLAIN_CRS = re.compile(r"(urn:ogc:def:crs:)?(OGC:[\d.]*:?CRS84|EPSG:[\d.]*:?4326)|CRS84|WGS ?84", re.IGNORECASE)
_AREAS, _POINTS = ("Polygon", "MultiPolygon"), ("Point", "MultiPoint")
_LINES = ("LineString", "MultiLineString", "LinearRing")


@dataclass(slots=True)
class Shapes:
    """What was drawn: polygons as lists of rings (the outer one first), and points."""

    polygons: list[list[Ring]] = field(default_factory=list)
    points: list[tuple[float, float]] = field(default_factory=list)
    vertices: int = 0
    skipped: int = 0
    """Features without geometry."""


def aoi_error(source: str, what: str, hint: str = "") -> ConfigError:
    """Make the error for an area file."""
    return ConfigError(f"{source}: {what}", hint=hint, reference="aoi")


def is_plain_crs(name: str) -> bool:
    """Tell whether a CRS name means WGS 84 longitude and latitude."""
    return _PLAIN_CRS.fullmatch(name.strip()) is not None


def read_shapes(text: str, source: str) -> Shapes:
    """Read GeoJSON or WKT.

    Raises:
        ConfigError: with the feature and the fault.
    """
    body = text.strip("\ufeff \t\r\n")
    if not body:
        raise aoi_error(source, "is empty", "Expected a GeoJSON or WKT geometry, feature or collection.")
    shapes = Shapes()
    if body[0] in "{[":
        for where, kind, coordinates in _json_geometries(_load_json(body, source), source):
            if kind is None:
                shapes.skipped += 1
            else:
                _add_json(shapes, kind, coordinates, where, source)
        if not shapes.polygons and not shapes.points:
            raise aoi_error(source, "holds no geometry: all its features have null in its place")
    elif match := re.match(r"(?:SRID\s*=\s*(\d{1,9})\s*;)?\s*[A-Za-z]", body, re.IGNORECASE):
        if match[1] not in (None, "4326"):
            raise aoi_error(source, f"is in the coordinate system EPSG:{match[1]}", convert_line(source))
        add_geometry(shapes, _load_wkt(body.partition(";")[2] if match[1] else body, source), "geometry", source)
    else:
        raise aoi_error(source, "is neither GeoJSON nor WKT")
    return shapes


def add_geometry(shapes: Shapes, geometry: Any, where: str, source: str) -> None:
    """Add a shapely geometry, with the same checks as text."""
    kind = "nothing" if geometry is None else geometry.geom_type
    if geometry is None or geometry.is_empty:
        raise aoi_error(source, f"{where} is empty")
    if kind in _AREAS:
        for polygon in shapely.get_parts(geometry):
            rings = shapely.get_rings(polygon)
            _add_polygon(shapes, [shapely.get_coordinates(ring) for ring in rings], where, source)
    elif kind in _POINTS:
        _add_points(shapes, shapely.get_coordinates(geometry), where, source)
    elif kind == "GeometryCollection":
        for part in shapely.get_parts(geometry):
            add_geometry(shapes, part, where, source)
    else:
        raise _line_error(source, where, kind)


def _load_json(body: str, source: str) -> Any:
    def no_number(name: str) -> float:
        raise aoi_error(source, f"holds {name}, which is not a number")

    try:
        return json.loads(body, parse_constant=no_number)
    except json.JSONDecodeError as error:
        raise aoi_error(source, f"is not valid JSON: {error.msg} in line {error.lineno}") from None
    except RecursionError:
        raise aoi_error(source, "is nested too deeply") from None
    except ValueError:
        raise aoi_error(source, "holds a number that is far too long") from None


def _load_wkt(body: str, source: str) -> Any:
    if body.upper().count("COLLECTION") > _DEPTH_MAX:  # GEOS reads nested ones by recursion in C
        raise aoi_error(source, "holds too many collections")
    try:
        return shapely.from_wkt(body)
    except (shapely.errors.ShapelyError, ValueError) as error:
        raise aoi_error(source, f"is neither GeoJSON nor valid WKT: {' '.join(str(error).split())[:120]}") from None


def _json_geometries(document: Any, source: str) -> Iterator[tuple[str, str | None, Any]]:
    """Yield place, type and coordinates of every simple geometry, in order, without recursion.

    The type is None for a feature of a collection that has no geometry, which GeoJSON allows.
    """
    stack: list[tuple[str, Any, int]] = [("the document", document, 0)]
    while stack:
        where, item, depth = stack.pop()
        if not isinstance(item, dict):
            what = "has no geometry (null)" if item is None else "is not a GeoJSON object"
            raise aoi_error(source, f"{where} {what}")
        _check_crs(item, source)
        kind = item.get("type")
        if depth > _DEPTH_MAX:
            raise aoi_error(source, "is nested too deeply")
        if kind == "Feature" and depth > 0 and item.get("geometry") is None:
            yield where, None, None
        elif kind == "Feature":
            stack.append((where.replace("the document", "the feature"), item.get("geometry"), depth + 1))
        elif kind in ("FeatureCollection", "GeometryCollection"):
            key, name = ("features", "feature") if kind == "FeatureCollection" else ("geometries", "geometry")
            members = item.get(key)
            if not isinstance(members, list) or not members:
                raise aoi_error(source, f"{where} is a {kind} without {key}")
            prefix = "" if depth == 0 else f"{where}, "
            numbered = [(f"{prefix}{name} {n}", member, depth + 1) for n, member in enumerate(members, 1)]
            stack.extend(reversed(numbered))
        elif kind in _AREAS + _POINTS:
            yield where, kind, item.get("coordinates")
        elif kind in _LINES:
            raise _line_error(source, where, kind)
        elif "type" not in item:
            raise aoi_error(source, f'{where} has no "type": not GeoJSON')
        else:
            raise aoi_error(source, f"{where} is not GeoJSON: its type is {str(kind)[:40]!r}")


def _line_error(source: str, where: str, kind: str) -> ConfigError:
    hint = "Give a polygon, for example a buffer around it."
    return aoi_error(source, f"{where} is a {kind}, which has no area", hint)


def _check_crs(item: dict[str, Any], source: str) -> None:
    crs = item.get("crs")
    if crs is None:
        return
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    if not isinstance(name, str) or not is_plain_crs(name):
        shown = name[:80] if isinstance(name, str) and name.isprintable() else "an unknown one"
        raise aoi_error(source, f"is in another coordinate system than WGS 84: {shown}", convert_line(source))


def _add_json(shapes: Shapes, kind: str, coordinates: Any, where: str, source: str) -> None:
    if not isinstance(coordinates, list) or not coordinates:
        raise aoi_error(source, f"{where} is a {kind} without coordinates")
    if kind in _POINTS:
        positions = [coordinates] if kind == "Point" else coordinates
        _add_points(shapes, _positions(positions, where, source), where, source)
        return
    for rings in [coordinates] if kind == "Polygon" else coordinates:
        if not isinstance(rings, list) or not rings:
            raise aoi_error(source, f"{where} holds a polygon without rings")
        _add_polygon(shapes, [_positions(ring, where, source) for ring in rings], where, source)


def _positions(ring: Any, where: str, source: str) -> Ring:
    """Turn a list of GeoJSON positions into an array; heights are dropped."""
    try:
        array = np.array([position[:2] for position in ring])
    except (TypeError, KeyError, ValueError):
        array = np.empty(0)
    if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "iuf":
        raise aoi_error(source, f"{where}: coordinates must be numbers, as lists of [longitude, latitude]")
    return array.astype(np.float64)


def _add_points(shapes: Shapes, positions: Ring, where: str, source: str) -> None:
    _check_numbers(shapes, positions, where, source)
    shapes.points += [(float(lon), float(lat)) for lon, lat in positions]


def _add_polygon(shapes: Shapes, rings: list[Ring], where: str, source: str) -> None:
    closed = []
    for ring in rings:
        _check_numbers(shapes, ring, where, source)
        whole = ring if np.array_equal(ring[0], ring[-1]) else np.vstack([ring, ring[:1]])
        if len(whole) < 4:
            raise aoi_error(source, f"{where} holds a ring of fewer than three corners")
        closed.append(whole)
    shapes.polygons.append(closed)


def _check_numbers(shapes: Shapes, positions: Ring, where: str, source: str) -> None:
    if len(positions) == 0:
        raise aoi_error(source, f"{where} holds an empty ring")
    shapes.vertices += len(positions)
    if shapes.vertices > VERTICES_MAX:
        raise aoi_error(source, f"holds more than {VERTICES_MAX:,} corners", "Simplify it first.")
    if not np.isfinite(positions).all():
        raise aoi_error(source, f"{where} holds NaN or infinite coordinates")
    lon_max, lat_max = np.abs(positions).max(axis=0)
    if lat_max <= 90 and lon_max <= _LON_MAX:
        return
    bad = positions[(np.abs(positions[:, 1]) > 90) | (np.abs(positions[:, 0]) > _LON_MAX)][0]
    at = f"{where}: position [{bad[0]:g}, {bad[1]:g}]"
    if max(lon_max, lat_max) > _LON_MAX:
        hint = convert_line(source)
        raise aoi_error(source, f"{at} looks like projected coordinates (metres), not longitude and latitude", hint)
    if lon_max <= 90:
        what = "looks as if longitude and latitude are swapped; longitude comes first"
        raise aoi_error(source, f"{at} {what}", f"Write [{bad[1]:g}, {bad[0]:g}].")
    raise aoi_error(source, f"{at} lies outside the Earth: latitude is -90 to 90")
