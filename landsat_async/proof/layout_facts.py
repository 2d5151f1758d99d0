"""What the bytes of a file show of how USGS writes its products: padding of tars, layout of TIFFs. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from landsat_async.proof.kinds import FileKind, kind_of
from landsat_async.proof.tar import BLOCK_BYTES, Member
from landsat_async.rules.observed import Fact

HEAD_BYTES = 64 * 1024
_RECORD_BYTES = 10_240
_IFDS_MOST = 16
_TAGS_MOST = 200
_COMPRESSIONS = {
    1: "none",
    5: "LZW",
    7: "JPEG",
    8: "Deflate",
    32946: "Deflate (old)",
    50000: "Zstandard",
    50001: "WebP",
}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


def facts_of_file(size_bytes: int, members: Sequence[Member], image: Member, head: bytes) -> Iterator[Fact]:
    """Yield the facts of a file that has passed its proof.

    Args:
        size_bytes: Of the file.
        members: Of a tar; empty for any other file.
        image: The first image of a tar, else the file itself.
        head: The first HEAD_BYTES of that.
    """
    if members:
        yield from tar_facts(size_bytes, members)
    if kind_of(image.name) is FileKind.TIFF:
        yield from tiff_facts(head, image.size, "in a tar" if members else "alone")


def tar_facts(size_bytes: int, members: Sequence[Member]) -> Iterator[Fact]:
    """Yield the facts of a tar."""
    end = max(member.offset + -(-member.size // BLOCK_BYTES) * BLOCK_BYTES for member in members)
    zeros = size_bytes - end
    if size_bytes % _RECORD_BYTES == 0 and zeros < _RECORD_BYTES + 2 * BLOCK_BYTES:
        padding = "zeros up to a multiple of 10240 bytes"
    elif zeros == 2 * BLOCK_BYTES:
        padding = "two blocks of zeros and no more"
    else:
        padding = "more zeros than that"
    yield Fact("tar", f"ends with {padding}", float(zeros))
    names = [member.name for member in members]
    yield Fact("tar", f"members are {'sorted by name' if names == sorted(names) else 'in another order'}")
    yield Fact("tar", "members of a tar", float(len(members)))
    for ending in ("_MTL.txt", "_MTL.json", "_MTL.xml", "_stac.json", "MD5.txt", "_thumb_small.jpeg"):
        there = any(name.endswith(ending) for name in names)
        yield Fact("tar", f"{ending.lstrip('_')} is {'there' if there else 'missing'}")


def tiff_facts(head: bytes, size_bytes: int, where: str) -> Iterator[Fact]:
    """Yield the facts of a TIFF from its first bytes; nothing for one that begins otherwise."""
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 16:
        return
    big = struct.unpack_from(order + "H", head, 2)[0] == 43
    at = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)[0]
    endian = "little" if order == "<" else "big"
    yield Fact("tiff", f"{where}: {'BigTIFF' if big else 'TIFF'}, {endian} endian")
    yield Fact("tiff", f"{where}: {'COG' if b'LAYOUT=IFDS_BEFORE_DATA' in head[:512] else 'no mark of a COG'}")
    if at >= size_bytes / 2:
        yield Fact("tiff", f"{where}: index at the end of the file")
    pages = list(_pages(head, order, big, at))
    if not pages:
        return
    first = pages[0]
    side = f"tiles of {first[322]} x {first.get(323, 0)}" if 322 in first else f"strips of {first.get(278, 0)} rows"
    squeeze = _COMPRESSIONS.get(first.get(259, 1), "another")
    yield Fact("tiff", f"{where}: {side}, {squeeze}, predictor {first.get(317, 1)}, {first.get(258, 1)} bits")
    yield Fact("tiff", f"{where}: pages within the first 64 KiB", float(len(pages)))


def _pages(head: bytes, order: str, big: bool, at: int) -> Iterator[dict[int, int]]:
    """Yield the tags of each page whose index lies in the head, those with one short value."""
    count_form, entry_bytes = ("Q", 20) if big else ("H", 12)
    for _ in range(_IFDS_MOST):
        begin = at + struct.calcsize(count_form)
        if not at >= 8 or begin > len(head):
            return
        count = struct.unpack_from(order + count_form, head, at)[0]
        end = begin + count * entry_bytes
        if count > _TAGS_MOST or end + 8 > len(head):
            return
        tags: dict[int, int] = {}
        for number in range(count):
            place = begin + number * entry_bytes
            tag, kind = struct.unpack_from(order + "HH", head, place)
            form = {3: "H", 4: "I", 16: "Q"}.get(kind)
            values = struct.unpack_from(order + ("Q" if big else "I"), head, place + 4)[0]
            if form is not None and values * _SIZES[kind] <= (8 if big else 4) and values:
                tags[tag] = struct.unpack_from(order + form, head, place + (12 if big else 8))[0]
        yield tags
        at = struct.unpack_from(order + ("Q" if big else "I"), head, end)[0]
        if not at:
            return
