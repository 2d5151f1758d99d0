"""Tiles to pixels and back; damage is seen."""

from __future__ import annotations

import tracemalloc
import zlib

import numpy as np
import pytest

from landsat_async.raster import tile_codec
from landsat_async.raster.grid import BrokenRaster
from landsat_async.raster.tile_codec import decode, deflate, encode, inflate, unframed
from landsat_async.raster.window import layout_of
from tests.support.tiffs import SHORT, band

TILE = np.random.default_rng(3).integers(0, 65_535, (16, 16), np.uint16)


def layout(changes=None, **shape):
    data = band(changes, **shape)
    return layout_of(lambda size, at: data[at : at + size], len(data))


@pytest.fixture(params=["isal", "zlib"], autouse=True)
def library(request, monkeypatch):
    """Do everything with either; a plain installation has zlib alone."""
    if request.param == "isal":
        pytest.importorskip("isal")
    else:
        monkeypatch.setattr(tile_codec, "isal", None)


@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16"])
def test_what_is_encoded_is_decoded_again(kind, predictor):
    bits, sign = (8 if kind == "uint8" else 16), (2 if kind == "int16" else 1)
    own = layout({317: (SHORT, [predictor]), 258: (SHORT, [bits]), 339: (SHORT, [sign])})
    pixels = TILE.view(kind)[:16, :16] if bits == 8 else TILE.view(kind)
    assert (decode(own, encode(pixels, predictor), 0) == pixels).all()
    assert decode(own, encode(pixels, predictor), 0).dtype == np.dtype(kind)


@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("order", "<>")
def test_what_is_encoded_is_what_other_readers_expect(predictor, order):
    plain = np.frombuffer(zlib.decompress(encode(TILE, predictor)), "<u2").reshape(16, 16)
    assert (np.cumsum(plain, axis=1, dtype=np.uint16) if predictor == 2 else plain).tolist() == TILE.tolist()
    stored = zlib.compress(plain.astype(order + "u2").tobytes())
    assert (decode(layout({317: (SHORT, [predictor])}, order=order), stored, 0) == TILE).all()


def test_what_repeats_itself_is_searched_for_and_noise_is_not():
    noise = np.random.default_rng(5).normal(9000, 60, (256, 256)).astype("<u2").tobytes()
    classes = np.repeat(np.arange(64, dtype="<u2") % 3, 1024).tobytes()
    deflater = zlib.compressobj(1, strategy=zlib.Z_HUFFMAN_ONLY)
    coded = deflater.compress(noise) + deflater.flush()
    if tile_codec.isal is None:
        assert deflate(noise) == coded
    assert len(deflate(noise)) <= len(coded) < len(zlib.compress(noise, 1))
    assert deflate(classes) == zlib.compress(classes, 1)
    assert len(deflate(classes)) < len(classes) / 50
    for data in (b"", b"a", bytes(8192), noise[:8193], noise + bytes(100_000)):
        assert zlib.decompress(deflate(data)) == data


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("distinct", [1, 2, 5, 200, 65_535])
def test_what_is_deflated_takes_hardly_more_than_the_best_of_zlib(distinct, share):
    draw = np.random.default_rng(distinct)
    pixels = draw.integers(0, distinct, (128, 128), np.uint16)
    pixels[: int(128 * share)] = 7
    data = pixels.tobytes()
    deflater = zlib.compressobj(1, strategy=zlib.Z_HUFFMAN_ONLY)
    best = min(len(zlib.compress(data, 1)), len(deflater.compress(data) + deflater.flush()))
    assert zlib.decompress(deflate(data)) == data
    assert len(deflate(data)) <= best * 1.15 + 64


STORED = zlib.compress(TILE.tobytes())


@pytest.mark.parametrize(
    "stored",
    [
        STORED[:-1],
        STORED + b"\0\1",
        STORED[:-1] + bytes([STORED[-1] ^ 1]),  # its checksum
        STORED[:40] + bytes([STORED[40] ^ 255]) + STORED[41:],
        b"",
        zlib.compress(TILE.tobytes()[:-2]),
        zlib.compress(TILE.tobytes() + b"\0\0"),
    ],
    ids=["cut", "longer", "checksum", "body", "empty", "too few", "too many"],
)
def test_a_tile_that_is_not_as_it_must_be_is_refused(stored):
    with pytest.raises(BrokenRaster):
        inflate(layout(), stored, 0)


@pytest.mark.faults("X164")
@pytest.mark.parametrize(
    "library", [one for one in (zlib, tile_codec.isal) if one], ids=lambda library: library.__name__
)
def test_X164_zeros_behind_the_end_of_a_tile_are_padding(library):
    assert inflate(layout(), STORED + bytes(3), 0, library) == TILE.tobytes()


def test_no_more_of_a_bomb_is_inflated_than_a_tile_has():
    bomb, own = zlib.compress(bytes(5_000_000)), layout()
    tracemalloc.start()
    try:
        with pytest.raises(BrokenRaster):
            inflate(own, bomb, 0)
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()


def test_a_frame_must_be_that_of_its_tile():
    framed = layout(framed=True)
    right = len(STORED).to_bytes(4, "little") + STORED + STORED[-4:]
    assert unframed(framed, right) == STORED
    for wrong in (right[1:], b"\1" + right[1:], right[:-1] + b"\0"):
        with pytest.raises(BrokenRaster):
            unframed(framed, wrong)
