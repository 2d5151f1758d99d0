"""Degrees to metres, judged by pyproj."""

from __future__ import annotations

import numpy as np
import pytest

from landsat_async.raster.grid import GeoKeys, UnsupportedRaster
from landsat_async.raster.projection import Albers, PolarStereographic, Utm, projection_of
from landsat_async.raster.window import layout_of

pyproj = pytest.importorskip("pyproj", reason="pyproj is not installed (extra: test)")

POINTS = 10_000


def judge(epsg, lon, lat):
    crs = epsg if isinstance(epsg, str) else f"EPSG:{epsg}"
    return pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)


def keys(**values):
    """GeoKeys by number: whole numbers stand in the directory, others among the doubles."""
    directory, doubles = [], []
    for name, value in values.items():
        number = int(name[1:])
        if isinstance(value, float):
            directory += [number, 34736, 1, len(doubles)]
            doubles.append(value)
        else:
            directory += [number, 0, 1, value]
    return GeoKeys((1, 1, 0, len(values), *directory), tuple(doubles))


@pytest.mark.parametrize("zone", [1, 2, 19, 31, 59, 60])
@pytest.mark.parametrize("south", [False, True])
def test_utm_is_within_a_millimetre_also_beyond_the_borders_of_the_zone(zone, south):
    rng = np.random.default_rng(zone)
    lon = (zone * 6 - 183 + rng.uniform(-25, 25, POINTS) + 180) % 360 - 180
    lon[:4] = 180, -180, (zone * 6 - 180), (zone * 6 - 186)
    lat = rng.uniform(-84, 84, POINTS)
    near = np.abs((lon - (zone * 6 - 183) + 180) % 360 - 180) < 29
    x, y = Utm(zone, south).project(lon[near], lat[near])
    true_x, true_y = judge((32700 if south else 32600) + zone, lon[near], lat[near])
    assert np.hypot(x - true_x, y - true_y).max() < 0.001
    assert projection_of(keys(k1024=1, k3072=(32700 if south else 32600) + zone)) == Utm(zone, south)


@pytest.mark.parametrize("epsg", [3031, 3413, 3995, 3976])
def test_the_poles_are_within_a_millimetre(epsg):
    rng = np.random.default_rng(epsg)
    plane = projection_of(keys(k1024=1, k3072=epsg))
    west, south, east, north = plane.reach_deg
    lon, lat = rng.uniform(west, east, POINTS), rng.uniform(south, north, POINTS)
    lon[:3] = -180, 180, 0
    x, y = plane.project(lon, lat)
    true_x, true_y = judge(epsg, lon, lat)
    assert np.hypot(x - true_x, y - true_y).max() < 0.001


def test_a_polar_plane_that_is_written_out_is_read():
    plane = projection_of(
        keys(k1024=1, k3072=32767, k3074=32767, k3075=15, k3076=9001, k3081=-71.0, k3082=5.0, k3083=-7.0, k3095=20.0)
    )
    lon, lat = np.array([10.0, -170.0]), np.array([-75.0, -80.0])
    true = judge("+proj=stere +lat_0=-90 +lat_ts=-71 +lon_0=20 +x_0=5 +y_0=-7 +datum=WGS84", lon, lat)
    assert np.allclose(plane.project(lon, lat), true, atol=1e-3)
    at_the_pole = PolarStereographic(90.0, 0.0, scale=0.994)
    true = judge("+proj=stere +lat_0=90 +lon_0=0 +k=0.994 +datum=WGS84", lon, -lat)
    assert np.allclose(at_the_pole.project(lon, -lat), true, atol=1e-3)


TILES = {"CU": (29.5, 45.5, 23.0, -96.0), "AK": (55.0, 65.0, 50.0, -154.0), "HI": (8.0, 18.0, 3.0, -157.0)}


@pytest.mark.parametrize("region", TILES)
def test_the_planes_of_ard_are_within_a_millimetre(region):
    first, second, latitude, longitude = TILES[region]
    plane = projection_of(
        keys(k1024=1, k3072=32767, k3075=11, k3076=9001, k3078=first, k3079=second, k3080=longitude, k3081=latitude)
    )
    west, south, east, north = plane.reach_deg
    rng = np.random.default_rng(11)
    lon, lat = rng.uniform(west, east, POINTS), rng.uniform(south, north, POINTS)
    lon[:2] = -180, 180
    proj = f"+proj=aea +lat_1={first} +lat_2={second} +lat_0={latitude} +lon_0={longitude} +datum=WGS84"
    x, y = plane.project(lon, lat)
    true_x, true_y = judge(proj, lon, lat)
    assert np.hypot(x - true_x, y - true_y).max() < 0.001


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_an_albers_plane_as_gdal_writes_it_is_read(tmp_path):
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed (extra: test)")
    proj = "+proj=aea +lat_1=29.5 +lat_2=45.5 +lat_0=23 +lon_0=-96 +x_0=0 +y_0=0 +datum=WGS84 +units=m"
    shape = {"width": 32, "height": 32, "count": 1, "dtype": "uint16"}
    place = rasterio.Affine(30, 0, -2_000_000, 0, -30, 2_000_000)
    with rasterio.open(tmp_path / "tile.tif", "w", driver="GTiff", crs=proj, transform=place, **shape) as tile:
        tile.write(np.ones((1, 32, 32), np.uint16))
    body = (tmp_path / "tile.tif").read_bytes()
    layout = layout_of(lambda size, at: body[at : at + size], len(body))
    assert projection_of(layout.keys) == Albers((29.5, 45.5), 23.0, -96.0)


@pytest.mark.parametrize(
    "wrong", [{"k2048": 4269}, {"k3078": -29.5}, {"k3080": 400.0}, {"k3081": 32767}], ids=lambda one: next(iter(one))
)
def test_an_albers_plane_that_no_tile_has_is_refused(wrong):
    given = {"k3078": 29.5, "k3079": 45.5, "k3080": -96.0, "k3081": 23.0} | wrong
    with pytest.raises(UnsupportedRaster, match="Albers"):
        projection_of(keys(k1024=1, k3072=32767, k3075=11, k3076=9001, **given))


def test_a_zone_that_is_written_out_is_read():
    assert projection_of(keys(k1024=1, k3072=32767, k3074=16019)) == Utm(19)
    assert projection_of(keys(k1024=1, k3072=32767, k3074=16119)) == Utm(19, south=True)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (keys(k1024=1, k3072=5070), "EPSG:5070"),
        (keys(k1024=1, k3072=32661), "EPSG:32661"),
        (keys(k1024=2, k2048=4326), "no metres"),
        (keys(k1024=1, k3072=32767, k3075=11), "where it lies"),
        (keys(k1024=1, k3072=32767, k3075=8), "neither"),
        (keys(k1024=1, k3072=32767, k3076=9002), "no metres"),
        (keys(k1024=1, k3072=32767, k3075=15), "where it lies"),
        (keys(k1024=1, k3072=32767, k3075=15, k3081=-10.0, k3095=0.0), "where it lies"),
        (GeoKeys((1, 1, 0, 0)), "neither"),
    ],
)
def test_other_planes_are_refused_by_name(given, text):
    with pytest.raises(UnsupportedRaster, match=text):
        projection_of(given)
