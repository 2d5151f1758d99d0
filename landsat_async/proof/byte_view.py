"""Bounded reading of a stretch of a file that nobody vouches for.

Everything that looks into a downloaded file reads through a `ByteView`: never outside the stretch, never
more than a bounded piece at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import msgspec

Read: TypeAlias = Callable[[int, int], bytes]
"""Called with a size and an offset; returns up to so many bytes, none behind the end of the file. Moves no position."""
Source: TypeAlias = Callable[[int, int], bytes | memoryview]
"""The same, or a view of what is in memory: nothing is copied then that is not looked at."""

MOST_AT_ONCE_BYTES = 16 * 2**20
"""No index, header or text of a Landsat product comes near this."""

_AHEAD_BYTES = 8 * 1024
"""Small reads come in clusters, and each call gives up Python's lock: a busy process may be slow to get it back."""


class Damage(Exception):
    """The file is not what its name says; the text says where and how, in words that are safe to print."""


class Stopped(Exception):
    """The caller asked for the work to stop."""


def stoppable(read: Read, stop: Callable[[], bool]) -> Read:
    """Return a reader that raises Stopped once the caller has asked for the end."""

    def read_or_stop(size: int, at: int) -> bytes:
        if stop():
            raise Stopped
        return read(size, at)

    return read_or_stop


class ByteView(msgspec.Struct, eq=False):
    """A stretch of an open file, `size` bytes from `_start` on."""

    _read: Source
    _start: int
    size: int
    _stop: Callable[[], bool]
    _ahead: bytes | memoryview = b""
    """What has been read of it already, from its offset `_ahead_at` on."""
    _ahead_at: int = 0

    def part(self, start: int, size: int) -> ByteView:
        """Return the stretch of `size` bytes that begins `start` bytes into this one.

        Raises:
            Damage: It does not lie inside.
        """
        if start < 0 or size < 0 or start + size > self.size:
            raise self._outside(start, size)
        return ByteView(self._read, self._start + start, size, self._stop, self._ahead, self._ahead_at - start)

    def pause(self) -> None:
        """Raise Stopped when the caller has asked for the end; for work that reads nothing for a while."""
        if self._stop():
            raise Stopped

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes from `offset` on.

        Raises:
            Damage: They do not lie inside the view, are too many, or the file is shorter than it was said.
            Stopped: The caller asked for the end.
        """
        if offset < 0 or length < 0 or offset + length > self.size:
            raise self._outside(offset, length)
        if length > MOST_AT_ONCE_BYTES:
            raise Damage(f"{length} bytes at offset {offset} are more than any such part of a product has")
        begin = offset - self._ahead_at
        if begin >= 0 and begin + length <= len(self._ahead):
            return bytes(self._ahead[begin : begin + length])
        if length >= _AHEAD_BYTES:
            return self._pread(offset, length)
        ahead = self._ahead = self._pread(offset, min(_AHEAD_BYTES, self.size - offset))
        self._ahead_at = offset
        return ahead[:length]

    def read_each(self, offsets: Iterable[int], length: int) -> list[bytes]:
        """Return so few bytes from each of some offsets on; raises as `read`."""
        ahead, at = self._ahead, self._ahead_at
        lowest, last = max(0, at), min(self.size, at + len(ahead)) - length
        return [
            bytes(ahead[offset - at : offset - at + length]) if lowest <= offset <= last else self.read(offset, length)
            for offset in offsets
        ]

    def _pread(self, offset: int, length: int) -> bytes:
        pieces: list[bytes | memoryview] = []
        while length:
            if self._stop():
                raise Stopped
            piece = self._read(length, self._start + offset)
            if not piece:
                raise Damage(f"the file ends before offset {self._start + offset + length}")
            pieces.append(piece)
            offset += len(piece)
            length -= len(piece)
        return bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)

    def _outside(self, offset: int, length: int) -> Damage:
        return Damage(f"{length} bytes at offset {offset} do not lie inside {self.size} bytes")
