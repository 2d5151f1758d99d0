"""Hosts that lie about ranges, by the seed: whatever they send, a window is right or there is none.

What lies: a body that is shifted, of another file, cut, spoiled in one bit; a head of another size, another range,
another version or none; the whole file, or another whole file, in place of a range; refusals and breaks in between.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from landsat_async.disk.local_target import LocalTarget
from landsat_async.raster.window import WindowMode
from landsat_async.rules.links import AllowedHosts, SecretUrl
from landsat_async.rules.naming import window_name
from landsat_async.transfer.open_session import open_transfer_session
from landsat_async.transfer.transfer import transfer
from landsat_async.transfer.types import Done, MemoryStore, TransferHooks, TransferJob, TransferPolicy
from tests.support.raw_server import RawServer
from tests.transfer.window_host import DATE, SOURCE, BandHost, band_of, spec, window

POLICY = TransferPolicy(min_free_bytes=0, backoff_cap_s=0.01, attempts=6, stall_timeout_s=10.0, grace_s=2.0)
Lie = Callable[[random.Random], Callable[[BandHost, object, int, int], Awaitable[None]]]


def _body(change: Callable[[random.Random, bytes, BandHost, int, int], bytes]) -> Lie:
    """Send a head that is right, and another body."""

    def lie(chance: random.Random):
        async def answer(host, wire, start, end):
            body = change(chance, host.data[start:end], host, start, end)
            await wire.head(206, *host.fields(start, end))
            await wire.send(body[: end - start].ljust(end - start, b"\0"))

        return answer

    return lie


def _head(change: Callable[[random.Random, int, int, int], tuple[int, int, int]]) -> Lie:
    """Send a range that is another one, as its head says."""

    def lie(chance: random.Random):
        async def answer(host, wire, start, end):
            first, last, total = change(chance, start, end, len(host.data))
            await wire.head(206, *host.fields(first, last, total))
            await wire.send(host.data[first:last].ljust(last - first, b"\0"))

        return answer

    return lie


def _spoilt(chance, body, host, start, end):
    at = chance.randrange(len(body))
    return body[:at] + bytes([body[at] ^ (1 << chance.randrange(8))]) + body[at + 1 :]


def _shifted(chance, body, host, start, end):
    by = chance.choice((1, 2, 4, 8, 4096, -1, -2, -4))
    return host.data[max(0, start + by) : max(0, end + by)]


def _of_another(chance, body, host, start, end):
    return body if _is_all(host, start, end) else band_of(2)[start:end]


def _is_all(host: BandHost, start: int, end: int) -> bool:
    """Another file as a whole, under the name of this one: nothing that it says itself tells the two apart."""
    return start == 0 and end == len(host.data)


def _whole(data: Callable[[BandHost], bytes], *fields: tuple[str, str]) -> Lie:
    def lie(chance: random.Random):
        async def answer(host, wire, start, end):
            sent = data(host)
            await wire.head(200, ("Content-Length", str(len(sent))), *(fields or host.validators))
            await wire.send(sent)

        return answer

    return lie


def _status(code: int, *fields: tuple[str, str]) -> Lie:
    def lie(chance: random.Random):
        async def answer(host, wire, start, end):
            await wire.head(code, ("Content-Length", "0"), *fields)

        return answer

    return lie


def _cut(chance: random.Random):
    async def answer(host, wire, start, end):
        await wire.head(206, *host.fields(start, end))
        await wire.send(host.data[start : start + chance.randrange(end - start)])
        wire.rst()

    return answer


def _version(chance: random.Random):
    async def answer(host, wire, start, end):
        fields = [pair for pair in host.fields(start, end) if pair[0] not in ("ETag", "Last-Modified")]
        if chance.random() < 0.7:
            fields += [("ETag", '"v2"'), ("Last-Modified", "Tue, 02 Jul 2024 00:00:00 GMT")]
        await wire.head(206, *fields)
        data = host.data if _is_all(host, start, end) else band_of(2)
        await wire.send(data[start:end].ljust(end - start, b"\0"))

    return answer


def _odd(*fields: tuple[str, str]) -> Lie:
    def lie(chance: random.Random):
        async def answer(host, wire, start, end):
            given = [pair for pair in host.fields(start, end) if pair[0] not in {name for name, _ in fields}]
            await wire.head(206, *given, *[pair for pair in fields if pair[1]])
            await wire.send(host.data[start:end])

        return answer

    return lie


LIES: dict[str, Lie] = {
    "spoilt": _body(_spoilt),
    "shifted": _body(_shifted),
    "another file": _body(_of_another),
    "another version": _version,
    "shorter": _head(lambda chance, start, end, total: (start, max(start + 1, end - 7), total)),
    "another range": _head(lambda chance, start, end, total: (min(start + 16, total - 2), min(end + 16, total), total)),
    "another size": _head(lambda chance, start, end, total: (start, end, total + chance.choice((1, 77, 100_000)))),
    "whole": _whole(lambda host: host.data),
    "another whole": _whole(lambda host: band_of(2), ("ETag", '"v2"')),
    "cut": _cut,
    "no Content-Range": _odd(("Content-Range", "")),
    "unreadable Content-Range": _odd(("Content-Range", "bytes 1-2/1")),
    "multipart": _odd(("Content-Type", "multipart/byteranges; boundary=x")),
    "encoded": _odd(("Content-Encoding", "gzip")),
    "412": _status(412),
    "416": _status(416),
    "503": _status(503),
    "400": _status(400),
    "501": _status(501),
}


async def play(seed: int) -> str:
    """Fetch a window from a host that lies by the seed; return "right", how it ended without a file, or "WRONG"."""
    chance = random.Random(seed)
    etag, date = chance.choice((('"v1"', None), ('"v1"', DATE), (None, DATE), ('W/"v1"', DATE)))
    shape = chance.choice(({}, {}, {"index_at_end": True}, {"framed": True}))
    host = BandHost(band_of(1, **shape), etag=etag, date=date)
    told = []
    for number in range(chance.randint(1, 12)):
        if chance.random() < 0.5:
            name = chance.choice(list(LIES))
            told.append(f"{number}: {name}")
            host.faults[number] = LIES[name](chance)
    wanted = spec(chance.choice(list(WindowMode)))
    right = {window(host.data, wanted), window(band_of(2), wanted)} if "another whole" in str(told) else None
    right = right or {window(host.data, wanted)}
    with tempfile.TemporaryDirectory() as folder:
        ended = await _fetch(host, wanted, folder)
        path = os.path.join(folder, "out", "w.TIF")
        if not os.path.exists(path):
            return ended
        with open(path, "rb") as file:
            return "right" if file.read() in right else f"WRONG: {told}"


async def _fetch(host: BandHost, wanted, folder: str) -> str:
    relpath = f"out/{window_name(SOURCE, wanted.key)}"
    hosts, target = (
        AllowedHosts.for_service("http://127.0.0.1:1/", ()),
        LocalTarget(Path(folder), parts_dir=Path(folder) / "parts"),
    )
    async with (
        RawServer([host]) as server,
        open_transfer_session(hosts=hosts, target=target, trust_env=False) as session,
    ):
        store, outcome = MemoryStore(), None
        for generation in range(4):  # a new link each time that one is asked for
            job = TransferJob(
                SecretUrl(server.url("/x")), SOURCE, f"1.{generation}.part", relpath, store.facts, POLICY,
                part_was=(f"1.{generation - 1}.part",), window=wanted,
            )  # fmt: skip
            outcome = await transfer(job, session, TransferHooks(lambda event: None, store))
            if isinstance(outcome, Done):
                os.rename(os.path.join(folder, relpath), os.path.join(folder, "out", "w.TIF"))
                return "right"
    return type(outcome).__name__
