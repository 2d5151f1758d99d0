"""A server that says "too much": nothing new is begun before only half as many files are open."""

from __future__ import annotations

import anyio
import pytest

from landsat_async.run.concurrency import HOLD_S
from landsat_async.sim.file_hosts import FileHost
from tests.whole.test_resume import large


@pytest.mark.faults("W55")
async def test_after_one_push_back_no_file_is_begun_while_more_than_half_are_open(opened, monkeypatch):
    open_now, begun, pushed = 0, [], []
    serve = FileHost._limited

    async def limited(self, request, wire, entry, *given):
        nonlocal open_now
        open_now += 1
        begun.append((anyio.current_time(), open_now, entry))
        if open_now == 8 and not pushed:
            pushed.append(anyio.current_time())
            world.script.fault_file("*", "status", status=429, headers={"Retry-After": "5"})
        try:
            return await serve(self, request, wire, entry, *given)
        finally:
            open_now -= 1

    monkeypatch.setattr(FileHost, "_limited", limited)
    async with opened(archive=large(512)) as world:
        world.script.rate_bytes_s = 75_000
        world.workers_at_most = 8
        result = await world.run(world.config(download={"workers": 8}))
    assert result.summary.exit_code == 0
    assert pushed
    ((told_s, refused),) = [(at_s, entry) for at_s, _, entry in begun if entry.status == 429]
    later = [(at_s - told_s, count, entry.what == refused.what) for at_s, count, entry in begun if at_s > told_s]
    others = [count for after_s, count, is_same in later if after_s < HOLD_S and not is_same]
    assert others, "something came later"
    assert max(others) <= 4
    assert min(after_s for after_s, _, is_same in later if is_same) >= 5, "the file itself waits as it was asked to"
