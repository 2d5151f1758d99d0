"""Which tiles a box touches, and which bytes those are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from landsat_async.raster.cog import CogLayout
from landsat_async.raster.grid import GeoKeys, GridBox, Transform
from landsat_async.raster.ranges import NEAR_BYTES, TileSpan, box_of_tiles, ranges_of, stretch_of, tiles_of

SIDE = 256


def real_size(tile: int = SIDE, *, strips: int = 0, mean: int = 95_000) -> CogLayout:
    """Return the layout of a band of 7,700 x 7,800 pixels whose tiles have sizes like real ones."""
    tile_width, tile_length = (7700, strips) if strips else (tile, tile)
    count = -(-7700 // tile_width) * -(-7800 // tile_length)
    share = mean * tile_width * tile_length / SIDE**2
    counts = np.random.default_rng(1).integers(int(share * 0.8), int(share * 1.2), count).astype(np.uint64)
    offsets = (16_384 + np.concatenate(([0], np.cumsum(counts[:-1])))).astype(np.uint64)
    return CogLayout(
        "<", 7700, 7800, tile_width, tile_length, not strips, "u2", 8, 2, 1, offsets, counts, False,
        Transform(484_785.0, 1_160_715.0, 30.0, 30.0), GeoKeys(()), b"0", b"", int(offsets[-1] + counts[-1]),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("box", "span"),
    [
        (GridBox(0, 0, 1, 1), TileSpan(0, 0, 1, 1)),
        (GridBox(255, 255, 2, 2), TileSpan(0, 0, 2, 2)),
        (GridBox(256, 512, 256, 256), TileSpan(1, 2, 1, 1)),
        (GridBox(-50, -50, 60, 60), TileSpan(0, 0, 1, 1)),
        (GridBox(7690, 7790, 500, 500), TileSpan(30, 30, 1, 1)),
        (GridBox(7700, 0, 10, 10), None),
        (GridBox(-10, 0, 10, 10), None),
    ],
)
def test_the_tiles_that_a_box_touches(box, span):
    assert tiles_of(real_size(), box) == span


def test_the_pixels_of_tiles_end_with_the_image():
    assert box_of_tiles(real_size(), TileSpan(30, 30, 1, 1)) == GridBox(7680, 7680, 20, 120)


@pytest.mark.parametrize(("km", "requests", "share"), [(10, 6, 0.01), (60, 12, 0.10)])
@pytest.mark.parametrize("tile", [256, 512])
def test_a_small_area_takes_few_requests_and_few_bytes(km, requests, share, tile):
    layout, side = real_size(tile), km * 1000 // 30 + 1
    if tile == 512 and km == 10:
        share = 0.037  # four tiles of 512 pixels are more than that, whoever asks
    if tile == 512 and km == 60:
        share = 0.12
    for column, row in ((0, 0), (200, 250), (1000, 3001), (5000, 5000)):
        span = tiles_of(layout, GridBox(column, row, side, side))
        ranges = ranges_of(layout, span)
        assert 1 + len(ranges) + 1 <= requests  # the head before, and once more behind
        assert 16_384 + sum(end - start for start, end in ranges) <= share * layout.total


def test_strips_of_some_rows_are_one_range():
    layout = real_size(strips=16)
    assert len(ranges_of(layout, tiles_of(layout, GridBox(100, 100, 333, 333)))) == 1


def test_ranges_hold_every_tile_and_neighbours_are_one():
    layout = real_size()
    span = TileSpan(3, 4, 3, 2)
    ranges = ranges_of(layout, span)
    assert len(ranges) == 2
    for tile in span:
        start, end = stretch_of(layout, *tile)
        assert any(a <= start and end <= b for a, b in ranges)


def test_tiles_in_any_order_take_no_more_requests_than_rows():
    layout = real_size()
    shuffled = np.random.default_rng(2).permutation(len(layout.offsets))
    layout = replace(layout, offsets=layout.offsets[shuffled], counts=layout.counts[shuffled])
    span = TileSpan(0, 0, 12, 12)
    ranges = ranges_of(layout, span)
    assert len(ranges) <= 12
    assert all(any(a <= s and e <= b for a, b in ranges) for s, e in (stretch_of(layout, *tile) for tile in span))


def test_tiles_that_are_not_stored_or_are_here_are_not_asked_for():
    layout = real_size()
    counts = layout.counts.copy()
    counts[0] = 0
    layout = replace(layout, counts=counts)
    assert stretch_of(layout, 0, 0) is None
    assert ranges_of(layout, TileSpan(0, 0, 1, 1)) == []
    stretch = stretch_of(layout, 1, 0)
    assert ranges_of(layout, TileSpan(1, 0, 1, 1), held=[stretch]) == []


@pytest.mark.faults("K71")
@pytest.mark.parametrize("larger", [0, 20_000_000])
def test_ranges_that_almost_touch_are_one_but_where_the_gap_is_much_of_the_file(larger):
    layout = real_size(mean=NEAR_BYTES // 2)
    first, _, third = (stretch_of(layout, column, 0) for column in (0, 1, 2))
    counts = layout.counts.copy()
    counts[1] = 0
    ranges = ranges_of(replace(layout, counts=counts, total=layout.total + larger), TileSpan(0, 0, 3, 1))
    assert ranges == ([(first[0], third[1])] if larger else [first, third])
