"""Where the pixels of a raster lie on the ground: from the metadata file of a product, and from the head of a GeoTIFF.

The metadata file gives the centres of the corner pixels (365700), GDAL and STAC want their outer edge (365685). The
codes are those of the GeoTIFFs of USGS: zones of UTM are north ones everywhere, with negative northings in the south.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from landsat_async.stac.mtl import Mtl

TIFF_HEAD_BYTES = 16 * 1024
"""The first directory and its values stand at the beginning of a cloud-optimised GeoTIFF."""

_PROJECTION = "PROJECTION_ATTRIBUTES"
_CELL_SIZE = ("LEVEL1_PROJECTION_PARAMETERS", _PROJECTION)
_POLAR_CODES = {-71.0: 3031, 71.0: 3995}
"""Latitude of true scale of the polar stereographic grids -> EPSG code."""

_TYPES = {1: "B", 2: "s", 3: "H", 4: "I", 12: "d"}
_WIDTH, _LENGTH, _BITS, _SAMPLES, _FORMAT = 256, 257, 258, 277, 339
_PIXEL_SCALE, _TIE_POINT, _GEO_KEYS, _NODATA = 33550, 33922, 34735, 42113
_DOUBLES = 34736
_RASTER_TYPE, _PROJECTED_CODE, _METHOD, _UNITS = 1025, 3072, 3075, 3076
_ALBERS, _METRE = 11, 9001
_WGS84 = ((2048, 4326), (2050, 6326))
"""GeoKeys of the geographic system and of its datum, one of which is told."""
_ALBERS_KEYS = {
    3081: ("Latitude of false origin", 8821),
    3080: ("Longitude of false origin", 8822),
    3078: ("Latitude of 1st standard parallel", 8823),
    3079: ("Latitude of 2nd standard parallel", 8824),
    3082: ("Easting at false origin", 8826),
    3083: ("Northing at false origin", 8827),
}
"""GeoKey -> name and EPSG code of the parameter."""
_FALSE_METRES = frozenset((3082, 3083))
_DEGREE_UNIT, _METRE_UNIT = 'ANGLEUNIT["degree",0.0174532925199433]', 'LENGTHUNIT["metre",1]'
_POINTS = 2
_KINDS = {1: "uint", 2: "int", 3: "float"}


@dataclass(frozen=True, slots=True)
class PixelGrid:
    """Shape and place of a raster that lies north up."""

    epsg: int | None
    """None where the projection has no code (Albers of the tiles)."""
    rows: int
    columns: int
    west: float
    """Outer edge of the first column, in units of the projection (m)."""
    north: float
    """Outer edge of the first row."""
    pixel: float
    """Side of a pixel."""
    wkt: str | None = None
    """The projection written out (WKT 2), where it has no code and the raster tells it."""

    @property
    def crs(self) -> str | None:
        """Return the projection as GDAL reads it: its code, or all of it; None where nothing tells it."""
        return self.wkt if self.epsg is None else f"EPSG:{self.epsg}"

    @property
    def transform(self) -> list[float]:
        """Return the affine transform as `proj:transform` has it."""
        return [self.pixel, 0.0, self.west, 0.0, -self.pixel, self.north]

    @property
    def shape(self) -> list[int]:
        """Return rows and columns."""
        return [self.rows, self.columns]


@dataclass(frozen=True, slots=True)
class Raster:
    """What the head of a GeoTIFF tells."""

    grid: PixelGrid
    data_type: str
    """uint16 …"""
    nodata: float | None


def grid_of_mtl(mtl: Mtl, bands: str = "REFLECTIVE") -> PixelGrid | None:
    """Return the grid of one kind of bands: REFLECTIVE, THERMAL or PANCHROMATIC; None where it is not told."""
    rows, columns = mtl.number(f"{bands}_LINES", _PROJECTION), mtl.number(f"{bands}_SAMPLES", _PROJECTION)
    pixel = mtl.number(f"GRID_CELL_SIZE_{bands}", *_CELL_SIZE)
    x = mtl.number("CORNER_UL_PROJECTION_X_PRODUCT", _PROJECTION)
    y = mtl.number("CORNER_UL_PROJECTION_Y_PRODUCT", _PROJECTION)
    if rows is None or columns is None or pixel is None or x is None or y is None:
        return None
    return PixelGrid(_epsg(mtl), int(rows), int(columns), x - pixel / 2, y + pixel / 2, pixel)


def _epsg(mtl: Mtl) -> int | None:
    zone = mtl.number("UTM_ZONE", _PROJECTION)
    if zone is not None and 1 <= zone <= 60:
        return 32600 + int(zone)
    return _POLAR_CODES.get(mtl.number("TRUE_SCALE_LAT", _PROJECTION) or 0.0)


def raster_of_tiff(head: bytes) -> Raster | None:
    """Read the first directory of a GeoTIFF; None for what is no classic GeoTIFF that lies north up."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(head[:4])
    if order is None:
        return None
    try:
        tags = _tags(head, order)
        return _raster(tags)
    except (struct.error, KeyError, IndexError, ValueError):
        return None


def _tags(head: bytes, order: str) -> dict[int, tuple[float, ...] | bytes]:
    (at,) = struct.unpack_from(f"{order}I", head, 4)
    (count,) = struct.unpack_from(f"{order}H", head, at)
    tags: dict[int, tuple[float, ...] | bytes] = {}
    wanted = {_WIDTH, _LENGTH, _BITS, _SAMPLES, _FORMAT, _PIXEL_SCALE, _TIE_POINT, _GEO_KEYS, _DOUBLES, _NODATA}
    for place in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(f"{order}HHI", head, place)
        if tag not in wanted or kind not in _TYPES:
            continue
        letter = _TYPES[kind]
        form = f"{order}{number}{letter}"
        start = place + 8 if struct.calcsize(form) <= 4 else struct.unpack_from(f"{order}I", head, place + 8)[0]
        values = struct.unpack_from(form, head, start)
        tags[tag] = values[0] if letter == "s" else values
    return tags


def _raster(tags: dict[int, tuple[float, ...] | bytes]) -> Raster | None:
    scale, tie = _numbers(tags[_PIXEL_SCALE]), _numbers(tags[_TIE_POINT])
    keys = {key: value for key, place, _, value in _fours(_numbers(tags[_GEO_KEYS])[4:]) if place == 0}
    if scale[0] != scale[1] or scale[0] <= 0:
        return None
    half = scale[0] / 2 if keys.get(_RASTER_TYPE) == _POINTS else 0.0
    west, north = tie[3] - tie[0] * scale[0] - half, tie[4] + tie[1] * scale[0] + half
    code = keys.get(_PROJECTED_CODE)
    columns, rows = _numbers(tags[_WIDTH])[0], _numbers(tags[_LENGTH])[0]
    epsg = int(code) if code is not None and 1024 <= code < 32767 else None
    wkt = None if epsg is not None else _albers(keys, _doubles(tags))
    grid = PixelGrid(epsg, int(rows), int(columns), west, north, scale[0], wkt)
    kind = _KINDS[int(_numbers(tags.get(_FORMAT, (1,)))[0])]
    return Raster(grid, f"{kind}{int(_numbers(tags[_BITS])[0])}", _nodata(tags.get(_NODATA)))


def _doubles(tags: dict[int, tuple[float, ...] | bytes]) -> dict[float, float]:
    """Return the GeoKeys that are numbers with a fraction."""
    values = _numbers(tags.get(_DOUBLES, ()))
    fours = _fours(_numbers(tags[_GEO_KEYS])[4:])
    return {key: values[int(at)] for key, place, count, at in fours if place == _DOUBLES and count == 1}


def _albers(keys: dict[float, float], doubles: dict[float, float]) -> str | None:
    """Return the Albers projection of analysis-ready tiles, on WGS 84 and in metres; None for any other."""
    on_wgs84 = any(keys.get(key) == code for key, code in _WGS84)
    known = keys.get(_METHOD) == _ALBERS and on_wgs84 and keys.get(_UNITS) == _METRE
    told = doubles.keys() >= _ALBERS_KEYS.keys() - _FALSE_METRES and all(map(math.isfinite, doubles.values()))
    if not known or not told:
        return None
    parameters = "".join(
        f'PARAMETER["{name}",{doubles.get(key, 0.0)!r},{_METRE_UNIT if key in _FALSE_METRES else _DEGREE_UNIT},'
        f'ID["EPSG",{code}]],'
        for key, (name, code) in _ALBERS_KEYS.items()
    ).removesuffix(",")
    return (
        'PROJCRS["Albers on WGS 84",BASEGEOGCRS["WGS 84",DATUM["World Geodetic System 1984",'
        f'ELLIPSOID["WGS 84",6378137,298.257223563,{_METRE_UNIT}]],PRIMEM["Greenwich",0,{_DEGREE_UNIT}],'
        f'ID["EPSG",4326]],CONVERSION["Albers",METHOD["Albers Equal Area",ID["EPSG",9822]],{parameters}],'
        f'CS[Cartesian,2],AXIS["(E)",east,ORDER[1],{_METRE_UNIT}],AXIS["(N)",north,ORDER[2],{_METRE_UNIT}]]'
    )


def _numbers(value: tuple[float, ...] | bytes) -> tuple[float, ...]:
    if isinstance(value, bytes):
        raise ValueError("text in place of numbers")
    return value


def _fours(values: Sequence[float]) -> list[Sequence[float]]:
    return [values[start : start + 4] for start in range(0, len(values) - 3, 4)]


def _nodata(value: tuple[float, ...] | bytes | None) -> float | None:
    if not isinstance(value, bytes):
        return None
    return float(value.rstrip(b"\0 ") or b"nan")
