"""What a run sees is counted beside it, and written down once a minute."""

from __future__ import annotations

from itertools import chain, repeat
from types import SimpleNamespace

import anyio

from landsat_async.beside import beside
from landsat_async.rules.observed import Fact, Observations, Seen
from landsat_async.run import observing
from landsat_async.run.observing import count_observations


async def test_what_was_noted_is_counted_and_written_down_once_a_minute(monkeypatch):
    monkeypatch.setattr(observing, "COUNT_EVERY_S", 0.0)
    observations, counted, written = Observations(), [], anyio.Event()
    clock = chain((0.0, 30.0, 59.0, 60.0), repeat(61.0))

    def facts():
        counted.append(True)
        yield Fact("links", "worked", 3.0)

    def loop_time():
        now_s = next(clock)
        if now_s == 30.0:
            assert counted, "it is counted long before it is written"
        return now_s

    async def add(news, now):
        assert (news, now) == ({("this computer", "links", "worked"): Seen(1, 3.0, 3.0)}, 7.0)
        assert next(clock) == 61.0
        written.set()

    context = SimpleNamespace(
        observations=observations,
        states=SimpleNamespace(loop_time=loop_time, now=lambda: 7.0),
        ledger=SimpleNamespace(observations=SimpleNamespace(add=add)),
    )
    observations.note(("localhost", facts()))
    with anyio.fail_after(10):
        async with beside(count_observations, context):
            await written.wait()
