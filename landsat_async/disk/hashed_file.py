"""A file that is only appended to, with the SHA-256 of what is in it."""

from __future__ import annotations

import errno
import hashlib
from typing import Any

from landsat_async.disk.fs import Fs

_READ_BYTES = 1024 * 1024
_CLOSED = -1


class NoRoom(OSError):
    """Writing on would leave less free space than the user wants to keep."""


class HashedFile:
    """A raw file that is only appended to; each write is complete, counted and hashed before it returns.

    As much of a file as aiofiles needs. Closed by `shut`, or by nobody when a thread is lost in it.
    """

    expected = 0
    """Size of the whole file, as far as it is known: room for the rest must be there before more is written."""
    length = 0
    """Bytes from the start that are right; there may be more in the file, which nobody believes."""

    def __init__(self, fd: int, fs: Fs, min_free_bytes: int) -> None:
        self.fd = fd
        """The descriptor; after `shut` none that any call takes: the number may be that of another file by then."""
        self._fs = fs
        self._min_free_bytes = min_free_bytes
        self.digest = hashlib.sha256()
        """Over exactly these bytes."""

    def write(self, block: Any) -> int:
        """Append a block: all of it, or an error and nothing counted."""
        data = memoryview(block)
        if self._min_free_bytes:
            needed = max(len(data), self.expected - self.length)
            if self._fs.free_bytes(self.fd) - needed < self._min_free_bytes:
                raise NoRoom(errno.ENOSPC, "the free space to be kept would be used up")
        self._fs.pwrite_all(self.fd, data, self.length)
        self.digest.update(data)
        self.length += len(data)
        return len(data)

    def shut(self) -> None:
        """Close the descriptor; a second time does nothing."""
        fd, self.fd = self.fd, _CLOSED
        if fd != _CLOSED:
            self._fs.close(fd)

    def reread(self, size: int) -> bool:
        """Hash the first `size` bytes again and stand behind them; False when the file is shorter."""
        digest, at = hashlib.sha256(), 0
        while at < size:
            block = self._fs.pread(self.fd, min(_READ_BYTES, size - at), at)
            if not block:
                return False
            digest.update(block)
            at += len(block)
        self.digest, self.length = digest, size
        return True

    def same_until(self, block: memoryview, offset: int) -> int:
        """Return how many bytes of `block` equal the file's from `offset` on."""
        mine, theirs = self._fs.pread(self.fd, len(block), offset), bytes(block)
        low, high = 0, min(len(mine), len(theirs))
        if mine[:high] == theirs[:high]:
            return high
        while high - low > 1:  # [:low] is equal, [low:high] is not
            middle = (low + high) // 2
            low, high = (middle, high) if mine[low:middle] == theirs[low:middle] else (low, middle)
        return low
