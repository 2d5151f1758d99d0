"""Bytes of a file that need not be in memory: a size, and any range of it on demand."""

from __future__ import annotations

import bisect
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from typing import Protocol

_HASH_BLOCK_BYTES = 1 << 20


class Content(Protocol):
    """A file: how long it is, and what stands in any range of it."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes from `offset`, at most `length`, fewer only at the end."""


class Literal:
    """A small file held as it is."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        """Return a slice."""
        return self.data[offset : offset + length]


class Zeros:
    """A run of zero bytes."""

    __slots__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        """Return zeros."""
        return bytes(max(0, min(length, self.size - offset)))


class Concatenated:
    """Several contents one after the other."""

    __slots__ = ("_parts", "_starts", "size")

    def __init__(self, parts: Sequence[Content]) -> None:
        self._parts = parts
        ends = list(itertools.accumulate((part.size for part in parts), initial=0))
        self._starts = ends[:-1]
        self.size = ends[-1]

    def read(self, offset: int, length: int) -> bytes:
        """Collect the range from the parts that it touches."""
        pieces = []
        index = max(0, bisect.bisect_right(self._starts, offset) - 1)
        while length > 0 and index < len(self._parts):
            piece = self._parts[index].read(offset - self._starts[index], length)
            pieces.append(piece)
            offset += len(piece)
            length -= len(piece)
            index += 1
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def blocks(content: Content, start: int = 0, stop: int | None = None, size: int = _HASH_BLOCK_BYTES) -> Iterator[bytes]:
    """Yield the bytes from `start` to `stop` (default: the end) in blocks."""
    end = content.size if stop is None else min(stop, content.size)
    for offset in range(start, end, size):
        yield content.read(offset, min(size, end - offset))


def sha256(content: Content) -> str:
    """Hex SHA-256 of the whole content."""
    digest = hashlib.sha256()
    for block in blocks(content):
        digest.update(block)
    return digest.hexdigest()


def sha512(content: Content) -> str:
    """Hex SHA-512 of the whole content."""
    digest = hashlib.sha512()
    for block in blocks(content):
        digest.update(block)
    return digest.hexdigest()
