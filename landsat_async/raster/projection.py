"""Degrees to the metres of a Landsat raster: UTM, polar stereographic and Albers, in numpy alone.

Landsat products are on WGS 84 in UTM, in Antarctica in polar stereographic, and the tiles of ARD in Albers; their
GeoKeys say which, by an EPSG code or written out. All are closed formulas: Krüger's series to the sixth order for UTM
(Karney 2011), which is good to a small part of a millimetre as far as 30° from the central meridian, and Snyder's for
the poles and the cone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from landsat_async.raster.grid import USER_DEFINED, GeoKeys, UnsupportedRaster

Degrees = npt.NDArray[np.float64]
Metres = npt.NDArray[np.float64]

_A_M = 6378137.0
_F = 1 / 298.257223563
_E = math.sqrt(_F * (2 - _F))
_N = _F / (2 - _F)
_RECTIFYING_M = _A_M / (1 + _N) * (1 + _N**2 / 4 + _N**4 / 64 + _N**6 / 256)
_SERIES = (
    _N * (1 / 2 + _N * (-2 / 3 + _N * (5 / 16 + _N * (41 / 180 + _N * (-127 / 288 + _N * 7891 / 37800))))),
    _N**2 * (13 / 48 + _N * (-3 / 5 + _N * (557 / 1440 + _N * (281 / 630 - _N * 1983433 / 1935360)))),
    _N**3 * (61 / 240 + _N * (-103 / 140 + _N * (15061 / 26880 + _N * 167603 / 181440))),
    _N**4 * (49561 / 161280 + _N * (-179 / 168 + _N * 6601661 / 7257600)),
    _N**5 * (34729 / 80640 - _N * 3418889 / 1995840),
    _N**6 * 212378941 / 319334400,
)
_UTM_SCALE = 0.9996
_UTM_REACH_DEG = 30.0
"""A scene lies within three degrees of its central meridian; near the poles its corners are some ten further away."""
_POLAR_REACH_DEG = 40.0

_SYSTEM, _CITATION = 1024, 1026
_PROJECTION, _METHOD, _UNITS = 3074, 3075, 3076
_NATURAL_LATITUDE, _FALSE_EAST, _FALSE_NORTH, _NATURAL_SCALE, _STRAIGHT_LON = 3081, 3082, 3083, 3092, 3095
_PARALLELS, _NATURAL_LON = (3078, 3079), 3080
_GEOGRAPHIC, _WGS_84 = 2048, 4326
_PROJECTED, _METRE, _POLAR_STEREOGRAPHIC, _ALBERS = 1, 9001, 15, 11
_ALBERS_REACH_DEG = 60.0
_EPSG_POLAR = {3031: (-71.0, 0.0), 3413: (70.0, -45.0), 3995: (71.0, 0.0), 3976: (-70.0, 0.0)}
"""Latitude of true scale and the longitude that runs straight to the pole."""


class Projection(Protocol):
    """The plane of a raster."""

    @property
    def reach_deg(self) -> tuple[float, float, float, float]:
        """West, south, east, north of what can be projected; west may be below -180 and east above 180."""

    def project(self, lon_deg: Degrees, lat_deg: Degrees) -> tuple[Metres, Metres]:
        """Return east and north in metres."""

    def __hash__(self) -> int:
        """Planes that are equal are one."""


@dataclass(frozen=True, slots=True)
class Utm:
    """A zone of UTM."""

    zone: int
    south: bool = False
    """With ten million metres added to the north. Landsat uses the northern form everywhere."""

    @property
    def reach_deg(self) -> tuple[float, float, float, float]:
        """Thirty degrees on either side of the central meridian."""
        middle = self._middle_deg
        return middle - _UTM_REACH_DEG, -89.9, middle + _UTM_REACH_DEG, 89.9

    @property
    def _middle_deg(self) -> float:
        return self.zone * 6 - 183.0

    def project(self, lon_deg: Degrees, lat_deg: Degrees) -> tuple[Metres, Metres]:
        """Return east and north in metres."""
        lam = np.radians((lon_deg - self._middle_deg + 180) % 360 - 180)
        sin_lat = np.sin(np.radians(lat_deg))
        t = np.sinh(np.arctanh(sin_lat) - _E * np.arctanh(_E * sin_lat))
        xi = xi0 = np.arctan2(t, np.cos(lam))
        eta = eta0 = np.arctanh(np.sin(lam) / np.hypot(1, t))
        for twice, factor in zip(range(2, 14, 2), _SERIES, strict=True):
            xi = xi + factor * np.sin(twice * xi0) * np.cosh(twice * eta0)
            eta = eta + factor * np.cos(twice * xi0) * np.sinh(twice * eta0)
        scale_m = _UTM_SCALE * _RECTIFYING_M
        return 500_000 + scale_m * eta, (10_000_000 if self.south else 0) + scale_m * xi


@dataclass(frozen=True, slots=True)
class PolarStereographic:
    """A plane over a pole."""

    true_scale_deg: float
    """The latitude that has its true length; its sign says which pole. 90 and -90: see `scale`."""
    straight_lon_deg: float
    """The longitude that runs straight up (north pole: down) to the pole."""
    false_east_m: float = 0.0
    false_north_m: float = 0.0
    scale: float = 1.0
    """At the pole, where `true_scale_deg` is the pole itself."""

    @property
    def reach_deg(self) -> tuple[float, float, float, float]:
        """Everything within fifty degrees of the pole."""
        if self.true_scale_deg < 0:
            return -180.0, -90.0, 180.0, -_POLAR_REACH_DEG
        return -180.0, _POLAR_REACH_DEG, 180.0, 90.0

    def project(self, lon_deg: Degrees, lat_deg: Degrees) -> tuple[Metres, Metres]:
        """Return east and north in metres."""
        sign = -1.0 if self.true_scale_deg < 0 else 1.0
        rho = self._factor_m() * _stereographic(np.radians(sign * lat_deg))
        lam = np.radians(lon_deg - self.straight_lon_deg)
        return self.false_east_m + rho * np.sin(lam), self.false_north_m - sign * rho * np.cos(lam)

    def _factor_m(self) -> float:
        lat = math.radians(abs(self.true_scale_deg))
        if abs(self.true_scale_deg) > 89.999999:
            return 2 * _A_M * self.scale / math.sqrt((1 + _E) ** (1 + _E) * (1 - _E) ** (1 - _E))
        parallel_m = _A_M * math.cos(lat) / math.sqrt(1 - (_E * math.sin(lat)) ** 2)
        return parallel_m / float(_stereographic(np.float64(lat)))


@dataclass(frozen=True, slots=True)
class Albers:
    """An equal area cone of the northern half: the plane of the tiles of ARD."""

    parallels_deg: tuple[float, float]
    """The latitudes that have their true length."""
    origin_lat_deg: float
    origin_lon_deg: float
    false_east_m: float = 0.0
    false_north_m: float = 0.0

    @property
    def reach_deg(self) -> tuple[float, float, float, float]:
        """Sixty degrees on either side of the middle."""
        middle = self.origin_lon_deg
        return middle - _ALBERS_REACH_DEG, 0.0, middle + _ALBERS_REACH_DEG, 89.0

    def project(self, lon_deg: Degrees, lat_deg: Degrees) -> tuple[Metres, Metres]:
        """Return east and north in metres."""
        first, second = (math.radians(lat) for lat in self.parallels_deg)
        square = [math.cos(lat) ** 2 / (1 - (_E * math.sin(lat)) ** 2) for lat in (first, second)]
        area = [float(_area(np.float64(lat))) for lat in (first, second)]
        n = math.sin(first) if first == second else (square[0] - square[1]) / (area[1] - area[0])
        c = square[0] + n * area[0]
        rho = _A_M / n * np.sqrt(c - n * _area(np.radians(lat_deg)))
        origin_m = _A_M / n * math.sqrt(c - n * float(_area(np.float64(math.radians(self.origin_lat_deg)))))
        theta = n * np.radians((lon_deg - self.origin_lon_deg + 180) % 360 - 180)
        return self.false_east_m + rho * np.sin(theta), self.false_north_m + origin_m - rho * np.cos(theta)


def _area(lat_rad: Any) -> Any:
    """Return the area of the ellipsoid between the equator and a latitude, up to a factor."""
    sin_lat = np.sin(lat_rad)
    return (1 - _E**2) * (sin_lat / (1 - (_E * sin_lat) ** 2) + np.arctanh(_E * sin_lat) / _E)


def _stereographic(lat_rad: Any) -> Any:
    """Return how far from the (north) pole a latitude lies in a stereographic plane, up to a factor."""
    e_sin = _E * np.sin(lat_rad)
    return np.tan(np.pi / 4 - lat_rad / 2) * ((1 + e_sin) / (1 - e_sin)) ** (_E / 2)


def projection_of(keys: GeoKeys) -> Projection:
    """Return the plane that the GeoKeys of a raster name.

    Raises:
        UnsupportedRaster: it is another one than Landsat products have.
    """
    code = keys.epsg
    if code is not None:
        if 32601 <= code <= 32660 or 32701 <= code <= 32760:
            return Utm(code % 100, south=code > 32700)
        if code in _EPSG_POLAR:
            return PolarStereographic(*_EPSG_POLAR[code])
        raise UnsupportedRaster(
            f"its coordinate system (EPSG:{code}) is neither UTM nor polar stereographic nor Albers"
        )
    projected = keys.short(_SYSTEM) in (_PROJECTED, None) and keys.short(_UNITS) in (_METRE, None)
    if not projected:
        raise UnsupportedRaster("its coordinates are no metres")
    if keys.short(_METHOD) == _POLAR_STEREOGRAPHIC:
        return _written_out(keys)
    if keys.short(_METHOD) == _ALBERS:
        return _cone(keys)
    code = keys.short(_PROJECTION)
    if code not in (None, USER_DEFINED) and (16001 <= code <= 16060 or 16101 <= code <= 16160):
        return Utm(code % 100, south=code > 16100)
    raise UnsupportedRaster("its coordinate system is neither UTM nor polar stereographic nor Albers")


def _written_out(keys: GeoKeys) -> PolarStereographic:
    latitude, longitude = keys.double(_NATURAL_LATITUDE), keys.double(_STRAIGHT_LON)
    if latitude is None or not 40 < abs(latitude) <= 90 or longitude is None or not -360 <= longitude <= 360:
        raise UnsupportedRaster("its polar stereographic projection does not say where it lies")
    east, north = keys.double(_FALSE_EAST) or 0.0, keys.double(_FALSE_NORTH) or 0.0
    return PolarStereographic(latitude, longitude, east, north, keys.double(_NATURAL_SCALE) or 1.0)


def _cone(keys: GeoKeys) -> Albers:
    if keys.short(_GEOGRAPHIC) not in (None, USER_DEFINED, _WGS_84):
        raise UnsupportedRaster("its Albers projection is not on WGS 84")
    first, second = (keys.double(key) for key in _PARALLELS)
    latitude, longitude = keys.double(_NATURAL_LATITUDE), keys.double(_NATURAL_LON)
    if first is None or second is None or latitude is None or longitude is None:
        raise UnsupportedRaster("its Albers projection does not say where it lies")
    if not (0 < first < 80 and 0 < second < 80 and 0 <= latitude < 80 and -180 <= longitude <= 180):
        raise UnsupportedRaster("its Albers projection is none of the tiles of ARD")
    east, north = keys.double(_FALSE_EAST) or 0.0, keys.double(_FALSE_NORTH) or 0.0
    return Albers((first, second), latitude, longitude, east, north)
