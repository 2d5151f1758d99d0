"""A walk over the indexes of a TIFF: every tag, strip and tile must lie inside the file.

Landsat bands are cloud-optimised GeoTIFFs: the directories stand first, the tiles of the full resolution last,
so a file that was cut has a tile that points behind the end. Read are the directories and their arrays alone,
a few KiB of a band of 90 MB. Classic TIFF and BigTIFF, both byte orders. Directories that point in circles,
arrays of absurd length and tiles that lie on top of each other are refused, so the work is bounded by the file.

What follows the last part is counted: an image that was rewritten in place may have some unused bytes there, and is
whole when all its tiles are. GDAL's cloud-optimised layout repeats the last four bytes of each tile behind it and says
so in a note after the header; that note is obeyed. A tile may be absent, which stands for nodata, but not all of them.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from landsat_async.proof.byte_view import ByteView, Damage

MOST_DIRECTORIES = 256
MOST_TILES = 1_000_000
_MOST_TAGS = 512
_LONGEST_SIDE = 2**31
_HEAD_BYTES = 16 * 1024
"""The directories of a band of 90 MB and the arrays of its tiles take about 10 KiB."""

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_SHORT = frozenset({1, 3, 4, 13})
"""Integers that always stand in the directory itself, when they are alone."""
_INTEGER_CODES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_COUNTS, _PLANAR = 273, 277, 278, 279, 284
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_COUNTS, _SUB_DIRECTORIES = 322, 323, 324, 325, 330
_UNCOMPRESSED = 1
_YCBCR = 6


class Page(msgspec.Struct, frozen=True):
    """One image of a TIFF: the band, an overview or a mask. A strip counts as a tile here."""

    compression: int
    offsets: Sequence[int]
    counts: Sequence[int]
    """Stored bytes of each tile; 0 = a tile that is not stored, because it is empty."""
    tile_bytes: int | None
    """Bytes of a decoded tile; None where that is not known (colour-subsampled)."""
    last_bytes: int | None
    """Bytes of the last tile of each plane, which may be a shorter strip."""
    per_plane: int
    """Tiles of each plane."""


class TiffLayout(msgspec.Struct, frozen=True):
    """Where everything is in a TIFF whose indexes all point inside it."""

    pages: tuple[Page, ...]
    tile_frame: bool
    """Each tile stands between its size and a copy of its last four bytes (GDAL's cloud-optimised layout)."""
    unused_bytes: int
    """How many follow the last part. A file that was rewritten in place has some; so has one with an insertion."""


_Tag: TypeAlias = tuple[int, int, bytes]
"""Type, number of values, and the values themselves where they fit, else where they are. There are 32 in each band."""


def walk_tiff(view: ByteView) -> TiffLayout:
    """Return the layout of a TIFF.

    Raises:
        Damage: Some index is broken or points outside the file, or no tile of the image is there.
    """
    return _Walk(view).run()


def _cut_off(at: int, size: int, end: int) -> Damage:
    return Damage(f"the TIFF points at bytes {at} to {at + size}, but has {end}: it is cut off")


class _Walk:
    def __init__(self, view: ByteView) -> None:
        self._view = view
        self._end = 0
        """Last byte + 1 of all that the indexes explain."""
        self._tiles = 0
        self._stored_bytes = 0
        # The indexes of a band stand together at its beginning: one read instead of one for each tag.
        self._head = view.read(0, min(_HEAD_BYTES, view.size))
        self._read_header()

    def _read(self, at: int, size: int) -> bytes:
        if at >= 0 and size >= 0 and at + size <= len(self._head):
            return self._head[at : at + size]
        return self._view.read(at, size)

    def _read_header(self) -> None:
        if self._view.size < 16:
            raise Damage("too short for a TIFF")
        head = self._read(0, 16)
        self._order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        version = struct.unpack(self._order + "H", head[2:4])[0] if self._order else 0
        if version == 42:
            self._big, self._header_bytes = False, 8
            self._first: int = struct.unpack(self._order + "I", head[4:8])[0]
        elif version == 43 and struct.unpack(self._order + "HH", head[4:8]) == (8, 0):
            self._big, self._header_bytes = True, 16
            self._first = struct.unpack(self._order + "Q", head[8:16])[0]
        else:
            raise Damage("no TIFF header")
        self._endian: Literal["little", "big"] = "little" if self._order == "<" else "big"
        self._pointer = struct.Struct(self._order + ("Q" if self._big else "I"))
        self._entry = struct.Struct(self._order + ("HHQ8s" if self._big else "HHI4s"))

    def run(self) -> TiffLayout:
        has_frames = self._has_framed_tiles()
        pages: list[Page] = []
        seen: set[int] = set()
        ahead = [self._first]
        while ahead:
            at = ahead.pop()
            if at in seen:
                raise Damage("the directories of the TIFF go round in a circle")
            seen.add(at)
            if len(seen) > MOST_DIRECTORIES:
                raise Damage(f"more than {MOST_DIRECTORIES} directories in the TIFF")
            tags, following = self._read_directory(at)
            sub = tags.get(_SUB_DIRECTORIES)
            below = list(self._integers(sub, MOST_DIRECTORIES)) if sub else []
            ahead += filter(None, (following, *below))
            pages.append(self._read_page(tags, 4 if has_frames else 0))
        if not any(pages[0].counts):
            raise Damage("the TIFF holds no image: not one of its tiles is stored")
        return TiffLayout(tuple(pages), has_frames, self._view.size - self._end)

    def _has_framed_tiles(self) -> bool:
        note = self._read(self._header_bytes, min(512, self._view.size - self._header_bytes))
        return (
            note.startswith(b"GDAL_STRUCTURAL_METADATA_SIZE=")
            and b"BLOCK_LEADER=SIZE_AS_UINT4\n" in note
            and b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED\n" in note
            and b"KNOWN_INCOMPATIBLE_EDITION=NO\n" in note
        )

    def _read_directory(self, at: int) -> tuple[dict[int, _Tag], int]:
        if at < self._header_bytes:
            raise Damage("a directory of the TIFF lies in its header")
        counter = struct.Struct(self._order + ("Q" if self._big else "H"))
        (count,) = counter.unpack(self._read(at, counter.size))
        if not 0 < count <= _MOST_TAGS:
            raise Damage(f"a directory of {count} tags")
        body = count * self._entry.size
        data = self._read(at + counter.size, body + self._pointer.size)
        self._end = max(self._end, at + counter.size + len(data))
        tags, room, size_of, where = {}, self._pointer.size, _TYPE_BYTES.get, self._pointer.unpack
        begin, end, explained = self._header_bytes, self._view.size, self._end
        for number, kind, length, inline in self._entry.iter_unpack(data[:body]):
            tags[number] = kind, length, inline
            size = size_of(kind, 0) * length
            if size > room:
                (there,) = where(inline)
                if there < begin or there + size > end:
                    raise _cut_off(there, size, end)
                explained = max(explained, there + size)
        self._end = explained
        return tags, self._pointer.unpack(data[body:])[0]

    def _integers(self, tag: _Tag, most: int) -> Sequence[int]:
        kind, count, inline = tag
        code = _INTEGER_CODES.get(kind)
        if code is None or not 0 < count <= most:
            raise Damage("a TIFF tag of the wrong type or length")
        size = _TYPE_BYTES[kind] * count
        data = inline[:size] if size <= len(inline) else self._read(self._pointer.unpack(inline)[0], size)
        values = array(code, data)
        if (self._order == "<") != (sys.byteorder == "little"):
            values.byteswap()
        return values

    def _number(self, tags: dict[int, _Tag], number: int, default: int | None = None) -> int:
        tag = tags.get(number)
        if tag is not None and tag[0] in _SHORT and tag[1] == 1:  # as a rule, and it spares a dozen calls for each band
            value = int.from_bytes(tag[2][: _TYPE_BYTES[tag[0]]], self._endian)
        elif tag is not None:
            value = self._integers(tag, 1)[0]
        elif default is not None:
            return default
        else:
            raise Damage(f"the TIFF lacks tag {number}")
        if not 0 < value < 2**32:
            raise Damage(f"TIFF tag {number} is {value}")
        return value

    def _read_page(self, tags: dict[int, _Tag], trailer_bytes: int) -> Page:
        width, length = self._number(tags, _WIDTH), self._number(tags, _LENGTH)
        samples = self._number(tags, _SAMPLES, 1)
        is_tiled = _TILE_WIDTH in tags
        if is_tiled:
            tile_width, tile_length = self._number(tags, _TILE_WIDTH), self._number(tags, _TILE_LENGTH)
        else:
            tile_width, tile_length = width, min(length, self._number(tags, _ROWS_PER_STRIP, length))
        if max(width, length, tile_width, tile_length) > _LONGEST_SIDE or samples > 65_535:
            raise Damage("a TIFF page larger than any image")
        planes = samples if self._number(tags, _PLANAR, 1) == 2 else 1
        down = -(-length // tile_length)
        per_plane = down * -(-width // tile_width)
        offsets, counts = self._tile_arrays(tags, is_tiled, per_plane * planes)
        row = self._row_bytes(tags, samples, planes, tile_width)
        last_rows = tile_length if is_tiled else length - (down - 1) * tile_length
        page = Page(
            compression=self._number(tags, _COMPRESSION, _UNCOMPRESSED),
            offsets=offsets,
            counts=counts,
            tile_bytes=row and row * tile_length,
            last_bytes=row and row * last_rows,
            per_plane=per_plane,
        )
        self._check_tiles(page, trailer_bytes)
        return page

    def _tile_arrays(self, tags: dict[int, _Tag], is_tiled: bool, expected: int) -> tuple[Sequence[int], Sequence[int]]:
        self._tiles += expected
        if self._tiles > MOST_TILES:
            raise Damage(f"more than {MOST_TILES} tiles in the TIFF")
        where, sizes = (_TILE_OFFSETS, _TILE_COUNTS) if is_tiled else (_STRIP_OFFSETS, _STRIP_COUNTS)
        if where not in tags or sizes not in tags:
            raise Damage("a TIFF page without the index of its tiles")
        offsets, counts = self._integers(tags[where], MOST_TILES), self._integers(tags[sizes], MOST_TILES)
        if not len(offsets) == len(counts) == expected:
            raise Damage(f"a TIFF page with {len(offsets)} tiles where its size asks for {expected}")
        return offsets, counts

    def _row_bytes(self, tags: dict[int, _Tag], samples: int, planes: int, tile_width: int) -> int | None:
        photometric = tags.get(_PHOTOMETRIC)
        if photometric and self._integers(photometric, 1)[0] == _YCBCR:
            return None
        bits = list(self._integers(tags[_BITS], 65_535)) if _BITS in tags else [1]
        if len(bits) == 1:
            bits *= samples
        if len(bits) != samples or min(bits) < 1 or max(bits) > 128:
            raise Damage("the TIFF does not say how many bits its samples have")
        return -(-tile_width * (bits[0] if planes > 1 else sum(bits)) // 8)

    def _check_tiles(self, page: Page, trailer_bytes: int) -> None:
        floor, ceiling, end = self._header_bytes, self._view.size - trailer_bytes, 0
        for offset, count in zip(page.offsets, page.counts, strict=True):
            if count == 0:
                continue
            if offset < floor or offset + count > ceiling:
                raise Damage(
                    f"a tile of the TIFF is at bytes {offset} to {offset + count}, but the file has "
                    f"{self._view.size}: it is cut off"
                )
            end = max(end, offset + count)
        self._end = max(self._end, end + trailer_bytes if end else 0)
        self._stored_bytes += sum(page.counts)
        if self._stored_bytes > self._view.size:
            raise Damage("tiles of the TIFF lie on top of each other")
        if page.compression == _UNCOMPRESSED:
            self._check_plain_tiles(page)

    def _check_plain_tiles(self, page: Page) -> None:
        for index, count in enumerate(page.counts):
            whole, short = page.tile_bytes, page.last_bytes
            is_last = (index + 1) % page.per_plane == 0
            if count and whole and count != whole and not (is_last and count == short):
                raise Damage(f"an uncompressed tile has {count} bytes in place of {whole}")
