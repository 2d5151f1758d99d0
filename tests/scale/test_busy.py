"""Files that wait for a free thread of a busy cluster: the user is told, how many and what to do."""

from __future__ import annotations

from types import SimpleNamespace

import anyio
import pytest

from landsat_async import Config
from landsat_async.disk.local_target import LocalTarget
from landsat_async.events import Notice, Retrying
from landsat_async.rules.links import SecretUrl
from landsat_async.scale import busy as module
from landsat_async.scale.busy import BusyWatch, tasks_not_begun
from landsat_async.scale.followed import Followed
from landsat_async.transfer.types import TransferHooks, TransferJob

JOB = TransferJob(SecretUrl("http://127.0.0.1:1/x"), "a.dat", "1.1.part", "a.dat")


class Task:
    """What a scheduler knows of a task."""

    state: str
    processing_on: object


def a_file(key: str, given_s: float, *told: object) -> Followed:
    followed = Followed(JOB, TransferHooks(lambda event: None, None))
    followed.key, followed.given_s = key, given_s
    for event in told:
        followed.notify(event)
    return followed


def a_task(worker: object) -> Task:
    """Return a task that a worker has, told apart from others by its identity, as those of dask are."""
    task = Task()
    task.state, task.processing_on = "processing", worker
    return task


@pytest.mark.faults("W80")
def test_a_task_waits_as_long_as_no_thread_has_it():
    worker = SimpleNamespace(executing={})
    begun, queued_there = a_task(worker), a_task(worker)
    worker.executing[begun] = 1.0
    tasks = {
        "no worker": SimpleNamespace(state="no-worker"), "queued": SimpleNamespace(state="queued"),
        "begun": begun, "queued there": queued_there, "ended": SimpleNamespace(state="memory"),
        "of a later dask": a_task(SimpleNamespace()),
    }  # fmt: skip
    scheduler = SimpleNamespace(tasks=tasks)
    waiting = [key for key in [*tasks, "forgotten"] if tasks_not_begun([key], scheduler)]
    assert waiting == ["no worker", "queued", "queued there"]


class Asked:
    """A client of dask whose scheduler finds all tasks waiting, or hangs."""

    def __init__(self, hangs: bool = False) -> None:
        self.keys: list[list[str]] = []
        self._hangs = hangs

    async def run_on_scheduler(self, function, keys):
        assert function is tasks_not_begun
        self.keys.append(keys)
        if self._hangs:
            await anyio.sleep_forever()
        return len(keys)


@pytest.mark.faults("W80")
async def test_only_silent_files_are_asked_about_and_it_is_told_now_and_then(monkeypatch):
    now_s = 100.0
    monkeypatch.setattr(module.anyio, "current_time", lambda: now_s)
    client = Asked()
    watch = BusyWatch(client)
    files = [
        a_file("silent", 90.0), a_file("silent too", 85.0), a_file("told", 80.0, Notice("x", "info")),
        a_file("young", 91.0), a_file("", 0.0),
    ]  # fmt: skip
    word = await watch.look(files)
    assert client.keys == [["silent", "silent too"]]
    assert isinstance(word, Retrying)
    assert (word.attempt, word.wait_s, word.topic) == (1, 60.0, "")
    assert word.reason.startswith("2 files wait for a free thread of the cluster; add workers to it")
    now_s = 159.0
    assert await watch.look(files) is None
    assert len(client.keys) == 1, "a scheduler is not asked for what would not be told"
    now_s = 160.0
    word = await watch.look(files[:1])
    assert word.reason.startswith("1 file waits")
    assert word.attempt == 2
    assert await BusyWatch(client).look(files[2:3]) is None


async def test_a_scheduler_that_does_not_say_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(module, "ANSWERS_S", 0.05)
    assert await BusyWatch(Asked(hangs=True)).look([a_file("silent", -1000.0)]) is None


HELD: list[anyio.Event] = []


async def work_of_others() -> None:
    """A task that has the only thread until the test ends it."""
    await HELD[-1].wait()


@pytest.mark.slow
@pytest.mark.faults("W80")
@pytest.mark.filterwarnings("ignore")
async def test_a_file_that_waits_behind_the_work_of_others_is_told(tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
    from landsat_async.scale import DaskPool, pool

    monkeypatch.setattr(module, "SILENT_S", 0.5)
    monkeypatch.setattr(pool, "LOOKS_S", 0.3)
    config = Config.from_dict(
        {
            "service": {"url": "http://127.0.0.1:1/"}, "search": {"dataset": "x"},
            "download": {"directory": str(tmp_path)},
        },
        base_dir=str(tmp_path),
    )  # fmt: skip
    target, told = LocalTarget(tmp_path), []
    HELD.append(anyio.Event())
    claim = target.prepare()
    async with (
        distributed.Scheduler(port=0, host="127.0.0.1", dashboard_address=None) as scheduler,
        distributed.Worker(scheduler.address, nthreads=1),
        distributed.Client(scheduler.address, asynchronous=True) as others,
    ):
        work = others.submit(work_of_others)
        over = DaskPool(scheduler.address)
        async with over.serving(config, target.folder, 0o644, told.append), anyio.create_task_group() as group:
            group.start_soon(over.fetch, JOB, TransferHooks(lambda event: None, None))
            with anyio.fail_after(20):
                while not told:
                    await anyio.sleep(0.05)
            group.cancel_scope.cancel()
            HELD.pop().set()
        await work
    claim.release()
    assert "1 file waits for a free thread of the cluster" in told[0].reason
