"""Pieces of a remote file that are here, and the question for those that are not."""

from __future__ import annotations

from bisect import bisect_right, insort

from landsat_async.raster.grid import BrokenRaster

MOST_HELD_BYTES = 8 * 2**20
"""An index of a band takes some 12 KiB, of a band in strips of one line 130 KiB."""


class Needs(Exception):
    """These bytes are wanted next, to go on reading."""

    def __init__(self, start: int, end: int) -> None:
        super().__init__(f"bytes {start} to {end} are wanted")
        self.start, self.end = start, end


class HeldBytes:
    """What is here of a file of `total` bytes."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.size = 0
        """Bytes that are held."""
        self.used: list[tuple[int, int]] = []
        """What has been read: first bytes, and first bytes behind."""
        self._pieces: list[tuple[int, bytes]] = []

    def add(self, start: int, data: bytes) -> None:
        """Keep a piece; pieces may overlap.

        Raises:
            BrokenRaster: what came before had other bytes there, so the two are of different versions.
        """
        for at, held in self._pieces:
            low, high = max(at, start), min(at + len(held), start + len(data))
            if low < high and held[low - at : high - at] != data[low - start : high - start]:
                raise BrokenRaster(f"bytes {low:,} to {high:,} came twice, and are not the same")
        insort(self._pieces, (start, data))
        self.size += len(data)

    def read(self, start: int, size: int) -> bytes:
        """Return bytes that one piece holds, as all indexes that are asked for in one go are.

        Raises:
            Needs: they are not here.
        """
        end = start + size
        for at in range(bisect_right(self._pieces, start, key=lambda piece: piece[0]) - 1, -1, -1):
            begins, data = self._pieces[at]
            if end <= begins + len(data):
                self.used.append((start, end))
                return data[start - begins : end - begins]
        raise Needs(start, end)
