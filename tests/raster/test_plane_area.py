"""Areas in the plane of a raster, judged by pyproj and rasterio."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapely.geometry import MultiPolygon, Point, Polygon, box, mapping

from landsat_async.raster.area_mask import mask_of, spans_of
from landsat_async.raster.grid import Transform
from landsat_async.raster.plane_area import plane_area
from landsat_async.raster.projection import PolarStereographic, Utm
from landsat_async.rules.aoi import aoi_from_bbox

pyproj = pytest.importorskip("pyproj", reason="pyproj is not installed (extra: test)")
features = pytest.importorskip("rasterio.features", reason="rasterio is not installed (extra: test)")
affine = pytest.importorskip("affine")

POLE = PolarStereographic(-71.0, 0.0)


def lengths_m(area):
    found = area.box
    return found.east_m - found.west_m, found.north_m - found.south_m


def test_edges_bend_as_the_parallels_do():
    area = plane_area(box(-69, 60, -66, 61), Utm(19))
    to_metres = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32619", always_xy=True)
    _, middle = to_metres.transform(-69 + 1e-9, 60)
    lons = np.linspace(-69, -66, 300_001)
    _, norths = to_metres.transform(lons, np.full(len(lons), 60.0))
    assert area.box.south_m == pytest.approx(norths.min(), abs=0.02)
    assert abs(area.box.south_m - middle) < 1 or area.box.south_m < middle


@pytest.mark.parametrize(("zone", "west", "east"), [(60, 179.5, -179.5), (1, 179.5, -179.5), (1, -179.9, -179.8)])
def test_an_area_across_the_180_meridian_is_whole_on_either_side(zone, west, east):
    across = plane_area(aoi_from_bbox((west, 10.0, east, 10.5)).geometry, Utm(zone))
    assert lengths_m(across)[0] == pytest.approx((east - west) % 360 * 109_640, rel=0.05)
    grid = Transform(across.box.west_m - 15, across.box.north_m + 15, 30, 30)
    pixels = spans_of(across, grid).count
    same = shapely.get_coordinates(box(0, 10.0, (east - west) % 360, 10.5))
    true_m2, _ = pyproj.Geod(ellps="WGS84").polygon_area_perimeter(*same.T)
    assert pixels * 900 == pytest.approx(true_m2, rel=0.005)


def test_what_the_plane_cannot_reach_is_cut_off():
    assert plane_area(box(100, 10, 101, 11), Utm(19)).box is None
    assert plane_area(box(-70, 10, -69, 11), POLE).box is None
    whole_world = plane_area(box(-180, -90, 180, 90), Utm(19))
    assert all(np.isfinite(ring).all() for ring in whole_world.rings)
    cap = plane_area(box(-180, -90, 180, -85), POLE)
    assert spans_of(cap, Transform(-1e6, 1e6, 10_000, 10_000)).count == pytest.approx(np.pi * 54.5**2, rel=0.02)


def test_points_and_parts_and_holes():
    points = plane_area(shapely.multipoints([Point(-69, 10), Point(100, 10)]), Utm(19))
    assert len(points.points) == 1
    ring = box(-69, 10, -68, 11).difference(box(-68.7, 10.3, -68.3, 10.7))
    area = plane_area(MultiPolygon([ring, box(-68.6, 10.4, -68.4, 10.6)]), Utm(19))
    assert len(area.rings) == 3
    grid = Transform(400_000, 1_300_000, 300, 300)
    outer = spans_of(plane_area(box(-69, 10, -68, 11), Utm(19)), grid).count
    assert spans_of(area, grid).count == pytest.approx(outer * 0.88, rel=0.01)


def random_area(rng):
    zone = int(rng.integers(1, 61))
    polar = rng.random() < 0.2
    lat = rng.uniform(-80, -66) if polar else rng.uniform(-60, 75)
    lon = zone * 6 - 183 + rng.uniform(-3, 3)
    corners, size_deg = int(rng.integers(3, 30)), rng.uniform(0.01, 0.3)
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radii = rng.uniform(0.2, 1, corners) * size_deg
    stretch = 1 / np.cos(np.radians(lat))
    polygon = Polygon(np.column_stack([lon + stretch * radii * np.cos(angles), lat + radii * np.sin(angles)]))
    return polygon.buffer(0), (POLE, "EPSG:3031") if polar else (Utm(zone), f"EPSG:{32600 + zone}")


@pytest.mark.parametrize("seed", range(12))
def test_a_mask_is_that_of_rasterio_with_pyproj(seed):
    geometry, (projection, crs) = random_area(np.random.default_rng(seed))
    to_metres = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    bent = shapely.transform(shapely.segmentize(geometry, 0.002), lambda p: np.column_stack(to_metres.transform(*p.T)))
    west, _, _, north = bent.bounds
    grid = Transform(np.floor(west / 30) * 30 - 15, np.ceil(north / 30) * 30 + 15, 30, 30)
    area = plane_area(geometry, projection)
    window = grid.box_around(area.box)
    moved = affine.Affine(30, 0, grid.west_m, 0, -30, grid.north_m) @ affine.Affine.translation(
        window.column, window.row
    )
    shape = window.height, window.width
    true = features.geometry_mask([mapping(bent)], shape, moved, all_touched=False, invert=True)
    wrong = np.count_nonzero(mask_of(spans_of(area, grid), window) != true)
    assert wrong <= 0.0001 * true.sum() + 1
