"""Cancelled at every single await, a transfer leaves a part that the next one goes on with (L01, L03)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
import types

import anyio
import pytest

from landsat_async.proof.prove import Stopped
from landsat_async.transfer.transfer import Transfer
from landsat_async.transfer.types import Done
from tests.support.raw_server import RawServer, ranged
from tests.transfer.bench import KIB, Bench, noise, open_files_below

DATA = noise(330 * KIB)


class Awaits:
    """Counts the suspensions of all tasks that are born while it is installed, and acts at the chosen one."""

    def __init__(self, act_at: int, act) -> None:
        self.count, self._act_at, self._act = 0, act_at, act

    @contextlib.contextmanager
    def installed(self):
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, coro, **how: asyncio.Task(self._watched(coro), loop=loop, **how))
        try:
            yield
        finally:
            loop.set_task_factory(None)

    async def _watched(self, coro):
        return await self._steps(coro)

    @types.coroutine
    def _steps(self, coro):
        sent, error = None, None
        while True:
            try:
                future = coro.send(sent) if error is None else coro.throw(error)
            except StopIteration as stop:
                return stop.value
            self.count += 1
            if self.count == self._act_at:
                asyncio.get_running_loop().call_soon(self._act)
            sent, error = None, None
            try:
                sent = yield future
            except BaseException as thrown:
                error = thrown


async def cancel_soon_when_cancelled(net, ended: anyio.Event) -> None:
    try:
        await ended.wait()
    except anyio.get_cancelled_exc_class():
        net.cancel_soon()
        raise


async def run_and_tell(run, ended: anyio.Event) -> None:
    try:
        await run()
    finally:
        ended.set()


async def interrupted(bench: Bench, server, net, at: int, how: str) -> tuple[int, bool]:
    """Run a transfer and cancel it at its `at`-th await; return how many there were, and whether it ended before."""
    ended_first = False

    async def run():
        nonlocal ended_first
        outcome = await bench.run(server, net=net)
        assert isinstance(outcome, Done)
        ended_first = True

    if how == "scope":
        scope = anyio.CancelScope()
        awaits = Awaits(at, scope.cancel)
        with scope, awaits.installed():
            await run()
    elif how == "group":
        bench.fetch = lambda *given: Transfer(*given).run()
        ended = anyio.Event()
        awaits = Awaits(at, lambda: tasks.cancel_scope.cancel())
        with awaits.installed():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(cancel_soon_when_cancelled, net, ended)
                tasks.start_soon(run_and_tell, run, ended)
    else:

        def cancel():
            for _ in range(2 if how == "task twice" else 1):
                task.cancel()

        awaits = Awaits(at, cancel)
        task = asyncio.ensure_future(run())
        task_done = asyncio.wait([task])
        with awaits.installed():
            await task_done
        if not ended_first:
            assert task.cancelled(), f"cancellation number {at} was swallowed"
    return awaits.count, ended_first


@pytest.mark.faults("L01", "L03")
@pytest.mark.parametrize("how", ["scope", "group", "task", "task twice"])
@pytest.mark.parametrize("prepared", ["fresh", "resumed"])
async def test_L01_L03_cancelled_at_every_await_and_continued(tmp_path, how, prepared):
    at, reached = 0, True
    points = 0
    async with RawServer([ranged(DATA)]) as server, contextlib.AsyncExitStack() as nets:
        net = await nets.enter_async_context(Bench(str(tmp_path / "net")).net())
        while reached:
            at += 1
            bench = Bench(str(tmp_path / f"{how}-{at}"))
            bench.tune(block_bytes=16 * KIB, checkpoint_bytes=32 * KIB)
            os.makedirs(bench.folder)
            if prepared == "resumed":
                bench.keep(DATA[: 130 * KIB], total=len(DATA), etag='"v1"')
            before = len(asyncio.all_tasks())
            count, ended_first = await interrupted(bench, server, net, at, how)
            reached = count >= at
            points += reached and not ended_first
            if how == "group":  # one that was hurried remains so
                await nets.aclose()
                net = await nets.enter_async_context(Bench(str(tmp_path / "net")).net())
            assert open_files_below(bench.folder) == []
            for _ in range(3):  # aiohttp resolves names in tasks of its own, which have been cancelled now
                await asyncio.sleep(0)
            assert len(asyncio.all_tasks()) <= before + 1  # the server may not have noticed yet
            facts = bench.store.facts
            if bench.final_bytes() is None:
                if facts is not None:
                    assert facts.durable == len(bench.part_bytes())  # everything that was written is accounted for
                assert isinstance(await bench.run(server, net=net), Done)
            assert bench.final_bytes() == DATA
    assert points >= 30, "too few cancellations took place for this test to mean anything"


@pytest.mark.faults("L03")
async def test_L03_a_timeout_around_a_transfer_arrives_as_a_timeout(bench):
    async def hang(wire):
        await wire.head(200, ("Content-Length", str(len(DATA))), ("ETag", '"v1"'))
        await wire.send(DATA[: 200 * KIB])
        await wire.server.release.wait()

    async with RawServer([hang]) as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await bench.run(server)
    assert bench.store.facts.durable == 200 * KIB
    assert bench.part_bytes() == DATA[: 200 * KIB]


async def test_a_proof_that_takes_long_stops_when_the_transfer_is_cancelled(bench):
    proving, asked = threading.Event(), []

    def endless(fd, size_bytes, name, *, level, published, stop):
        proving.set()
        while not stop():
            time.sleep(0.002)
        asked.append(True)
        raise Stopped

    bench.net_options = {"proving": endless}
    async with RawServer([ranged(DATA)]) as server, anyio.create_task_group() as tasks:

        async def cancel():
            while not proving.is_set():
                await anyio.sleep(0.001)
            scope.cancel()

        tasks.start_soon(cancel)
        with anyio.CancelScope() as scope:
            await bench.run(server)
    assert scope.cancelled_caught
    assert asked
    assert bench.final_bytes() is None
