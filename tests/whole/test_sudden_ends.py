"""What ends a run while threads are at work: nothing that was told is lost, and no dead disk is waited for."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import anyio
import pytest

from landsat_async import open_run
from landsat_async.disk.fs_posix import PosixFs
from landsat_async.errors import DiskFull
from landsat_async.run import recorder, worker
from landsat_async.transfer import commit as commits
from landsat_async.transfer.types import TransferPolicy


@pytest.mark.parametrize("number", [1, 3, 6])
async def test_a_file_that_lands_while_the_run_is_stopped_is_told_as_it_is_counted(opened, monkeypatch, number):
    monkeypatch.setattr(recorder, "DISCARD_TOGETHER", 1)
    loop, commit, runs, landings = asyncio.get_running_loop(), commits.commit, [], []

    def commit_while_stopped(transfer, *whole, **how):
        landings.append(transfer)
        if len(landings) == number:
            stopped = threading.Event()
            loop.call_soon_threadsafe(lambda: (runs[0].stop(), loop.call_soon(stopped.set)))
            stopped.wait(10)
        return commit(transfer, *whole, **how)

    monkeypatch.setattr(commits, "commit", commit_while_stopped)
    async with opened() as world:
        world.may_overlap = True  # the stop may cancel a call, which goes on at the service
        result = await world.run(watch=lambda run, event: runs.append(run))

        assert len(landings) >= number
        assert result.summary.exit_code == 7
        assert result.summary.files_verified == len(result.verified) == len(world.files())


@pytest.fixture
def hung(monkeypatch):
    """(it hangs, it may go on): the third write to a disk."""
    hangs, may_go_on, writes, pwrite = threading.Event(), threading.Event(), [], PosixFs.pwrite

    def hang(fs, fd, data, offset):
        writes.append(fd)
        if len(writes) == 3:
            hangs.set()
            may_go_on.wait(30)
        return pwrite(fd, data, offset)

    monkeypatch.setattr(PosixFs, "pwrite", hang)
    monkeypatch.setattr(worker, "TransferPolicy", partial(TransferPolicy, grace_s=0.2))
    yield hangs, may_go_on
    may_go_on.set()


@pytest.mark.faults("H16", "L02")
@pytest.mark.parametrize("how", ["stop", "leave", "cancel", "error"])
async def test_H16_L02_a_run_that_ends_waits_for_a_disk_that_hangs_only_for_the_grace_period(
    opened, hung, monkeypatch, how
):
    hangs, may_go_on = hung
    one = worker.WorkerPool._one

    async def fail_beside_it(crew, *taken):
        if hangs.is_set():
            raise DiskFull("The disk is full.", hint="")
        return await one(crew, *taken)

    if how == "error":
        monkeypatch.setattr(worker.WorkerPool, "_one", fail_beside_it)
    async with opened() as world:
        world.may_leave = True

        async def work():
            async with open_run(world.config(download={"workers": 2}), credentials=world.credentials) as run:
                run.bus.mute()
                if how in ("stop", "leave"):
                    await anyio.to_thread.run_sync(hangs.wait, 10)
                if how == "stop":
                    run.stop()
                if how != "leave":
                    await run.wait()

        task = asyncio.ensure_future(work())
        await anyio.to_thread.run_sync(hangs.wait, 10)
        if how == "cancel":
            task.cancel()
        ended, _ = await asyncio.wait([task], timeout=25)
        assert ended, "the run waits for the disk"
        may_go_on.set()
        await asyncio.wait([task])
        assert task.cancelled() == (how == "cancel")
        assert isinstance(None if task.cancelled() else task.exception(), DiskFull | None)
