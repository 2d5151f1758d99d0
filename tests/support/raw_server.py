"""A server that plays any bytes: whatever a broken, hostile or unlucky file host may send.

    async with RawServer([cut(DATA, 1000), whole(DATA)]) as server:
        ... server.url("/f.tar") ... server.requests ... server.marks

Each request takes the next answer of the script; the last one repeats. An answer is `async def answer(wire)`; it
reads `wire.request`, sends with `wire.send`, and notes with `wire.mark` that the fault really took place.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate

OLD_DATE = formatdate(1_700_000_000, usegmt=True)


@dataclass
class Request:
    method: str
    target: str
    headers: dict[str, str]
    connection: int
    names: list[str] = field(default_factory=list)

    @property
    def start(self) -> int | None:
        """First byte asked for; None without Range."""
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", ""))
        return int(found[1]) if found else None

    def span(self, size: int) -> tuple[int, int]:
        """First byte asked for and first byte not asked for, of a file of `size` bytes."""
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", "bytes=0-"))
        assert found, "a range of another form"
        return int(found[1]), min(size, int(found[2]) + 1) if found[2] else size


class Hangup(Exception):
    """The answer has closed the connection."""


class Wire:
    """One request and the way back."""

    def __init__(self, server: RawServer, request: Request, writer: asyncio.StreamWriter) -> None:
        self.server, self.request, self._writer = server, request, writer

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()

    async def head(self, status: int | str, *fields: tuple[str, str]) -> None:
        line = f"{status} X" if isinstance(status, int) else status
        lines = [f"HTTP/1.1 {line}", *(f"{name}: {value}" for name, value in fields), "", ""]
        await self.send("\r\n".join(lines).encode("latin-1"))

    def mark(self, what: str) -> None:
        self.server.marks.append(what)

    def fin(self) -> None:
        """Close in good order (TLS: with close_notify)."""
        self._writer.close()
        raise Hangup

    def rst(self) -> None:
        """Reset: what is still in flight is lost."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
        raise Hangup

    def drop(self) -> None:
        """FIN on the TCP level, without TLS's close_notify."""
        self._writer.transport.abort()
        raise Hangup


Answer = Callable[[Wire], Awaitable[None]]


class RawServer:
    def __init__(self, script: list[Answer], ssl=None) -> None:
        self.script = list(script)
        self.requests: list[Request] = []
        self.marks: list[str] = []
        self.connections = 0
        self.release = asyncio.Event()
        """For answers that hang until the test is over."""
        self._ssl = ssl
        self._tasks: set[asyncio.Task] = set()

    async def __aenter__(self) -> RawServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._ssl)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc) -> None:
        self.release.set()
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def url(self, path: str = "/f", scheme: str | None = None) -> str:
        return f"{scheme or ('https' if self._ssl else 'http')}://127.0.0.1:{self.port}{path}"

    async def _serve(self, reader, writer) -> None:
        self._tasks.add(asyncio.current_task())
        number = self.connections
        self.connections += 1
        try:
            while True:
                request = await self._read(reader, number)
                if request is None:
                    break
                self.requests.append(request)
                answer = self.script[min(len(self.requests), len(self.script)) - 1]
                await answer(Wire(self, request, writer))
        except (Hangup, ConnectionError):
            pass
        except asyncio.CancelledError:
            if not self.release.is_set():  # at the end of a test; asyncio would complain
                raise
        finally:
            self._tasks.discard(asyncio.current_task())
            writer.close()

    async def _read(self, reader, number) -> Request | None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        line, *rest = head.split("\r\n")
        method, target, _ = line.split(" ")
        pairs = [text.split(": ", 1) for text in rest if text]
        return Request(method, target, {k.lower(): v for k, v in pairs}, number, [k for k, _ in pairs])


def named(name: str) -> tuple[str, str]:
    """The header field that names a file."""
    return ("Content-Disposition", f'attachment; filename="{name}"')


# -- answers ---------------------------------------------------------------------------------------------------------


def whole(data: bytes, *fields: tuple[str, str], status: int | str = 200, length: bool = True) -> Answer:
    """The whole file, whatever was asked."""

    async def answer(wire: Wire) -> None:
        size = [("Content-Length", str(len(data)))] if length else []
        await wire.head(status, *size, *fields)
        await wire.send(data)
        if not length:
            wire.fin()

    return answer


def ranged(data: bytes, *fields: tuple[str, str], etag: str | None = '"v1"', stop: int | None = None) -> Answer:
    """A proper file host: honours Range and If-Range. `stop` cuts the body at that offset of the file."""

    async def answer(wire: Wire) -> None:
        start, condition = wire.request.start, wire.request.headers.get("if-range")
        tags = [("ETag", etag)] if etag else []
        if start is not None and condition not in (None, etag, OLD_DATE):
            start = None
        body = data[start or 0 :]
        if start is None:
            await wire.head(200, ("Content-Length", str(len(body))), *tags, *fields)
        elif start >= len(data):
            await wire.head(416, ("Content-Range", f"bytes */{len(data)}"), ("Content-Length", "0"), *fields)
            return
        else:
            where = f"bytes {start}-{len(data) - 1}/{len(data)}"
            await wire.head(206, ("Content-Length", str(len(body))), ("Content-Range", where), *tags, *fields)
        if stop is None:
            await wire.send(body)
            return
        await wire.send(data[start or 0 : stop])
        wire.mark(f"cut at {stop}")
        wire.fin()

    return answer


def status(code: int | str, *fields: tuple[str, str], body: bytes = b"") -> Answer:
    """A status with a short body."""
    return whole(body, *fields, status=code)


async def reset(wire: Wire) -> None:
    """Reset instead of an answer."""
    wire.mark("reset")
    wire.rst()


async def silent(wire: Wire) -> None:
    """Never answer."""
    wire.mark("silent")
    await wire.server.release.wait()
    wire.fin()
