"""What is written before the tiles of a window."""

from __future__ import annotations

from landsat_async.raster.geotiff import WindowImage, header
from landsat_async.raster.grid import Transform
from landsat_async.raster.window import layout_of
from tests.support.tiffs import band


def test_the_index_comes_first_and_tiles_follow_one_behind_the_other():
    data = band()
    source = layout_of(lambda size, at: data[at : at + size], len(data))
    grid = Transform(500_000.0, 1_000_000.0, 30.0, 30.0)
    image = WindowImage(20, 40, 16, 16, True, "<", 8, 2, grid, "a window", [10, 0, 30, 40, 50, 60])
    head = header(image, source)
    whole = head + bytes(190)
    found = layout_of(lambda size, at: whole[at : at + size], len(whole))
    start = len(head)
    assert found.offsets.tolist() == [start, 0, start + 10, start + 40, start + 80, start + 130]
    assert found.counts.tolist() == [10, 0, 30, 40, 50, 60]
    assert (found.transform, found.predictor, found.description) == (grid, 2, b"a window\0")


def test_strips_have_rows_in_place_of_a_width():
    data = band()
    source = layout_of(lambda size, at: data[at : at + size], len(data))
    grid = Transform(500_000.0, 1_000_000.0, 30.0, 30.0)
    head = header(WindowImage(20, 40, 20, 16, False, ">", 8, 1, grid, "", [5, 5, 5]), source)
    found = layout_of(lambda size, at: (head + bytes(15))[at : at + size], len(head) + 15)
    assert (found.is_tiled, found.tile_length, found.byte_order, found.down) == (False, 16, ">", 3)
