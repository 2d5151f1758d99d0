"""What to ask for next, of a remote file of which some ranges are here: its index first, then tiles.

The ranges stand in the part one behind the other, in the order in which they were asked for. That order follows from
the bytes alone, so after a stop the plan is made again from the part itself, and nothing else has to be remembered.

What ties them together: each tile has its checksum, and the index tells how long each is, so a tile of another version
does not stand where the index says. That holds for an index that came in one answer, and for tiles that deflate made
shorter. Tiles that are as long in any version do not come by ranges without a strong validator. With one, `to_compare`
names what is held against the server: the index, and the end of the first such tile of each range, but for what came
last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter

from landsat_async.raster.cog import CogLayout, read_layout
from landsat_async.raster.grid import GeoKeys, GroundBox
from landsat_async.raster.held_bytes import HeldBytes, Needs
from landsat_async.raster.ranges import is_tied, ranges_of, stretch_of
from landsat_async.raster.window import RasterWindow, Read, WindowMode, window_of
from landsat_async.rules.joins import SAMPLE_BYTES, Stretch, add_near

WORTH_SHARE = 0.6
"""A window that takes more of the file than this is cut from the whole, which proves more."""


@dataclass(frozen=True, slots=True)
class HeldRange:
    """Bytes of the remote file that are here; `end` is not contained."""

    start: int
    end: int
    at: int
    """Where they begin in the part."""

    def place_of(self, stretch: Stretch) -> int:
        """Return where in the part a stretch of the remote file begins that lies in this range."""
        return self.at + stretch[0] - self.start


class NotWorthIt(Exception):
    """The whole file is to be fetched in place of ranges; the text says why."""


class RangePlan:
    """The ranges of one window of one file."""

    def __init__(
        self, total: int, ground: Callable[[GeoKeys], GroundBox | None], mode: WindowMode, *, weakly: bool = False
    ) -> None:
        """Plan the window of some ground; `weakly`: no strong validator says that all answers are of one version."""
        self.total = total
        self.length = 0
        """Bytes of the part that hold whole ranges."""
        self.layout: CogLayout | None = None
        """Known once the index is here."""
        self.window: RasterWindow | None = None
        self._ground, self._mode, self._weakly = ground, mode, weakly
        self._pieces: list[HeldRange] = []
        self._held = HeldBytes(total)
        self._tiles: list[tuple[int, int]] = []
        """Ranges of tiles that are still to come."""
        self._untied: list[Stretch] = []
        """Tiles of the window that are as long in any version."""
        self._index: list[Stretch] = []
        """What was read of the index."""
        self._index_pieces = 0
        """So many of the first pieces are its."""

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
            NotWorthIt: nothing tells its tiles from those of another version, or the window takes most of it.
        """
        if self.layout is None:
            try:
                self.layout = read_layout(self._held)
            except Needs as needs:
                return (needs.start, min(needs.end, self.total))
            self.window = window_on(self.layout, self._ground, self._mode)
            self._index = sorted(set(self._held.used))
            self._index_pieces = len(self._pieces)
            self._tiles = self._ranges_of_tiles(self.layout, self.window)
        return self._tiles[0] if self._tiles else None

    def _ranges_of_tiles(self, layout: CogLayout, window: RasterWindow) -> list[tuple[int, int]]:
        if window.tiles is None:
            return []
        if not layout.has_sums:
            raise NotWorthIt("its tiles carry no checksums")
        alike = (stretch_of(layout, *tile) for tile in window.tiles if not is_tied(layout, *tile))
        self._untied = sorted({stretch for stretch in alike if stretch is not None})
        if self._untied and self._weakly:
            raise NotWorthIt("its tiles are as long in any version")
        found = ranges_of(layout, window.tiles, [(piece.start, piece.end) for piece in self._pieces])
        if sum(end - start for start, end in found) > WORTH_SHARE * self.total:
            raise NotWorthIt("the area takes most of it")
        return found

    def _take(self, start: int, end: int, read: Read) -> None:
        self._pieces.append(HeldRange(start, end, self.length))
        if self._tiles:
            self._tiles.pop(0)
        else:
            self._held.add(start, read(end - start, self.length))
        self.length += end - start

    def reader(self, read: Read) -> Read:
        """Return a reader of the remote file, which finds in the part what is there of it."""

        def read_source(size: int, at: int) -> bytes:
            stretch = at, at + size
            return read(size, _holder(self._pieces, stretch).place_of(stretch))

        return read_source

    @property
    def is_one_answer(self) -> bool:
        """All that is here came with one range."""
        return len(self._pieces) == 1

    def to_compare(self, below: int, compared: int = 0) -> list[HeldRange]:
        """Return the stretches of the remote file that are to be held against the server, once all ranges are here.

        They come in the order in which they stand in the part.

        Args:
            below: Bytes of the part that came with earlier answers than the rest; those behind need no tie.
            compared: Bytes of the part before this have been, as far as they had to be.
        """
        found: dict[HeldRange, list[Stretch]] = {}  # only what stands in one piece is one behind the other in the part
        for stretch, piece in sorted([*self._index_to_compare(), *self._samples(below)], key=itemgetter(0)):
            if piece.place_of(stretch) < below:
                add_near(found.setdefault(piece, []), *stretch)
        stretches = []
        for piece in sorted(found, key=attrgetter("at")):
            for start, end in found[piece]:
                begins = max(start, compared - piece.at + piece.start)
                stretches += [HeldRange(begins, end, piece.place_of((begins, end)))] if begins < end else []
        return stretches

    def _index_to_compare(self) -> list[tuple[Stretch, HeldRange]]:
        pieces = self._pieces[: self._index_pieces]  # ranges of tiles may hold some of it, which nobody reads there
        found = [(stretch, _holder(pieces, stretch)) for stretch in self._index]
        if self._weakly or self._untied:
            return found
        return [one for one in found if one[1] is not pieces[-1]]  # what that brought once more was equal

    def _samples(self, below: int) -> list[tuple[Stretch, HeldRange]]:
        """Return the end of the first tile of each range, where the index says nothing of them.

        A range may have come in several answers; its first tile is of the oldest, see `rules.joins`.
        """
        found: dict[HeldRange, Stretch] = {}
        for start, end in self._untied:
            piece = _holder(self._pieces, (start, end))
            if piece.place_of((end, end)) <= below:
                found.setdefault(piece, (max(start, end - SAMPLE_BYTES), end))
        return [(stretch, piece) for piece, stretch in found.items()]


def _holder(pieces: Sequence[HeldRange], stretch: Stretch) -> HeldRange:
    for piece in reversed(pieces):
        if piece.start <= stretch[0] and stretch[1] <= piece.end:
            return piece
    raise KeyError(f"bytes {stretch[0]} to {stretch[1]} were not asked for")


def window_on(layout: CogLayout, ground: Callable[[GeoKeys], GroundBox | None], mode: WindowMode) -> RasterWindow:
    """Return the window of an area in a file; without tiles where the area lies out of its reach.

    Raises:
        UnsupportedRaster: see `window.window_of` and `projection.projection_of`.
    """
    box = ground(layout.keys)
    if box is None:
        return RasterWindow(mode, layout.image, None)
    return window_of(layout, box, mode)
