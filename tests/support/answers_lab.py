"""Schedules of answers that stand in the place of others: doubled, late and swapped.

Each schedule is made from its seed: files of 2 KB to 16 MB, workers, delays, TLS, what precedes a file (a redirect, a
page under 503, an answer that breaks off), and whether the host names the files. The proof is only the length and the
contents of one size differ in every pixel, so nothing but the connections tells the files apart.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import ssl
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import anyio
import trustme

from landsat_async.disk.local_target import LocalTarget
from landsat_async.model import Proof
from landsat_async.rules.links import AllowedHosts, SecretUrl
from landsat_async.transfer.open_session import open_transfer_session
from landsat_async.transfer.pool import LocalPool
from landsat_async.transfer.session import TransferSession
from landsat_async.transfer.types import Done, MemoryStore, TransferHooks, TransferJob, TransferPolicy
from tests.disk.whole_files import tiff
from tests.support.raw_server import RawServer, Request, Wire, named

SIDES = (32, 96, 224, 384, 720, 1440, 2880)
"""Of images of 16 bits: 2 KB, 18 KB, 100 KB, 300 KB, 1 MB, 4 MB, 16 MB."""
SMALL = SIDES[:4]
LARGE_AT_MOST = 4
"""Files of the two largest sizes in one schedule."""
PAGE = b"<html><head><title>Service unavailable</title></head><body>Try again.</body></html>\n"
KINDS = ("doubled", "ahead", "behind", "swapped")
"""A copy after a while; before or behind the next answer of the connection; the answer before this one in its place."""
POLICY = TransferPolicy(
    proof=Proof.LENGTH,
    min_free_bytes=0,
    backoff_cap_s=0.02,
    attempts=30,
    stall_timeout_s=20.0,
    header_timeout_s=20.0,
    span_bytes=256 * 1024,
)


@dataclass(frozen=True, slots=True)
class File:
    name: str
    side: int
    variant: int
    hop: bool
    """A redirect leads to it, to a path that does not tell its name."""
    page: bool
    """The first request for it gets a page under 503."""
    cut_at: float
    """The first answer breaks off at this share of it; 1 = it does not."""

    @property
    def data(self) -> bytes:
        return content(self.side, self.variant)


@dataclass(frozen=True, slots=True)
class Schedule:
    """What happens, all of it from the seed."""

    seed: int
    files: tuple[File, ...]
    workers: int
    connections: int
    """For one file."""
    tls: bool
    names: bool
    share: float
    """Of the answers that are doubled, or given in the place of others."""
    kinds: tuple[str, ...]
    delay_s: float

    def __str__(self) -> str:
        host = f"{'TLS' if self.tls else 'plain'}, {'with' if self.names else 'without'} names"
        sizes = sorted({len(file.data) for file in self.files})
        return (
            f"seed {self.seed}: {len(self.files)} files of {sizes} bytes, {self.workers} workers, {host}, "
            f"{self.share:.0%} {'/'.join(self.kinds)}, {self.delay_s * 1000:.1f} ms"
        )


@dataclass
class Outcome:
    """What came of a schedule."""

    wrong: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    requests: int = 0
    connections: int = 0
    displaced: Counter[str] = field(default_factory=Counter)
    """What the host did, and how often."""


@cache
def content(side: int, variant: int) -> bytes:
    pixels = random.Random(f"{side}/{variant}").randbytes(64)
    return tiff(side=side, tile=16 if side < 1000 else 160, compression=1, pages=1, pixels=pixels)


def seeded(seed: int, *, sides: tuple[int, ...] = SIDES) -> Schedule:
    """Make the schedule of a seed."""
    chance = random.Random(seed)
    one_size = chance.choice(sides) if chance.random() < 0.5 else None
    many = chance.randint(4, 10)
    chosen = [one_size or chance.choice(sides) for _ in range(many)]
    large = [number for number, side in enumerate(chosen) if side > 1000][LARGE_AT_MOST:]
    files = tuple(
        File(
            name=f"LC08_L2SP_{number + 1:03d}053_20240705_20240714_02_T1_SR_B3.TIF",
            side=side,
            variant=number,
            hop=chance.random() < 0.2,
            page=chance.random() < 0.2,
            cut_at=chance.choice((0.3, 0.9)) if chance.random() < 0.2 else 1.0,
        )
        for number, side in enumerate(chosen)
        if number not in large
    )
    return Schedule(
        seed=seed,
        files=files,
        workers=chance.randint(1, 8),
        connections=chance.choice((1, 1, 3)),
        tls=chance.random() < 0.5,
        names=chance.random() < 0.5,
        share=chance.choice((0.1, 0.3, 1.0)),
        kinds=tuple(chance.sample(KINDS, chance.randint(1, len(KINDS)))),
        delay_s=chance.choice((0.0, 0.0005, 0.002, 0.02, 0.05, chance.uniform(0, 0.2))),
    )


@dataclass
class _Way:
    """One connection, as the host has it."""

    before: list[tuple[bytes, bytes]] = field(default_factory=list)
    behind: list[tuple[bytes, bytes]] = field(default_factory=list)
    last: tuple[bytes, bytes] | None = None


class Host:
    """Gives the files, and more than was asked for."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule, self._chance = schedule, random.Random(-schedule.seed - 1)
        self._files = {file.name: file for file in schedule.files}
        self._hops = {f"/hop/{hashlib.sha256(file.name.encode()).hexdigest()}": file for file in schedule.files}
        self._ways: defaultdict[int, _Way] = defaultdict(_Way)
        self._asked: Counter[str] = Counter()
        self.displaced: Counter[str] = Counter()

    async def __call__(self, wire: Wire) -> None:
        own, ends = self._answer(wire.request)
        way = self._ways[wire.request.connection]
        kind = self._chance.choice(self._schedule.kinds) if self._chance.random() < self._schedule.share else ""
        given = way.last if kind == "swapped" and way.last is not None else own
        self.displaced[kind] += bool(kind)
        before, behind, way.before, way.behind, way.last = way.before, way.behind, [], [], own
        for head, body in (*before, given):
            await wire.send(head, body)
        if ends and given is own:
            wire.fin()  # nothing may follow: it would be bytes of this body, and of no other answer
        for head, body in behind:
            await wire.send(head, body)
        match kind:
            case "doubled":
                await asyncio.sleep(self._schedule.delay_s)
                await wire.send(*own)
            case "ahead":
                way.before.append(own)
            case "behind":
                way.behind.append(own)

    def _answer(self, request: Request) -> tuple[tuple[bytes, bytes], bool]:
        """Return the right answer to a request, and whether it breaks off."""
        file = self._hops.get(request.target) or self._files[request.target.rpartition("/")[2]]
        self._asked[file.name] += 1
        if file.page and self._asked[file.name] == 1:
            return (_head(503, _length(PAGE), ("Content-Type", "text/html")), PAGE), False
        if file.hop and request.target not in self._hops:
            hop = next(path for path, target in self._hops.items() if target is file)
            return (_head(302, ("Location", hop), _length(b"")), b""), False
        data, tag = file.data, f'"{file.side}-{file.variant}"'
        more = [("ETag", tag), ("Accept-Ranges", "bytes"), ("Content-Type", "image/tiff")]
        more += [named(file.name)] if self._schedule.names else []
        ends = file.cut_at < 1 and self._asked[file.name] <= 1 + file.page + file.hop
        start, stop = _span(request, len(data), tag)
        body = data[start:stop]
        if (start, stop) == (0, len(data)):
            head = _head(200, _length(body), *more)
        else:
            head = _head(206, _length(body), ("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}"), *more)
        return (head, body[: int(len(body) * file.cut_at)] if ends else body), ends


def _span(request: Request, size: int, tag: str) -> tuple[int, int]:
    asked = request.headers.get("range", "").removeprefix("bytes=").partition("-")
    if not asked[0] or request.headers.get("if-range") not in (None, tag):
        return 0, size
    return int(asked[0]), int(asked[2]) + 1 if asked[2] else size


def _length(body: bytes) -> tuple[str, str]:
    return ("Content-Length", str(len(body)))


def _head(status: int, *fields: tuple[str, str]) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in fields), "", ""]).encode()


@dataclass(frozen=True, slots=True)
class Trust:
    """A certificate for loopback, and who vouches for it."""

    server: ssl.SSLContext
    ca_bundle: str

    @classmethod
    def make(cls, folder: Path) -> Trust:
        authority, server = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(server)
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        return cls(server, str(folder / "ca.pem"))


async def play(schedule: Schedule, folder: Path, trust: Trust, **net_options: object) -> Outcome:
    """Fetch the files of a schedule into an empty folder, and look at what is there."""
    host, came = Host(schedule), Outcome()
    folder.mkdir(parents=True, exist_ok=True)
    target = LocalTarget(folder, parts_dir=folder / "parts")
    waiting = iter(schedule.files)
    policy = replace(POLICY, connections=schedule.connections)

    async def work(server: RawServer, net: TransferSession) -> None:
        for file in waiting:
            job = TransferJob(
                SecretUrl(server.url(f"/data/{file.name}")), file.name, f"{file.name}.part", file.name, policy=policy
            )
            outcome = await LocalPool(net, 1).fetch(job, TransferHooks(lambda event: None, MemoryStore()))
            if not isinstance(outcome, Done):
                came.missing.append(f"{file.name}: {outcome}")

    hosts = AllowedHosts.for_service("http://127.0.0.1:1/", ())
    options = {"ca_bundle": trust.ca_bundle if schedule.tls else None, "trust_env": False} | net_options
    net = open_transfer_session(hosts=hosts, target=target, workers=schedule.workers, **options)  # type: ignore[arg-type]
    async with RawServer([host], ssl=trust.server if schedule.tls else None) as server, net as opened:
        async with anyio.create_task_group() as tasks:
            for _ in range(schedule.workers):
                tasks.start_soon(work, server, opened)
        came.requests, came.connections, came.displaced = len(server.requests), server.connections, host.displaced
    came.wrong = list(_wrong(schedule.files, folder))
    return came


def _wrong(files: Iterable[File], folder: Path) -> Iterable[str]:
    for file in files:
        path = folder / file.name
        if path.exists() and path.read_bytes() != file.data:
            yield file.name
