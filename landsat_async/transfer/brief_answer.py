"""Short answers, read in one step: who stands before aiohttp's end of a connection; see `quick_get`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from aiohttp import hdrs
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from multidict import CIMultiDict

from landsat_async.connections import OutOfStep, watch_for_bytes

BRIEF_BYTES = 256 * 1024
"""Of head and body together. Longer bodies are for those who write what has come while more is coming."""
_HEAD_BYTES, _FIELDS = 16 * 1024, 100
"""Larger heads are for aiohttp to read, or to refuse."""
_HEAD = re.compile(rb"HTTP/1\.1 (200|206) [\t\x20-\x7e]*((?:\r\n[A-Za-z0-9_-]+:[\t\x20-\x7e]*)+)\r\n\r\n")
_LENGTH_DIGITS = 19
"""Python reads no number of thousands of digits, and there is no such length."""


class Buffers(NamedTuple):
    """Where buffers of BRIEF_BYTES come from. Memory that was used before costs neither page faults nor its return."""

    take: Callable[[int], memoryview]
    give: Callable[[memoryview], None]


class BriefHead(msgspec.Struct, frozen=True):
    """The head of an answer that is short and plain."""

    status: int
    headers: CIMultiDict[str]
    size_bytes: int
    """Of the head."""
    length: int
    """Of the body."""


class Gathered(msgspec.Struct, frozen=True):
    """A brief answer."""

    status: int
    headers: CIMultiDict[str]
    body: memoryview
    """Lies in `room`."""
    room: memoryview
    """The whole buffer; to be given back when nobody looks at the body any more."""


def read_head(data: bytes | memoryview) -> BriefHead | None:
    """Read the head at the beginning of `data`; None where aiohttp has to: it is not all there, not plain, or long."""
    found = _HEAD.match(data)
    if found is None or found.end() > _HEAD_BYTES:
        return None
    headers: CIMultiDict[str] = CIMultiDict()
    for line in found[2].decode()[2:].split("\r\n"):
        name, _, value = line.partition(":")
        headers.add(name, value.strip("\t "))
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
    return BriefHead(int(found[1]), headers, found.end(), length) if 0 < length <= BRIEF_BYTES - found.end() else None


class Gatherer(asyncio.BufferedProtocol):
    """Stands before aiohttp's end of a connection, and keeps brief answers for itself.

    What has to be read by aiohttp it gives to aiohttp, and the connection with it.
    """

    def __init__(
        self, handler: ResponseHandler, transport: asyncio.Transport, parameters: Mapping[str, Any], buffers: Buffers,
        *, first: bool,
    ) -> None:  # fmt: skip
        self.handler, self.transport, self.first = handler, transport, first
        """`first`: nothing was asked on the connection before."""
        self.connection: Connection | None = None
        """Where it is kept for the next request."""
        self.is_resting = False
        """It was kept already when they were last looked at."""
        self._is_new = True
        self._has_bytes = watch_for_bytes(transport)
        self._parameters, self._buffers = parameters, buffers
        self._awaited: asyncio.Future[Gathered | None] | None = None
        """None: nothing is asked, or aiohttp reads the answer."""
        self._deadline_s = 0.0
        self._head: BriefHead | None = None
        self._room: memoryview | None = None
        self._filled = self._end = 0
        self._is_late = False

    def ask(self, head: bytes, loop: asyncio.AbstractEventLoop, deadline_s: float) -> asyncio.Future[Gathered | None]:
        """Send a request, and return a future of its answer; None = it is for aiohttp to read.

        Raises OutOfStep, and sends nothing, where nothing may be asked on the connection any more.
        """
        if self._is_new:  # then it has been looked at
            self._is_new = False
        else:
            self.first = self.is_resting = False
            if self.transport.is_closing() or self.handler.should_close or self._has_bytes():
                raise OutOfStep("the connection is not in step")
        self._awaited = awaited = loop.create_future()
        self._deadline_s, self._head, self._is_late = deadline_s, None, False
        self.transport.write(head)
        return awaited

    def leave(self) -> None:
        """Keep nothing any more: who has asked is gone, or aiohttp has what has come."""
        self._awaited, room, self._room = None, self._room, None
        if room is not None:
            self._buffers.give(room)

    def look(self, now_s: float) -> None:
        """Leave to aiohttp what does not come at once; raise TimeoutError for the one who waits for a head."""
        if self._awaited is not None and self._head is not None:
            if self._is_late:
                self.read_on()
            self._is_late = True
        elif now_s >= self._deadline_s:
            self.read_on()
            self.handler.set_exception(TimeoutError())

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the free end of the room; never empty, for what ends there is no brief answer any more."""
        if self._room is None:
            self._room, self._filled = self._buffers.take(BRIEF_BYTES), 0
        return self._room[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Keep a piece of a brief answer, or hand it on."""
        awaited, room, head = self._awaited, self._room, self._head
        assert room is not None
        self._filled += nbytes
        if awaited is None:
            data = bytes(room[: self._filled])
            self.leave()
            self.handler.data_received(data)
            return
        if head is None:
            head = self._head = read_head(room[: min(self._filled, _HEAD_BYTES)])
            self._end = 0 if head is None else head.size_bytes + head.length
        if self._filled < self._end:
            return
        if head is None or self._filled > self._end or awaited.done():
            self.read_on()
            if head is not None:
                self.handler.force_close()  # something follows that nobody asked for, or nobody wants the answer
            return
        self._awaited = self._room = None
        awaited.set_result(Gathered(head.status, head.headers, room[head.size_bytes : self._end], room))

    def read_on(self) -> None:
        """Let aiohttp read the answer, from its first byte on."""
        awaited = self._awaited
        if awaited is None:
            return
        data = b"" if self._room is None else bytes(self._room[: self._filled])
        self.leave()
        try:
            self.hand_back()
            self.handler.set_response_params(**self._parameters)
            if data:
                self.handler.data_received(data)
        finally:  # whatever goes wrong here, who waits has to see the end of the connection
            if not awaited.done():
                awaited.set_result(None)

    def hand_back(self) -> None:
        """Let aiohttp's end have what comes from now on."""
        if not self.transport.is_closing():  # then nothing comes, and a transport of TLS may have let go of its own end
            self.transport.set_protocol(self.handler)

    def eof_received(self) -> bool | None:
        """Hand it on."""
        self.handler.eof_received()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand on what has come, and then that nothing more comes."""
        try:
            self.read_on()
        finally:
            self.handler.connection_lost(exc)

    def pause_writing(self) -> None:
        """Hand it on."""
        self.handler.pause_writing()

    def resume_writing(self) -> None:
        """Hand it on."""
        self.handler.resume_writing()
