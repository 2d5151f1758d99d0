"""Boxes of pixels and boxes of the ground."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.raster.grid import GeoKeys, GridBox, GroundBox, Transform

LANDSAT = Transform(484_785.0, 1_160_715.0, 30.0, 30.0)
PAN = Transform(484_792.5, 1_160_707.5, 15.0, 15.0)


@pytest.mark.parametrize(
    ("ground", "box"),
    [
        (GroundBox(484_785.0, 1_160_655.0, 484_845.0, 1_160_715.0), GridBox(0, 0, 2, 2)),  # on the edges
        (GroundBox(484_786.0, 1_160_656.0, 484_844.0, 1_160_714.0), GridBox(0, 0, 2, 2)),  # grown to whole pixels
        (GroundBox(484_784.0, 1_160_656.0, 484_844.0, 1_160_716.0), GridBox(-1, -1, 3, 3)),  # begins outside
        (GroundBox(484_800.0, 1_160_700.0, 484_800.0, 1_160_700.0), GridBox(0, 0, 1, 1)),  # a point has a pixel
        (GroundBox(484_785.0, 1_160_715.0, 484_785.0, 1_160_715.0), GridBox(0, 0, 1, 1)),  # on a corner, too
    ],
)
def test_a_box_holds_the_ground_in_whole_pixels(ground, box):
    assert LANDSAT.box_around(ground) == box


@given(
    west=st.integers(-300, 300),
    north=st.integers(-300, 300),
    size=st.tuples(st.floats(0.1, 9_000), st.floats(0.1, 9_000)),
    at=st.tuples(st.floats(400_000, 600_000), st.floats(1_000_000, 1_200_000)),
)
def test_two_dates_whose_grids_are_aligned_give_the_same_ground(west, north, size, at):
    ground = GroundBox(at[0], at[1], at[0] + size[0], at[1] + size[1])
    other = LANDSAT.shifted(west, north)
    here, there = LANDSAT.box_around(ground), other.box_around(ground)
    assert (here.width, here.height) == (there.width, there.height)
    assert LANDSAT.ground_of(here) == other.ground_of(there)


def test_panchromatic_pixels_cover_the_same_ground_to_a_pixel():
    ground = GroundBox(500_000.0, 1_100_000.0, 510_000.0, 1_110_000.0)
    for grid in (LANDSAT, PAN):
        covered = grid.ground_of(grid.box_around(ground))
        assert 0 <= ground.west_m - covered.west_m < grid.pixel_width_m
        assert 0 <= covered.north_m - ground.north_m < grid.pixel_height_m


def test_what_of_a_box_lies_in_another():
    image = GridBox(0, 0, 10, 10)
    assert GridBox(-2, 3, 5, 20).within(image) == GridBox(0, 3, 3, 7)
    assert GridBox(10, 0, 5, 5).within(image) is None
    assert GridBox(-5, 0, 5, 5).within(image) is None


def test_geo_keys_give_what_is_written_in_them():
    keys = GeoKeys((1, 1, 0, 4, 1024, 0, 1, 1, 1025, 0, 1, 2, 3072, 0, 1, 32618, 3081, 34736, 1, 1), (0.5, -71.0))
    assert (keys.epsg, keys.pixel_is_point, keys.double(3081), keys.double(3082)) == (32618, True, -71.0, None)
    assert GeoKeys((1, 1, 0, 1, 3072, 0, 1, 32767)).epsg is None
    assert GeoKeys(()).short(1024) is None
