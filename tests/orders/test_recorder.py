"""Files that wait for their record: how many share a commit, and that each is recorded whatever ends the run."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import anyio
import pytest

from landsat_async.errors import DiskFull
from landsat_async.rules.lifecycle import State
from landsat_async.run import recorder
from landsat_async.run.recorder import Proven, Recorder
from tests.orders.lab import run_in_virtual_time


class Bench:
    """A recorder whose commits are lists of numbers; `active` files are on their way."""

    def __init__(self, active):
        self.states = SimpleNamespace(by_state={State.ACTIVE: active}, unrecorded=0, unrecorded_bytes=0)
        self.commits = []
        self.times = []
        self.followed = 0
        self.may_follow = asyncio.Event()
        self.may_follow.set()
        self.error = None
        self.recorder = Recorder(SimpleNamespace(states=self.states, hooks=None), None)
        self.recorder._record, self.recorder._after_record = self.record, self.follow

    async def record(self, proven):
        if self.error is not None:
            raise self.error
        self.commits.append([one.item for one in proven])
        self.times.append(asyncio.get_running_loop().time())
        self.states.by_state[State.ACTIVE] -= len(proven)

    async def follow(self):
        self.followed += 1
        await self.may_follow.wait()

    @asynccontextmanager
    async def at_work(self):
        """Inside, the recorder has been running for a second, and this is its one worker."""
        async with anyio.create_task_group() as group:
            with self.recorder.in_use():
                group.start_soon(self.recorder.run)
                await anyio.sleep(1)
                yield

    async def put(self, *numbers):
        for number in numbers:
            await self.recorder.put(Proven(number, SimpleNamespace(linked=True), 10, False))

    @property
    def recorded(self):
        return [number for commit in self.commits for number in commit]


async def _alone():
    bench = Bench(active=1)
    async with bench.at_work():
        began_s = asyncio.get_running_loop().time()
        await bench.put(1)
        await anyio.sleep(1)
    assert bench.commits == [[1]]
    assert bench.times[0] == began_s


def test_a_file_with_no_other_on_its_way_waits_for_nobody():
    run_in_virtual_time(_alone)


async def _together():
    bench = Bench(active=100)
    async with bench.at_work():
        began_s = asyncio.get_running_loop().time()
        await bench.put(1, 2)
        await anyio.sleep(recorder.TOGETHER_S / 2)
        assert bench.commits == []
        await bench.put(3)
        await anyio.sleep(1)
        assert bench.commits == [[1, 2, 3]]
        assert bench.times[0] == pytest.approx(began_s + recorder.TOGETHER_S)
        await bench.put(*range(recorder.TOGETHER))
        await anyio.sleep(0)
        await anyio.sleep(0)
        assert bench.commits[1:] == [[*range(recorder.TOGETHER)]], "so many wait for no more"
    assert bench.states.unrecorded == 0


def test_files_that_come_within_a_moment_share_a_commit():
    run_in_virtual_time(_together)


async def _flushed():
    bench = Bench(active=100)
    async with bench.at_work():
        bench.recorder.flush()
        await anyio.sleep(0)
        await anyio.sleep(0)
        began_s = asyncio.get_running_loop().time()
        await bench.put(1, 2)
        bench.recorder.flush()
        await anyio.sleep(1)
    assert bench.commits == [[1, 2]]
    assert bench.times[0] == began_s


def test_a_commit_for_something_else_takes_what_waits_along():
    run_in_virtual_time(_flushed)


async def _full():
    bench = Bench(active=1000)
    bench.may_follow.clear()
    brought = []

    async def work():
        with bench.recorder.in_use():
            for number in range(10 * recorder.AT_MOST):
                await bench.put(number)
                brought.append(number)

    async with anyio.create_task_group() as group:
        group.start_soon(work)
        group.start_soon(bench.recorder.run)
        await anyio.sleep(1)
        assert bench.followed == 1
        assert len(brought) - len(bench.recorded) < recorder.AT_MOST, "a slow reader holds the workers up"
        bench.may_follow.set()
    assert bench.recorded == [*range(10 * recorder.AT_MOST)]


def test_who_brings_too_many_waits_until_there_is_room():
    run_in_virtual_time(_full)


async def _stopped():
    bench = Bench(active=100)

    async def work():
        with bench.recorder.in_use():
            await bench.put(1)
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(5)  # a file that is just being named
                with pytest.raises(anyio.get_cancelled_exc_class()):
                    await bench.put(2, *range(3, 3 + recorder.AT_MOST))

    async with anyio.create_task_group() as group:
        group.start_soon(work)
        group.start_soon(bench.recorder.run)
        await anyio.sleep(recorder.TOGETHER_S / 2)
        group.cancel_scope.cancel()
    assert bench.recorded[:2] == [1, 2]
    assert bench.states.unrecorded == 0


def test_a_stop_waits_for_the_record_of_what_has_its_name():
    run_in_virtual_time(_stopped)


async def _broken():
    bench = Bench(active=100)
    bench.error = DiskFull("The disk is full.", hint="")

    async def work():
        with bench.recorder.in_use():
            await bench.put(*range(recorder.TOGETHER))
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(work)
        group.start_soon(bench.recorder.run)


def test_a_ledger_that_takes_no_record_ends_the_run():
    with pytest.raises(ExceptionGroup) as raised:
        run_in_virtual_time(_broken)
    assert isinstance(raised.value.exceptions[0], DiskFull)


async def _broken_later():
    bench = Bench(active=100)

    async def follow():
        await anyio.sleep(1)
        raise OSError(30, "read-only spool")

    bench.recorder._after_record = follow

    async def work():
        with bench.recorder.in_use():
            await bench.put(1)
            await anyio.sleep(0.5)
            await bench.put(2, 3)
            assert bench.states.unrecorded_bytes == 20
            await anyio.sleep_forever()

    async def run():
        async with anyio.create_task_group() as group:
            group.start_soon(work)
            group.start_soon(bench.recorder.run)

    with pytest.raises(ExceptionGroup) as raised:
        await run()
    assert raised.group_contains(OSError, match="read-only spool")
    assert bench.recorded == [1, 2, 3]
    assert bench.states.unrecorded_bytes == 0


@pytest.mark.faults("X125")
def test_X125_an_error_in_what_follows_a_record_leaves_nothing_unrecorded():
    """Workers end first, as they may still bring files; then the run ends with that error."""
    run_in_virtual_time(_broken_later)
