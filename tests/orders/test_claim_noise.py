"""A claim that fails when nobody waits for it any more is not logged (fault catalogue, X90)."""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace

import pytest

from landsat_async.errors import DiskFull
from landsat_async.rules.links import SecretUrl
from landsat_async.run.counts import FileStates
from landsat_async.run.link_stream import ClaimsAhead, Link, LinkAges, LinkStream


async def cancelled_while_they_wait(workers: int) -> asyncio.Future:
    """Have workers wait for one claim, and cancel them."""
    claiming = asyncio.get_running_loop().create_future()
    ledger = SimpleNamespace(files=SimpleNamespace(claim=lambda ids, now: claiming))
    states = FileStates(ledger, "run")
    stream, claims = LinkStream(8, 1), ClaimsAhead(states, workers, LinkAges(1e9), lambda: None)

    async def work():
        link, claim = await claims.wait(stream)
        await states.claimed(link.item, claim)

    tasks = [asyncio.create_task(work()) for _ in range(workers)]
    await stream.put([Link(n, SecretUrl("https://host/x"), "host", 0.0, False) for n in range(workers)])
    for _ in range(5):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    claims.leave()
    return claiming


@pytest.mark.faults("X90")
@pytest.mark.parametrize("workers", [1, 3])
async def test_X90_a_claim_that_fails_after_its_waiters_were_cancelled_says_nothing(workers):
    said = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context["message"]))
    claiming = await cancelled_while_they_wait(workers)
    if not claiming.done():
        claiming.set_exception(DiskFull("full", hint=""))
    await asyncio.sleep(0)
    del claiming
    gc.collect()
    assert said == []
