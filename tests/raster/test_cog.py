"""From the bytes of a GeoTIFF to its layout: all layouts, and hostile ones within bounds."""

from __future__ import annotations

import random

import numpy as np
import pytest

from landsat_async.raster.cog import HEAD_BYTES, MOST_TILES, read_layout
from landsat_async.raster.grid import BrokenRaster, Transform, UnsupportedRaster
from landsat_async.raster.held_bytes import MOST_HELD_BYTES, HeldBytes, Needs
from landsat_async.raster.ranges import stretch_of
from landsat_async.raster.tile_codec import decode, unframed
from landsat_async.raster.window import layout_of
from tests.support.tiffs import ASCII, DOUBLE, LONG, PIXELS, SHORT, band

SHAPES = [
    {"order": order, "big": big, "index_at_end": end, "framed": framed}
    for order in "<>" for big in (False, True) for end in (False, True) for framed in (False, True)
]  # fmt: skip


def layout(data: bytes):
    return layout_of(lambda size, at: data[at : at + size], len(data))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_shape_of_a_file_gives_its_pixels(shape):
    data = band(**shape)
    found = layout(data)
    assert (found.width, found.length, found.tile_width, found.tile_length) == (48, 32, 16, 16)
    assert (found.pixel_type, found.has_frames, found.nodata, found.keys.epsg) == ("u2", shape["framed"], b"0", 32618)
    assert found.transform == Transform(484_785.0, 1_160_715.0, 30.0, 30.0)
    start, end = stretch_of(found, 1, 1)
    assert (decode(found, unframed(found, data[start:end]), 1) == PIXELS[16:, 16:32]).all()


def test_the_tie_point_of_the_centre_of_a_pixel_is_half_a_pixel_inside():
    keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 2, 3072, 0, 1, 32618)
    found = layout(band({34735: (SHORT, keys), 33922: (DOUBLE, [0.0, 0, 0, 484_800.0, 1_160_700.0, 0])}))
    assert found.transform == Transform(484_785.0, 1_160_715.0, 30.0, 30.0)


@pytest.mark.parametrize("index_at_end", [False, True])
def test_what_is_asked_for_is_little_and_never_asked_for_twice(index_at_end):
    data = band(index_at_end=index_at_end)
    padded = data if not index_at_end else data[:8] + bytes(100_000) + data[8:]
    if index_at_end:  # the index moves with its pointers, so it is made anew for a file that is 100 kB longer
        padded = band(index_at_end=True)
    held, asked = HeldBytes(len(padded)), []
    while True:
        try:
            read_layout(held)
            break
        except Needs as needs:
            asked.append((needs.start, needs.end))
            held.add(needs.start, padded[needs.start : needs.end])
    assert len(asked) == len(set(asked)) <= 2
    assert asked[0] == (0, min(HEAD_BYTES, len(padded)))


BROKEN = {
    "no header": (lambda data: b"XX" + data[2:], "no TIFF header"),
    "too short": (lambda data: data[:12], "too short"),
    "index in the header": (lambda data: data[:4] + b"\2\0\0\0" + data[8:], "index is said to be at byte 2"),
    "index behind the end": (lambda data: data[:4] + b"\xff\xff\xff\x7f" + data[8:], "index is said to be at"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_header_is_refused(name):
    spoil, words = BROKEN[name]
    with pytest.raises(BrokenRaster, match=words):
        layout(spoil(band()))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({256: (LONG, [0])}, "0 x 32"),
        ({256: (LONG, [2**31])}, "an image of"),
        ({322: (SHORT, [0])}, "tiles of 0"),
        ({324: (LONG, [8] * 5)}, "5 tiles where its size asks for 6"),
        ({324: (LONG, [2**31] * 6)}, "points outside"),
        ({325: (LONG, [2**31] * 6)}, "points outside"),
        ({324: (LONG, [4] * 6)}, "points outside"),
        ({324: None}, "lacks tag 324"),
        ({33550: (DOUBLE, [float("nan"), 30.0, 0.0])}, "not a number"),
        ({33550: (DOUBLE, [0.0, 30.0, 0.0])}, "pixels of"),
        ({33922: (DOUBLE, [0.0, 0, 0, 1e300, 0, 0])}, "pixels of"),
        ({42113: (ASCII, b"0" * 100)}, "wrong type or length"),
        ({262: (LONG, [70_000])}, "tag 262 is 70000"),
    ],
)
def test_an_index_that_contradicts_itself_is_refused(changes, words):
    with pytest.raises(BrokenRaster, match=words):
        layout(band(changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({259: (SHORT, [5])}, "LZW"),
        ({259: (SHORT, [50000])}, "ZSTD"),
        ({277: (SHORT, [3])}, "3 samples"),
        ({258: (SHORT, [12])}, "12 bits"),
        ({317: (SHORT, [3])}, "predicted in way 3"),
        ({34735: None}, "coordinates"),
        ({33550: None}, "does not say where it lies"),
        ({33550: None, 34264: (DOUBLE, [1.0] * 16)}, "rotated"),
        ({322: (SHORT, [1]), 323: (SHORT, [1]), 256: (LONG, [2000]), 257: (LONG, [2000])}, "4,000,000 pieces"),
        ({322: (LONG, [100_000]), 323: (LONG, [100_000])}, "pieces of"),
    ],
)
def test_what_no_landsat_band_is_stored_like_is_named(changes, words):
    with pytest.raises(UnsupportedRaster, match=words):
        layout(band(changes))


def test_an_index_of_absurd_length_is_refused_before_it_is_asked_for():
    data = band({322: (SHORT, [1]), 323: (SHORT, [1]), 256: (LONG, [400]), 257: (LONG, [400])})
    with pytest.raises(BrokenRaster, match="6 tiles where its size asks for 160,000"):
        layout(data)
    assert MOST_TILES * 8 < MOST_HELD_BYTES


def test_a_file_that_ends_before_its_index_is_refused():
    data = band(index_at_end=True)
    with pytest.raises(BrokenRaster):
        layout(data[:-10])


def test_a_header_that_was_changed_by_chance_is_read_or_refused():
    for seed in range(300):
        check_changed_by_chance(seed)


def check_changed_by_chance(seed):
    chance = random.Random(seed)
    data = bytearray(band(**chance.choice(SHAPES)))
    for _ in range(chance.randint(1, 8)):
        data[chance.randrange(min(len(data), 700))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
    try:
        found = layout(bytes(data))
    except (BrokenRaster, UnsupportedRaster):
        return
    assert found.across * found.down == len(found.offsets) == len(found.counts) <= MOST_TILES
    assert np.isfinite([found.transform.west_m, found.transform.north_m]).all()
