"""Servers that answer ranges oddly for ever: after the first oddity a file is asked for whole (K47)."""

from __future__ import annotations

import pytest

from landsat_async.events import Retrying
from landsat_async.transfer.types import Done, NeedsLink
from tests.support.raw_server import RawServer, status
from tests.transfer.bench import KIB, noise

pytestmark = pytest.mark.faults("K47")

DATA = noise(700 * KIB)
LENGTH, ETAG = len(DATA), ("ETag", '"v1"')


def told(start, end=LENGTH, total=LENGTH):
    return ("Content-Range", f"bytes {start}-{end - 1}/{total}")


def answer(status, start, *fields, claim=None, end=LENGTH):
    return status, start, end, [*fields, *([claim] if claim else [])]


ODD = {
    "200 with the rest and Content-Range": lambda at: answer(200, at, claim=told(at)),
    "200 with the rest alone": lambda at: answer(200, at),
    "a start before": lambda at: answer(206, at - 10, claim=told(at - 10)),
    "a start behind": lambda at: answer(206, at + 10, claim=told(at + 10)),
    "from the first byte on": lambda at: answer(206, 0, claim=told(0)),
    "another total": lambda at: answer(206, at, claim=told(at, total=LENGTH + 5)),
    "a smaller total": lambda at: answer(206, at, claim=told(at, LENGTH - 5, LENGTH - 5), end=LENGTH - 5),
    "no Content-Range": lambda at: answer(206, at),
    "an unreadable Content-Range": lambda at: answer(206, at, claim=("Content-Range", "bytes all")),
    "two lengths": lambda at: answer(206, at, claim=told(at, LENGTH - 1)),
    "several parts": lambda at: answer(206, at, ("Content-Type", "multipart/byteranges; boundary=x"), claim=told(at)),
    "416": lambda at: answer(416, LENGTH, claim=("Content-Range", f"bytes */{LENGTH}")),
    "416 of another size": lambda at: answer(416, LENGTH, claim=("Content-Range", "bytes */5")),
    "416 and no word": lambda at: answer(416, LENGTH),
}


class Host:
    """Odd to each range, for ever; whole answers break `breaks` times, each a little later."""

    def __init__(self, odd, breaks):
        self.odd, self.breaks, self.plain, self.ranges = odd, breaks, 0, 0

    async def __call__(self, wire):
        asked = wire.request.headers.get("range")
        if asked is None:
            self.plain += 1
            await wire.head(200, ("Content-Length", str(LENGTH)), ETAG)
            broken = self.plain <= self.breaks
            await wire.send(DATA[: (200 + 100 * self.plain) * KIB] if broken else DATA)
            if broken:
                wire.fin()
            return
        self.ranges += 1
        status, start, end, fields = self.odd(wire.request.span(LENGTH)[0])
        await wire.head(status, ("Content-Length", str(end - start)), ETAG, *fields)
        await wire.send(DATA[start:end])


@pytest.mark.parametrize("breaks", [1, 3])
@pytest.mark.parametrize("odd", ODD)
async def test_K47_after_the_first_oddity_the_file_is_asked_for_whole(bench, odd, breaks):
    bench.right = [DATA]
    async with RawServer([host := Host(ODD[odd], breaks)]) as server:
        outcome = await bench.run(server)
    assert isinstance(outcome, Done), outcome
    assert bench.final_bytes() == DATA
    # A size that has changed may be true once: that part is given up, and a range of the next one may be asked for.
    assert host.ranges <= (2 if odd in ("another total", "a smaller total", "416 of another size") else 1)


async def test_K47_the_part_is_kept_and_compared_with_the_whole_answer(bench):
    bench.right = [DATA]
    bench.keep(DATA[: 300 * KIB], total=LENGTH, etag='"v1"')
    async with RawServer([Host(ODD["a start behind"], 0)]) as server:
        assert isinstance(await bench.run(server), Done)
    assert ("clear",) not in bench.store.calls
    assert any("asked for byte" in event.reason for event in bench.events if isinstance(event, Retrying))


async def test_K47_after_the_second_file_the_host_is_asked_for_no_range_any_more(bench):
    bench.right = [DATA]
    host = Host(ODD["a start behind"], 10)
    async with RawServer([host]) as server, bench.net() as net:
        for number in range(3):
            host.breaks = host.plain + 1
            bench.name = f"{number}.dat"
            bench.store.facts = None
            assert isinstance(await bench.run(server, net=net), Done)
    assert host.ranges == 2


@pytest.mark.faults("N09")
@pytest.mark.parametrize("code", [204, 304, 400, 405, 406, 501])
async def test_N09_a_host_that_refuses_the_range_is_asked_for_the_whole_file(bench, code):
    """It made new links instead, for a range that was refused each time."""
    bench.right = [DATA]
    async with RawServer([host := Host(lambda at: answer(code, LENGTH), 1)]) as server:
        assert isinstance(await bench.run(server), Done)
    assert (host.ranges, host.plain) == (1, 2)


@pytest.mark.faults("N09")
async def test_N09_a_link_that_is_refused_with_and_without_a_range_has_expired(bench):
    bench.keep(DATA[: 300 * KIB], total=LENGTH, etag='"v1"')
    async with RawServer([status(400)]) as server:
        assert isinstance(await bench.run(server), NeedsLink)
        assert len(server.requests) == 2
    assert bench.part_bytes() == DATA[: 300 * KIB]


@pytest.mark.faults("N10")
async def test_N10_after_two_ranges_that_bring_more_than_they_say_the_file_is_asked_for_whole(bench):
    bench.right = [DATA]

    class TooMuch(Host):
        async def __call__(self, wire):
            await super().__call__(wire)
            if "range" in wire.request.headers:
                await wire.send(b"more")

    async with RawServer([host := TooMuch(lambda at: answer(206, at, claim=told(at)), 1)]) as server:
        assert isinstance(await bench.run(server), Done)
    assert (host.ranges, host.plain) == (2, 2)
