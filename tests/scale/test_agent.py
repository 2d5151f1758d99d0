"""What transfers in a process of a cluster: who has a file, who has lost it, and what a bad disk ends."""

from __future__ import annotations

import asyncio
import errno
import shutil
import time
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.disk.fs_posix import PosixFs
from landsat_async.disk.local_target import LocalTarget
from landsat_async.disk.target import Place
from landsat_async.errors import FolderUnwritable
from landsat_async.rules.links import SecretUrl
from landsat_async.scale import agent as module
from landsat_async.scale import leaving
from landsat_async.scale.agent import Agent
from landsat_async.scale.claim import claim_part
from landsat_async.scale.followed import Followed
from landsat_async.scale.mark import check_mark, remove_mark, set_mark
from landsat_async.scale.parcel import Contents, FetchEnded, FetchStopped, FetchSuperseded, FetchUnable, Setup
from landsat_async.scale.pool import DaskPool
from landsat_async.transfer.types import Done, FileFailed, GivenBack, TransferHooks, TransferJob, TransferPolicy
from tests.support.raw_server import RawServer, Wire, whole
from tests.transfer.bench import KIB, noise

NAME = "LC08_L2SP_004053_20240705_20240712_02_T1_SR_B3.dat"
BODY = noise(2_000 * KIB)
POLICY = TransferPolicy(min_free_bytes=0, block_bytes=64 * KIB, checkpoint_bytes=256 * KIB)


def a_job(url: str = "http://127.0.0.1:1/x", **changes: object) -> TransferJob:
    return replace(TransferJob(SecretUrl(url), NAME, "1.2.part", NAME, policy=POLICY), **changes)


def names(target: LocalTarget) -> list[str]:
    return sorted(path.name for path in Path(target.parts_dir).iterdir())


@pytest.fixture
def target(tmp_path) -> LocalTarget:
    (tmp_path / ".landsat_async").mkdir()
    return LocalTarget(tmp_path)


@pytest.mark.faults("W38")
def test_one_of_two_that_are_given_the_same_parcel_has_the_file_before_a_byte_is_asked_for(target):
    assert claim_part(target, a_job())
    assert not claim_part(target, a_job()), "dask has run the task again"
    assert names(target) == ["1.2.part"]


@pytest.mark.faults("W39")
def test_who_had_a_file_before_loses_it_at_once(target):
    assert claim_part(target, a_job(part_name="1.1.part"))
    parts = Path(target.parts_dir)
    (parts / "1.1.part").write_bytes(b"some")
    assert claim_part(target, a_job(part=Checkpoint(4, "00"), part_was=("1.1.part",)))
    assert names(target) == ["1.2.part"]
    assert (parts / "1.2.part").read_bytes() == b"some", "it is gone on with"
    with (parts / "1.2.part").open("ab") as still_open:
        assert claim_part(target, a_job(part_name="1.3.part", part_was=("1.1.part", "1.2.part")))
        still_open.write(b"more")
    assert names(target) == ["1.3.part"]
    assert not (parts / "1.3.part").read_bytes(), "and here it is not"


@pytest.mark.faults("W84")
@pytest.mark.parametrize("part", [None, Checkpoint(4, "00")], ids=["without a checkpoint", "gone on with"])
def test_a_file_that_was_given_its_name_while_its_parcel_waited_is_not_fetched_again(target, tmp_path, part):
    assert claim_part(target, a_job(part_name="1.1.part"))
    (Path(target.parts_dir) / "1.1.part").write_bytes(b"some")
    (tmp_path / NAME).hardlink_to(Path(target.parts_dir) / "1.1.part")
    assert not claim_part(target, a_job(part=part, part_was=("1.1.part",)))
    assert names(target) == ["1.2.part"], "by which the run knows the file"
    assert target.places([(NAME, "1.2.part")]) == [Place.OURS]


@asynccontextmanager
async def serving(root: Path):
    """An agent, and what hands it a job."""
    agent = Agent()
    agent.begin()
    set_mark(LocalTarget(root).folder, "00")
    setup = Setup("00", str(root), 0o644, "http://127.0.0.1:1/", (), None, 2)
    told: list[str] = []

    def serve(job: TransferJob) -> asyncio.Future:
        contents = Contents(setup, job, time.time() + 60)
        return asyncio.wrap_future(
            agent.portal.start_task_soon(agent.serve, contents, lambda kind, values: told.append(kind))
        )

    try:
        yield serve
    finally:
        await asyncio.wrap_future(agent.portal.start_task_soon(agent.end, setup.run))
        await asyncio.wrap_future(agent.portal.start_task_soon(agent.portal.stop))


@pytest.mark.usefixtures("target")
async def test_a_file_is_fetched_and_named(tmp_path):
    async with RawServer([whole(BODY)]) as server, serving(tmp_path) as serve:
        came = await serve(a_job(server.url()))
    assert isinstance(came, FetchEnded)
    assert isinstance(came.outcome, Done), came.outcome
    assert (tmp_path / NAME).read_bytes() == BODY


@pytest.mark.faults("W83")
@pytest.mark.parametrize("joins", ["in a folder of its own", "where nothing is mounted"])
async def test_a_process_that_has_another_folder_under_the_path_of_the_run_fetches_nothing(tmp_path, target, joins):
    async with RawServer([whole(BODY)]) as server, serving(tmp_path) as serve:
        if joins == "in a folder of its own":
            remove_mark(target.folder, "00")
        else:
            shutil.rmtree(tmp_path / ".landsat_async")
        came = await serve(a_job(server.url()))
        assert isinstance(came, FetchUnable)
        assert (came.error, came.ended) == ("FolderUnwritable", None)
        assert came.message == f"{tmp_path} is not the folder of the run here"
        assert await serve(a_job(server.url(), part_name="2.1.part")) == came
        assert not server.requests
    assert not (tmp_path / NAME).exists()


@pytest.mark.faults("W83")
def test_the_mark_of_a_run_goes_with_it_or_with_the_next(target):
    set_mark(target.folder, "0a")
    set_mark(target.folder, "0b")
    assert names(target) == ["run-0b"], "that of a run that was killed"
    check_mark(target, "0b", "/data")
    with pytest.raises(FolderUnwritable):
        check_mark(target, "0a", "/data")
    remove_mark(target.folder, "0b")
    assert names(target) == []


@pytest.mark.faults("W39")
@pytest.mark.parametrize("looks", [True, False], ids=["which sees it", "which finds so when all is here"])
async def test_a_process_whose_file_was_given_to_another_asks_for_nothing_more(tmp_path, target, monkeypatch, looks):
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.01 if looks else 1e6)
    go_on = asyncio.Event()

    async def in_two(wire: Wire) -> None:
        await wire.head(200, ("Content-Length", str(len(BODY))))
        await wire.send(BODY[: 256 * KIB])
        await go_on.wait()
        await wire.send(BODY[256 * KIB :])

    async with RawServer([in_two]) as server, serving(tmp_path) as serve:
        first = serve(a_job(server.url()))
        part = Path(target.parts_dir, "1.2.part")
        while not part.exists() or not part.stat().st_size:
            await asyncio.sleep(0.01)
        assert claim_part(target, a_job(part_name="1.3.part", part_was=("1.2.part",)))
        if not looks:
            go_on.set()
        assert isinstance(await first, FetchSuperseded)
        go_on.set()
        assert len(server.requests) == 1
    assert names(target) == ["1.3.part", "run-00"]
    assert not (tmp_path / NAME).exists()


@pytest.mark.faults("W40")
@pytest.mark.parametrize(
    ("number", "error"), [(errno.ENOSPC, "DiskFull"), (errno.EROFS, "FolderUnwritable"), (errno.EIO, "")]
)
async def test_a_process_that_cannot_write_says_so_and_takes_no_more_files(
    tmp_path, target, monkeypatch, number, error
):
    class Broken(PosixFs):
        def pwrite_all(self, fd, data, offset):
            raise OSError(number, "made to fail")

    monkeypatch.setattr(module, "LocalTarget", lambda root: LocalTarget(root, Broken))
    async with RawServer([whole(BODY)]) as server, serving(tmp_path) as serve:
        first = await serve(a_job(server.url()))
        asked = len(server.requests)
        again = await serve(a_job(server.url(), part_name="2.1.part"))
        assert len(server.requests) == asked, "no byte is asked for in vain"
    assert isinstance(first, FetchUnable)
    assert first.error == error
    assert (first.ended is not None) == (not error)
    assert first.ended is None or isinstance(first.ended.outcome, FileFailed)
    assert again == first
    assert names(target) == ["run-00"], "claims without a byte are no parts"


@pytest.mark.faults("W41")
@pytest.mark.usefixtures("target")
@pytest.mark.parametrize("how", ["closing_gracefully", "closing", "cancelled"])
async def test_a_worker_that_leaves_its_cluster_ends_its_transfers(tmp_path, how):
    began, ended = asyncio.Event(), asyncio.Event()

    async def half(wire: Wire) -> None:
        await wire.head(200, ("Content-Length", str(len(BODY))))
        await wire.send(BODY[: 256 * KIB])
        began.set()
        try:
            for _ in range(1_000):
                await wire.send(b"x" * KIB)
                await asyncio.sleep(0.01)
        finally:  # the other side has closed the connection
            ended.set()

    async def told_leaving(reply: object) -> None:
        pass

    worker = SimpleNamespace(status=SimpleNamespace(name="running"))
    agent = Agent()
    agent.begin()
    async with RawServer([half]) as server:
        set_mark(LocalTarget(tmp_path).folder, "00")
        contents = Contents(Setup("00", str(tmp_path), 0o644, "http://127.0.0.1:1/", (), None, 2),
                            a_job(server.url()), time.time() + 60)  # fmt: skip
        task = asyncio.create_task(
            leaving.serve_while_working(agent, worker, contents, lambda *told: None, told_leaving)
        )
        await began.wait()
        if how == "cancelled":
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            worker.status = SimpleNamespace(name=how)
            async with asyncio.timeout(10):
                assert isinstance(await task, FetchStopped)
        async with asyncio.timeout(10):
            await ended.wait()
    await asyncio.wrap_future(agent.portal.start_task_soon(agent.end, "00"))
    await asyncio.wrap_future(agent.portal.start_task_soon(agent.portal.stop))


@pytest.mark.faults("W41")
async def test_a_file_is_given_to_another_only_when_who_had_it_has_ended_its_connection(monkeypatch):
    waited: list[float] = []

    async def later(self: object, within_s: float) -> None:
        waited.append(within_s)

    monkeypatch.setattr(Followed, "later", later)
    job, hooks = a_job(), TransferHooks(lambda event: None, None)
    outcome = await DaskPool("tcp://127.0.0.1:1")._outcome(Followed(job, hooks), FetchSuperseded())
    assert isinstance(outcome, GivenBack)
    assert sum(waited) > 5 * leaving.LEAVES_EVERY_S
