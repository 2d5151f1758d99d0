from __future__ import annotations

import itertools
import os
import random
import struct
import zlib
from functools import partial

import numpy as np
import pytest

from landsat_async.model import Proof
from landsat_async.proof.byte_view import ByteView, Damage
from landsat_async.proof.prove import Damaged, Proved
from landsat_async.proof.tiff import Page, TiffLayout, check_beginnings, walk_tiff
from landsat_async.proof.tiles import decode_tiles
from landsat_async.raster.tag import TILE_COUNTS
from tests.disk.whole_files import HTML, judge, open_bytes, tiff
from tests.support.tiffs import LONG, band

FLAVOURS = [
    {"order": order, "big": big, "tiled": tiled, "compression": compression}
    for order, big, tiled, compression in itertools.product("<>", (False, True), (False, True), (1, 8, 5))
]


def walk(data: bytes) -> TiffLayout:
    fd = open_bytes(data)
    try:
        return walk_tiff(ByteView(partial(os.pread, fd), 0, len(data), lambda: False))
    finally:
        os.close(fd)


def decode(data: bytes) -> bool:
    fd = open_bytes(data)
    window = ByteView(partial(os.pread, fd), 0, len(data), lambda: False)
    try:
        return decode_tiles(window, walk_tiff(window))
    finally:
        os.close(fd)


def refused(data: bytes) -> str:
    with pytest.raises(Damage) as caught:
        walk(data)
    return str(caught.value)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_every_flavour_is_walked_and_every_cut_is_seen(flavour):
    whole = tiff(**flavour)
    layout = walk(whole)
    assert len(layout.pages) == 2
    assert sum(sum(page.counts) for page in layout.pages) < len(whole)
    for size in {*range(0, len(whole), 512), *random.Random(3).sample(range(len(whole)), 60), len(whole) - 1}:
        refused(whole[:size])


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_only_deflated_tiles_have_a_checksum(flavour):
    assert decode(tiff(**flavour)) is (flavour["compression"] == 8)


def test_both_numbers_of_deflate_are_known():
    assert decode(tiff(compression=32946))


@pytest.mark.faults("K32")
def test_K32_an_image_with_unused_bytes_at_its_end_is_whole_when_all_its_tiles_are():
    for tail in (b"\0", HTML, bytes(5000)):
        assert walk(tiff() + tail).unused_bytes == len(tail)
        assert judge(tiff() + tail, "a.TIF") == Proved(Proof.CONTENT)
        plain = judge(tiff(compression=1) + tail, "a.TIF")  # an insertion could have shifted its pixels
        assert "no checksum" in plain.reason
        shifted = bytearray(tiff() + tail)
        shifted[-len(tail) - 2 : -len(tail) - 1] = b"?"
        assert "does not decode" in judge(bytes(shifted), "a.TIF").reason


@pytest.mark.faults("K25")
def test_K25_an_image_without_one_stored_tile_is_none():
    for big in (False, True):
        whole = bytearray(tiff(pages=1, tiled=False, side=7, big=big))
        (page,) = walk(bytes(whole)).pages
        counts = whole.index(struct.pack("<I", page.counts[0]))
        struct.pack_into("<I", whole, counts, 0)
        assert "holds no image" in refused(bytes(whole))
        assert "holds no image" in refused(bytes(whole[: page.offsets[0]]))


@pytest.mark.faults("F31")
def test_an_error_page_in_place_of_the_rest_is_refused():
    whole = tiff()
    for at in range(0, len(whole), 97):
        assert isinstance(judge(whole[:at] + HTML, "a.TIF"), Damaged)


@pytest.mark.faults("F32")
def test_F32_wrong_bytes_of_the_right_count_are_seen_in_the_content():
    whole = tiff()
    first_tile = min(min(page.offsets) for page in walk(whole).pages)
    verdicts = set()
    for at in range(first_tile, len(whole) - len(HTML), 131):
        spoilt = (whole[:at] + HTML + whole[at + len(HTML) :])[: len(whole)]
        verdicts.add(judge(spoilt, "a.TIF"))
        with pytest.raises(Damage):
            decode(spoilt)
    assert Proved(Proof.STRUCTURE) in verdicts  # structure is blind between two beginnings, and is not called more
    assert {verdict for verdict in verdicts if isinstance(verdict, Proved)} == {Proved(Proof.STRUCTURE)}


ERRORS = (
    HTML,
    b'<?xml version="1.0"?>\n<Error><Code>InternalError</Code><Message>Please try again.</Message></Error>\n',
    b'{"errorCode": "SERVER_ERROR", "errorMessage": "Internal failure", "data": null}\n',
)


@pytest.mark.faults("Y93")
@pytest.mark.parametrize("text", ERRORS, ids=["html", "xml", "json"])
@pytest.mark.parametrize("tile", [16, 128])
def test_Y93_an_error_message_up_to_the_right_length_is_seen_in_the_structure(text, tile):
    whole = tiff(side=128, tile=tile)
    (first, *_) = walk(whole).pages
    for at in range(first.offsets[0], len(whole) - 200, 2503):
        spoilt = (whole[:at] + text * len(whole))[: len(whole)]
        assert isinstance(judge(spoilt, "a.TIF"), Damaged)


@pytest.mark.faults("Y93")
def test_Y93_the_message_is_said():
    whole = tiff(side=128, tile=128, pages=1)
    page = b"<html><head><title>502 Bad Gateway</title></head><body>The server has failed.</body></html>\n"
    told = judge(whole[:-1000] + (page * 20)[-1000:], "a.TIF")
    assert isinstance(told, Damaged)
    assert "502 Bad Gateway" in told.reason


@pytest.mark.faults("Y93")
@pytest.mark.parametrize("level", range(-1, 10))
def test_Y93_tiles_of_every_deflater_begin_as_tiles(level):
    for bits in range(9, 16):
        deflater = zlib.compressobj(level, 8, bits)
        data = deflater.compress(b"<html>" * 10) + deflater.flush()
        check_beginnings(
            ByteView(lambda size, at, data=data: data[at : at + size], 0, len(data), lambda: False), one_tile(data)
        )


@pytest.mark.faults("Y93")
@pytest.mark.parametrize(
    "head",
    [b"\0\0", b"er", b"\x78\x9d", b"\x78\xbb", b"\x88\x1c"],
    ids=["a hole", "a text", "no check", "a dictionary", "too large a window"],
)
def test_Y93_what_begins_as_no_tile_is_seen_whatever_follows(head):
    data = head + zlib.compress(bytes(3600))[2:]
    with pytest.raises(Damage, match="at byte 0 of the TIFF a deflated tile should begin"):
        check_beginnings(ByteView(lambda size, at: data[at : at + size], 0, len(data), lambda: False), one_tile(data))


def one_tile(data: bytes) -> TiffLayout:
    return TiffLayout((Page(8, [0], [len(data)], 60, 60, 1, ([0], [len(data)]), len(data)),), False, 0)


@pytest.mark.faults("F32")
def test_every_changed_byte_of_a_tile_is_seen_in_the_content():
    whole = tiff(pages=1, side=16)
    (page,) = walk(whole).pages
    plain = zlib.decompress(whole[page.offsets[0] :])
    for at in range(page.offsets[0], len(whole)):
        for bit in (0, 3, 7):
            spoilt = bytearray(whole)
            spoilt[at] ^= 1 << bit
            try:
                assert zlib.decompress(bytes(spoilt[page.offsets[0] :])) == plain  # bits that deflate does not use
            except (zlib.error, AssertionError):
                with pytest.raises(Damage):
                    decode(bytes(spoilt))


def test_a_tile_that_decodes_to_too_little_or_too_much_is_refused():
    for other in (b"", bytes(511), bytes(513), bytes(5_000_000)):
        data = zlib.compress(other)
        whole = bytearray(tiff(pages=1, side=16))
        (page,) = walk(bytes(whole)).pages
        grown = whole[: page.offsets[0]] + data
        grown = grown.replace(struct.pack("<I", page.counts[0]), struct.pack("<I", len(data)), 1)
        assert walk(bytes(grown)).pages[0].counts[0] == len(data)
        with pytest.raises(Damage, match="decodes to"):
            decode(bytes(grown))


def tagged(
    tag: int, value: int | None = None, *, kind: int | None = None, count: int | None = None, **flavour
) -> bytes:
    """Return a little-endian TIFF whose first directory says something else about one tag."""
    whole = bytearray(tiff(**flavour))
    at = next(at for at in range(10, len(whole), 12) if struct.unpack_from("<H", whole, at)[0] == tag)
    if kind is not None:
        struct.pack_into("<H", whole, at + 2, kind)
    if count is not None:
        struct.pack_into("<I", whole, at + 4, count)
    if value is not None:
        struct.pack_into("<I", whole, at + 8, value)
    return bytes(whole)


@pytest.mark.faults("X136")
@pytest.mark.timeout(20)
@pytest.mark.parametrize("unused_bytes", [1, 2, 100])
def test_X136_what_follows_the_end_of_a_long_tile_holds_nobody_up(unused_bytes):
    """zlib shows it over and over again, as soon as it has had to hold back a part of the pixels before."""
    pixels = np.zeros((768, 768), np.uint16)  # more than is decoded at a time
    stored_bytes = len(zlib.compress(pixels.tobytes(), 1))
    count = {TILE_COUNTS: (LONG, [stored_bytes + unused_bytes])}
    assert decode(band(count, pixels=pixels, side=768) + bytes(unused_bytes))


@pytest.mark.faults("X164")
@pytest.mark.parametrize("behind", [0, 2**20, 2**21 + 1])
def test_X164_zeros_behind_the_end_of_a_tile_are_padding_and_nothing_else_is(behind):
    pixels = np.arange(256 * 256, dtype=np.uint16).reshape(256, 256)
    stored_bytes = len(zlib.compress(pixels.tobytes(), 1))
    tails = (bytes(behind + 1), True), (bytes(behind) + b"x", False), (b"x" + bytes(behind), False)
    for tail, is_right in tails:
        count = {TILE_COUNTS: (LONG, [stored_bytes + len(tail)])}
        whole = band(count, pixels=pixels, side=256) + tail
        if is_right:
            assert decode(whole)
        else:
            with pytest.raises(Damage, match="ends before the index says"):
                decode(whole)


@pytest.mark.faults("X164")
def test_X164_a_shorter_tile_of_another_version_at_the_same_place_is_seen():
    """Its own sum is right, and the index that came later says that its place is longer."""
    noise = np.random.default_rng(1).integers(0, 4000, (16, 16), dtype=np.uint16)
    old, new = (band(pixels=np.hstack([tile, noise, noise])) for tile in (noise // 100, noise))
    at = walk(new).pages[0].offsets[0]
    assert walk(old).pages[0].offsets[0] == at
    end = at + walk(old).pages[0].counts[0]
    with pytest.raises(Damage, match="ends before the index says"):
        decode(new[:at] + old[at:end] + new[end:])


@pytest.mark.faults("K17")
@pytest.mark.parametrize("value", [0, 1, 7, 41, 65_535, 2**31, 2**32 - 1])
@pytest.mark.parametrize("tag", [256, 257, 322, 323])
def test_sizes_that_do_not_fit_the_index_of_tiles_are_refused(tag, value):
    fits = {256: range(33, 49), 257: range(33, 49), 322: range(14, 20), 323: range(14, 20)}[tag]
    if value not in fits:
        assert refused(tagged(tag, value)).isprintable()


@pytest.mark.faults("K17")
@pytest.mark.parametrize(
    ("tag", "change"),
    [
        (324, {"value": 2**32 - 1}),
        (324, {"count": 2**32 - 1}),
        (324, {"count": 2_000_000}),
        (324, {"count": 0}),
        (324, {"kind": 2}),
        (324, {"kind": 0}),
        (324, {"kind": 12}),
        (325, {"count": 8}),
        (325, {"value": 0}),
        (258, {"value": 0}),
        (258, {"value": 2000}),
        (258, {"kind": 5}),
        (277, {"value": 65_536}),
        (284, {"value": 2, "count": 2}),
        (262, {"kind": 2}),
    ],
)
def test_hostile_tags_are_refused(tag, change):
    assert refused(tagged(tag, **change)).isprintable()


@pytest.mark.parametrize("tag", [256, 257, 324, 325])
def test_a_page_lacks_nothing(tag):
    whole = bytearray(tiff())
    at = next(at for at in range(10, len(whole), 12) if struct.unpack_from("<H", whole, at)[0] == tag)
    struct.pack_into("<H", whole, at, 40_000)
    refused(bytes(whole))


@pytest.mark.faults("K17")
def test_directories_in_a_circle_are_refused():
    whole = bytearray(tiff(pages=1))
    count = struct.unpack_from("<H", whole, 8)[0]
    struct.pack_into("<I", whole, 10 + 12 * count, 8)
    assert "circle" in refused(bytes(whole))


@pytest.mark.faults("K17")
@pytest.mark.parametrize("first", [0, 1, 7, 2**32 - 1, 2**31])
def test_a_first_directory_that_is_nowhere_is_refused(first):
    whole = bytearray(tiff())
    struct.pack_into("<I", whole, 4, first)
    refused(bytes(whole))


@pytest.mark.faults("K17")
@pytest.mark.parametrize("count", [0, 513, 2**63, 2**64 - 1])
def test_a_directory_of_absurd_length_is_refused(count):
    whole = bytearray(tiff(big=True))
    struct.pack_into("<Q", whole, 16, count)
    assert "directory of" in refused(bytes(whole))


@pytest.mark.faults("K17")
@pytest.mark.parametrize("offset", [2**63, 2**64 - 1, 2**62])
def test_an_offset_of_64_bits_is_refused_without_overflow(offset):
    whole = bytearray(tiff(big=True, pages=1, side=16))
    at = next(at for at in range(24, len(whole), 20) if struct.unpack_from("<H", whole, at)[0] == 324)
    struct.pack_into("<Q", whole, at + 12, offset)
    assert "cut off" in refused(bytes(whole))


@pytest.mark.faults("K17")
def test_tiles_on_top_of_each_other_are_refused():
    whole = bytearray(tiff(pages=1, compression=5))
    (page,) = walk(bytes(whole)).pages
    last = max(page.offsets)
    place = whole.index(struct.pack("<I", page.offsets[0]), 8)
    for number, _ in enumerate(page.offsets):
        struct.pack_into("<I", whole, place + 4 * number, last)
    assert walk(bytes(whole))  # they lie inside, and there is room for as many bytes
    counts = whole.index(struct.pack("<II", *page.counts[:2]))
    for number, _ in enumerate(page.counts):
        struct.pack_into("<I", whole, counts + 4 * number, 200 + page.counts[0])
        struct.pack_into("<I", whole, place + 4 * number, last - 200)
    assert "on top" in refused(bytes(whole))


def test_tiles_that_are_not_stored_are_fine():
    whole = bytearray(tiff(pages=1, compression=8))
    (page,) = walk(bytes(whole)).pages
    place = whole.index(struct.pack("<I", page.offsets[0]), 8)
    counts = whole.index(struct.pack("<II", *page.counts[:2]))
    for number in (0, 4):
        struct.pack_into("<I", whole, place + 4 * number, 0)
        struct.pack_into("<I", whole, counts + 4 * number, 0)
    assert walk(bytes(whole)).pages[0].counts[4] == 0
    assert decode(bytes(whole))


def test_an_uncompressed_tile_has_the_bytes_that_its_size_asks_for():
    whole = bytearray(tiff(pages=1, compression=1))
    (page,) = walk(bytes(whole)).pages
    counts = whole.index(struct.pack("<II", *page.counts[:2]))
    struct.pack_into("<I", whole, counts, page.counts[0] - 1)
    assert "uncompressed" in refused(bytes(whole))


NOTE = (
    b"LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n"
    b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n "
)


def framed() -> bytes:
    """Return a TIFF of one tile in GDAL's cloud-optimised layout."""
    plain = tiff(pages=1, side=16)
    (page,) = walk(plain).pages
    note = b"GDAL_STRUCTURAL_METADATA_SIZE=%06d bytes\n" % len(NOTE) + NOTE
    data = plain[page.offsets[0] :]
    head = bytearray(plain[: page.offsets[0]])
    struct.pack_into("<I", head, 4, 8 + len(note))
    at = next(at for at in range(10, len(head), 12) if struct.unpack_from("<H", head, at)[0] == 324)
    struct.pack_into("<I", head, at + 8, page.offsets[0] + len(note) + 4)
    return bytes(head[:8]) + note + bytes(head[8:]) + struct.pack("<I", len(data)) + data + data[-4:]


def test_the_frame_of_a_tile_belongs_to_it():
    whole = framed()
    assert walk(whole).tile_frame
    assert decode(whole)
    for cut in (1, 2, 3, 4, 5):
        refused(whole[:-cut])
    assert walk(whole + b"\0").unused_bytes == 1
    for place in (-1, -4):
        spoilt = bytearray(whole)
        spoilt[place] ^= 1
        with pytest.raises(Damage, match="framed"):
            decode(bytes(spoilt))
    spoilt = bytearray(whole)
    spoilt[walk(whole).pages[0].offsets[0] - 4] ^= 1
    with pytest.raises(Damage, match="framed"):
        decode(bytes(spoilt))
