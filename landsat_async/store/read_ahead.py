"""Reads of a far file in blocks: who proves a file reads a few bytes here and there, and each request takes time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

BLOCK_BYTES = 4 * 2**20
PEEK_BYTES = 32 * 2**10
"""Of files of which little is read: the head of a GeoTIFF, headers of a tar."""
BLOCKS = 3


class ReadAhead:
    """Gives bytes of a file of `size_bytes`, of which `fetch(size, offset)` brings any; keeps the last few blocks."""

    def __init__(self, fetch: Callable[[int, int], bytes], size_bytes: int, *, block_bytes: int = BLOCK_BYTES) -> None:
        self._fetch, self._size_bytes, self._block_bytes = fetch, size_bytes, block_bytes
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def read(self, size: int, offset: int) -> bytes:
        """Return up to `size` bytes; fewer at the end of the file."""
        end = min(offset + size, self._size_bytes)
        pieces = []
        while offset < end:
            number, within = divmod(offset, self._block_bytes)
            piece = self._block(number)[within : within + end - offset]
            if not piece:
                break  # the file has become shorter
            pieces.append(piece)
            offset += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _block(self, number: int) -> bytes:
        block = self._blocks.get(number)
        if block is None:
            start = number * self._block_bytes
            block = self._fetch(min(self._block_bytes, self._size_bytes - start), start)
            while len(self._blocks) >= BLOCKS:
                self._blocks.popitem(last=False)
            self._blocks[number] = block
        else:
            self._blocks.move_to_end(number)
        return block
