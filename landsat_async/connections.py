"""Whether a connection is in step: the next answer on it belongs to the next request.

HTTP/1.1 numbers nothing. An answer belongs to a request only because it comes after it, and a host or proxy that
answers one request twice puts every later file of the connection under its neighbour's name. aiohttp takes whatever
has been parsed on an idle connection for the answer to the next request. So sessions are opened with `checked`:

- A connection is looked at in the moment of its use. Bytes that wait on it, or its end, close it before anything is
  sent on it; `OutOfStep` says that it is worth asking again at once.
- Each answer knows whether it is the first one of its connection (`Answer.first`). Then nothing older can stand in its
  place. A copy that is still on its way when the request goes out is seen by nobody here: who asks must hold what is
  in an answer against what was asked for, and ask again over a new connection where that says nothing.
- `ALONE` asks for a connection that serves this one request: none that was used before, and not used after.
"""

from __future__ import annotations

import asyncio
import select
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, cast
from weakref import WeakSet

import aiohttp
from aiohttp import hdrs
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

ALONE: Mapping[str, str] = {"Connection": "close"}
"""Header field of a request that is to have a connection for itself."""

USED_AT_MOST = 100
"""So many connections of a pool may be out of step one after the other; a host with more of them speaks unasked."""
_served: WeakSet[ResponseHandler] = WeakSet()
"""Connections that have been used by sessions of this module."""
_is_new: ContextVar[bool] = ContextVar("landsat_async_connection_is_new", default=False)
"""The connection that is being given out has just been opened; known where a connector is not ours alone."""


class OutOfStep(aiohttp.ClientConnectionError):
    """The connection must not be used for this request. It is closed, and nothing was sent: ask again."""


class Answer(aiohttp.ClientResponse):
    """An answer that knows its place on its connection."""

    first = False
    """Nothing was asked on its connection before."""
    handler: ResponseHandler | None = None
    request: aiohttp.ClientRequest | None = None
    """What it answers."""
    whole: memoryview | None = None
    """Its body, where that is here already."""
    room: memoryview | None = None
    """The buffer of the session in which that lies."""

    def last(self) -> None:
        """Let nothing more be asked on its connection; the body can still be read."""
        if self.handler is not None:
            self.handler.force_close()


def _is_first_use(handler: ResponseHandler) -> bool:
    if handler in _served:
        return False
    _served.add(handler)
    return True


class _Request(aiohttp.ClientRequest):
    _is_first = staticmethod(_is_first_use)

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Look at the connection, then send. Raises OutOfStep."""
        handler = conn.protocol
        assert handler is not None
        first, alone = self._is_first(handler), self.headers.get(hdrs.CONNECTION) == "close"
        if (alone and not first) or has_unasked(handler, first=first):
            raise OutOfStep("the connection is not in step")
        if alone:
            handler.force_close()
        answer = cast(Answer, await super().send(conn))
        answer.handler, answer.first, answer.request = handler, first, self
        return answer


def look_at(handler: ResponseHandler) -> bool:
    """Tell whether a connection is used for the first time. Raises OutOfStep when it must not be used at all."""
    first = _is_first_use(handler)
    if has_unasked(handler, first=first):
        raise OutOfStep("the connection is not in step")
    return first


class _LentRequest(_Request):
    """A request over a connector that others use as well: they may have asked something before."""

    @staticmethod
    def _is_first(_handler: ResponseHandler) -> bool:
        return _is_new.get()


def checked(*, lent: bool) -> dict[str, Any]:
    """Return the arguments with which a session looks at its connections.

    Args:
        lent: The connector belongs to somebody else.
    """
    if not lent:
        return {"request_class": _Request, "response_class": Answer}
    created = aiohttp.TraceConfig()  # the only public way to know; it costs each request 15 us
    created.on_connection_create_end.append(_note_new)
    created.on_connection_reuseconn.append(_note_used)
    return {"request_class": _LentRequest, "response_class": Answer, "trace_configs": [created]}


async def _note_new(*_: object) -> None:
    _is_new.set(True)


async def _note_used(*_: object) -> None:
    _is_new.set(False)


def has_unasked(handler: ResponseHandler, *, first: bool = False) -> bool:
    """Tell whether something has come that nobody asked for, or the connection has ended.

    Args:
        handler: aiohttp's end of the connection, which has nothing to receive now.
        first: Nothing was asked on it yet. Over TLS, the server's session tickets may be on their way then.
    """
    transport = handler.transport
    if transport is None or transport.is_closing() or handler.should_close:
        return True
    if first and transport.get_extra_info("sslcontext") is not None:
        return False
    sock = transport.get_extra_info("socket")
    return sock is not None and bool(readable(sock.fileno())())


def what_follows(transport: asyncio.Transport) -> bytes:
    """Return the first bytes that wait behind a body, and leave them there; b"" = none, or TLS hides them."""
    sock = transport.get_extra_info("socket")
    if sock is None or transport.get_extra_info("sslcontext") is not None or not readable(sock.fileno())():
        return b""
    with suppress(OSError, TypeError), sock.dup() as own:  # TypeError: other event loops have no such call
        return bytes(own.recv(8, socket.MSG_PEEK))
    return b""


def watch_for_bytes(transport: asyncio.Transport) -> Callable[[], object]:
    """Return what tells, as long as a connection is open, whether bytes or an end wait on it that nobody has read."""
    sock = transport.get_extra_info("socket")
    return list if sock is None else readable(sock.fileno())


def readable(fd: int, wait_ms: int = 0) -> Callable[[], object]:
    """Return what asks the system for bytes, or an end, that nobody has read yet; after `wait_ms` it is answered."""
    if sys.platform != "win32":
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return partial(poll.poll, wait_ms)
    return lambda: any(select.select([fd], [], [fd], wait_ms / 1000))  # takes any socket there
