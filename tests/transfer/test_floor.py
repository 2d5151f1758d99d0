"""A drip: there is always a floor, and what is above it goes on (K45)."""

from __future__ import annotations

import anyio
import pytest

from landsat_async.events import Retrying
from landsat_async.transfer import body
from landsat_async.transfer.retry import FaultKind
from landsat_async.transfer.speed import FLOOR_BYTES_S, FLOOR_WINDOW_S
from landsat_async.transfer.types import Done, FileFailed
from tests.support.raw_server import RawServer
from tests.transfer.bench import KIB, noise

pytestmark = pytest.mark.faults("K45")

DATA = noise(3000 * KIB)


@pytest.fixture(params=["direct", "plain"])
def way(request, monkeypatch):
    if request.param == "plain":
        monkeypatch.setattr(body, "can_go_direct", lambda response, remaining: False)
    return request.param


def drip(size: int, every_s: float, cut_after_s: float | None = None):
    async def answer(wire):
        start, end = wire.request.span(len(DATA))
        partial = "range" in wire.request.headers
        where = [("Content-Range", f"bytes {start}-{end - 1}/{len(DATA)}")] if partial else []
        await wire.head(206 if partial else 200, ("Content-Length", str(end - start)), ("ETag", '"v1"'), *where)
        begun_s = anyio.current_time()
        for at in range(start, end, size):
            await wire.send(DATA[at : min(at + size, end)])
            await anyio.sleep(every_s)
            if cut_after_s is not None and anyio.current_time() - begun_s > cut_after_s:
                wire.fin()

    return answer


async def test_K45_a_byte_now_and_then_is_given_up_and_said(bench, way):
    begun_s = anyio.current_time()
    async with RawServer([drip(1, 10.0)]) as server:
        outcome = await bench.run(server)
    assert isinstance(outcome, FileFailed)
    assert outcome.kind == FaultKind.USELESS
    assert "less than 1024 bytes a second over 10 minutes" in outcome.reason
    assert "what is here is kept" in outcome.hint
    assert anyio.current_time() - begun_s < 3 * 120 + 2 * FLOOR_WINDOW_S
    assert bench.store.facts is not None  # what came is kept
    told = [event.wait_s for event in bench.events if isinstance(event, Retrying)]
    assert len(told) >= 4


async def test_K45_breaking_the_line_off_in_between_does_not_help_a_drip(bench):
    """Each connection brings some progress: it would go on for days."""
    bench.tune(min_rate_bytes_s=0.0)
    begun_s = anyio.current_time()
    async with RawServer([drip(20 * KIB, 40.0, cut_after_s=300.0)]) as server:
        outcome = await bench.run(server)
    assert isinstance(outcome, FileFailed)
    assert outcome.kind == FaultKind.USELESS
    assert anyio.current_time() - begun_s < 2 * FLOOR_WINDOW_S


async def test_K45_a_slow_and_honest_line_goes_on(bench, way):
    bench.right = [DATA]
    begun_s = anyio.current_time()
    async with RawServer([drip(12 * KIB, 10.0)]) as server:  # 1.2 KiB a second
        assert isinstance(await bench.run(server), Done)
    assert anyio.current_time() - begun_s > 2 * FLOOR_WINDOW_S
    assert FLOOR_BYTES_S < 12 * KIB / 10.0
