"""The least that requests take through a relay: a client that asks, counts bytes and asks again.

What it takes over the round trips is the relay's, the server's and the machine's, and no program can be quicker.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

Asked = tuple[str, int, int]
"""Path, first byte and last byte."""
_READ_BYTES = 1024 * 1024


class _Line:
    """A connection, and what is still to come over it."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._left: int | None = None
        self._head = b""

    def ask(self, one: Asked) -> None:
        """Send a request."""
        path, first, last = one
        self._left, self._head = None, b""
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: near\r\nRange: bytes={first}-{last}\r\n\r\n".encode())

    def receive(self, buffer: bytearray) -> bool:
        """Take what is there; tell whether the answer is here whole."""
        size = self.socket.recv_into(buffer)
        if not size:
            raise ConnectionError("the server ended a connection")
        if self._left is None:
            self._head += buffer[:size]
            head, end, body = self._head.partition(b"\r\n\r\n")
            if not end:
                return False
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            self._left, size = int(fields[b"content-length"]), len(body)
        self._left -= size
        return self._left == 0


def seconds_taken(url: str, wanted: Iterable[Asked], connections: int) -> float:
    """Ask for all of it over so many connections, one answer after the other on each; return how long that took."""
    host, waiting, buffer = urlsplit(url), iter(wanted), bytearray(_READ_BYTES)
    assert host.hostname is not None
    assert host.port is not None
    began_s = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        for _ in range(connections):
            line = _Line(host.hostname, host.port)
            selector.register(line.socket, selectors.EVENT_READ, line)
            _ask_next(selector, line, waiting)
        while selector.get_map():
            for key, _ in selector.select():
                if key.data.receive(buffer):
                    _ask_next(selector, key.data, waiting)
    return time.perf_counter() - began_s


def _ask_next(selector: selectors.BaseSelector, line: _Line, waiting: Iterator[Asked]) -> None:
    one = next(waiting, None)
    if one is None:
        selector.unregister(line.socket)
        line.socket.close()
    else:
        line.ask(one)
