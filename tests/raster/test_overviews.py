"""Overviews are read as rasterio reads them."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

from landsat_async.raster.held_bytes import HeldBytes, Needs
from landsat_async.raster.overviews import read_overviews, read_pixels, smallest_of

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of what rasterio stands on


def tiff(*, width=700, length=500, factors=(2, 4, 8), **options) -> bytes:
    pixels = np.random.default_rng(1).integers(0, 60_000, (length, width)).astype(np.uint16)
    profile = {"driver": "GTiff", "width": width, "height": length, "count": 1, "dtype": "uint16", "crs": "EPSG:32619",
               "transform": from_origin(365685, 1200015, 30, 30), "tiled": True, "blockxsize": 256, "blockysize": 256,
               "compress": "deflate", "predictor": 2, "nodata": 0, **options}  # fmt: skip
    with MemoryFile() as memory:
        with memory.open(**profile) as image:
            image.write(pixels, 1)
            if factors:
                image.build_overviews(list(factors), Resampling.nearest)
        return memory.read()


def layouts_of(body: bytes):
    held = HeldBytes(len(body))
    while True:
        try:
            return read_overviews(held)
        except Needs as needs:
            held.add(needs.start, body[needs.start : needs.end])


@pytest.mark.parametrize("options", [{}, {"tiled": False, "blockysize": 16}, {"bigtiff": "yes"}, {"sparse_ok": True}])
def test_overviews_have_the_pixels_that_rasterio_reads(options):
    body = tiff(**options)
    found = layouts_of(body)
    assert [(one.width, one.length) for one in found] == [(700, 500), (350, 250), (175, 125), (88, 63)]
    for level, layout in enumerate(found):
        pixels = read_pixels(layout, lambda start, size: body[start : start + size])
        with MemoryFile(body) as memory:
            more = {} if level == 0 else {"overview_level": level - 1}
            with memory.open(**more) as image:
                assert (image.read(1) == pixels).all()
                assert np.allclose(
                    [layout.transform.pixel_width_m, layout.transform.pixel_height_m],
                    [image.transform.a, -image.transform.e],
                )


def test_a_file_without_overviews_is_its_own():
    assert len(layouts_of(tiff(factors=()))) == 1


@pytest.mark.parametrize(("side", "width"), [(50, 88), (88, 88), (89, 175), (400, 700), (700, 700), (5000, 700)])
def test_the_smallest_that_is_large_enough(side, width):
    assert smallest_of(layouts_of(tiff()), side).width == width


def test_a_chain_of_directories_that_goes_round_ends():
    body = bytearray(tiff())
    order = "<"
    (first,) = struct.unpack(order + "I", body[4:8])
    (count,) = struct.unpack(order + "H", body[first : first + 2])
    at = first + 2 + 12 * count
    (second,) = struct.unpack(order + "I", body[at : at + 4])
    (count,) = struct.unpack(order + "H", body[second : second + 2])
    end = second + 2 + 12 * count
    body[end : end + 4] = struct.pack(order + "I", second)
    assert len(layouts_of(bytes(body))) == 2
