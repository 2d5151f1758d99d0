"""GET requests to a host that has been asked before, without making everything anew for each of them.

For each request, aiohttp checks its arguments, makes an object of the request with its headers, a writer, an answer and
three timers: a third of what the loop has to do for a file of 100 KiB. Of all that, only the path is another one the
next time. So the first request to an origin, made by aiohttp, is kept as a pattern: with it the connector gives
connections (which are aiohttp's, from its pool or new, with its parser), and its head is written again with another
path.

All that belongs to a request stays as it is: the connection is looked at before its use (`connections.look_at`), a
connection that has died in the pool is replaced once, as aiohttp does for GET, and what goes wrong is raised as
aiohttp's own exceptions. Not for requests through a proxy, alone on their connection, or over a connector that others
use as well: those go the plain way.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import aiohttp
from aiohttp import hdrs
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict
from yarl import URL

from landsat_async.connections import Answer, look_at

_USED = ("set_response_params", "start_timeout", "read_timeout", "upgraded")
_PARAMETERS = ("read_until_eof", "auto_decompress", "read_timeout", "read_bufsize", "max_line_size", "max_field_size")
_CLOSED = aiohttp.ClientConnectionError("Connection closed")


def is_possible() -> bool:
    """Tell whether this release of aiohttp has all that is used here beside its documentation."""
    if not all(hasattr(ResponseHandler, name) for name in _USED):
        return False
    sets = inspect.signature(ResponseHandler.set_response_params).parameters
    connects = inspect.signature(aiohttp.BaseConnector.connect).parameters
    return sets.keys() >= set(_PARAMETERS) and connects.keys() >= {"traces", "timeout"}


class QuickAnswer:
    """As much of `connections.Answer` as transfers use."""

    __slots__ = ("_released", "connection", "content", "first", "handler", "headers", "status", "url")

    def __init__(self, connection: Connection, handler: ResponseHandler, url: URL, message: Any, content: Any) -> None:
        self.connection: Connection | None = connection
        """None once the body has come, or the answer is closed."""
        self.handler = handler
        self.url = url
        self.first = False
        self.status: int = message.code
        self.headers = message.headers
        self.content: aiohttp.StreamReader = content
        self._released = False
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
        if not self._released and self.content.exception() is None:
            self.content.set_exception(_CLOSED)
        self._released = True


class QuickGets:
    """The patterns of one session, by origin."""

    def __init__(self, session: aiohttp.ClientSession, read_bufsize: int, max_header_bytes: int) -> None:
        self._session = session
        self._read_bufsize, self._max_header_bytes = read_bufsize, max_header_bytes
        self._patterns: dict[tuple[str, str | None, int | None], tuple[aiohttp.ClientRequest, str]] = {}
        """With it, what follows the path in the head of a request that has no fields of its own."""

    def learn(self, answer: Answer) -> None:
        """Keep the request of an answer as the pattern of its origin."""
        request = answer.request
        if request is None or request.proxy is not None or hdrs.CONNECTION in request.headers:
            return
        url = request.url
        origin = url.scheme, url.raw_host, url.port
        if origin not in self._patterns:
            self._patterns[origin] = request, _rest_of_head(_joined(request, self._session, {}))

    def can(self, url: URL, headers: Mapping[str, str]) -> bool:
        """Tell whether there is a pattern for such a request."""
        return hdrs.CONNECTION not in headers and (url.scheme, url.raw_host, url.port) in self._patterns

    async def get(self, url: URL, headers: Mapping[str, str], timeout: aiohttp.ClientTimeout) -> QuickAnswer:
        """Ask, and return the answer when its head has come; raises what aiohttp raises, and OutOfStep."""
        if self._session.closed:
            raise RuntimeError("Session is closed")
        origin = url.scheme, url.raw_host, url.port
        request, usual = self._patterns[origin]
        rest = _rest_of_head(_joined(request, self._session, headers)) if headers else usual
        head = f"GET {url.raw_path_qs}{rest}".encode()
        try:
            return await self._ask(request, url, head, timeout)
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError, aiohttp.ClientConnectorCertificateError):
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):  # it may have ended in the pool
            return await self._ask(request, url, head, timeout)

    async def _ask(
        self, pattern: aiohttp.ClientRequest, url: URL, head: bytes, timeout: aiohttp.ClientTimeout
    ) -> QuickAnswer:
        connector = self._session.connector
        assert connector is not None
        try:
            connection = await connector.connect(pattern, traces=[], timeout=timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError("Connection timeout") from error
        handler = connection.protocol
        try:
            assert handler is not None
            assert handler.transport is not None
            first = look_at(handler)
            # Until the head has come, the caller's timeout counts; sock_read begins when there is a body to wait for.
            handler.set_response_params(
                read_until_eof=True, auto_decompress=False, read_timeout=None, read_bufsize=self._read_bufsize,
                max_line_size=self._max_header_bytes, max_field_size=self._max_header_bytes,
            )  # fmt: skip
            handler.transport.write(head)
            try:
                message, content = await handler.read()
                while message.code < 200 and message.code != 101:
                    message, content = await handler.read()
            except HttpProcessingError as error:
                raise aiohttp.ClientError("not proper HTTP") from error
        except BaseException:
            connection.close()
            raise
        answer = QuickAnswer(connection, handler, url, message, content)
        answer.first = first
        if answer.connection is not None:
            handler.read_timeout = timeout.sock_read
            transport = answer.handler.transport
            if transport is not None and transport.is_reading():
                handler.start_timeout()  # otherwise we hold it up ourselves; reading on starts the time
        return answer


def _joined(
    request: aiohttp.ClientRequest, session: aiohttp.ClientSession, headers: Mapping[str, str]
) -> CIMultiDict[str]:
    """Return all fields of a request, as aiohttp would have them."""
    fields = CIMultiDict({hdrs.HOST: request.headers[hdrs.HOST]})
    fields.update(session.headers)
    fields.update(headers)
    return fields


def _rest_of_head(fields: Mapping[str, str]) -> str:
    """Return what follows the path. Raises ValueError for what would make other fields, or another request, of it."""
    rest = " HTTP/1.1\r\n"
    for name, value in fields.items():
        if not name.isascii() or not (name + value).replace("\t", " ").isprintable():
            raise ValueError("control characters in a field of a request")
        rest += f"{name}: {value}\r\n"
    return rest + "\r\n"
