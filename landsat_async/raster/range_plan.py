"""What to ask for next, of a remote file of which some ranges are here: its index first, then tiles.

The ranges stand in the part one behind the other, in the order in which they were asked for. That order follows from
the bytes alone, so after a stop the plan is made again from the part itself, and nothing else has to be remembered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from landsat_async.raster.cog import CogLayout, read_layout
from landsat_async.raster.grid import GeoKeys, GroundBox
from landsat_async.raster.held_bytes import HeldBytes, Needs
from landsat_async.raster.ranges import ranges_of
from landsat_async.raster.window import RasterWindow, Read, WindowMode, window_of

WORTH_SHARE = 0.6
"""A window that takes more of the file than this is cut from the whole, which proves more."""


@dataclass(frozen=True, slots=True)
class _HeldRange:
    start: int
    end: int
    at: int
    """Where it begins in the part."""


class NotWorthIt(Exception):
    """The whole file is to be fetched in place of ranges; the text says why."""


class RangePlan:
    """The ranges of one window of one file."""

    def __init__(self, total: int, ground: Callable[[GeoKeys], GroundBox | None], mode: WindowMode) -> None:
        self.total = total
        self.length = 0
        """Bytes of the part that hold whole ranges."""
        self.layout: CogLayout | None = None
        """Known once the index is here."""
        self.window: RasterWindow | None = None
        self._ground, self._mode = ground, mode
        self._pieces: list[_HeldRange] = []
        self._held = HeldBytes(total)
        self._tiles: list[tuple[int, int]] = []
        """Ranges of tiles that are still to come."""

    def follow(self, length: int, read: Read) -> None:
        """Take in the ranges of a part of `length` bytes, as far as they are there whole.

        Args:
            length: Of the part.
            read: Reads the part.

        Raises:
            BrokenRaster, UnsupportedRaster, NotWorthIt: see `wanted`.
        """
        while (want := self.wanted()) is not None and self.length + want[1] - want[0] <= length:
            self._take(*want, read)

    def wanted(self) -> tuple[int, int] | None:
        """Return the range to ask for next, its end not contained; None when all are here.

        Raises:
            BrokenRaster: what is here is not the index of a GeoTIFF.
            UnsupportedRaster: no window can be cut from such a file.
            NotWorthIt: its tiles have no checksums, or the window takes most of it.
        """
        if self.layout is None:
            try:
                self.layout = read_layout(self._held)
            except Needs as needs:
                return (needs.start, min(needs.end, self.total))
            self.window = window_on(self.layout, self._ground, self._mode)
            self._tiles = self._ranges_of_tiles(self.layout, self.window)
        return self._tiles[0] if self._tiles else None

    def _ranges_of_tiles(self, layout: CogLayout, window: RasterWindow) -> list[tuple[int, int]]:
        if window.tiles is None:
            return []
        if not layout.has_sums:
            raise NotWorthIt("its tiles carry no checksums")
        found = ranges_of(layout, window.tiles, [(piece.start, piece.end) for piece in self._pieces])
        if sum(end - start for start, end in found) > WORTH_SHARE * self.total:
            raise NotWorthIt("the area takes most of it")
        return found

    def _take(self, start: int, end: int, read: Read) -> None:
        self._pieces.append(_HeldRange(start, end, self.length))
        if self._tiles:
            self._tiles.pop(0)
        else:
            self._held.add(start, read(end - start, self.length))
        self.length += end - start

    def reader(self, read: Read) -> Read:
        """Return a reader of the remote file, which finds in the part what is there of it."""

        def read_source(size: int, at: int) -> bytes:
            for piece in self._pieces:
                if piece.start <= at and at + size <= piece.end:
                    return read(size, piece.at + at - piece.start)
            raise KeyError(f"bytes {at} to {at + size} were not asked for")

        return read_source


def window_on(layout: CogLayout, ground: Callable[[GeoKeys], GroundBox | None], mode: WindowMode) -> RasterWindow:
    """Return the window of an area in a file; without tiles where the area lies out of its reach.

    Raises:
        UnsupportedRaster: see `window.window_of` and `projection.projection_of`.
    """
    box = ground(layout.keys)
    if box is None:
        return RasterWindow(mode, layout.image, None)
    return window_of(layout, box, mode)
