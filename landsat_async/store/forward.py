"""Reads of objects in a store that gives no ranges: each object as one stream, which is gone through forwards.

Some look-alikes of S3 (`rclone serve s3`, gateways) answer for a range as if it were the whole object, and obstore does
not take that. Two streams a thread are kept open, so that going on where the last read ended, or comparing two objects,
costs nothing; going back begins anew.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator

STREAMS = 2


class _Stream:
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left, self.position = pieces, memoryview(b""), 0

    def read(self, size: int, offset: int) -> bytes:
        """Return up to `size` bytes from `offset` on, which lies not behind us."""
        kept: list[memoryview] = []
        while size and (self._left or self._more()):
            skipped = min(len(self._left), offset - self.position)
            taken = self._left[skipped : skipped + size]
            self._left = self._left[skipped + len(taken) :]
            self.position += skipped + len(taken)
            offset, size = max(offset, self.position), size - len(taken)
            kept.append(taken)
        return b"".join(kept)

    def _more(self) -> bool:
        self._left = memoryview(next(self._pieces, b""))
        return len(self._left) > 0


class ForwardReads:
    """Reads objects by streams."""

    def __init__(self, open_stream: Callable[[str], Iterator[bytes]]) -> None:
        """Read by `open_stream`, which gives the bytes of a whole object."""
        self._open = open_stream
        self._of_thread = threading.local()

    def read(self, key: str, size: int, offset: int) -> bytes:
        """Return up to `size` bytes of an object; fewer at its end. Raises what the stream raises."""
        streams: OrderedDict[str, _Stream] = self._of_thread.__dict__.setdefault("streams", OrderedDict())
        stream = streams.pop(key, None)
        if stream is None or not offset or offset < stream.position:
            stream = _Stream(self._open(key))
        found = stream.read(size, offset)
        while len(streams) >= STREAMS:
            streams.popitem(last=False)
        streams[key] = stream  # not after an error: it would go on in the middle
        return found
