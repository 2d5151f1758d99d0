"""Cloud-optimised GeoTIFFs of any size whose bytes are made when they are read, in the layouts that readers must know.

Held are the index and where each tile begins, a few KiB; a tile is made when a range touches it. Tiles of which every
pixel is the same (outside the footprint, clear sky) are deflated; the others are stored in deflate's own frame, so that
their length is known before they are made. `packed` deflates all of them: some seconds for a large band.
"""

from __future__ import annotations

import functools
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from landsat_async.sim.pictures import VARIES, Array, Blocks, Picture, dtype_of
from landsat_async.sim.tiff import StoredTile
from landsat_async.sim.tiff_tags import ASCII, LONG, LONG8, SHORT, Tag, geo_tags, pack_directory

Order = Literal["<", ">"]
_GHOST = (
    b"LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n"
    b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n "
)
_SMALLEST_SIDE = 256
"""An image that fits into it has no further overview."""
_KEPT_RAW_BYTES = 8 << 20
"""Tiles of a file whose pixels need no more than this are kept once made."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the pixels stand in the file."""

    tile: int | None = 256
    """Width and height of a tile, a multiple of 16; None = strips."""
    strip_rows: int = 16
    predictor: Literal[1, 2] = 2
    overviews: Literal["first", "last", "none"] = "first"
    """Where the tiles of the overviews stand: before or after those of the full resolution."""
    big: bool = False
    """BigTIFF."""
    index_at_end: bool = False
    byte_order: Order = "<"
    packed: bool = False
    """Deflate every tile; else tiles of different pixels are stored."""
    sparse: bool = False
    """Tiles of fill alone are not stored at all."""
    leaders: bool = False
    """Each tile stands between its size and its last four bytes, as GDAL's driver for COG writes them."""
    pixel_is_point: bool = True
    """The tie point is the centre of the first pixel, as in USGS's files; else its corner."""
    crs_by_parameters: bool = False
    """The polar projection is written out in place of its EPSG code."""


class _Page:
    """One image of the file: its tiles, their pixels and sizes."""

    def __init__(self, picture: Picture, layout: Layout, step: int, kept: dict[tuple[int, int], bytes] | None) -> None:
        grid = picture.grid
        self._picture, self._layout, self.step, self._kept = picture, layout, step, kept
        self.columns, self.rows = -(-grid.columns // step), -(-grid.rows // step)
        self.width = layout.tile or self.columns
        self.height = layout.tile or min(layout.strip_rows, self.rows)
        self.across, self.down = -(-self.columns // self.width), -(-self.rows // self.height)
        self._type = dtype_of(picture.pixels)
        self._constants = picture.constants(self._edges())
        self.sizes = self._sizes()

    def _edges(self) -> Blocks:
        grid, step = self._picture.grid, self.step
        x = np.arange(self.across)[None, :] * self.width * step
        y = np.arange(self.down)[:, None] * self.height * step
        west = grid.west_m + (x + 0.5) * grid.pixel_m
        north = grid.north_m - (y + 0.5) * grid.pixel_m
        beyond_x, beyond_y = (self.width - 1) * step * grid.pixel_m, (self.height - 1) * step * grid.pixel_m
        edges = np.broadcast_arrays(west, north - beyond_y, west + beyond_x, north)
        return Blocks(*(edge.ravel() for edge in edges))

    def _range(self, index: int) -> tuple[range, range]:
        row, column = divmod(index, self.across)
        rows = self.height if self._layout.tile else min(self.height, self.rows - row * self.height)
        x = column * self.width * self.step
        y = row * self.height * self.step
        return range(x, x + self.width * self.step, self.step), range(y, y + rows * self.step, self.step)

    def _sizes(self) -> list[int]:
        fill, sizes = self._picture.pixels.nodata, []
        for index, value in enumerate(self._constants.tolist()):
            if value == fill and self._layout.sparse:
                sizes.append(0)
            elif value == VARIES and not self._layout.packed:
                x, y = self._range(index)
                sizes.append(StoredTile.encoded_bytes(len(x) * len(y) * self._type.itemsize))
            else:
                sizes.append(len(self.encoded(index)))
        return sizes

    def encoded(self, index: int) -> bytes:
        """Return the bytes of a tile as they stand in the file."""
        if self._kept is None:
            return self._encode(index)
        key = self.step, index
        if key not in self._kept:
            self._kept[key] = self._encode(index)
        return self._kept[key]

    def _encode(self, index: int) -> bytes:
        value = int(self._constants[index])
        x, y = self._range(index)
        order, predictor = self._layout.byte_order, self._layout.predictor
        if value != VARIES:
            return _constant_tile(value, len(y), len(x), self._type.str, order, predictor)
        raw = _raw(self._picture.block(x, y), order, predictor)
        return zlib.compress(raw, 1) if self._layout.packed else StoredTile.encode(raw)

    def tags(self, offsets: Sequence[int]) -> list[Tag]:
        """Return the directory of the image, given where its tiles are."""
        pixels, layout = self._picture.pixels, self._layout
        where = LONG8 if layout.big else LONG
        tags: list[Tag] = [
            (254, LONG, [int(self.step > 1)]),
            (256, LONG, [self.columns]),
            (257, LONG, [self.rows]),
            (258, SHORT, [pixels.bits]),
            (259, SHORT, [8]),
            (262, SHORT, [1]),
            (277, SHORT, [1]),
            (284, SHORT, [1]),
            (317, SHORT, [layout.predictor]),
            (339, SHORT, [2 if pixels.signed else 1]),
            (42113, ASCII, f"{pixels.nodata}\0".encode()),
        ]
        if layout.tile:
            tags += [(322, SHORT, [layout.tile]), (323, SHORT, [layout.tile])]
            tags += [(324, where, offsets), (325, LONG, self.sizes)]
        else:
            tags += [(273, where, offsets), (278, LONG, [self.height]), (279, LONG, self.sizes)]
        if self.step == 1:
            tags += geo_tags(self._picture.grid, layout.pixel_is_point, layout.crs_by_parameters)
        return sorted(tags)


class Cog:
    """A file with one band; a Content."""

    def __init__(self, picture: Picture, layout: Layout) -> None:
        grid = picture.grid
        raw_bytes = grid.columns * grid.rows * picture.pixels.bits // 8
        self._kept: dict[tuple[int, int], bytes] | None = {} if raw_bytes <= _KEPT_RAW_BYTES else None
        self.layout = layout
        self._pages = [_Page(picture, layout, step, self._kept) for step in self._steps(max(grid.columns, grid.rows))]
        self._latest: dict[int, bytes] = {}
        self._place()

    def _steps(self, side: int) -> Iterator[int]:
        yield 1
        step = 2
        while self.layout.overviews != "none" and -(-side // (step // 2)) > _SMALLEST_SIDE:
            yield step
            step *= 2

    def _place(self) -> None:
        layout = self.layout
        head = self._header(0)
        index_bytes = sum(map(len, self._index([[0] * len(page.sizes) for page in self._pages], len(head))))
        pages = list(enumerate(self._pages))
        pages = [*pages[1:][::-1], pages[0]] if layout.overviews == "first" else pages
        frame = 4 if layout.leaders else 0
        at = len(head) + (0 if layout.index_at_end else index_bytes)
        offsets: list[list[int]] = [[] for _ in pages]
        starts, self._tiles = [], []
        for number, page in pages:
            for index, size in enumerate(page.sizes):
                if size == 0:
                    offsets[number].append(0)
                    continue
                starts.append(at)
                self._tiles.append((page, index))
                offsets[number].append(at + frame)
                at += size + 2 * frame
        self._starts: npt.NDArray[np.int64] = np.array([*starts, at], dtype=np.int64)
        index_at = at + at % 2 if layout.index_at_end else len(head)
        directories = b"".join(self._index(offsets, index_at))
        if layout.index_at_end:
            self._head, self._tail = self._header(index_at), bytes(index_at - at) + directories
        else:
            self._head, self._tail = self._header(index_at) + directories, b""
        self.size = at + len(self._tail)

    def _header(self, index_at: int) -> bytes:
        order = self.layout.byte_order
        magic = b"II" if order == "<" else b"MM"
        ghost = b"GDAL_STRUCTURAL_METADATA_SIZE=%06d bytes\n" % len(_GHOST) + _GHOST if self.layout.leaders else b""
        if self.layout.big:
            return magic + struct.pack(f"{order}HHHQ", 43, 8, 0, index_at) + ghost
        return magic + struct.pack(f"{order}HI", 42, index_at) + ghost

    def _index(self, offsets: Sequence[Sequence[int]], at: int) -> list[bytes]:
        blocks = []
        for number, page in enumerate(self._pages):
            last = number + 1 == len(self._pages)
            block = pack_directory(page.tags(offsets[number]), at, self.layout.byte_order, self.layout.big, last)
            at += len(block)
            blocks.append(block)
        return blocks

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes from `offset`, at most `length`, fewer only at the end."""
        end = min(offset + length, self.size)
        pieces = []
        while offset < end:
            piece = self._piece(offset, end)
            pieces.append(piece)
            offset += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _piece(self, offset: int, end: int) -> bytes:
        if offset < len(self._head):
            return self._head[offset:end]
        data_end = int(self._starts[-1])
        if offset >= data_end:
            return self._tail[offset - data_end : end - data_end]
        number = int(np.searchsorted(self._starts, offset, side="right")) - 1
        start = int(self._starts[number])
        return self._tile(number)[offset - start : end - start]

    def _tile(self, number: int) -> bytes:
        """Return a tile with its frame; the latest few are kept, because a reader takes a tile in several pieces."""
        if number not in self._latest:
            page, index = self._tiles[number]
            data = page.encoded(index)
            if self.layout.leaders:
                data = struct.pack("<I", len(data)) + data + data[-4:]
            for old in list(self._latest)[:-3]:
                del self._latest[old]
            self._latest[number] = data
        return self._latest[number]


@functools.lru_cache(maxsize=256)
def _constant_tile(value: int, rows: int, columns: int, kind: str, order: Order, predictor: int) -> bytes:
    return zlib.compress(_raw(np.full((rows, columns), value, dtype=np.dtype(kind)), order, predictor), 6)


def _raw(block: Array, order: Order, predictor: int) -> bytes:
    if predictor == 2:
        unsigned = block.view(np.dtype(f"u{block.itemsize}"))
        block = np.diff(unsigned, axis=1, prepend=unsigned.dtype.type(0))
    return block.astype(block.dtype.newbyteorder(order)).tobytes()
