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
from collections.abc import Iterable, Sequence
from itertools import compress
from operator import add
from typing import Literal, TypeAlias

import msgspec

from landsat_async.proof.byte_view import ByteView, Damage
from landsat_async.proof.kinds import HEAD_BYTES, is_markup, what_it_says

MOST_DIRECTORIES = 256
MOST_TILES = 1_000_000
_MOST_TAGS = 512
_LONGEST_SIDE = 2**31
_INDEX_BYTES = 16 * 1024
"""The directories of a band of 90 MB and the arrays of its tiles take about 10 KiB."""

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGER_CODES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_COUNTS, _PLANAR = 273, 277, 278, 279, 284
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_COUNTS, _SUB_DIRECTORIES = 322, 323, 324, 325, 330
_UNCOMPRESSED = 1
DEFLATE = frozenset({8, 32946})
_YCBCR = 6

_MOST_SAMPLES, _MOST_BITS = 65_535, 128
_OF_STRIPS = (
    (_WIDTH, 1, 1, None),
    (_LENGTH, 1, 1, None),
    (_SAMPLES, 1, 1, 1),
    (_PLANAR, 1, 1, 1),
    (_COMPRESSION, 1, 1, _UNCOMPRESSED),
    (_PHOTOMETRIC, 1, 0, 1),
    (_BITS, _MOST_SAMPLES, 0, 1),
    (_ROWS_PER_STRIP, 1, 1, 2**32 - 1),
)
"""The numbers of a page: tag, how many values it may have, of which the first counts, the least that this may be, and
what holds where the tag is missing; None = it must be there."""
_OF_TILES = (*_OF_STRIPS[:-1], (_TILE_WIDTH, 1, 1, None), (_TILE_LENGTH, 1, 1, None))


class _Form:
    """How numbers are stored: in one of four ways, which the first bytes of a TIFF tell."""

    def __init__(self, order: Literal["<", ">"], *, big: bool) -> None:
        self.header_bytes = 16 if big else 8
        self.first = struct.Struct(order + ("8xQ" if big else "4xI"))
        """The header: where the first directory is."""
        self.counter = struct.Struct(order + ("Q" if big else "H"))
        self.entry = struct.Struct(order + ("HHQQ" if big else "HHII"))
        self.pointer = struct.Struct(order + ("Q" if big else "I"))
        self.longest_directory_bytes = self.counter.size + _MOST_TAGS * self.entry.size + self.pointer.size
        self.is_swapped = (order == "<") != (sys.byteorder == "little")
        self.alone = {
            kind: (8 * (self.pointer.size - _TYPE_BYTES[kind]) * (order == ">"), 2 ** (8 * _TYPE_BYTES[kind]) - 1)
            for kind in _INTEGER_CODES
            if _TYPE_BYTES[kind] <= self.pointer.size
        }
        """Integers that stand in the directory itself when they are alone: how far to shift it, and what to keep."""


_FORMS = {
    b"II*\0": _Form("<", big=False),
    b"MM\0*": _Form(">", big=False),
    b"II+\0\x08\0\0\0": _Form("<", big=True),
    b"MM\0+\0\x08\0\0": _Form(">", big=True),
}
_LOOKS = 16
_DEFLATED = frozenset(
    bytes((first, second))
    for first in range(0x08, 0x80, 0x10)
    for second in range(256)
    if not second & 0x20 and (256 * first + second) % 31 == 0
)
"""How a deflated tile may begin: method 8, a window of 32 KiB at most, no dictionary, and the check of these."""
_TAIL_BYTES = 128
"""As many printable bytes in a row as chance does not bring: the bytes of a deflated tile are nearly random."""
_NOTE = b"GDAL_STRUCTURAL_METADATA_SIZE="
_FRAMED = (
    b"BLOCK_LEADER=SIZE_AS_UINT4\n",
    b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED\n",
    b"KNOWN_INCOMPATIBLE_EDITION=NO\n",
)
"""What GDAL's note behind the header says where each tile is framed."""


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
    stored: tuple[Sequence[int], Sequence[int]]
    """Offsets and counts of the tiles that are stored: as a rule all."""
    end: int
    """Last byte + 1 of these; 0 where none is stored."""


class TiffLayout(msgspec.Struct, frozen=True):
    """Where everything is in a TIFF whose indexes all point inside it."""

    pages: tuple[Page, ...]
    tile_frame: bool
    """Each tile stands between its size and a copy of its last four bytes (GDAL's cloud-optimised layout)."""
    unused_bytes: int
    """How many follow the last part. A file that was rewritten in place has some; so has one with an insertion."""


_Tag: TypeAlias = int | tuple[int, int, int]
"""The value of a tag that has one integer, which stands in the directory, as a rule. Of all others their type, number
of values, and what stands there: the values where they fit, else where they are."""


def walk_tiff(view: ByteView) -> TiffLayout:
    """Return the layout of a TIFF.

    Raises:
        Damage: Some index is broken or points outside the file, or no tile of the image is there.
    """
    walk = _Walk(view)
    at = walk.form.header_bytes
    has_frames = walk.head.startswith(_NOTE, at) and all(line in walk.head[at : at + 512] for line in _FRAMED)
    pages: list[Page] = []
    seen: set[int] = set()
    ahead = [walk.form.first.unpack_from(walk.head)[0]]
    while ahead:
        at = ahead.pop()
        if at in seen:
            raise Damage("the directories of the TIFF go round in a circle")
        seen.add(at)
        if len(seen) > MOST_DIRECTORIES:
            raise Damage(f"more than {MOST_DIRECTORIES} directories in the TIFF")
        tags, following = walk.read_directory(at)
        if following:
            ahead.append(following)
        if _SUB_DIRECTORIES in tags:
            ahead += filter(None, walk.values(tags[_SUB_DIRECTORIES], MOST_DIRECTORIES))
        pages.append(walk.read_page(tags, 4 if has_frames else 0))
    if not any(pages[0].counts):
        raise Damage("the TIFF holds no image: not one of its tiles is stored")
    return TiffLayout(tuple(pages), has_frames, view.size - walk.end)


def check_beginnings(view: ByteView, layout: TiffLayout) -> None:
    """See cheaply that compressed tiles are where the indexes say: what a server writes once it has failed is none.

    Looked at are the first bytes of some deflated tiles of each page, and whether the last of all ends in a text.

    Raises:
        Damage: A tile does not begin as a deflated one, or the file ends in markup.
        Stopped: The caller asked for the end.
    """
    end, offsets, counts = 0, list[int](), list[int]()
    for page in layout.pages:
        if page.compression not in DEFLATE:
            continue
        step = max(4, len(page.stored[0]) // _LOOKS)
        offsets += page.stored[0][::step]
        counts += page.stored[1][::step]
        end = max(end, page.end)
    firsts = view.read_each(offsets, 2)
    if not _DEFLATED.issuperset(firsts) or min(counts, default=2) < 2:
        fits = [count > 1 and first in _DEFLATED for count, first in zip(counts, firsts, strict=True)]
        raise Damage(f"at byte {offsets[fits.index(False)]} of the TIFF a deflated tile should begin, and does not")
    tail = view.read(max(0, end - _TAIL_BYTES), min(end, _TAIL_BYTES))
    if len(tail) == _TAIL_BYTES and tail.isascii() and is_markup(tail):
        text = view.read(max(0, end - HEAD_BYTES), min(end, HEAD_BYTES)).decode("ascii", "replace")
        raise Damage(f'the TIFF ends in a text in place of pixels: "{what_it_says(text)}"')


def _cut_off(at: int, size: int, end: int) -> Damage:
    return Damage(f"the TIFF points at bytes {at} to {at + size}, but has {end}: it is cut off")


class _Walk:
    def __init__(self, view: ByteView) -> None:
        self._view = view
        self.end = 0
        """Last byte + 1 of all that the indexes explain."""
        self._tiles = 0
        self._stored_bytes = 0
        # The indexes of a band stand together at its beginning: one read instead of one for each tag.
        self.head = view.read(0, min(_INDEX_BYTES, view.size))
        if view.size < 16:
            raise Damage("too short for a TIFF")
        form = _FORMS.get(self.head[:4]) or _FORMS.get(self.head[:8])
        if form is None:
            raise Damage("no TIFF header")
        self.form = form

    def read_directory(self, at: int) -> tuple[dict[int, _Tag], int]:
        """Return the tags of a directory, and where the next one is; 0 = nowhere."""
        form, end, room = self.form, self._view.size, self.form.pointer.size
        if at < form.header_bytes:
            raise Damage("a directory of the TIFF lies in its header")
        data, begin = self.head, at
        if at + form.longest_directory_bytes > len(data):
            data, begin = self._view.read(at, min(form.longest_directory_bytes, end - at)), 0
        first = begin + form.counter.size
        count = form.counter.unpack_from(data, begin)[0] if len(data) > first else 0
        if not 0 < count <= _MOST_TAGS:
            raise Damage(f"a directory of {count} tags")
        behind = first + count * form.entry.size
        explained = at - begin + behind + room
        if explained > end:
            raise _cut_off(at, explained - at, end)
        tags: dict[int, _Tag] = {}
        floor, alone = form.header_bytes, form.alone
        for number, kind, length, stored in form.entry.iter_unpack(data[first:behind]):
            if length == 1 and kind in alone:  # as a rule
                shift, mask = alone[kind]
                tags[number] = stored >> shift & mask
                continue
            tags[number] = kind, length, stored
            size = _TYPE_BYTES.get(kind, 0) * length
            if size > room:
                size += stored
                if stored < floor or size > end:
                    raise _cut_off(stored, size - stored, end)
                if size > explained:
                    explained = size
        if explained > self.end:
            self.end = explained
        return tags, form.pointer.unpack_from(data, behind)[0]

    def values(self, tag: _Tag, most: int) -> Sequence[int]:
        """Return the integers of a tag, `most` of them at most."""
        if isinstance(tag, int):
            return (tag,)
        kind, count, stored = tag
        code = _INTEGER_CODES.get(kind)
        if code is None or not 0 < count <= most:
            raise Damage("a TIFF tag of the wrong type or length")
        size = _TYPE_BYTES[kind] * count
        if size <= self.form.pointer.size:
            data = self.form.pointer.pack(stored)[:size]
        elif stored + size <= len(self.head):
            data = self.head[stored : stored + size]
        else:
            data = self._view.read(stored, size)
        values = array(code, data)
        if self.form.is_swapped:
            values.byteswap()
        return values

    def _numbers(self, tags: dict[int, _Tag], wanted: Sequence[tuple[int, int, int, int | None]]) -> list[int]:
        numbers = []
        for number, most, least, default in wanted:
            value = tags.get(number, default)
            if value is None:
                raise Damage(f"the TIFF lacks tag {number}")
            if not isinstance(value, int):
                value = self.values(value, most)[0]
            if not least <= value < 2**32:
                raise Damage(f"TIFF tag {number} is {value}")
            numbers.append(value)
        return numbers

    def read_page(self, tags: dict[int, _Tag], trailer_bytes: int) -> Page:
        """Return what a directory says of its tiles, behind each of which stand `trailer_bytes` of a frame."""
        is_tiled = _TILE_WIDTH in tags
        numbers = self._numbers(tags, _OF_TILES if is_tiled else _OF_STRIPS)
        width, length, samples, planar, compression, photometric, bits, *tile = numbers
        tile_width, tile_length = tile if is_tiled else (width, min(length, *tile))
        if max(width, length, tile_width, tile_length) > _LONGEST_SIDE or samples > _MOST_SAMPLES:
            raise Damage("a TIFF page larger than any image")
        planes = samples if planar == 2 else 1
        down = -(-length // tile_length)
        per_plane = down * -(-width // tile_width)
        offsets, counts, stored, end = self._read_tiles(tags, is_tiled, per_plane * planes, trailer_bytes)
        if photometric == _YCBCR:
            row = None
        elif samples == 1 and 0 < bits <= _MOST_BITS and isinstance(tags.get(_BITS, 1), int):
            row = -(-tile_width * bits // 8)
        else:
            row = self._row_bytes(tags, samples, planes, tile_width)
        last_rows = tile_length if is_tiled else length - (down - 1) * tile_length
        tile_bytes, last_bytes = row and row * tile_length, row and row * last_rows
        page = Page(compression, offsets, counts, tile_bytes, last_bytes, per_plane, stored, end)
        if compression == _UNCOMPRESSED:
            self._check_plain_tiles(page)
        return page

    def _read_tiles(
        self, tags: dict[int, _Tag], is_tiled: bool, expected: int, trailer_bytes: int
    ) -> tuple[Sequence[int], Sequence[int], tuple[Sequence[int], Sequence[int]], int]:
        """Return the offsets and counts of all tiles, those of stored ones, and where the last of these ends."""
        self._tiles += expected
        if self._tiles > MOST_TILES:
            raise Damage(f"more than {MOST_TILES} tiles in the TIFF")
        where, sizes = (_TILE_OFFSETS, _TILE_COUNTS) if is_tiled else (_STRIP_OFFSETS, _STRIP_COUNTS)
        if where not in tags or sizes not in tags:
            raise Damage("a TIFF page without the index of its tiles")
        offsets, counts = self.values(tags[where], MOST_TILES), self.values(tags[sizes], MOST_TILES)
        if not len(offsets) == len(counts) == expected:
            raise Damage(f"a TIFF page with {len(offsets)} tiles where its size asks for {expected}")
        size, end, stored = self._view.size, 0, (offsets, counts)
        if 0 in counts:
            stored = list(compress(offsets, counts)), list(filter(None, counts))
        if stored[0]:
            end, floor = max(map(add, *stored)), self.form.header_bytes
            if end > size - trailer_bytes or min(stored[0]) < floor:
                raise self._outside(zip(*stored, strict=True), floor, size - trailer_bytes)
            self.end = max(self.end, end + trailer_bytes)
        self._stored_bytes += sum(counts)
        if self._stored_bytes > size:
            raise Damage("tiles of the TIFF lie on top of each other")
        return offsets, counts, stored, end

    def _outside(self, tiles: Iterable[tuple[int, int]], floor: int, ceiling: int) -> Damage:
        """Name the first tile that does not lie between two places."""
        offset, end = next((at, at + count) for at, count in tiles if at < floor or at + count > ceiling)
        return Damage(
            f"a tile of the TIFF is at bytes {offset} to {end}, but the file has {self._view.size}: it is cut off"
        )

    def _row_bytes(self, tags: dict[int, _Tag], samples: int, planes: int, tile_width: int) -> int:
        bits = list(self.values(tags[_BITS], _MOST_SAMPLES)) if _BITS in tags else [1]
        if len(bits) == 1:
            bits *= samples
        if len(bits) != samples or min(bits) < 1 or max(bits) > _MOST_BITS:
            raise Damage("the TIFF does not say how many bits its samples have")
        return -(-tile_width * (bits[0] if planes > 1 else sum(bits)) // 8)

    def _check_plain_tiles(self, page: Page) -> None:
        for index, count in enumerate(page.counts):
            whole, short = page.tile_bytes, page.last_bytes
            is_last = (index + 1) % page.per_plane == 0
            if count and whole and count != whole and not (is_last and count == short):
                raise Damage(f"an uncompressed tile has {count} bytes in place of {whole}")
