"""Whole runs whose files are transferred by real worker processes of dask, on loopback."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time

import pytest

pytest.importorskip("distributed", reason="the extra dask is not installed")

from distributed import Client, LocalCluster
from distributed.utils import _offload_executor

from benchmarks.cluster_faults import Cluster
from landsat_async.events import Started, Transferred
from landsat_async.scale import DaskPool, join
from landsat_async.sim.script import Script
from tests.support.process_memory import found_in
from tests.whole.test_resume import ONE, large
from tests.whole.world import _Process, open_world

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
BANDS = {"type": "band", "bands": ["SR_B3"]}


@pytest.fixture
def cluster():
    _offload_executor.submit(int).result()  # its thread stays
    with LocalCluster(
        n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None, silence_logs=logging.ERROR
    ) as made:
        yield made


async def test_a_run_over_two_processes_brings_what_a_run_here_brings(tmp_path, cluster):
    async with open_world(tmp_path) as world:
        here = await world.run(world.config(root=tmp_path / "data-here"))
        with Client(cluster) as client:
            there = await world.run(pool=DaskPool(client))
            assert await asyncio.to_thread(tasks_of, client) == 0, "nothing of it is left at the scheduler"
        assert there.summary.exit_code == 0
        assert there.verified == here.verified
        assert world.files() == world.files(tmp_path / "data-here")
        assert there.summary.bytes_received == here.summary.bytes_received


async def nothing(_: object) -> None:
    pass


def tasks_of(client: Client) -> int:
    return client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))


@pytest.mark.faults("X61")
async def test_files_of_processes_that_are_killed_are_taken_anew_and_go_on_from_their_checkpoints(
    tmp_path, cluster, monkeypatch
):
    monkeypatch.setattr(_Process, "compare", nothing)  # new processes have new threads of dask in this one
    async with open_world(tmp_path, large(), Script(rate_bytes_s=250_000)) as world:
        pids = [worker.process.pid for worker in cluster.workers.values()]
        begun: list[float] = []

        def watch(run, event):
            if isinstance(event, Started) and not begun:
                begun.append(time.monotonic())
            if isinstance(event, Transferred) and pids and time.monotonic() - begun[0] > 6:  # a checkpoint is 5 s old
                os.kill(pids.pop(), signal.SIGKILL)

        with Client(cluster) as client:
            config = world.config(search=ONE, select={"type": "band", "bands": ["SR_B3", "SR_B4"]})
            result = await world.run(config, pool=DaskPool(client), watch=watch)
        assert not pids
        assert result.summary.exit_code == 0, result.failed
        assert "has ended" in result.reasons, "dask ran the task again, which fetched nothing"
        assert any(event.offset_bytes for event in result.of(Started)), "it went on where it was"


@pytest.mark.faults("W43")
async def test_files_of_a_worker_that_is_retired_go_on_where_they_were(tmp_path, cluster):
    async with open_world(tmp_path, large(), Script(rate_bytes_s=250_000)) as world:
        world.workers_at_most = 8  # the simulator sees only with its next write that a worker has gone
        reached: dict[str, int] = {}
        resumed: dict[str, tuple[int, int]] = {}
        shrunk: list[object] = []

        def watch(run, event):
            if isinstance(event, Transferred):
                reached[event.file] = event.position_bytes
                if min(reached.values()) > 500_000 and len(reached) == 4 and not shrunk:
                    shrunk.append(cluster.loop.add_callback(cluster.scale, 1))
            elif isinstance(event, Started) and event.file in reached:
                resumed[event.file] = event.offset_bytes, reached[event.file]

        with Client(cluster) as client:
            select = {"type": "band", "bands": ["SR_B2", "SR_B3", "SR_B4", "SR_B5"]}
            result = await world.run(world.config(search=ONE, select=select), pool=DaskPool(client), watch=watch)
        assert shrunk
        assert result.summary.exit_code == 0, result.failed
        assert resumed, "one of the two had files"
        assert all(offset >= was for offset, was in resumed.values()), resumed


@pytest.mark.faults("X62")
async def test_a_worker_that_was_frozen_ends_when_its_file_was_given_to_another(tmp_path, cluster):
    async with open_world(tmp_path, large(), Script(rate_bytes_s=1_000_000)) as world:
        pid = next(iter(cluster.workers.values())).process.pid
        frozen: list[float] = []

        def watch(run, event):
            if isinstance(event, Started) and not frozen:
                frozen.append(time.monotonic())
                os.kill(pid, signal.SIGSTOP)
                asyncio.get_running_loop().call_later(2.0, cluster.loop.add_callback, remove)
                asyncio.get_running_loop().call_later(5.0, os.kill, pid, signal.SIGCONT)

        async def remove():
            address = next(w.worker_address for w in cluster.workers.values() if w.process.pid == pid)
            await cluster.scheduler.remove_worker(address, stimulus_id="test", expected=True)

        with Client(cluster) as client:
            result = await world.run(world.config(select=BANDS), pool=DaskPool(client), watch=watch)
        assert frozen
        assert result.summary.exit_code == 0, result.failed


@pytest.mark.faults("X63")
async def test_a_stop_makes_all_parts_durable_within_five_seconds(tmp_path, cluster):
    async with open_world(tmp_path, large(), Script(rate_bytes_s=500_000)) as world:
        world.workers_at_most = 8  # the simulator sees only with its next write that the first run has gone
        stopped: list[float] = []

        def watch(run, event):
            if isinstance(event, Transferred) and not stopped:
                stopped.append(time.monotonic())
                run.stop()

        with Client(cluster) as client:
            first = await world.run(world.config(select=BANDS), pool=DaskPool(client), watch=watch)
            took_s = time.monotonic() - stopped[0]
            assert first.summary.exit_code == 7
            assert took_s < 10
            world.script.rate_bytes_s = None
            second = await world.run(world.config(select=BANDS), pool=DaskPool(client))
        assert second.summary.exit_code == 0
        assert any(event.offset_bytes for event in second.of(Started)), "it goes on where it was"


@pytest.mark.faults("X64")
async def test_a_scheduler_that_goes_away_ends_the_run_which_can_be_continued(tmp_path, cluster, monkeypatch):
    monkeypatch.setattr(join, "GONE_S", 3.0)
    async with open_world(tmp_path, large(), Script(rate_bytes_s=500_000)) as world:
        gone: list[float] = []

        def watch(run, event):
            if isinstance(event, Started) and not gone:
                gone.append(time.monotonic())
                cluster.loop.add_callback(cluster.scheduler.close)

        result = await world.run(
            world.config(select=BANDS), pool=DaskPool(cluster.scheduler_address), watch=watch, check=False
        )
        assert result.summary.exit_code == 6
        assert result.error is not None
        assert result.error.reference == "scheduler-gone"
        again = await world.run(world.config(select=BANDS))
        assert again.summary.exit_code == 0


@pytest.mark.faults("X66")
async def test_a_link_stands_in_no_dump_of_the_cluster_while_its_file_is_transferred(tmp_path, cluster):
    async with open_world(tmp_path, large(), Script(rate_bytes_s=500_000)) as world:
        dumps: list[str] = []
        links: list[str] = []
        fetch = DaskPool.fetch

        class Pool(DaskPool):
            async def fetch(self, job, hooks):
                links.append(job.url.reveal())
                return await fetch(self, job, hooks)

        def look(client: Client) -> None:
            dumps.append(str(client.run_on_scheduler(state_of)))
            client.dump_cluster_state(str(tmp_path / "data-dump"), format="yaml")

        with Client(cluster) as client:
            looks: list[asyncio.Future[None]] = []

            def watch(run, event):
                if isinstance(event, Started) and not looks:
                    looks.append(asyncio.get_running_loop().run_in_executor(None, look, client))

            result = await world.run(world.config(select=BANDS), pool=Pool(client), watch=watch)
            await looks[0]
        assert result.summary.exit_code == 0
        text = dumps[0] + (tmp_path / "data-dump.yaml").read_text()
        assert "landsat-async-" in text, "the tasks are in it"
        assert links
        assert not any(link in text or link.rpartition("?")[2] in text for link in links)


@pytest.mark.faults("W50")
@pytest.mark.skipif(sys.platform != "linux", reason="memory of processes is read as Linux shows it")
async def test_no_link_and_no_key_stands_in_the_memory_of_a_scheduler_also_when_a_worker_is_replaced(
    tmp_path, tmp_path_factory
):
    cluster, links, keys, sealed = Cluster(tmp_path_factory.mktemp("cluster")), [], set(), []

    class Pool(DaskPool):
        async def fetch(self, job, hooks):
            links.append(job.url.reveal().rpartition("?")[2].encode())
            keys.add(self._key._raw)
            return await super().fetch(job, hooks)

        async def _submit(self, followed, parcel):
            sealed.append(parcel.sealed)
            return await super()._submit(followed, parcel)

    killed: list[int] = []

    def watch(run, event):
        if isinstance(event, Started) and not killed:
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)

    try:
        await cluster.start_scheduler()
        await cluster.scale(1)
        (pid,) = (await cluster.pids()).values()
        async with open_world(tmp_path, large(), Script(rate_bytes_s=1_000_000)) as world:
            config = world.config(search=ONE, select=BANDS)
            result = await world.run(config, pool=Pool(cluster.address), watch=watch, check=False)
        assert killed
        assert result.summary.exit_code == 0, result.failed
        await asyncio.sleep(1)  # so soon after its outcome it has to be gone
        found = await asyncio.to_thread(found_in, cluster.scheduler_pid, {*links, *keys, *sealed})
    finally:
        await asyncio.to_thread(cluster.end)
    assert len(keys) == 1
    assert found & set(sealed), "it keeps what it has passed on"
    assert not found & {*links, *keys}, "and cannot read it"


def state_of(dask_scheduler: object) -> str:
    return repr([(task.key, task.run_spec, task.annotations) for task in dask_scheduler.tasks.values()])


@pytest.mark.faults("X65")
async def test_a_folder_that_the_workers_do_not_have_ends_the_run_before_a_request(tmp_path, cluster, monkeypatch):
    async with open_world(tmp_path) as world:
        with Client(cluster) as client:
            await asyncio.to_thread(client.run, see_no_folder)
            result = await world.run(pool=DaskPool(client), check=False)
        assert result.summary.exit_code == 2
        assert result.error.reference == "cluster-unfit"
        assert "does not see the folder" in str(result.error)
        assert not world.log.calls


def see_no_folder() -> None:
    """Make this process believe that its disk has no such folder."""
    from landsat_async.scale import agent

    def missing(path: str, flags: int, mode: int = 0) -> int:
        raise FileNotFoundError(path)

    made = agent.local_fs()
    made.open = missing
    agent.local_fs = lambda: made
