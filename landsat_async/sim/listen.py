"""Listening sockets and connections with a hand on FIN, RST and the write buffer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectSendStream

_READ_AHEAD_BYTES = 1 << 20
_LOGGER = logging.getLogger(__name__)


class Disconnected(Exception):
    """The connection is over, from either side."""


class Connection(asyncio.Protocol):
    """One accepted connection as a stream of bytes."""

    def __init__(self, accepted: MemoryObjectSendStream[Connection]) -> None:
        self._accepted = accepted
        self._transport: asyncio.Transport | None = None
        self._incoming = bytearray()
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand the connection to the acceptor."""
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop's are none of its subclasses
        transport.set_write_buffer_limits(high=1, low=0)  # with high=0 asyncio's TLS never says that it can go on
        self._writable.set()
        try:
            self._accepted.send_nowait(self)
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Keep what came; stop reading when nobody takes it."""
        self._incoming += data
        self._arrived.set()
        if len(self._incoming) > _READ_AHEAD_BYTES and self._transport is not None:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """A client that has sent all may still be reading; the next read tells."""
        self._over = True
        self._arrived.set()
        return self._transport is not None and self._transport.get_extra_info("sslcontext") is None

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whoever waits."""
        self._over = True
        self._transport = None
        self._arrived.set()
        self._writable.set()

    def pause_writing(self) -> None:
        """The kernel's buffer is full."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The kernel has taken all."""
        self._writable.set()

    async def receive(self) -> bytes:
        """Return what has come in; raises Disconnected at the end."""
        await self._arrived.wait()
        if not self._incoming:
            raise Disconnected
        data = bytes(self._incoming)
        self._incoming.clear()
        if not self._over:
            self._arrived.clear()
            if self._transport is not None:
                self._transport.resume_reading()
        return data

    async def send(self, data: bytes) -> None:
        """Send, and wait until the kernel has it."""
        if self._transport is None or self._transport.is_closing():
            raise Disconnected
        self._transport.write(data)
        await self._writable.wait()
        await asyncio.sleep(0)  # a burst must not hold up the other connections

    def close(self) -> None:
        """End with FIN."""
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        """End with RST (or, under TLS, without close_notify)."""
        if self._transport is None:
            return
        raw = self._transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def abandon(self) -> None:
        """End with FIN at once, whatever TLS would still like to say."""
        if self._transport is not None:
            self._transport.abort()


class Door:
    """One listening port that can be shut and opened again, as a host that goes down and comes back."""

    def __init__(
        self, serve: Callable[[Connection], Awaitable[None]], host: str, port: int, tls: ssl.SSLContext | None
    ) -> None:
        self._serve = serve
        self._host, self._tls = host, tls
        self.port = port
        self._server: asyncio.Server | None = None
        self._kept: list[socket.socket] = []
        """Bound to the port while it is shut, and not listening: the system gives it to nobody else meanwhile."""
        self._links: set[Connection] = set()
        self._accepted, self._queue = anyio.create_memory_object_stream[Connection](math.inf)

    async def open(self) -> None:
        """Listen."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._let_port_go()
            self._server = await loop.create_server(
                lambda: Connection(self._accepted), self._host, self.port, ssl=self._tls, reuse_address=True
            )
            self.port = self._server.sockets[0].getsockname()[1]

    def shut(self) -> None:
        """Refuse connections from now on and reset those there are."""
        if self._server is not None:
            places = [(one.family, one.getsockname()) for one in self._server.sockets]
            self._server.close()
            self._server = None
            for family, address in places:
                self._kept.append(socket.socket(family))
                self._kept[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self._kept[-1].bind(address)
        for link in list(self._links):
            link.reset()

    def take_away(self) -> None:
        """Shut it for good."""
        self.shut()
        self._let_port_go()

    def _let_port_go(self) -> None:
        while self._kept:
            self._kept.pop().close()

    async def accept(self, group: TaskGroup) -> None:
        """Serve each connection in a task of its own until the door is taken away."""
        try:
            async for link in self._queue:
                group.start_soon(self._one, link)
        finally:
            self._queue.close()
            self._accepted.close()

    async def _one(self, link: Connection) -> None:
        self._links.add(link)
        try:
            await self._serve(link)
        except Disconnected:
            pass
        except Exception:  # one bad request must not end the service for the others
            _LOGGER.exception("the simulator has failed on a request")
        finally:
            link.close()
            self._links.discard(link)


@contextlib.asynccontextmanager
async def doors(*opening: Door) -> AsyncIterator[None]:
    """Keep doors open for the time of the block. An exception of the block comes out as it is, in no group."""
    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        try:
            for door in opening:
                await door.open()
                group.start_soon(door.accept, group)
            yield
        except Exception as exc:
            failure = exc
        finally:
            for door in opening:
                door.take_away()
            group.cancel_scope.cancel()
    if failure is not None:
        raise failure
