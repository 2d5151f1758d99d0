"""Short answers, read in one step: who stands before aiohttp's end of a connection; see `quick_get`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from aiohttp import hdrs
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from multidict import CIMultiDict

from landsat_async.connections import OutOfStep, watch_for_bytes

BRIEF_BYTES = 256 * 1024
"""Longer bodies are for those who write what has come while more is coming."""
_HEAD_BYTES, _FIELDS = 16 * 1024, 100
"""Larger heads are for aiohttp to read, or to refuse."""
_HEAD = re.compile(rb"HTTP/1\.1 200 [\t\x20-\x7e]*((?:\r\n[A-Za-z0-9_-]+:[\t\x20-\x7e]*)+)\r\n\r\n")
_FIELD = re.compile(r"\r\n([A-Za-z0-9_-]+):[\t ]*([^\r\t ]*(?:[\t ]+[^\r\t ]+)*)")
"""Word by word: to look for the end at each character would take a second where a stranger sends many blanks."""
_LENGTH_DIGITS = 19
"""Python reads no number of thousands of digits, and there is no such length."""


class BriefHead(NamedTuple):
    """The head of an answer that is short and plain."""

    headers: CIMultiDict[str]
    size_bytes: int
    """Of the head."""
    length: int
    """Of the body."""


def read_head(data: bytes) -> BriefHead | None:
    """Read the head at the beginning of `data`; None where aiohttp has to: it is not all there, not plain, or long."""
    found = _HEAD.match(data)
    if found is None or found.end() > _HEAD_BYTES:
        return None
    headers = CIMultiDict(_FIELD.findall(found[1].decode() + "\r"))
    lengths = headers.getall(hdrs.CONTENT_LENGTH, ())
    if (
        len(headers) > _FIELDS
        or len(lengths) != 1
        or not lengths[0].isdigit()
        or len(lengths[0]) > _LENGTH_DIGITS
        or hdrs.TRANSFER_ENCODING in headers
        or hdrs.UPGRADE in headers
        or ",".join(headers.getall(hdrs.CONNECTION, ("keep-alive",))).lower() != "keep-alive"
    ):
        return None
    length = int(lengths[0])
    return BriefHead(headers, found.end(), length) if 0 < length <= BRIEF_BYTES else None


class Gatherer(asyncio.Protocol):
    """Stands before aiohttp's end of a connection, and keeps brief answers for itself."""

    def __init__(
        self, handler: ResponseHandler, transport: asyncio.Transport, parameters: Mapping[str, Any], *, first: bool
    ) -> None:
        self.handler, self.transport, self.first = handler, transport, first
        """`first`: nothing was asked on the connection before."""
        self.connection: Connection | None = None
        """Where it is kept for the next request."""
        self.is_resting = False
        """It was kept already when they were last looked at."""
        self._is_new = True
        self._has_bytes = watch_for_bytes(transport)
        self._parameters = parameters
        self._awaited: asyncio.Future[tuple[BriefHead, memoryview] | None] | None = None
        """None: nothing is asked, or aiohttp reads the answer."""
        self._deadline_s = 0.0
        self._head: BriefHead | None = None
        self._pieces: list[bytes] = []
        self._missing = 0
        self._is_late = False

    def check(self) -> None:
        """Raise OutOfStep, unless something may be asked on the connection."""
        if self._is_new:  # then it has been looked at
            self._is_new = False
            return
        self.first = self.is_resting = False
        if self.transport.is_closing() or self.handler.should_close or self._has_bytes():
            raise OutOfStep("the connection is not in step")

    def ask(
        self, head: bytes, loop: asyncio.AbstractEventLoop, deadline_s: float
    ) -> asyncio.Future[tuple[BriefHead, memoryview] | None]:
        """Send a request, and return a future of head and body of its answer; None = it is for aiohttp to read."""
        self._awaited = awaited = loop.create_future()
        self._deadline_s, self._head, self._is_late = deadline_s, None, False
        self.transport.write(head)
        return awaited

    def leave(self) -> None:
        """Keep nothing any more: who has asked is gone, or has the answer."""
        self._awaited = None
        self._pieces.clear()

    def look(self, now_s: float) -> None:
        """Leave to aiohttp what does not come at once; raise TimeoutError for the one who waits for a head."""
        if self._awaited is not None and self._head is not None:
            if self._is_late:
                self.read_on()
            self._is_late = True
        elif now_s >= self._deadline_s:
            self.read_on()
            self.handler.set_exception(TimeoutError())

    def data_received(self, data: bytes) -> None:
        """Keep a piece of a brief answer, or hand it on."""
        awaited, head = self._awaited, self._head
        if awaited is None:
            self.handler.data_received(data)
            return
        self._pieces.append(data)
        if head is None:
            head = self._head = read_head(data)
            self._missing = -1 if head is None else head.size_bytes + head.length
        self._missing -= len(data)
        if self._missing > 0:
            return
        if self._missing or head is None or awaited.done():
            self.read_on()
            if head is not None:
                self.handler.force_close()  # something follows that nobody asked for, or nobody wants the answer
            return
        whole = data if len(self._pieces) == 1 else b"".join(self._pieces)
        self._awaited, self._pieces = None, []
        awaited.set_result((head, memoryview(whole)[head.size_bytes :]))

    def read_on(self) -> None:
        """Let aiohttp read the answer, from its first byte on."""
        awaited, data = self._awaited, b"".join(self._pieces)
        if awaited is None:
            return
        self.leave()
        self.handler.set_response_params(**self._parameters)
        if data:
            self.handler.data_received(data)
        if not awaited.done():
            awaited.set_result(None)

    def eof_received(self) -> bool | None:
        """Hand it on."""
        self.handler.eof_received()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand on what has come, and then that nothing more comes."""
        self.read_on()
        self.handler.connection_lost(exc)

    def pause_writing(self) -> None:
        """Hand it on."""
        self.handler.pause_writing()

    def resume_writing(self) -> None:
        """Hand it on."""
        self.handler.resume_writing()
