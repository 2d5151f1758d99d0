"""WRS-2 scene centres and footprints, and the UTM projection, from closed formulas: no grid file, no PROJ."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from math import cos, cosh, sin, sinh

_A_M = 6378137.0
_F = 1 / 298.257223563
_N = _F / (2 - _F)
_K0 = 0.9996
_E = math.sqrt(_F * (2 - _F))
_RECTIFYING_M = _A_M / (1 + _N) * (1 + _N**2 / 4 + _N**4 / 64)
# Krüger series to the third order: better than a millimetre inside a zone.
_ALPHA = (
    _N / 2 - 2 * _N**2 / 3 + 5 * _N**3 / 16,
    13 * _N**2 / 48 - 3 * _N**3 / 5,
    61 * _N**3 / 240,
)
_BETA = (_N / 2 - 2 * _N**2 / 3 + 37 * _N**3 / 96, _N**2 / 48 + _N**3 / 15, 17 * _N**3 / 480)
_DELTA = (2 * _N - 2 * _N**2 / 3 - 2 * _N**3, 7 * _N**2 / 3 - 8 * _N**3 / 5, 56 * _N**3 / 15)

_INCLINATION_RAD = math.radians(98.2)
_ROWS = 248
_PATHS = 233
_DESCENDING_NODE_OF_PATH_1_DEG = -64.6
_HALF_SWATH_M = 92_500.0
_HALF_LENGTH_M = 90_000.0


def utm_zone(lon_deg: float) -> int:
    """Number of the UTM zone, 1..60, that holds a longitude."""
    return int((lon_deg + 180) // 6) % 60 + 1


def _series(factors: tuple[float, float, float], xi: float, eta: float) -> tuple[float, float]:
    """Return the sums of Krüger's series northward and eastward; written out, as each footprint needs six of them."""
    a, b, c = factors
    return (
        a * sin(2 * xi) * cosh(2 * eta) + b * sin(4 * xi) * cosh(4 * eta) + c * sin(6 * xi) * cosh(6 * eta),
        a * cos(2 * xi) * sinh(2 * eta) + b * cos(4 * xi) * sinh(4 * eta) + c * cos(6 * xi) * sinh(6 * eta),
    )


def utm_from_lonlat(lon_deg: float, lat_deg: float, zone: int) -> tuple[float, float]:
    """Easting and northing in metres. Landsat uses the northern grid everywhere: south is negative."""
    lam = math.radians((lon_deg - (zone * 6 - 183) + 180) % 360 - 180)
    sin_lat = math.sin(math.radians(lat_deg))
    t = math.sinh(math.atanh(sin_lat) - _E * math.atanh(_E * sin_lat))
    xi0 = math.atan2(t, math.cos(lam))
    eta0 = math.atanh(math.sin(lam) / math.hypot(1, t))
    north, east = _series(_ALPHA, xi0, eta0)
    xi, eta = xi0 + north, eta0 + east
    return 500_000 + _K0 * _RECTIFYING_M * eta, _K0 * _RECTIFYING_M * xi


def lonlat_from_utm(east_m: float, north_m: float, zone: int) -> tuple[float, float]:
    """Longitude (-180..180) and latitude in degrees of a point of the northern UTM grid."""
    xi = north_m / (_K0 * _RECTIFYING_M)
    eta = (east_m - 500_000) / (_K0 * _RECTIFYING_M)
    north, east = _series(_BETA, xi, eta)
    xi0, eta0 = xi - north, eta - east
    chi = math.asin(math.sin(xi0) / math.cosh(eta0))
    d1, d2, d3 = _DELTA
    lat = chi + (d1 * math.sin(2 * chi) + d2 * math.sin(4 * chi) + d3 * math.sin(6 * chi))
    lon = math.radians(zone * 6 - 183) + math.atan2(math.sinh(eta0), math.cos(xi0))
    return (math.degrees(lon) + 180) % 360 - 180, math.degrees(lat)


def _conformal(lat_rad: float) -> float:
    """Return how a latitude counts in a stereographic projection from the south pole."""
    e_sin = _E * math.sin(lat_rad)
    return math.tan(math.pi / 4 + lat_rad / 2) / math.pow((1 + e_sin) / (1 - e_sin), _E / 2)


_TRUE_SCALE_RAD = math.radians(-71)
_POLAR_M = (
    _A_M
    * math.cos(_TRUE_SCALE_RAD)
    / math.sqrt(1 - (_E * math.sin(_TRUE_SCALE_RAD)) ** 2)
    / _conformal(_TRUE_SCALE_RAD)
)


def polar_from_lonlat(lon_deg: float, lat_deg: float) -> tuple[float, float]:
    """Easting and northing in metres in Antarctica's polar stereographic projection (EPSG 3031)."""
    rho = _POLAR_M * _conformal(math.radians(lat_deg))
    lam = math.radians(lon_deg)
    return rho * math.sin(lam), rho * math.cos(lam)


def lonlat_from_polar(east_m: float, north_m: float) -> tuple[float, float]:
    """Longitude and latitude in degrees of a point of Antarctica's polar stereographic projection."""
    t = math.hypot(east_m, north_m) / _POLAR_M
    lat = 2 * math.atan(t) - math.pi / 2
    for _ in range(6):  # each round gains two digits or more
        e_sin = _E * math.sin(lat)
        lat = 2 * math.atan(t * ((1 + e_sin) / (1 - e_sin)) ** (_E / 2)) - math.pi / 2
    return math.degrees(math.atan2(east_m, north_m)), math.degrees(lat)


def centre(path: int, row: int) -> tuple[float, float]:
    """Longitude and latitude of a scene's nominal centre, from the orbit's inclination and repeat cycle."""
    theta_deg = (row - 60) * 360 / _ROWS
    theta = math.radians(theta_deg)
    lat = -math.asin(math.sin(_INCLINATION_RAD) * math.sin(theta))
    swing = math.degrees(math.atan2(-math.cos(_INCLINATION_RAD) * math.sin(theta), math.cos(theta)))
    node = _DESCENDING_NODE_OF_PATH_1_DEG - (path - 1) * 360 / _PATHS
    lon = node - swing - theta_deg * 16 / _PATHS
    return (lon + 180) % 360 - 180, math.degrees(lat)


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a scene lies: a rotated rectangle in UTM, and the upright raster that just holds it."""

    zone: int
    corners_m: tuple[tuple[float, float], ...]
    """Upper left, upper right, lower right, lower left of the imaged area (easting, northing)."""
    corners_deg: tuple[tuple[float, float], ...]
    """The same as (longitude, latitude), 5 decimals as the service gives them."""
    centre_deg: tuple[float, float]

    @property
    def bounds_m(self) -> tuple[float, float, float, float]:
        """West, south, east, north of the raster."""
        east = [x for x, _ in self.corners_m]
        north = [y for _, y in self.corners_m]
        return min(east), min(north), max(east), max(north)


@functools.lru_cache(maxsize=65_536)
def frame(path: int, row: int) -> Frame:
    """Compute the footprint of a WRS-2 scene."""
    lon, lat = centre(path, row)
    zone = utm_zone(lon)
    x, y = utm_from_lonlat(lon, lat, zone)
    ahead_lon, ahead_lat = centre(path, row + 1)
    ax, ay = utm_from_lonlat(ahead_lon, ahead_lat, zone)
    length = math.hypot(ax - x, ay - y)
    down = ((ax - x) / length, (ay - y) / length)
    right = (-down[1], down[0])
    corners = tuple(
        (
            round((x + s * _HALF_SWATH_M * right[0] + t * _HALF_LENGTH_M * down[0]) / 30) * 30.0,
            round((y + s * _HALF_SWATH_M * right[1] + t * _HALF_LENGTH_M * down[1]) / 30) * 30.0,
        )
        for s, t in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    )
    degrees = []
    for east, north in corners:
        corner_lon, corner_lat = lonlat_from_utm(east, north, zone)
        degrees.append((round(corner_lon, 5), round(corner_lat, 5)))
    return Frame(zone, corners, tuple(degrees), (lon, lat))
