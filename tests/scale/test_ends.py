"""What is known of a file whose transfer ends before that is told: a run is stopped, a process leaves or is lost."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest

from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.disk.local_target import LocalTarget
from landsat_async.errors import ConfigError
from landsat_async.events import Transferred, Verified
from landsat_async.model import Proof
from landsat_async.proof.prove import Stopped, prove
from landsat_async.rules.links import AllowedHosts
from landsat_async.run import runner
from landsat_async.scale import agent as agent_module
from landsat_async.scale import leaving
from landsat_async.scale import pool as pool_module
from landsat_async.scale.agent import Agent
from landsat_async.scale.followed import Followed
from landsat_async.scale.leaving import serve_while_working
from landsat_async.scale.mark import set_mark
from landsat_async.scale.parcel import (
    Contents,
    FetchEnded,
    FetchFatal,
    FetchStopped,
    FetchSuperseded,
    FetchUnable,
    Setup,
    checkpoint_of,
    said_leaving,
)
from landsat_async.scale.pool import DaskPool
from landsat_async.scale.seal import RunKey
from landsat_async.sim.script import Script
from landsat_async.transfer.open_session import open_transfer_session
from landsat_async.transfer.pool import LocalPool
from landsat_async.transfer.session import TransferSession
from landsat_async.transfer.types import Done, GivenBack, MemoryStore, NeedsLink, TransferHooks
from tests.scale.test_agent import BODY, NAME, a_job
from tests.support.raw_server import RawServer, whole
from tests.whole.test_resume import ONE, large
from tests.whole.world import open_world

DONE = Done(100, "cc", Proof.LENGTH, 100)
REFUSED = NeedsLink("refused", 5, expired=True)
HALF, MORE = Checkpoint(50, "aa"), Checkpoint(80, "bb")


class HeldProof:
    """A proof that takes until the test lets it end; one that heeds a stop ends with that as well."""

    def __init__(self, *, heeds_stop: bool) -> None:
        self.may_end = threading.Event()
        self._begun = threading.Event()
        self.heeds_stop = heeds_stop

    def __call__(self, *values, stop, **named):
        self._begun.set()
        while not self.may_end.wait(0.002):
            if self.heeds_stop and stop():
                raise Stopped
        return prove(*values, stop=lambda: False, **named)

    async def begun(self) -> None:
        assert await asyncio.to_thread(self._begun.wait, 30)


@pytest.fixture
def target(tmp_path) -> LocalTarget:
    (tmp_path / ".landsat_async/parts").mkdir(parents=True)
    return LocalTarget(tmp_path)


@pytest.fixture(params=["which ends", "which does not heed it"])
def proof(request) -> HeldProof:
    return HeldProof(heeds_stop=request.param == "which ends")


def is_known_whole(proof: HeldProof, outcome: object, checkpoint: Checkpoint | None) -> None:
    if not proof.heeds_stop:
        assert isinstance(outcome, Done), "it has its final name, and that is told"
    else:
        assert checkpoint is not None
        assert checkpoint.durable == len(BODY)


# -- in the process that transfers -------------------------------------------------------------------------------------


@asynccontextmanager
async def an_agent(proof: HeldProof, monkeypatch):
    monkeypatch.setattr(agent_module, "open_transfer_session", partial(open_transfer_session, proving=proof))
    agent = Agent()
    agent.begin()
    try:
        yield agent
    finally:
        proof.may_end.set()
        await asyncio.wrap_future(agent.portal.start_task_soon(agent.end, "00"))
        await asyncio.wrap_future(agent.portal.start_task_soon(agent.portal.stop))


def contents(server: RawServer, target: LocalTarget) -> Contents:
    root = str(target.folder.root)
    set_mark(target.folder, "00")
    return Contents(Setup("00", root, 0o644, "http://127.0.0.1:1/", (), None, 2), a_job(server.url()), 1e12)


async def until_stopped(agent: Agent) -> None:
    """Wait until the transfer has been told to end."""
    (room,) = agent._rooms.values()
    while not all(scope.cancel_called for scope in room.scopes.values()):
        await asyncio.sleep(0.005)


@pytest.mark.faults("W42")
async def test_a_file_that_is_complete_when_its_run_is_stopped_is_known_whole(target, proof, monkeypatch):
    async with RawServer([whole(BODY)]) as server, an_agent(proof, monkeypatch) as agent:
        given = contents(server, target)
        serving = asyncio.wrap_future(agent.portal.start_task_soon(agent.serve, given, lambda *told: None))
        await proof.begun()
        agent.portal.start_task_soon(agent.stop, "00")
        if not proof.heeds_stop:
            await until_stopped(agent)
            proof.may_end.set()
        reply = await serving
    assert isinstance(reply, FetchEnded | FetchStopped), reply
    is_known_whole(proof, getattr(reply, "outcome", None), reply.checkpoint)


@pytest.mark.faults("W43")
@pytest.mark.parametrize("how", ["closing_gracefully", "closing", "cancelled"])
async def test_a_process_that_leaves_says_what_it_knows_of_its_file(target, proof, monkeypatch, how):
    said = []

    async def tell_leaving(reply):
        said.append(reply)

    worker = SimpleNamespace(status=SimpleNamespace(name="running"))
    async with RawServer([whole(BODY)]) as server, an_agent(proof, monkeypatch) as agent:
        given = contents(server, target)
        task = asyncio.create_task(serve_while_working(agent, worker, given, lambda *told: None, tell_leaving))
        await proof.begun()
        if how == "cancelled":
            task.cancel()
        worker.status = SimpleNamespace(name="closing" if how == "cancelled" else how)
        if not proof.heeds_stop:
            await until_stopped(agent)
            proof.may_end.set()
        await asyncio.wait([task])
        assert task.cancelled() == (how == "cancelled")
    (reply,) = said
    is_known_whole(proof, getattr(reply, "outcome", None), reply.checkpoint)


@pytest.mark.faults("W43")
async def test_a_process_that_leaves_waits_for_neither_a_disk_nor_a_scheduler_that_has_gone(target, monkeypatch):
    async def nobody_hears(reply):
        await asyncio.Event().wait()

    monkeypatch.setattr(leaving, "CLOSES_S", 0.05)
    monkeypatch.setattr(leaving, "TELLS_S", 0.05)
    worker = SimpleNamespace(status=SimpleNamespace(name="running"))
    for heeds_stop in (True, False):
        proof = HeldProof(heeds_stop=heeds_stop)
        async with RawServer([whole(BODY)]) as server, an_agent(proof, monkeypatch) as agent:
            given = contents(server, target)
            task = asyncio.create_task(serve_while_working(agent, worker, given, lambda *told: None, nobody_hears))
            await proof.begun()
            task.cancel()
            async with asyncio.timeout(30):
                with pytest.raises(asyncio.CancelledError):
                    await task
            proof.may_end.set()
        for left in (*target.folder.parts.iterdir(), target.folder.root / NAME):
            left.unlink(missing_ok=True)


@pytest.mark.faults("W42")
async def test_a_file_that_is_complete_when_a_run_without_a_cluster_is_stopped_is_known_whole(target, proof):
    store, outcomes = MemoryStore(), []
    hosts = AllowedHosts.for_service("http://127.0.0.1:1/", ())

    async def fetch(pool: LocalPool, server: RawServer) -> None:
        outcomes.append(await pool.fetch(a_job(server.url()), TransferHooks(lambda event: None, store)))

    session: TransferSession
    async with (
        RawServer([whole(BODY)]) as server,
        open_transfer_session(hosts=hosts, target=target, trust_env=False, proving=proof) as session,
        anyio.create_task_group() as group,
    ):
        pool = LocalPool(session, 1)
        group.start_soon(fetch, pool, server)
        await proof.begun()
        group.cancel_scope.cancel()
        pool.cancel_soon()
        if not proof.heeds_stop:
            proof.may_end.set()
    is_known_whole(proof, next(iter(outcomes), None), store.facts)


# -- in the process of the run -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "facts", "words"),
    [
        (FetchEnded(DONE, HALF), None, FetchEnded(DONE, HALF)),
        (FetchEnded(REFUSED, HALF), HALF, FetchStopped(HALF)),
        (FetchEnded(REFUSED, Checkpoint()), None, FetchStopped(Checkpoint())),
        (FetchStopped(HALF), HALF, FetchStopped(HALF)),
        (FetchStopped(None), None, FetchStopped(None)),
        (FetchUnable("", "full", "", FetchEnded(REFUSED, HALF)), HALF, None),
        (FetchUnable("DiskFull", "full", ""), None, None),
        (FetchSuperseded(), None, None),
        (FetchFatal("ConfigError", "another version", ""), None, None),
    ],
)  # fmt: skip
def test_what_a_reply_says_of_a_part(reply, facts, words):
    assert checkpoint_of(reply) == facts
    assert said_leaving(reply) == words


class Future:
    """A task of dask that does not end."""

    async def exception(self) -> None:
        await anyio.sleep_forever()

    def release(self) -> None:
        pass


class Pool(DaskPool):
    """A pool whose processes say `reply` when they are stopped."""

    def __init__(self, reply: object, *, answers: bool = True) -> None:
        pytest.importorskip("distributed", reason="the extra dask is not installed")
        super().__init__("tcp://127.0.0.1:1")
        self._key = RunKey.new()
        self._setup = Setup("run", "/", 0o644, "http://127.0.0.1:1/", (), None, 2)
        self.begun = anyio.Event()
        self._says, self._answers = reply, answers

    @property
    def one(self) -> Followed:
        (followed,) = self._followed.values()
        return followed

    async def _submit(self, followed, parcel):
        self.begun.set()
        return Future()

    async def _stop_all(self):
        if self._says is not None:
            self.one.hear(self._says)
        if not self._answers:
            await anyio.sleep_forever()


@asynccontextmanager
async def fetching(pool: Pool, store: MemoryStore, outcomes: list):
    """A file of a run is under way; ends with its transfer."""

    async def fetch() -> None:
        outcomes.append(await pool.fetch(a_job(), TransferHooks(lambda event: None, store)))

    async with anyio.create_task_group() as group:
        group.start_soon(fetch)
        await pool.begun.wait()
        await anyio.wait_all_tasks_blocked()
        yield group


async def stopped(pool: Pool, before=lambda: None) -> tuple[list, MemoryStore]:
    """Stop a run while its only file is under way; return what came out, and what was written down."""
    store, outcomes = MemoryStore(), []
    async with fetching(pool, store, outcomes) as group:
        before()
        group.cancel_scope.cancel()
    return outcomes, store


@pytest.mark.faults("W42")
@pytest.mark.parametrize("answers", [True, False], ids=["all stop", "one process does not answer"])
async def test_what_processes_say_when_a_run_is_stopped_is_written_down(monkeypatch, answers):
    monkeypatch.setattr(pool_module, "STOP_S", 0.2)
    outcomes, store = await stopped(Pool(FetchEnded(DONE, HALF), answers=answers))
    assert (outcomes, store.facts) == ([DONE], None)
    for reply in (FetchStopped(MORE), FetchEnded(REFUSED, MORE), FetchUnable("", "", "", FetchEnded(REFUSED, MORE))):
        outcomes, store = await stopped(Pool(reply, answers=answers))
        assert (outcomes, store.facts) == ([], MORE), reply


@pytest.mark.faults("W42")
async def test_a_checkpoint_that_was_told_is_written_down_though_nothing_comes_after_it(monkeypatch):
    monkeypatch.setattr(pool_module, "STOP_S", 0.2)
    pool = Pool(None)
    _, store = await stopped(pool, lambda: pool.one.told(HALF))
    assert store.facts == HALF


@pytest.mark.faults("W43")
@pytest.mark.parametrize(
    ("late", "outcome", "facts"),
    [
        (None, GivenBack("the process that had it has ended, or has lost it", lost=True), None),
        (FetchEnded(DONE, HALF), DONE, None),
        (FetchStopped(MORE), GivenBack("no process has come to it in time", lost=False), MORE),
    ],
)
async def test_who_finds_that_another_has_a_file_may_be_followed_by_what_that_other_says(
    monkeypatch, late, outcome, facts
):
    monkeypatch.setattr(pool_module, "ENDED_S", 0.05 if late is None else 30)
    pool, store, outcomes = Pool(None), MemoryStore(), []
    async with fetching(pool, store, outcomes):
        pool.one.hear(FetchSuperseded())
        await anyio.wait_all_tasks_blocked()
        if late is not None:
            pool.one.hear(late)
            pool.one.told(HALF)  # it took another way, and came later
    assert (outcomes, store.facts) == ([outcome], facts)


class LosesFirst:
    """A pool of this process whose first image has its final name, and it is lost before that is told."""

    def __init__(self, session: TransferSession) -> None:
        self.slots, self._pool, self._lost = 4, LocalPool(session, 4), False

    async def fetch(self, job, hooks):
        outcome = await self._pool.fetch(job, hooks)
        if isinstance(outcome, Done) and job.name.endswith(".TIF") and not self._lost:
            self._lost = True
            return GivenBack("a process of the cluster has ended", lost=True)
        return outcome

    def cancel_soon(self) -> None:
        self._pool.cancel_soon()


@pytest.mark.faults("W44")
@pytest.mark.parametrize("proof", ["structure", "content"])
async def test_a_file_that_a_lost_process_has_named_is_recorded_and_not_fetched_again(tmp_path, proof):
    async with open_world(tmp_path) as world:
        target = LocalTarget(world.root)
        hosts = AllowedHosts.for_service(world.sim.service_url, ())
        async with open_transfer_session(hosts=hosts, target=target, trust_env=False) as session:
            result = await world.run(world.config(download={"proof": proof}), pool=LosesFirst(session))
        assert result.summary.exit_code == 0
        assert len(result.verified) == result.summary.files_total
        asked = [entry.what for entry in world.log.entries if entry.host != "m2m" and entry.method == "GET"]
        assert len(asked) == len(set(asked)) == result.summary.files_total
        weakest = {event.proof for event in result.of(Verified) if event.file.endswith(".TIF")}
        assert weakest == {proof}, "as the config asks for"
        assert not list((world.root / ".landsat_async/parts").iterdir())


@pytest.mark.faults("W44", "W85")
async def test_a_file_that_was_named_after_stock_was_taken_is_recorded_and_not_fetched_again(tmp_path, monkeypatch):
    async with open_world(tmp_path, large(), Script(rate_bytes_s=2_000_000)) as world:
        config = world.config(search=ONE, select={"type": "band", "bands": ["SR_B3"]})

        def stop(run, event):
            if isinstance(event, Transferred):
                run.stop()

        assert (await world.run(config, watch=stop)).summary.exit_code == 7
        (part,) = (world.root / ".landsat_async/parts").iterdir()
        ((relpath,),) = world.ledger("SELECT relpath FROM item")
        asked = len(world.log.entries)

        async def name(context):  # as a process does whose run was killed
            part.write_bytes(world.content(Path(relpath).name))
            (world.root / relpath).parent.mkdir(parents=True, exist_ok=True)
            os.link(part, world.root / relpath)
            part.with_name("1.9.part.copy").touch()  # of the same process

        monkeypatch.setattr(runner, "warn_of_space", name)  # stock has been taken
        result = await world.run(config)
        assert (result.summary.exit_code, result.verified) == (0, [relpath])
        assert not list(part.parent.iterdir()), "what other processes have left goes as well"
        assert [entry for entry in list(world.log.entries)[asked:] if entry.host != "m2m"] == []


@pytest.mark.faults("W81")
async def test_a_process_of_another_version_that_cannot_read_a_parcel_is_told_as_such(monkeypatch):
    pool = Pool(None)

    class Unread(Future):
        async def exception(self) -> TypeError:
            return TypeError("Parcel.__init__() takes 4 arguments, 5 given")  # by the Parcel of an earlier version

    async def submit(followed, parcel):
        return Unread()

    monkeypatch.setattr(pool, "_submit", submit)
    with pytest.raises(ConfigError, match=r"cannot read what it is given: TypeError\n") as caught:
        await pool.fetch(a_job(), TransferHooks(lambda event: None, MemoryStore()))
    assert "same version" in caught.value.hint
