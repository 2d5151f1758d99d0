"""Small GeoTIFFs put together by hand, to be broken on purpose."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

SHORT, LONG, LONG8, DOUBLE, ASCII = 3, 4, 16, 12, 2
_CODES = {SHORT: "H", LONG: "I", LONG8: "Q", DOUBLE: "d", ASCII: "B"}
KEYS = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32618)
PIXELS = np.arange(32 * 48, dtype="<u2").reshape(32, 48)
Tags = dict[int, tuple[int, Sequence[int] | Sequence[float]]]


def band(
    changes: Mapping[int, tuple[int, Sequence[int] | Sequence[float]] | None] | None = None,
    *,
    order: str = "<",
    big: bool = False,
    index_at_end: bool = False,
    framed: bool = False,
    pixels: np.ndarray = PIXELS,
    side: int = 16,
    level: int = 1,
    gap: int = 0,
    plain: bool = False,
) -> bytes:
    """Return a band (of 48 x 32 pixels unless told otherwise) in tiles, with some tags changed or taken away.

    `level`: of deflate; 0 = nothing becomes shorter. `gap`: bytes between the arrays of the index and its directory.
    `plain`: pixels are not deflated.
    """
    note = b""
    if framed:
        body = (
            b"LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n"
            b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n "
        )
        note = b"GDAL_STRUCTURAL_METADATA_SIZE=%06d bytes\n" % len(body) + body
        note += b"\0" * (len(note) % 2)
    kind = np.dtype(order + "u2")
    length, width = pixels.shape
    padded = np.zeros((length + -length % side, width + -width % side), pixels.dtype)
    padded[:length, :width] = pixels
    raw = [
        padded[top : top + side, left : left + side].astype(kind).tobytes()
        for top in range(0, length, side)
        for left in range(0, width, side)
    ]
    tiles = raw if plain else [zlib.compress(tile, level) for tile in raw]
    if plain:
        changes = {259: (SHORT, [1])} | dict(changes or {})
    shape = {256: (LONG, [width]), 257: (LONG, [length]), 322: (SHORT, [side]), 323: (SHORT, [side])}
    changes = shape | dict(changes or {})
    stored = [struct.pack("<I", len(t)) + t + t[-4:] if framed else t for t in tiles]
    first = (16 if big else 8) + len(note)
    size = len(_index(_tags([0] * len(tiles), [0] * len(tiles), changes), order, big, first, gap)[0])
    at = (first if index_at_end else first + size) + (4 if framed else 0)
    offsets = []
    for one in stored:
        offsets.append(at)
        at += len(one)
    begins = first + sum(map(len, stored)) if index_at_end else first
    begins += begins % 2
    index, at = _index(_tags(offsets, [len(t) for t in tiles], changes), order, big, begins, gap)
    mark = b"II" if order == "<" else b"MM"
    head = mark + (struct.pack(order + "HHHQ", 43, 8, 0, at) if big else struct.pack(order + "HI", 42, at))
    body = b"".join(stored)
    if index_at_end:
        return head + note + body + b"\0" * (len(body + note) % 2) + index
    return head + note + index + body


def _tags(offsets: list[int], counts: list[int], changes: Mapping | None) -> Tags:
    tags: dict = {
        258: (SHORT, [16]), 259: (SHORT, [8]), 262: (SHORT, [1]), 277: (SHORT, [1]), 284: (SHORT, [1]),
        317: (SHORT, [1]), 324: (LONG, offsets), 325: (LONG, counts), 339: (SHORT, [1]),
        33550: (DOUBLE, [30.0, 30.0, 0.0]), 33922: (DOUBLE, [0.0, 0.0, 0.0, 484_785.0, 1_160_715.0, 0.0]),
        34735: (SHORT, KEYS), 42113: (ASCII, b"0\0"),
    }  # fmt: skip
    for number, value in (changes or {}).items():
        if value is None:
            tags.pop(number, None)
        else:
            tags[number] = value
    return dict(sorted(tags.items()))


def _index(tags: Tags, order: str, big: bool, begins: int, gap: int) -> tuple[bytes, int]:
    """Return the directory with its arrays in front of it, for this place in the file, and where itself begins."""
    room, count, pointer = (8, "Q", "Q") if big else (4, "H", "I")
    arrays, entries = b"", b""
    for number, (kind, values) in tags.items():
        data = struct.pack(f"{order}{len(values)}{_CODES[kind]}", *values)
        entries += struct.pack(f"{order}HH{pointer}", number, kind, len(values))
        if len(data) <= room:
            entries += data.ljust(room, b"\0")
        else:
            entries += struct.pack(order + pointer, begins + len(arrays))
            arrays += data.ljust(len(data) + -len(data) % 8, b"\0")
    arrays += bytes(gap)
    directory = struct.pack(order + count, len(tags)) + entries + struct.pack(order + pointer, 0)
    return arrays + directory, begins + len(arrays)
