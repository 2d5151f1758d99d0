"""GET requests to a host that has been asked before, without making everything anew for each of them.

For each request, aiohttp checks its arguments, makes an object of the request with its headers, a writer, an answer and
three timers: a third of what the loop has to do for a file of 100 KiB. Of all that, only the path is another one the
next time. So the first request to an origin, made by aiohttp, is kept as a pattern: with it the connector gives
connections (which are aiohttp's, from its pool or new), and its head is written again with another path.

The answer to most requests is a small file, or a range of a window, that comes at once. A `Gatherer` stands before
aiohttp's end of the connection and keeps such an answer for itself: it looks at the head once and waits for the last
byte, where aiohttp would parse, queue and wake for each piece. It has the system write into a buffer that goes round,
where a bytes object for each piece would be new memory each time: a quarter of what the loop did for a file were page
faults. Whatever is not a plain short answer that comes within a moment (another status, a field that is not plain, a
long body, an end in the middle) goes to aiohttp, from its first byte on.

All that belongs to a request stays as it is: the connection is looked at before its use (`connections.look_at`), a
connection that has died in the pool is replaced once, as aiohttp does for GET, and what goes wrong is raised as
aiohttp's own exceptions. Not for requests through a proxy, alone on their connection, or over a connector that others
use as well: those go the plain way.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from contextlib import suppress
from typing import cast

import aiohttp
from aiohttp import hdrs
from aiohttp.base_protocol import BaseProtocol
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from anyio import move_on_after
from multidict import CIMultiDict
from yarl import URL

from landsat_async.connections import Answer, look_at
from landsat_async.rules.links import host_of
from landsat_async.transfer.brief_answer import BRIEF_BYTES, Buffers, Gathered, Gatherer

_USED = ("set_response_params", "start_timeout", "read_timeout", "upgraded")
_PARAMETERS = ("read_until_eof", "auto_decompress", "read_timeout", "read_bufsize", "max_line_size", "max_field_size")
_ENDED = (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)
"""What a connection that has ended in the pool shows when it is used."""
_CLOSED = aiohttp.ClientConnectionError("Connection closed")
_LOOK_EVERY_S = 0.2
"""An answer that is still incomplete after two looks is no brief one; a connection that rests as long is given back."""


def is_possible() -> bool:
    """Tell whether this release of aiohttp has all that is used here beside its documentation."""
    if not all(hasattr(ResponseHandler, name) for name in _USED):
        return False
    sets = inspect.signature(ResponseHandler.set_response_params).parameters
    connects = inspect.signature(aiohttp.BaseConnector.connect).parameters
    return sets.keys() >= set(_PARAMETERS) and connects.keys() >= {"traces", "timeout"}


class QuickAnswer:
    """As much of `connections.Answer` as transfers use."""

    __slots__ = ("_content", "_released", "connection", "first", "handler", "headers", "room", "status", "url", "whole")

    def __init__(
        self, asked: Gatherer, url: URL, status: int, headers: Mapping[str, str], gathered: Gathered | None = None
    ) -> None:
        self.connection: Connection | None = None
        """None once the body has come, or the answer is closed."""
        self.handler, self.first = asked.handler, asked.first
        self.url, self.status, self.headers = url, status, headers
        self.whole = None if gathered is None else gathered.body
        self.room = None if gathered is None else gathered.room
        self._content: aiohttp.StreamReader | None = None
        self._released = False

    @property
    def content(self) -> aiohttp.StreamReader:
        """The body as a stream, also where it is here whole."""
        if self._content is None:
            loop = asyncio.get_running_loop()
            self._content = aiohttp.StreamReader(BaseProtocol(loop), BRIEF_BYTES, loop=loop)
            if self._released:
                self._content.set_exception(_CLOSED)
            self._content.feed_data(bytes(self.whole or b""))
            self._content.feed_eof()
        return self._content

    def begin(self, connection: Connection, content: aiohttp.StreamReader) -> None:
        """Have the connection until the last byte of the body has come."""
        self.connection, self._content = connection, content
        content.on_eof(self._end)

    def last(self) -> None:
        """Let nothing more be asked on its connection; the body can still be read."""
        self.handler.force_close()

    def release(self) -> None:
        """Give the connection back; what has not come yet closes it."""
        self._tell_readers()
        self._end()

    def close(self) -> None:
        """Close the connection, unless it has been given back."""
        self._tell_readers()
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _end(self) -> None:
        if self.connection is not None and not self.handler.upgraded:
            self.connection.release()
            self.connection = None

    def _tell_readers(self) -> None:
        if not self._released and self._content is not None and self._content.exception() is None:
            self._content.set_exception(_CLOSED)
        self._released = True


async def whole_body(answer: aiohttp.ClientResponse, size: int) -> memoryview | None:
    """Return a body of `size` bytes that comes within a moment, though aiohttp reads it; None = it is still to be read.

    Who is cancelled meanwhile has lost no more than that moment.
    """
    content = answer.content
    if not content.is_eof():
        with suppress(aiohttp.ClientError, OSError, RuntimeError), move_on_after(2 * _LOOK_EVERY_S):
            await content.wait_eof()
    if content.is_eof() and content.exception() is None and content.total_bytes == size:
        return memoryview(b"".join(iter(content.read_nowait, b"")))
    return None


class QuickGets:
    """The patterns of one session, by origin."""

    def __init__(
        self, session: aiohttp.ClientSession, read_bufsize: int, max_header_bytes: int, buffers: Buffers, *,
        gathers: bool,
    ) -> None:  # fmt: skip
        """`gathers`: answers may be received without being held up."""
        self._session, self._buffers, self._gathers = session, buffers, gathers
        self._loop = asyncio.get_running_loop()
        self._parameters = {
            "read_until_eof": True, "auto_decompress": False, "read_timeout": None, "read_bufsize": read_bufsize,
            "max_line_size": max_header_bytes, "max_field_size": max_header_bytes,
        }  # fmt: skip
        """Until the head has come, the caller's bound counts; sock_read begins when there is a body to wait for."""
        self.patterns: dict[tuple[str, str], tuple[aiohttp.ClientRequest, str]] = {}
        """By scheme and `host_of`; with it, what follows the path in a request without fields of its own."""
        self._awaited: dict[Gatherer, None] = {}
        """Connections on which an answer is waited for: all of them are looked at together."""
        self._idle: dict[tuple[str, str], list[Gatherer]] = {}
        """Connections that have just been used, by origin: the next request comes at once, as a rule."""
        self._timer: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """Give all connections back to aiohttp, which closes them."""
        if self._timer is not None:
            self._timer.cancel()
        for idle in self._idle.values():
            while idle:
                _give_back(idle.pop())

    def learn(self, answer: Answer) -> None:
        """Keep the request of an answer as the pattern of its origin."""
        request = answer.request
        if request is None or request.proxy is not None or hdrs.CONNECTION in request.headers:
            return
        origin = request.url.scheme, host_of(request.url)
        if origin not in self.patterns:
            self.patterns[origin] = request, _rest_of_head(request, self._session, {})

    async def get(
        self, url: URL, host: str, headers: Mapping[str, str], timeout: aiohttp.ClientTimeout, deadline_s: float,
        *, again: bool = True,
    ) -> QuickAnswer:  # fmt: skip
        """Ask a host that has a pattern, and return the answer when its head has come.

        Raises what aiohttp raises; OutOfStep; TimeoutError: its head has not come by `deadline_s`.
        """
        origin = url.scheme, host
        request, rest = self.patterns[origin]
        if headers:
            rest = _rest_of_head(request, self._session, headers)
        idle = self._idle.get(origin)
        gatherer = idle.pop() if idle else await self._connect(request, timeout)
        connection = gatherer.connection
        assert connection is not None
        self._awaited[gatherer] = None
        try:
            awaited = gatherer.ask(f"GET {url.raw_path_qs}{rest}".encode(), self._loop, deadline_s)
            if self._timer is None:
                self._timer = self._loop.call_later(_LOOK_EVERY_S, self._look)
            if not self._gathers:
                gatherer.read_on()
            gathered = await awaited
            if gathered is None:
                return await self._read(gatherer, connection, url, timeout)
            self._idle.setdefault(origin, []).append(gatherer)
            return QuickAnswer(gatherer, url, gathered.status, gathered.headers, gathered)
        except BaseException as error:
            connection.close()
            gatherer.leave()
            if not again or not isinstance(error, _ENDED):
                raise
        finally:
            del self._awaited[gatherer]
        return await self.get(url, host, headers, timeout, deadline_s, again=False)

    async def _connect(self, request: aiohttp.ClientRequest, timeout: aiohttp.ClientTimeout) -> Gatherer:
        """Return what stands before a connection from aiohttp. Raises what aiohttp raises, and OutOfStep."""
        connector = self._session.connector
        if connector is None:
            raise RuntimeError("Session is closed")
        try:
            connection = await connector.connect(request, traces=[], timeout=timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError("Connection timeout") from error
        handler = connection.protocol
        assert handler is not None
        try:
            first = look_at(handler)
            transport = cast(asyncio.Transport, handler.transport)
            gatherer = Gatherer(handler, transport, self._parameters, self._buffers, first=first)
            transport.set_protocol(gatherer)
        except BaseException:
            connection.close()
            raise
        gatherer.connection = connection
        return gatherer

    async def _read(
        self, asked: Gatherer, connection: Connection, url: URL, timeout: aiohttp.ClientTimeout
    ) -> QuickAnswer:
        """Return an answer that aiohttp reads, when its head has come."""
        handler = asked.handler
        try:
            message, content = await handler.read()
            while message.code < 200 and message.code != 101:
                message, content = await handler.read()
        except HttpProcessingError as error:
            raise aiohttp.ClientError("not proper HTTP") from error
        answer = QuickAnswer(asked, url, message.code, message.headers)
        answer.begin(connection, content)
        if answer.connection is not None:
            handler.read_timeout = timeout.sock_read
            if asked.transport.is_reading():
                handler.start_timeout()  # otherwise we hold it up ourselves; reading on starts the time
        return answer

    def _look(self) -> None:
        """Look at all answers that are waited for, and give back connections that rest."""
        now_s = self._loop.time()
        for gatherer in list(self._awaited):
            gatherer.look(now_s)
        for idle in self._idle.values():
            for gatherer in idle[:]:
                if gatherer.is_resting:
                    idle.remove(gatherer)
                    _give_back(gatherer)
                gatherer.is_resting = True
        goes_on = self._awaited or any(self._idle.values())
        self._timer = self._loop.call_later(_LOOK_EVERY_S, self._look) if goes_on else None


def _give_back(gatherer: Gatherer) -> None:
    if gatherer.connection is not None:
        gatherer.hand_back()
        gatherer.connection.release()
        gatherer.connection = None


def _rest_of_head(request: aiohttp.ClientRequest, session: aiohttp.ClientSession, headers: Mapping[str, str]) -> str:
    """Return what follows the path: all fields of a request, as aiohttp would have them.

    Raises ValueError for what would make other fields, or another request, of it.
    """
    fields = CIMultiDict({hdrs.HOST: request.headers[hdrs.HOST]})
    fields.update(session.headers)
    fields.update(headers)
    rest = " HTTP/1.1\r\n"
    for name, value in fields.items():
        if not name.isascii() or not (name + value).replace("\t", " ").isprintable():
            raise ValueError("control characters in a field of a request")
        rest += f"{name}: {value}\r\n"
    return rest + "\r\n"
