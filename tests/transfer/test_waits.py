"""Every wait of more than five seconds is told while it lasts, with its reason and its end (K44)."""

from __future__ import annotations

from itertools import pairwise

import anyio
import pytest

from landsat_async.events import Retrying
from landsat_async.rules.links import SecretUrl
from landsat_async.transfer import body
from landsat_async.transfer.checksums import PublishedSums
from landsat_async.transfer.session import Wait
from landsat_async.transfer.types import Done
from tests.support.raw_server import RawServer, ranged, silent, whole
from tests.transfer.bench import KIB, noise

pytestmark = pytest.mark.faults("K44")

DATA = noise(700 * KIB)


class Told(list):
    """Events, and when they came."""

    def __init__(self):
        super().__init__()
        self.times: list[tuple[float, Retrying]] = []

    def append(self, event):
        super().append(event)
        if isinstance(event, Retrying):
            self.times.append((anyio.current_time(), event))


async def test_K44_a_server_that_does_not_answer(bench):
    bench.right, bench.events = [DATA], Told()
    begun_s = anyio.current_time()
    async with RawServer([silent, ranged(DATA)]) as server:
        assert isinstance(await bench.run(server), Done)
    (at_s, first), (_, second) = bench.events.times
    assert at_s - begun_s <= 5
    assert (first.reason, first.attempt) == ("127.0.0.1 has not answered yet", 1)
    assert 55 <= first.wait_s <= 56
    assert second.reason == "127.0.0.1 stopped sending"


@pytest.mark.parametrize("way", ["direct", "plain"])
@pytest.mark.parametrize("here", [0, 300 * KIB])
async def test_K44_a_server_that_stops_sending(bench, monkeypatch, way, here):
    bench.right, bench.events = [DATA], Told()
    if way == "plain":
        monkeypatch.setattr(body, "can_go_direct", lambda response, remaining: False)
    stalled_s = 0.0

    async def stall(wire):
        nonlocal stalled_s
        await wire.head(200, ("Content-Length", str(len(DATA))), ("ETag", '"v1"'))
        await wire.send(DATA[:here])
        stalled_s = anyio.current_time()
        await wire.server.release.wait()

    async with RawServer([stall, ranged(DATA)]) as server:
        assert isinstance(await bench.run(server), Done)
    at_s, first = bench.events.times[0]
    assert at_s - stalled_s <= 5.5
    assert first.reason == "127.0.0.1 sends nothing"
    assert 54 <= first.wait_s <= 56
    assert "stopped sending" in bench.events.times[1][1].reason


async def test_K44_pauses_of_one_server_are_told_once_a_minute(bench):
    bench.right, bench.events = [DATA], Told()
    bench.tune(min_rate_bytes_s=0.0)

    async def slowly(wire):
        await wire.head(200, ("Content-Length", str(len(DATA))), ("ETag", '"v1"'))
        for at in range(0, len(DATA), 35 * KIB):
            await wire.send(DATA[at : at + 35 * KIB])
            await anyio.sleep(10.0)

    async with RawServer([slowly]) as server:
        assert isinstance(await bench.run(server), Done)
    times = [at_s for at_s, _ in bench.events.times]
    assert 3 <= len(times) <= 4
    assert all(b - a >= 60 for a, b in pairwise(times))


async def test_K44_what_goes_on_quickly_is_not_told(bench):
    bench.right = [DATA]
    async with RawServer([ranged(DATA)]) as server:
        assert isinstance(await bench.run(server), Done)
    assert not any(isinstance(event, Retrying) for event in bench.events)


async def test_K44_sums_that_are_long_in_coming(bench):
    told = []
    name = "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF"
    async with RawServer([silent, whole(b"{}")]) as server, bench.net() as net:
        sums = PublishedSums(net, bench.policy)
        waits = Wait(lambda reason, wait_s: told.append((anyio.current_time(), reason, wait_s)))
        begun_s = anyio.current_time()
        assert await sums.of(SecretUrl(server.url(f"/data/x/{name}?requestSignature=abc")), name, waits=waits) == {}
    at_s, reason, wait_s = told[0]
    assert at_s - begun_s <= 5
    assert reason == "127.0.0.1 has not given the published sums yet"
    assert 25 <= wait_s <= 26
