"""Windows cut out of bands, with GDAL as the judge; `benchmarks windows` does the same five hundred times."""

from __future__ import annotations

import random

import numpy as np
import pytest

from landsat_async.proof import tiles
from landsat_async.proof.byte_view import ByteView
from landsat_async.proof.tiff import walk_tiff
from landsat_async.proof.tiles import decode_tiles
from landsat_async.raster.grid import GridBox, GroundBox, UnsupportedRaster
from landsat_async.raster.window import FillOnly, Origin, WindowMode, cut, layout_of, tile_side, window_of
from tests.support.rasters import KEY, NAME, cut_by_ranges, ground_of, judge, layout_at, random_box, recipe, write
from tests.support.tiffs import LONG, PIXELS, band


@pytest.mark.parametrize("mode", WindowMode)
@pytest.mark.parametrize("seed", range(12))
def test_a_window_is_gdals_window_of_the_whole(seed, mode, tmp_path):
    pytest.importorskip("rasterio", reason="rasterio is the independent judge of windows")
    path = tmp_path / "band.tif"
    write(path, recipe(seed))
    box = random_box(random.Random(seed), layout_at(path))
    assert judge(path, box, mode, tmp_path / "window.tif") == "", recipe(seed)


def layout(data: bytes):
    return layout_of(lambda size, at: data[at : at + size], len(data))


def pixels_of(data: bytes) -> np.ndarray:
    """Read a window back with our own reader."""
    own = layout(data)
    (whole,) = [window_of(own, own.transform.ground_of(own.image), WindowMode.PIXELS)]
    assert whole.box == own.image
    from landsat_async.raster.ranges import stretch_of, tiles_of
    from landsat_async.raster.tile_codec import decode

    image = np.zeros((own.down * own.tile_length, own.across * own.tile_width), own.pixel_type)
    for column, row in tiles_of(own, own.image):
        start, end = stretch_of(own, column, row)
        top, left = row * own.tile_length, column * own.tile_width
        image[top : top + own.tile_length, left : left + own.tile_width] = decode(own, data[start:end], row)
    return image[: own.length, : own.width]


@pytest.mark.parametrize(
    "shape", [{}, {"order": ">"}, {"big": True}, {"index_at_end": True}, {"framed": True}], ids=str
)
@pytest.mark.parametrize("mode", WindowMode)
def test_a_window_has_the_pixels_of_its_box_in_every_shape_of_a_file(shape, mode):
    data = band(**shape)
    own = layout(data)
    window = window_of(own, ground_of(own, GridBox(10, 3, 20, 9)), mode)
    assert window.box == (GridBox(10, 3, 20, 9) if mode is WindowMode.PIXELS else GridBox(0, 0, 32, 16))
    box = window.box
    ours = cut_by_ranges(data, own, window)
    assert (pixels_of(ours) == PIXELS[box.row : box.row_end, box.column : box.column_end]).all()
    there = layout(ours)
    assert there.transform == own.transform.shifted(box.column, box.row)
    assert (there.keys, there.nodata, there.pixel_type) == (own.keys, own.nodata, own.pixel_type)
    assert Origin.read(there.description) == Origin(NAME, len(data), KEY)


@pytest.mark.parametrize("mode", WindowMode)
def test_a_window_passes_the_proof_of_files(mode):
    data = band()
    own = layout(data)
    ours = cut_by_ranges(data, own, window_of(own, ground_of(own, GridBox(10, 3, 20, 9)), mode))
    view = ByteView(lambda size, at: ours[at : at + size], 0, len(ours), lambda: False)
    found = walk_tiff(view)
    assert found.unused_bytes == 0
    assert decode_tiles(view, found)


@pytest.mark.faults("X80")
def test_a_tile_a_little_longer_than_a_step_passes_the_proof(monkeypatch):
    monkeypatch.setattr(tiles, "_STEP_BYTES", 400)
    data = band(pixels=np.zeros((32, 32), np.uint16))  # tiles of 512 bytes, in a few when deflated
    view = ByteView(lambda size, at: data[at : at + size], 0, len(data), lambda: False)
    assert decode_tiles(view, walk_tiff(view))


def test_what_lies_beyond_the_image_is_fill_and_all_dates_have_one_shape():
    own = layout(band({42113: (2, b"7\0")}))
    window = window_of(own, ground_of(own, GridBox(40, 28, 16, 10)), WindowMode.PIXELS)
    image = pixels_of(cut_by_ranges(band({42113: (2, b"7\0")}), own, window))
    assert image.shape == (10, 16)
    assert (image[:4, :8] == PIXELS[28:, 40:]).all()
    assert (image[4:] == 7).all()
    assert (image[:, 8:] == 7).all()


def test_a_file_that_does_not_name_its_fill_has_that_of_its_kind():
    data = band({42113: None})
    own = layout(data)
    window = window_of(own, ground_of(own, GridBox(40, 28, 16, 10)), WindowMode.PIXELS)
    origin = Origin(NAME, len(data), KEY)
    image = pixels_of(b"".join(cut(own, window, lambda size, at: data[at : at + size], origin, fill=1)))
    assert (image[4:] == 1).all()


@pytest.mark.parametrize("mode", WindowMode)
@pytest.mark.parametrize("box", [GridBox(48, 0, 5, 5), GridBox(-9, -9, 9, 9), GridBox(0, 0, 1, 1)])
def test_a_window_of_fill_alone_is_none(box, mode):
    data = band({256: (LONG, [16]), 257: (LONG, [16]), 324: (LONG, [0]), 325: (LONG, [0])})
    own = layout(data)
    window = window_of(own, ground_of(own, box), mode)
    with pytest.raises(FillOnly):
        cut_by_ranges(data, own, window)


def test_a_window_larger_than_any_scene_is_refused_and_tiles_are_named_as_the_way_out():
    own = layout(band())
    globe = GroundBox(-1e7, -1e7, 1e7, 1e7)
    with pytest.raises(UnsupportedRaster, match='window = "tiles"'):
        window_of(own, globe, WindowMode.PIXELS)
    assert window_of(own, globe, WindowMode.TILES).box == own.image


@pytest.mark.parametrize("text", [b"", b"{}", b"a band", b'{"by": "gdal"}', b"\xff", b"[" * 5000])
def test_other_descriptions_say_nothing_of_an_origin(text):
    assert Origin.read(text) is None


@pytest.mark.parametrize(
    ("pixels", "side"), [(1, 16), (16, 16), (17, 32), (256, 256), (257, 144), (366, 192), (512, 256), (2000, 256)]
)
def test_tiles_are_divided_so_that_few_pixels_lie_beyond(pixels, side):
    assert tile_side(pixels) == side
    count = -(-pixels // side)
    assert count * side - pixels < 16 * count


def test_the_same_pixels_give_the_same_bytes():
    data = band()
    own = layout(data)
    window = window_of(own, ground_of(own, GridBox(10, 3, 20, 9)), WindowMode.PIXELS)
    assert cut_by_ranges(data, own, window) == cut_by_ranges(data, own, window)
