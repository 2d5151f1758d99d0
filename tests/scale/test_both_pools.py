"""What a run relies on in a pool, whichever it is: of this process, or of a dask cluster."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import anyio
import pytest

from landsat_async import Config
from landsat_async.disk.local_target import LocalTarget
from landsat_async.errors import DiskFull
from landsat_async.events import Retrying, Started
from landsat_async.rules.links import AllowedHosts, SecretUrl
from landsat_async.transfer.open_session import open_transfer_session
from landsat_async.transfer.pool import LocalPool, TransferPool
from landsat_async.transfer.retry import HostReport
from landsat_async.transfer.types import (
    Done,
    FileFailed,
    HostDown,
    MemoryStore,
    NeedsLink,
    TransferHooks,
    TransferJob,
    TransferPolicy,
)
from tests.support.raw_server import RawServer, ranged, silent, status, whole
from tests.support.virtual_loop import VirtualLoop
from tests.transfer.bench import CANARY, KIB, PATH, noise, sha

pytestmark = pytest.mark.filterwarnings("ignore")
SERVICE = "http://127.0.0.1:1/"
DATA = noise(300 * KIB)
POLICY = TransferPolicy(
    min_free_bytes=0, block_bytes=64 * KIB, checkpoint_bytes=64 * KIB, attempts=2, backoff_cap_s=0.1, grace_s=4.0
)


@dataclass
class Told:
    """What a pool tells and asks of one file."""

    events: list = field(default_factory=list)
    health: list = field(default_factory=list)
    received: int = 0
    down: HostDown | None = None
    store: MemoryStore = field(default_factory=MemoryStore)

    def count(self, size: int) -> None:
        self.received += size

    @property
    def hooks(self) -> TransferHooks:
        return TransferHooks(
            self.events.append, self.store, lambda host: self.down, lambda *said: self.health.append(said), self.count
        )


@asynccontextmanager
async def pool_here(target: LocalTarget, root: str):
    hosts = AllowedHosts.for_service(SERVICE, ())
    async with open_transfer_session(hosts=hosts, target=target, trust_env=False) as session:
        yield LocalPool(session, 4)


@asynccontextmanager
async def pool_of_a_cluster(target: LocalTarget, root: str):
    distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
    from landsat_async.scale import DaskPool

    where = {"service": {"url": SERVICE}, "search": {"dataset": "x"}, "download": {"directory": root}}
    config = Config.from_dict(where, base_dir=root)
    async with (
        distributed.Scheduler(port=0, host="127.0.0.1", dashboard_address=None) as scheduler,
        distributed.Worker(scheduler.address, nthreads=4),
    ):
        pool = DaskPool(scheduler.address)
        async with pool.serving(config, target.folder, 0o644, lambda event: None):
            yield pool


@pytest.fixture
def anyio_backend(request):
    """No clock jumps for the threads of a cluster."""
    virtual = request.node.callspec.params["pool"] is pool_here
    return ("asyncio", {"loop_factory": VirtualLoop}) if virtual else "asyncio"


@pytest.fixture(params=[pool_here, pytest.param(pool_of_a_cluster, marks=pytest.mark.slow)])
async def pool(request, tmp_path):
    target = LocalTarget(tmp_path)
    claim = target.prepare()
    try:
        async with request.param(target, str(tmp_path)) as made:
            yield made
    finally:
        claim.release()


def job(server: RawServer, **changes) -> TransferJob:
    usual = {
        "url": SecretUrl(server.url(PATH)),
        "name": "A_SR_B3.dat",
        "part_name": "1.1.part",
        "relpath": "below/A_SR_B3.dat",
        "policy": POLICY,
    }
    return TransferJob(**usual | changes)


async def test_a_file_comes_to_its_name_and_all_of_it_is_counted(pool: TransferPool, tmp_path):
    told = Told()
    async with RawServer([ranged(DATA)]) as server:
        outcome = await pool.fetch(job(server), told.hooks)
    assert isinstance(outcome, Done)
    assert (outcome.size_bytes, outcome.sha256, outcome.bytes_received) == (len(DATA), sha(DATA), len(DATA))
    assert (tmp_path / "below/A_SR_B3.dat").read_bytes() == DATA
    assert [event for event in told.events if isinstance(event, Started)] == [
        Started("below/A_SR_B3.dat", 0, len(DATA))
    ]
    assert told.health[-1][1:] == (HostReport.OK, "")
    assert told.received == (0 if isinstance(pool, LocalPool) else len(DATA)), "what comes here, its session counts"
    assert pool.slots == 4


async def test_what_keeps_a_file_from_coming_is_an_outcome_and_shows_no_link(pool: TransferPool):
    told = Told()
    async with RawServer([status(403)]) as server:
        refused = await pool.fetch(job(server), told.hooks)
        strange = await pool.fetch(
            job(server, url=SecretUrl(f"ftp://127.0.0.1{PATH}"), part_name="1.2.part"), told.hooks
        )
    assert isinstance(refused, NeedsLink)
    assert isinstance(strange, FileFailed | NeedsLink)
    assert CANARY not in repr((refused, strange, told.events, told.health))


async def test_a_part_goes_on_where_its_checkpoint_says(pool: TransferPool, tmp_path):
    first, second = Told(), Told()
    half = len(DATA) // 2
    async with RawServer([ranged(DATA, stop=half), ranged(DATA, stop=half), status(503)]) as server:
        cut = await pool.fetch(job(server), first.hooks)
    assert not isinstance(cut, Done)
    facts = first.store.facts
    assert facts is not None
    assert 0 < facts.durable <= half
    async with RawServer([ranged(DATA)]) as server:
        again = job(server, part=facts, part_name="1.2.part", part_was=("1.1.part",))
        outcome = await pool.fetch(again, second.hooks)
    assert isinstance(outcome, Done)
    assert [event.offset_bytes for event in second.events if isinstance(event, Started)] == [facts.durable]
    assert (tmp_path / "below/A_SR_B3.dat").read_bytes() == DATA


async def test_a_cancelled_transfer_ends_soon_and_its_bytes_are_known(pool: TransferPool):
    told = Told()

    async def slowly(wire):
        await wire.head(200, ("Content-Length", str(len(DATA))), ("ETag", '"v1"'))
        await wire.send(DATA[: 200 * KIB])
        await silent(wire)

    async with RawServer([slowly]) as server, anyio.create_task_group() as group:
        group.start_soon(pool.fetch, job(server), told.hooks)
        with anyio.fail_after(20):
            while told.store.facts is None:
                await anyio.sleep(0.05)
            group.cancel_scope.cancel()
            pool.cancel_soon()
    assert told.store.facts is not None
    assert 64 * KIB <= told.store.facts.durable <= 200 * KIB


async def test_a_host_that_is_to_be_left_alone_is_not_asked(pool: TransferPool):
    async with RawServer([ranged(DATA)]) as server:
        down = HostDown("127.0.0.1", "it is down", 5.0, HostReport.SERVER)
        assert isinstance(await pool.fetch(job(server), Told(down=down).hooks), HostDown)
        assert not server.requests


@pytest.mark.faults("W53")
async def test_a_host_that_is_left_alone_meanwhile_is_asked_nothing_more(pool: TransferPool):
    told = Told()
    down = HostDown("127.0.0.1", "others say so", 30.0, HostReport.PAUSED)

    def health(host: str, report: HostReport, reason: str) -> None:
        told.down = down
        if not isinstance(pool, LocalPool):
            pool.host_changed(host, down.wait_s)

    hooks = TransferHooks(told.events.append, told.store, lambda host: told.down, health)
    async with RawServer([status(503, ("Retry-After", "3")), ranged(DATA)]) as server:
        outcome = await pool.fetch(job(server, policy=replace(POLICY, attempts=5)), hooks)
        assert len(server.requests) == 1
    assert isinstance(outcome, HostDown)
    assert outcome.wait_s > 0


async def test_what_a_host_says_of_itself_is_told_of_its_files(pool: TransferPool):
    told = Told()
    async with RawServer([status(503, ("Retry-After", "0")), ranged(DATA)]) as server:
        outcome = await pool.fetch(job(server), told.hooks)
    reports = [report for _, report, _ in told.health]
    assert any(report is not HostReport.OK for report in reports)
    assert isinstance(outcome, Done | HostDown)
    assert isinstance(outcome, HostDown) or any(isinstance(event, Retrying) for event in told.events)


@pytest.mark.faults("X74")
async def test_what_ends_the_run_is_raised(pool: TransferPool):
    async with RawServer([whole(DATA)]) as server:
        full = replace(POLICY, min_free_bytes=1 << 60)
        with pytest.raises(DiskFull) as raised:
            await pool.fetch(job(server, policy=full), Told().hooks)
    assert raised.value.hint


async def test_files_come_at_the_same_time_and_the_pool_works_on(pool: TransferPool, tmp_path):
    told = [Told() for _ in range(6)]
    async with RawServer([ranged(DATA)]) as server, anyio.create_task_group() as group:
        for number, one in enumerate(told):
            wanted = job(server, name=f"{number}.dat", relpath=f"{number}.dat", part_name=f"{number}.1.part")
            group.start_soon(pool.fetch, wanted, one.hooks)
    assert sorted(path.name for path in tmp_path.glob("*.dat")) == [f"{number}.dat" for number in range(6)]
    await pool.aclose()
