"""The window of a band: which pixels it has, and the file that is made of them.

`pixels`: the exact box of the area on the grid of the band, the same for every date; what lies beyond the image is the
fill value, and everything is compressed anew without loss. `tiles`: the compressed tiles that touch the box, as they
are in the file that they come from. Either way each tile is inflated, and its checksum compared.
"""

from __future__ import annotations

import enum
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from landsat_async.raster import geotiff, tag
from landsat_async.raster.cog import CogLayout, read_layout
from landsat_async.raster.grid import GridBox, GroundBox, UnsupportedRaster
from landsat_async.raster.held_bytes import HeldBytes, Needs
from landsat_async.raster.ranges import TileSpan, box_of_tiles, stretch_of, tiles_of
from landsat_async.raster.tile_codec import Pixels, decode, encode, unframed

MOST_WINDOW_BYTES = 1024 * 2**20
"""Of the pixels of a window before they are compressed: four whole panchromatic bands."""
_MOST_SIDE = 256
"""Of the tiles of a window."""
_OWNER = "landsat_async"

Read = Callable[[int, int], bytes]
"""Called with a size and an offset of the file that the window is cut from."""


class WindowMode(enum.StrEnum):
    """How a window is cut."""

    PIXELS = "pixels"
    TILES = "tiles"


@dataclass(frozen=True, slots=True)
class RasterWindow:
    """What is cut out of a file."""

    mode: WindowMode
    box: GridBox
    """Its pixels; in columns and rows of the image, beyond which it may reach."""
    tiles: TileSpan | None
    """The tiles that it takes pixels from; None = it lies outside the image."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a window says of itself, in its ImageDescription."""

    name: str
    """Of the file that it is cut from."""
    total: int
    """Its bytes."""
    key: str
    """Eight hexadecimal digits of area and mode."""

    def text(self) -> str:
        """Return it as it is written."""
        return json.dumps({"by": _OWNER, "window_of": self.name, "source_bytes": self.total, "window": self.key})

    @classmethod
    def read(cls, text: bytes) -> Origin | None:
        """Read an ImageDescription; None for any other text."""
        try:
            match json.loads(text.partition(b"\0")[0]):
                case {"by": "landsat_async", "window_of": str(name), "source_bytes": int(total), "window": str(key)}:
                    return cls(name, total, key)
        except (ValueError, RecursionError):
            pass
        return None


class FillOnly(Exception):
    """The window holds nothing but fill: the area lies outside the image, or where it has no data."""


def window_of(layout: CogLayout, ground: GroundBox, mode: WindowMode) -> RasterWindow:
    """Return the window of some ground.

    Raises:
        UnsupportedRaster: it would be larger than any scene.
    """
    box = layout.transform.box_around(ground)
    tiles = tiles_of(layout, box)
    if mode is WindowMode.TILES and tiles is not None:
        box = box_of_tiles(layout, tiles)
    size = box.width * box.height * layout.pixel_bytes
    if tiles is not None and size > MOST_WINDOW_BYTES:
        hint = ' (window = "tiles" takes what of it lies in the scene)' if mode is WindowMode.PIXELS else ""
        raise UnsupportedRaster(f"its window would have {box.width:,} x {box.height:,} pixels{hint}")
    return RasterWindow(mode, box, tiles)


def layout_of(read: Read, total: int) -> CogLayout:
    """Return the layout of a file that is here whole; see `cog.read_layout`."""
    held = HeldBytes(total)
    while True:
        try:
            return read_layout(held)
        except Needs as needs:
            held.add(needs.start, read(needs.end - needs.start, needs.start))


def cut(layout: CogLayout, window: RasterWindow, read: Read, origin: Origin, *, fill: int = 0) -> Iterator[bytes]:
    """Yield the bytes of the window as a file of its own.

    Args:
        layout: Of the file that it is cut from.
        window: What to cut.
        read: Reads that file, within the tiles of the window.
        origin: What the window says of itself.
        fill: Of pixels without data, where the file does not say what they have.

    Raises:
        BrokenRaster: a tile does not decode, or its checksum is wrong.
        FillOnly: there is nothing in the window.
    """
    if window.tiles is None:
        raise FillOnly
    tiles = _tiles_as_they_are if window.mode is WindowMode.TILES else _tiles_of_pixels
    yield from tiles(layout, window, window.tiles, read, origin, layout.fill(fill))


def _stored(layout: CogLayout, span: TileSpan, read: Read) -> Iterator[tuple[int, int, bytes | None]]:
    """Yield column, row and stored bytes of each tile; None for those that are not stored."""
    for column, row in span:
        stretch = stretch_of(layout, column, row)
        if stretch is None:
            yield column, row, None
        else:
            start, end = stretch
            yield column, row, unframed(layout, read(end - start, start))


def _tiles_as_they_are(
    layout: CogLayout, window: RasterWindow, span: TileSpan, read: Read, origin: Origin, fill: float
) -> Iterator[bytes]:
    kept: list[bytes] = []
    empty, blank = True, np.dtype(layout.pixel_type).type(fill)
    for column, row, stored in _stored(layout, span, read):
        kept.append(stored or b"")
        if stored is None:
            continue
        pixels = decode(layout, stored, row, zlib)
        inside = min(layout.tile_width, layout.width - column * layout.tile_width)
        if empty and (pixels[: layout.length - row * layout.tile_length, :inside] != blank).any():
            empty = False
    if empty:
        raise FillOnly
    yield from _file(layout, window.box, (layout.tile_width, layout.tile_length), kept, origin, as_it_is=True)


def _tiles_of_pixels(
    layout: CogLayout, window: RasterWindow, span: TileSpan, read: Read, origin: Origin, fill: float
) -> Iterator[bytes]:
    box = window.box
    width, length = tile_side(box.width), tile_side(box.height)
    rows, blank = _RowsOfTiles(layout, span, read), np.dtype(layout.pixel_type).type(fill)
    kept: list[bytes] = []
    empty = True
    for top in range(0, box.height, length):  # a row of tiles at a time: the pixels of a window may be many
        strip = GridBox(box.column, box.row + top, box.width, min(length, box.height - top))
        canvas = np.full((length, width * -(-box.width // width)), blank, layout.pixel_type)
        pixels = canvas[: strip.height, : strip.width]
        rows.paste(pixels, strip)
        empty = empty and not (pixels != blank).any()
        _repeat_edges(canvas, strip)
        kept += [encode(canvas[:, left : left + width], layout.predictor) for left in range(0, canvas.shape[1], width)]
    if empty:
        raise FillOnly
    yield from _file(layout, box, (width, length), kept, origin, as_it_is=False)


def tile_side(pixels: int) -> int:
    """Return the side of tiles that a side of a window is divided into: a multiple of 16, and few pixels beyond."""
    count = -(-pixels // _MOST_SIDE)
    return 16 * -(-pixels // (16 * count))


class _RowsOfTiles:
    """The tiles of a window, decoded once each, of which one row is kept."""

    def __init__(self, layout: CogLayout, span: TileSpan, read: Read) -> None:
        self._layout, self._span, self._read = layout, span, read
        self._row = -1
        self._tiles: list[Pixels | None] = []

    def paste(self, canvas: Pixels, strip: GridBox) -> None:
        """Put the pixels of a strip of the image where they belong; strips come from top to bottom."""
        layout, span = self._layout, self._span
        for row in range(span.row, span.row + span.height):
            at = GridBox(0, row * layout.tile_length, layout.width, layout.rows_of(row)).within(layout.image)
            if at is None or at.within(strip) is None:
                continue
            for column, pixels in enumerate(self._decoded(row), span.column):
                tile = GridBox(column * layout.tile_width, at.row, layout.tile_width, at.height)
                seen = tile.within(layout.image)
                inside = None if seen is None else seen.within(strip)
                if inside is not None:
                    place = canvas[_part_of(strip, inside)]
                    place[...] = layout.fill() if pixels is None else pixels[_part_of(tile, inside)]

    def _decoded(self, row: int) -> list[Pixels | None]:
        if row != self._row:
            self._tiles = []  # before the next ones are made
            only = TileSpan(self._span.column, row, self._span.width, 1)
            found = _stored(self._layout, only, self._read)
            self._tiles = [None if stored is None else decode(self._layout, stored, row) for _, _, stored in found]
            self._row = row
        return self._tiles


def _part_of(outer: GridBox, inner: GridBox) -> tuple[slice, slice]:
    column, row = inner.column - outer.column, inner.row - outer.row
    return slice(row, row + inner.height), slice(column, column + inner.width)


def _repeat_edges(canvas: Pixels, inside: GridBox) -> None:
    """Let what lies beyond the pixels of a strip repeat its edges, which costs least when it is compressed."""
    height, width = inside.height, inside.width
    canvas[:height, width:] = canvas[:height, width - 1 : width]
    canvas[height:] = canvas[height - 1]


def _file(
    layout: CogLayout, box: GridBox, tile: tuple[int, int], stored: Iterable[bytes], origin: Origin, *, as_it_is: bool
) -> Iterator[bytes]:
    tiles = list(stored)
    image = geotiff.WindowImage(
        width=box.width,
        length=box.height,
        tile_width=tile[0],
        tile_length=tile[1],
        is_tiled=layout.is_tiled or not as_it_is,
        byte_order=layout.byte_order if as_it_is else "<",
        compression=layout.compression if as_it_is else tag.DEFLATE,
        predictor=layout.predictor,
        transform=layout.transform.shifted(box.column, box.row),
        description=origin.text(),
        counts=[len(one) for one in tiles],
    )
    yield geotiff.header(image, layout)
    yield from (one for one in tiles if one)
