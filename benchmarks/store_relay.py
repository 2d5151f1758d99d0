"""A relay between a run and an object store: counts requests, and can be told to cut one at a chosen moment.

It reads just enough of HTTP to know what is asked for, by the words of S3 and of Azure, and passes the bytes on.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import parse_qsl, unquote, urlsplit

BEFORE, DURING, AFTER = "before", "during", "after"
"""Nothing of the request has been passed on; half of its body has; its answer is here and has not been passed back."""
_BLOCK_BYTES = 2**18


class Cut(Exception):
    """Both connections are to be closed now."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    step: str
    """put, begin, part, copy part, complete, copy, abort, delete, head, get, list or uploads."""
    key: str
    """Of the object, without bucket; "" for requests to the bucket."""
    method: str
    path: str


def read_request(method: str, target: str, headers: dict[str, str], root: str) -> Asked:
    """Tell what a request asks for; `root` is the path of the bucket."""
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    key = unquote(parts.path).removeprefix(root).strip("/")
    is_copy = "x-amz-copy-source" in headers or "x-ms-copy-source" in headers
    comp = query.get("comp", "")
    if method == "GET":
        step = "list" if "list-type" in query or comp == "list" else "uploads" if "uploads" in query else "get"
    elif method == "POST":
        step = "begin" if "uploads" in query else "complete" if "uploadId" in query else "delete"
    elif method == "PUT":
        names = {"block": "part", "blocklist": "complete"}
        step = "part" if "partNumber" in query else names.get(comp, "copy" if is_copy else "put")
        step = "copy part" if step == "part" and is_copy else step
    else:
        step = "abort" if "uploadId" in query else {"DELETE": "delete", "HEAD": "head"}.get(method, method)
    return Asked(step, key, method, target)


class Relay(socketserver.ThreadingTCPServer):
    """Listens on a port of its own and passes everything on to `port`."""

    daemon_threads, allow_reuse_address, request_queue_size = True, True, 64

    def __init__(self, port: int, root: str) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.upstream, self.root = port, root
        self.asked: list[Asked] = []
        self.watch: Callable[[Asked, str], bool] = lambda asked, moment: False
        """Called at each moment of each request; True = cut it."""

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def count(self, *steps: str) -> int:
        return sum(asked.step in steps for asked in self.asked)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: whoever was killed has left a broken connection."""


class _Connection(socketserver.BaseRequestHandler):
    server: Relay
    request: socket.socket

    def handle(self) -> None:
        with contextlib.ExitStack() as stack:
            there = stack.enter_context(socket.create_connection(("127.0.0.1", self.server.upstream)))
            for end in (self.request, there):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            asking = stack.enter_context(self.request.makefile("rb", _BLOCK_BYTES))
            answering = stack.enter_context(there.makefile("rb", _BLOCK_BYTES))
            with contextlib.suppress(Cut, OSError):
                while self._one(asking, answering, there):
                    pass

    def _one(self, asking: BinaryIO, answering: BinaryIO, there: socket.socket) -> bool:
        first, headers, head = _head(asking)
        if not first:
            return False
        method, target, _ = first.split(" ", 2)
        asked = read_request(method, target, headers, self.server.root)
        self.server.asked.append(asked)
        self._look(asked, BEFORE)
        there.sendall(head)
        size = int(headers.get("content-length", "0"))
        passed = 0
        for data in _body(asking, headers):
            if passed * 2 < size <= (passed + len(data)) * 2:
                there.sendall(data[: max(1, size // 2 - passed)])
                self._look(asked, DURING)
                data, passed = data[max(1, size // 2 - passed) :], max(passed + 1, size // 2)
            there.sendall(data)
            passed += len(data)
        status, answer, answer_head = _head(answering)
        while status.split(" ")[1:2] == ["100"]:
            status, answer, answer_head = _head(answering)
        if not status:
            return False
        self._look(asked, AFTER)
        self.request.sendall(answer_head)
        if method != "HEAD" and status.split(" ")[1] not in ("204", "304"):
            for data in _body(answering, answer):
                self.request.sendall(data)
        return "close" not in (answer.get("connection", "").lower(), headers.get("connection", "").lower())

    def _look(self, asked: Asked, moment: str) -> None:
        if self.server.watch(asked, moment):
            raise Cut


def _head(file: BinaryIO) -> tuple[str, dict[str, str], bytes]:
    """Return the first line, the fields by their names in small letters, and all of it as it came."""
    lines = [file.readline()]
    while lines[-1] not in (b"\r\n", b""):
        lines.append(file.readline())
    text = [line.decode("latin1").rstrip("\r\n") for line in lines]
    fields = (line.partition(":") for line in text[1:] if line)
    return text[0], {name.strip().lower(): value.strip() for name, _, value in fields}, b"".join(lines)


def _body(file: BinaryIO, headers: dict[str, str]) -> Iterator[bytes]:
    """Yield a body as it came, chunks with their sizes."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        while True:
            line = file.readline()
            size = int(line.split(b";")[0] or b"0", 16)
            yield line + file.read(size) + file.readline()
            if not size:
                return
    left = int(headers.get("content-length", "0"))
    while left and (data := file.read(min(left, _BLOCK_BYTES))):
        yield data
        left -= len(data)


@contextmanager
def relaying(port: int, root: str) -> Iterator[Relay]:
    """Relay to a port of this machine."""
    with Relay(port, root) as relay:
        thread = threading.Thread(target=relay.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield relay
        finally:
            relay.shutdown()
            thread.join()


def wait_for(port: int, within_s: float = 60.0) -> None:
    """Wait until somebody listens there."""
    until_s = time.monotonic() + within_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
            return
        except OSError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.1)
