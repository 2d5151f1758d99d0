"""Masks of areas, judged by rasterio."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import shapely
from shapely.geometry import MultiPolygon, Point, Polygon, box, mapping

from landsat_async.raster.area_mask import mask_of, spans_of
from landsat_async.raster.grid import GridBox, Transform
from landsat_async.raster.plane_area import PlaneArea

features = pytest.importorskip("rasterio.features", reason="rasterio is not installed (extra: test)")
affine = pytest.importorskip("affine")

GRID = Transform(399_885.0, 1_200_015.0, 30.0, 30.0)
AFFINE = affine.Affine(30.0, 0.0, GRID.west_m, 0.0, -30.0, GRID.north_m)


def area_of(geometry):
    rings = tuple(shapely.get_coordinates(ring) for ring in shapely.get_rings(shapely.get_parts(geometry)))
    return PlaneArea(rings, np.zeros((0, 2)))


def true_mask(geometry, box_):
    moved = AFFINE @ affine.Affine.translation(box_.column, box_.row)
    shape = (box_.height, box_.width)
    return features.geometry_mask([mapping(geometry)], shape, moved, all_touched=False, invert=True)


def on_grid(geometry):
    """From columns and rows to metres."""
    return shapely.transform(
        geometry, lambda p: np.column_stack([GRID.west_m + 30 * p[:, 0], GRID.north_m - 30 * p[:, 1]])
    )


def same(geometry, box_=GridBox(0, 0, 120, 100)):
    spans = spans_of(area_of(geometry), GRID)
    np.testing.assert_array_equal(mask_of(spans, box_), true_mask(geometry, box_))
    whole = GridBox(-100, -100, 400, 400)
    assert spans.count == np.count_nonzero(mask_of(spans, whole))


def star(rng, corners):
    angles = np.sort(rng.uniform(0, 2 * math.pi, corners))
    radii = rng.uniform(2, 55, corners)
    return np.column_stack([60 + radii * np.cos(angles), 50 + radii * np.sin(angles)])


@pytest.mark.parametrize("seed", range(40))
def test_any_polygon_has_the_pixels_that_rasterio_gives_it(seed):
    rng = np.random.default_rng(seed)
    outer = Polygon(star(rng, int(rng.integers(3, 60))))
    hole = Polygon(star(rng, 8) * 0.2 + 45)
    geometry = on_grid(outer.buffer(0).difference(hole))
    same(geometry)
    same(geometry, GridBox(30, 20, 17, 90))
    same(geometry, GridBox(-10, -10, 60, 60))


@pytest.mark.parametrize("seed", range(40))
def test_edges_along_centres_and_borders_of_pixels_are_counted_as_rasterio_does(seed):
    rng = np.random.default_rng(seed)
    halves = np.sort(rng.integers(0, 160, 4)) / 2 + (0.25 if seed % 4 == 0 else 0)
    west, east = halves[0], halves[2] + 1
    north, south = halves[1], halves[3] + 1
    plain = box(west, north, east, south)
    same(on_grid(plain))
    same(on_grid(plain.reverse()))


def test_areas_that_share_an_edge_and_steps_are_counted_as_rasterio_does():
    same(on_grid(MultiPolygon([box(1, 1, 10.5, 20.5), box(10.5, 1, 30, 20.5), box(40.5, 2.5, 50.5, 12.5)])))
    steps = Polygon(
        [(2.5, 2.5), (20.5, 2.5), (20.5, 10.5), (30.5, 10.5), (30.5, 20.5), (10.5, 20.5), (10.5, 12.5), (2.5, 12.5)]
    )
    same(on_grid(steps))
    same(on_grid(steps.reverse()))
    hole = box(8.5, 10.5, 20.5, 20.5)
    for outer, inner in itertools.product((box(2, 3, 30, 32.5), box(2, 3, 30, 32.5).reverse()), (hole, hole.reverse())):
        same(on_grid(Polygon(outer.exterior, [inner.exterior])))


def test_an_area_within_one_pixel_and_a_point_are_the_pixels_that_they_lie_in():
    tiny = spans_of(area_of(on_grid(box(7.6, 3.6, 7.9, 3.9))), GRID)
    assert (tiny.row.tolist(), tiny.start.tolist(), tiny.end.tolist()) == ([3], [7], [8])
    points = on_grid(shapely.multipoints([Point(7.1, 3.2), Point(7.9, 3.3), Point(-0.5, 90)]))
    spans = spans_of(PlaneArea((), shapely.get_coordinates(points)), GRID)
    assert sorted(zip(spans.row.tolist(), spans.start.tolist(), strict=True)) == [(3, 7), (90, -1)]


def test_what_an_area_has_is_counted_without_its_pixels():
    wide = spans_of(area_of(on_grid(box(-100_000, -100_000, 200_000, 150_000))), GRID)
    assert wide.count == 300_000 * 250_000
