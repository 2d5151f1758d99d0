"""HTTP/1.1 on one connection, with a hand on every byte, so that answers can go wrong on purpose."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote

import anyio
import msgspec

from landsat_async.sim.listen import Connection, Disconnected
from landsat_async.sim.log import Entry

_HEAD_LIMIT_BYTES = 1 << 16
_BODY_LIMIT_BYTES = 1 << 28
_SEND_BLOCK_BYTES = 1 << 18
_PIECES_TOGETHER = 48
"""Of a long answer: those of a list of files are 5 kB in the mean."""

Headers = Iterable[tuple[str, str]]
Handler = Callable[["Request", "Wire"], Awaitable[bool]]
"""Answers one request; True keeps the connection."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in."""

    method: str
    target: str
    """Path and query, byte for byte."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = b""
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Decoded path."""
        return unquote(self.target.partition("?")[0])


def _no_count(entry: Entry, count: int) -> None:
    pass


class Wire:
    """One connection, as a handler sees it."""

    def __init__(self, link: Connection) -> None:
        self.link = link
        self._buffer = b""
        self._entry: Entry | None = None
        self._count: Callable[[Entry, int], None] = _no_count
        self._taped: list[bytes] | None = None
        self._again_after_s: float | None = None
        self._before_next: list[bytes] = []

    def watch(self, entry: Entry | None, count: Callable[[Entry, int], None] | None = None) -> None:
        """Note status and bytes of the answer in a log entry; before they go out, so that no client is ahead of it."""
        self._entry, self._count = entry, count or _no_count

    def send_again(self, after_s: float | None) -> None:
        """Send what follows in this answer twice: the copy comes after so long, or (None) before the next answer."""
        self._taped, self._again_after_s = [], after_s

    async def end_answer(self) -> None:
        """Send the copy that is due by time, or keep it for the next answer."""
        pieces, self._taped = self._taped or [], None
        if self._again_after_s is None:
            self._before_next += pieces
            return
        await anyio.sleep(self._again_after_s)
        self._again_after_s = None
        await self._send_all(pieces)

    async def _send_all(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            await self.link.send(piece)

    async def _send(self, data: bytes) -> None:
        if self._taped is not None:
            self._taped.append(data)
        await self.link.send(data)

    async def request(self) -> Request:
        """Read the next request; raises Disconnected when the client has left."""
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > _HEAD_LIMIT_BYTES:
                raise Disconnected
            await self._fill()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        try:
            method, target, _ = first.split(" ")
        except ValueError:
            raise Disconnected from None
        headers = {name.strip().lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
        if headers.get("expect", "").lower() == "100-continue":
            await self.link.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await self._request_body(headers)
        pairs = parse_qs(target.partition("?")[2], keep_blank_values=True)
        return Request(method, target, headers, body, {key: values[-1] for key, values in pairs.items()})

    async def _fill(self) -> None:
        self._buffer += await self.link.receive()

    async def _request_body(self, headers: Mapping[str, str]) -> bytes:
        if "chunked" not in headers.get("transfer-encoding", "").lower():
            length = headers.get("content-length", "0")
            if not length.isdecimal() or int(length) > _BODY_LIMIT_BYTES:
                raise Disconnected
            return await self._exactly(int(length))
        pieces = []
        while size := int((await self._line()).partition(b";")[0], 16):
            pieces.append(await self._exactly(size))
            await self._line()
        await self._line()
        return b"".join(pieces)

    async def _exactly(self, size: int) -> bytes:
        pieces, have = [self._buffer], len(self._buffer)
        while have < size:
            pieces.append(await self.link.receive())
            have += len(pieces[-1])
        data = b"".join(pieces)
        self._buffer = data[size:]
        return data[:size]

    async def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            await self._fill()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    async def head(self, status: int, headers: Headers) -> None:
        """Send the status line and exactly these headers (and Date)."""
        try:
            reason = HTTPStatus(status).phrase
        except ValueError:
            reason = "Unknown"
        late, self._before_next = self._before_next, []
        await self._send_all(late)
        lines = [f"HTTP/1.1 {status} {reason}", f"Date: {formatdate(usegmt=True)}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if self._entry is not None:
            self._entry.status = status
        await self._send("\r\n".join([*lines, "\r\n"]).encode("latin-1", "replace"))

    async def body(self, data: bytes) -> None:
        """Send body bytes and count them."""
        for start in range(0, len(data), _SEND_BLOCK_BYTES):
            block = data[start : start + _SEND_BLOCK_BYTES]
            if self._entry is not None:
                self._entry.sent_bytes += len(block)
                self._count(self._entry, len(block))
            await self._send(block)

    async def answer(
        self, status: int, data: bytes = b"", content_type: str = "text/plain", headers: Headers = ()
    ) -> None:
        """Send a whole, correct answer."""
        await self.answer_in_pieces(status, [data], content_type, headers)

    async def answer_in_pieces(
        self, status: int, pieces: Sequence[bytes], content_type: str, headers: Headers = ()
    ) -> None:
        """Send a whole, correct answer whose body is never in memory in one piece."""
        fixed = [("Content-Type", content_type), ("Content-Length", str(sum(map(len, pieces))))]
        await self.head(status, [*fixed, *headers])
        for start in range(0, len(pieces), _PIECES_TOGETHER):
            await self.body(b"".join(pieces[start : start + _PIECES_TOGETHER]))

    async def answer_json(self, status: int, value: Any) -> None:
        """Send a JSON document."""
        await self.answer(status, msgspec.json.encode(value), "application/json")

    async def silence(self, seconds: float) -> None:
        """Do nothing for so long; raises Disconnected as soon as the client leaves."""
        with anyio.move_on_after(seconds):
            while len(self._buffer) <= _HEAD_LIMIT_BYTES:
                await self._fill()

    def reset(self) -> None:
        """End the connection with RST in place of FIN."""
        self.link.reset()
        raise Disconnected
