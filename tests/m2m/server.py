"""A loopback M2M service that plays a script: raw bytes, so that every fault is possible.

Written by hand and not from the simulator: it knows nothing about scenes, it only answers what it was told.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from landsat_async.credentials import Credentials

KEY = "eyJjaWQiOjEyMywicyI6IjE3MzAwMDAwMDAifQ"
TOKEN = "canary-token-4711"
USER = "canary-user"
ACCOUNT = Credentials(USER, TOKEN)


@dataclass
class Request:
    endpoint: str
    headers: dict[str, str]
    payload: object
    at_s: float


@dataclass
class Answer:
    """One scripted answer. `cut` closes the connection after so many bytes of the whole answer."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    after_s: float = 0.0
    length: bool = True
    before: Callable[[], Awaitable[None]] | None = None

    def bytes(self) -> bytes:
        headers = {"Content-Type": "application/json", **self.headers}
        if self.length:
            headers.setdefault("Content-Length", str(len(self.body)))
        head = f"HTTP/1.1 {self.status} X\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        whole = head.encode() + b"\r\n" + self.body
        return whole if self.cut is None else whole[: self.cut]


def ok(data: object, **more: object) -> Answer:
    body = {"requestId": 7, "version": "stable", "data": data, "errorCode": None, "errorMessage": None}
    return Answer(json.dumps(body).encode(), **more)


def fail(code: str, message: str = "no", status: int = 200, **headers: str) -> Answer:
    body = {"requestId": 8, "version": None, "data": None, "errorCode": code, "errorMessage": message}
    return Answer(json.dumps(body).encode(), status, {k.replace("_", "-"): v for k, v in headers.items()})


def page(title: str, status: int = 200, **headers: str) -> Answer:
    body = f"<!DOCTYPE html><html><head><title>{title}</title></head><body>x</body></html>".encode()
    return Answer(body, status, {"Content-Type": "text/html; charset=utf-8", **headers})


def bare(status: int, body: bytes = b"", **headers: str) -> Answer:
    return Answer(body, status, {k.replace("_", "-"): v for k, v in headers.items()})


DISCONNECT = Answer(cut=0)


class ScriptedService:
    """Answers are taken from `script[endpoint]` one by one; the last one stays when it stands in `always`."""

    def __init__(self) -> None:
        self.script: dict[str, deque[Answer]] = defaultdict(deque)
        self.always: dict[str, Answer] = {
            "login-token": ok(KEY),
            "logout": ok(None),
            "permissions": ok(["user", "download", "order"]),
        }
        self.requests: list[Request] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.raw: list[bytes] = []
        self.url = ""

    def play(self, endpoint: str, *answers: Answer) -> None:
        self.script[endpoint].extend(answers)

    def calls(self, endpoint: str) -> list[Request]:
        return [request for request in self.requests if request.endpoint == endpoint]

    def _next(self, endpoint: str) -> Answer:
        if self.script[endpoint]:
            return self.script[endpoint].popleft()
        if "*" in self.always:
            return self.always["*"]
        return self.always.get(endpoint) or fail("NOT_FOUND", "nothing scripted")

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            self.raw.append(head)
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.raw.append(body)
            endpoint = first.split()[1].rpartition("/")[2]
            now_s = asyncio.get_running_loop().time()
            self.requests.append(Request(endpoint, headers, json.loads(body or b"null"), now_s))
            answer = self._next(endpoint)
            if answer.before is not None:
                await answer.before()
            if answer.after_s:
                await asyncio.sleep(answer.after_s)
            writer.write(answer.bytes())
        finally:
            self.in_flight -= 1
        await writer.drain()
        return answer.cut is None and answer.length


@asynccontextmanager
async def scripted_service(ssl=None, host="127.0.0.1"):
    service = ScriptedService()
    server = await asyncio.start_server(service.handle, host, 0, ssl=ssl, limit=2**20)
    port = server.sockets[0].getsockname()[1]
    service.port = port
    service.url = f"{'https' if ssl else 'http'}://{host}:{port}/api/api/json/stable/"
    try:
        yield service
    finally:
        server.close()
        await server.wait_closed()
