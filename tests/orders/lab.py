"""Runs of requester, poller and workers against `service.OrderBook`, in virtual time, with processes that die.

    played = run_schedule(seed, folder)

A schedule is a random service, random files and several lives: each life is one process on the same ledger. A life
ends by itself, by a fatal fault, by a clean stop, or killed in the midst of a ledger commit (before it or after it).
The last lives are healthy, so that every file must end as done or as failed with a reason. The seed decides
everything: `run_schedule(seed, folder)` is the same schedule every time.
"""

from __future__ import annotations

import asyncio
import random
import selectors
import sqlite3
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import anyio
import anyio.to_thread

from landsat_async.config import Config
from landsat_async.disk.ledger import Item, Ledger, Move
from landsat_async.disk.ledger_requests import RequestRecords
from landsat_async.disk.ledger_rows import ROUTES
from landsat_async.disk.ledger_schema import TABLES
from landsat_async.disk.ledger_writer import LedgerWriter
from landsat_async.disk.local_target import LocalTarget
from landsat_async.disk.thread_call import ThreadCall
from landsat_async.errors import DiskFull, LandsatError
from landsat_async.events import Event, Failed, Verified
from landsat_async.m2m.caller import Gate
from landsat_async.m2m.replies import ProductOption, SecondaryFile
from landsat_async.model import Proof, Route, WantedFile
from landsat_async.rules.lifecycle import OPEN, State, Step
from landsat_async.rules.links import host_in
from landsat_async.rules.slow_start import SlowStart
from landsat_async.run import runner, worker
from landsat_async.run.bus import EventBus
from landsat_async.run.context import RunContext
from landsat_async.run.counts import FileStates, RunCounts
from landsat_async.run.hosts import Hosts
from landsat_async.run.link_stream import LinkStream
from landsat_async.run.runner import run_pipeline
from landsat_async.run.worker import WorkerPool
from landsat_async.transfer.retry import HostReport
from landsat_async.transfer.types import (
    Done,
    FileFailed,
    HostDown,
    NeedsLink,
    NotReady,
    Outcome,
    TransferHooks,
    TransferJob,
)
from tests.orders.service import LAG_MAX_S, Client, Climate, OrderBook
from tests.support.lifecycle_law import hold_to_table

T = TypeVar("T")
LIFE_LIMIT_S = 40 * 86400.0
"""No life may need longer, in virtual time: it would wait for something that never happens."""


class Killed(BaseException):
    """The process is dead; no code of it may have an effect any more."""


class _Instant(selectors.DefaultSelector):
    jumped_s = 0.0

    def select(self, timeout=None):
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise RuntimeError("deadlock: nothing will ever happen again")
        self.jumped_s += timeout
        return ready


class InstantLoop(asyncio.SelectorEventLoop):
    """Time is nothing but the sum of the waits; for code that uses neither sockets nor threads."""

    def __init__(self) -> None:
        self._instant = _Instant()
        super().__init__(self._instant)
        self.slow_callback_duration = 10**6

    def time(self) -> float:
        return self._instant.jumped_s


async def _inline(function: Callable[..., Any], *arguments: Any, **_: Any) -> Any:
    await anyio.lowlevel.checkpoint()
    return function(*arguments)


@contextmanager
def without_threads() -> Iterator[None]:
    """Blocking calls run in the loop, so that nothing happens outside virtual time.

    Bookkeeping by the second is rarer, and bugs on purpose are not logged.
    """
    with (
        mock.patch.object(worker.log, "disabled", new=True),
        mock.patch.object(anyio.to_thread, "run_sync", _inline),
        mock.patch.object(runner, "PROGRESS_EVERY_S", 900.0),
        mock.patch.object(worker, "SHORT_WINDOW_S", 60.0),
    ):
        yield


def run_in_virtual_time(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in a loop of its own where waiting costs nothing."""
    with without_threads(), asyncio.Runner(loop_factory=InstantLoop) as runner:
        return runner.run(main())


class MemoryWriter(LedgerWriter):
    """Executes at once, on a database in memory, which outlives the processes of a schedule."""

    def __init__(self) -> None:
        self.path = Path("memory")
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        self.connection.executescript(TABLES)
        self.changes = hold_to_table(self.connection)
        self.calls = 0
        self.kill_at: tuple[int, bool] | None = None
        """(number of the call, whether its commit still happens)."""
        self.dead = False

    def begin(self, function: Callable[[sqlite3.Connection], Any]) -> ThreadCall:
        loop, call = asyncio.get_running_loop(), ThreadCall()
        call.future = loop.create_future()
        loop.call_soon(self._execute, function, call)
        return call

    def _execute(self, function: Callable[[sqlite3.Connection], Any], call: ThreadCall) -> None:
        """Do it, also when its caller has been cancelled meanwhile, as the thread of a ledger does."""
        try:
            call.result = self._result_of(function)
        except BaseException as error:
            call.error = error
        call.tell()

    def _result_of(self, function: Callable[[sqlite3.Connection], Any]) -> Any:
        if self.dead:
            raise Killed
        self.calls += 1
        killed = self.kill_at is not None and self.calls >= self.kill_at[0]
        if killed and self.kill_at is not None and not self.kill_at[1]:
            self.dead = True
            raise Killed
        self.connection.execute("BEGIN")
        try:
            result = function(self.connection)
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")
        if killed:
            self.dead = True
            raise Killed
        return result


class MemoryLedger(Ledger):
    """The ledger's own statements on a database in memory."""

    writer: MemoryWriter

    def __init__(self) -> None:
        super().__init__(MemoryWriter())
        self.connection = self.writer.connection
        self.excused: set[str] = set()
        """Files that may be asked for again although the service holds them."""
        self.requests = _WatchedRequests(self)

    def excuse(self, items: Sequence[Item]) -> None:
        """Excuse those that are to be asked for again, or have failed."""
        for item in items:
            found = self.connection.execute("SELECT name, state FROM item WHERE item_id=?", (item.item_id,))
            name, state = found.fetchone()
            if state in (State.PLANNED, State.FAILED):
                self.excused.add(name)

    def has_another(self, item: Item) -> bool:
        """Whether a file can be requested from another storage system."""
        row = self.connection.execute("SELECT route, routes FROM item WHERE item_id=?", (item.item_id,)).fetchone()
        return any(r.available and n != row["route"] for n, r in enumerate(ROUTES.decode(row["routes"])))

    def states(self) -> Counter[str]:
        return Counter(row[0] for row in self.connection.execute("SELECT state FROM item WHERE run_id<>''"))


class _WatchedRequests(RequestRecords):
    """Notes which files may be asked for again, also when the process died right after the commit."""

    def __init__(self, ledger: MemoryLedger) -> None:
        super().__init__(ledger.writer)
        self._ledger = ledger

    async def fail(self, item: Item, *args: Any, **kw: Any) -> list[Move]:
        try:
            return await super().fail(item, *args, **kw)
        finally:
            self._ledger.excuse([item])

    async def relink(self, item: Item, *args: Any, **kw: Any) -> list[Move]:
        try:
            return await super().relink(item, *args, **kw)
        finally:
            if kw.get("link_renewals") is not None or self._ledger.has_another(item):
                self._ledger.excuse([item])

    async def switch_route(self, item: Item, step: Step, *args: Any) -> list[Move]:
        try:
            return await super().switch_route(item, step, *args)
        finally:
            if step is Step.RELINK:
                self._ledger.excuse([item])

    async def give_up_routes(self, item: Item, step: Step, *args: Any) -> list[Move]:
        try:
            return await super().give_up_routes(item, step, *args)
        finally:
            if step is Step.RELINK:
                self._ledger.excuse([item])

    async def withdraw(self, downloads: Any, now: float) -> list[Move]:
        try:
            return await super().withdraw(downloads, now)
        finally:  # left at a host that is down, to be had from another one
            self._ledger.excuse([item for item, _ in downloads])


@dataclass
class Weather:
    """How transfers go in one schedule."""

    chance: random.Random
    shares: dict[str, float]
    outages: dict[str, tuple[float, float]]
    """Host -> from when to when it refuses connections."""
    mean_s: float = 20.0
    folder: Path = field(default_factory=Path)
    """Where the files go."""
    now: dict[str, str] = field(default_factory=dict)
    """Links under transfer, by file name."""
    wrong: list[str] = field(default_factory=list)
    most: int = 0
    fetched: Counter[str] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)

    net: _Net = field(default_factory=lambda: _Net())
    slots = 1

    def cancel_soon(self) -> None:
        """Have nothing that hangs."""

    async def aclose(self) -> None:
        """Have nothing open."""

    async def fetch(self, job: TransferJob, hooks: TransferHooks) -> Outcome:
        url, host = job.url.reveal(), host_in(job.url)
        if f"/{job.name}?" not in url:
            self.wrong.append(f"the link of another file was used for {job.name}: {url}")
        if job.name in self.now:
            self.wrong.append(f"two workers on {job.name}")
        down = hooks.check_host(host)
        if down is not None:
            await anyio.lowlevel.checkpoint()
            return down
        self.times.append(anyio.current_time())
        self.now[job.name] = url
        self.most = max(self.most, len(self.now))
        try:
            return await self._try(job, host, hooks)
        finally:
            del self.now[job.name]

    async def _try(self, job: TransferJob, host: str, hooks: TransferHooks) -> Outcome:
        await anyio.sleep(self.chance.expovariate(1.0) * self.mean_s)
        begin, end = self.outages.get(host, (0.0, 0.0))
        if begin <= anyio.current_time() < end:
            return HostDown(host, "refused connections", 0.0, HostReport.NETWORK)
        if "/download-staging/" in job.url.reveal():
            self.wrong.append(f"a staging link was fetched for {job.name}")
        kinds = [*self.shares, "done"]
        drawn = self.chance.choices(kinds, [*self.shares.values(), max(0.0, 1 - sum(self.shares.values()))])[0]
        if drawn in ("expired", "not-found"):
            return NeedsLink(drawn, 0, expired=drawn == "expired")
        if drawn == "unready" and host == "dds.test":
            return NotReady("nothing yet")
        if drawn == "failed":
            return FileFailed("damaged at USGS", "", 0)
        if drawn in ("network", "server", "maintenance", "certificate", "refused"):
            return HostDown(host, drawn, 30.0 if drawn == "server" else 0.0, HostReport(drawn))
        if drawn == "bug":
            raise RuntimeError("something unknown")
        if drawn == "disk":
            raise DiskFull("full")
        hooks.health(host, HostReport.OK, "")
        path = self.folder / job.relpath
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self.fetched[job.name] += 1
        self.net.bytes_received += 1
        return Done(0, "0" * 64, Proof.STRUCTURE, 1, linked=True)


class _Pool:
    """Does blocking work at once."""

    def start(self, work: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        future = asyncio.get_running_loop().create_future()
        future.set_result(work(*arguments))
        return future


class _Net:
    bytes_received = 0
    pool = _Pool()


@dataclass
class Life:
    """What one process of a schedule did."""

    ended: str
    """"by itself", "killed", "stopped", or the reference of what ended it."""
    events: list[Event]
    counts: RunCounts


class Lab:
    """One ledger, one service, any number of lives."""

    def __init__(
        self,
        folder: Path,
        book: OrderBook,
        weather: Weather,
        files: list[WantedFile],
        *,
        fallback: bool = False,
        **download: Any,
    ) -> None:
        self.book, self.weather, self.files = book, weather, files
        weather.folder = folder
        self.replaced: frozenset[str] = frozenset()
        self.ledger = MemoryLedger()
        self.target = LocalTarget(folder)
        self.ledger.excused = book.excused
        self.lives: list[Life] = []
        self.config = Config.from_dict(
            {
                "service": {"patience_s": 3 * 86400.0},
                "search": {"dataset": "landsat_ot_c2_l2"},
                "select": {"type": "bundle", "bundle_fallback": fallback},
                "download": {"directory": str(folder), "queue_size": 8, "min_free_bytes": "0 B"} | download,
            }
        )

    async def live(
        self,
        *,
        kill_at: tuple[int, bool] | None = None,
        stop_after_s: float | None = None,
        watch: Callable[[RunContext], None] = lambda context: None,
        stream: Callable[[int], None] = lambda used: None,
    ) -> Life:
        """One process from its start to its end."""
        ledger, book = self.ledger, self.book
        ledger.writer.dead, ledger.writer.calls, ledger.writer.kill_at = False, 0, kill_at
        states = FileStates(ledger, f"run{len(self.lives)}")
        tally, bus, events = RunCounts(anyio.current_time(), states), EventBus(), list[Event]()
        bus.listen(events.append)
        bus.mute()
        easing = SlowStart()
        client: Any = Client(book, Gate(easing))
        hosts = Hosts(lambda *_: None, easing)
        context = RunContext(self.config, ledger, client, bus, tally, hosts, self.target)
        states._epoch_s = 1_720_000_000.0
        watch(context)
        ended = "by itself"
        with anyio.move_on_after(LIFE_LIMIT_S) as limit:
            try:
                with anyio.move_on_after(stop_after_s) as stop:
                    await self._life(context, stream)
                if stop.cancelled_caught:
                    ended = "stopped"
            except BaseException as error:
                leaves = list(_leaves(error))
                if any(isinstance(leaf, Killed) for leaf in leaves):
                    ended = "killed"
                elif all(isinstance(leaf, LandsatError | RuntimeError | anyio.BrokenResourceError) for leaf in leaves):
                    ended = next((e.reference for e in leaves if isinstance(e, LandsatError)), repr(leaves[0]))
                else:
                    raise
        assert not limit.cancelled_caught, "deadlock: the run waits for something that never happens"
        life = Life(ended, events, tally)
        self.lives.append(life)
        self.weather.now.clear()
        return life

    async def _life(self, context: RunContext, stream: Callable[[int], None]) -> None:
        ledger, now = self.ledger, context.states.now()
        await ledger.begin_run(context.run_id, now)
        replaced = await ledger.scenes.replaced()
        await ledger.select([f for file in self.files for f in self._as_chosen(file, replaced)], context.run_id, now)
        await ledger.reattach(context.run_id, now)
        context.states.load(await ledger.count(context.run_id))
        if context.states.open:
            crew = WorkerPool(context, self.weather.net, overwrite=False, pool=self.weather)  # type: ignore[arg-type]
            with _watched_streams(stream):
                await run_pipeline(context, crew)

    def _as_chosen(self, file: WantedFile, replaced: frozenset[str]) -> list[WantedFile]:
        return singles(file) if file.scene_display_id in replaced else [file]

    def check(self, life: Life) -> None:
        """What must hold after every life."""
        assert not self.book.wrong, self.book.wrong
        assert not self.weather.wrong, self.weather.wrong
        assert self.weather.most <= self.config.download.workers
        states = self.ledger.states()
        if not states and life.ended == "killed":
            return  # before anything was selected
        given_up = self.given_up()
        assert given_up >= self.replaced, "a bundle came back that had been given up"
        self.replaced = given_up
        expected = {f.relpath for file in self.files for f in self._as_chosen(file, given_up)}
        names = self.ledger.connection.execute("SELECT relpath FROM item WHERE run_id<>''")
        assert {name for (name,) in names} == expected, "a file vanished"
        left = sum(states[state] for state in OPEN)
        assert states[State.DONE] + states[State.FAILED] + left == len(expected)
        verified = Counter(event.file for event in life.events if isinstance(event, Verified))
        assert not verified or verified.most_common(1)[0][1] == 1, "verified twice"
        if life.ended == "by itself":
            assert left == 0, f"ended with {left} files open: {states}"
            assert {s: n for s, n in life.counts.states.by_state.items() if n} == {
                State(s): n for s, n in states.items() if n
            }
            told = {event.file for event in life.events if isinstance(event, Failed)}
            failed = self.failed()
            assert told == set(failed), "what failed was not told, or the other way round"
            assert all(failed.values()), f"failed without a reason: {failed}"

    def given_up(self) -> frozenset[str]:
        """Scenes whose single files came in place of their bundle."""
        return frozenset(row[0] for row in self.ledger.connection.execute("SELECT display_id FROM replaced"))

    def failed(self) -> dict[str, str]:
        """Reasons of failed files by name."""
        return dict(self.ledger.connection.execute("SELECT relpath, reason FROM item WHERE state='failed'").fetchall())


@contextmanager
def _watched_streams(seen: Callable[[int], None]) -> Iterator[None]:
    """Tell whenever links have been put in how many wait in the stream, beside those that are waited for."""
    original = LinkStream._wake_takers

    def wake_takers(self: LinkStream) -> None:
        seen(len(self) - len(self._takers))
        original(self)

    with mock.patch.object(LinkStream, "_wake_takers", wake_takers):
        yield


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _leaves(part)
    else:
        yield error


def wanted(number: int, systems: list[str]) -> WantedFile:
    """A bundle with a route through each system; "-dds" is a row that cannot be requested."""
    name = f"LC08_{number:06}"
    routes = tuple(
        Route(f"E{number}", f"P-{system.lstrip('-')}", system.lstrip("-"), not system.startswith("-"))
        for system in systems
    )
    return WantedFile(f"{name}.tar", f"E{number}", name, "bundle", routes, 1)


def singles(file: WantedFile) -> list[WantedFile]:
    """What a bundle has in it."""
    system = "ls_s3" if int(file.scene_entity_id[1:]) % 2 else "dds"
    name, scene = file.scene_display_id, file.scene_entity_id
    return [
        WantedFile(f"{name}_{band}.TIF", scene, name, "file", (Route(f"{scene}-{band}", f"P-{system}", system),), 1)
        for band in ("B1", "B10")
    ]


def offered(file: WantedFile) -> ProductOption:
    """What download-options says of a scene."""
    secondary = [
        SecondaryFile(route.entity_id, single.name, route.product_id, route.system, route.available, 1, None)
        for single in singles(file)
        for route in single.routes
    ]
    name = file.scene_display_id
    return ProductOption(file.scene_entity_id, name, "P-folder", "Files", "folder", False, 0, None, tuple(secondary))


def names_of(files: list[WantedFile]) -> dict[tuple[str, str], tuple[str, str]]:
    """What an OrderBook has to know of files, and of the single files in them."""
    every = [one for file in files for one in (file, *singles(file))]
    return {(r.entity_id, r.product_id): (file.name, r.system) for file in every for r in file.routes}


def draw_climate(chance: random.Random, files: list[WantedFile]) -> Climate:
    """A random service."""

    def now_and_then(share: float, odds: float = 0.5) -> float:
        return chance.random() * share if chance.random() < odds else 0.0

    entities = [file.routes[0].entity_id for file in files]
    return Climate(
        duplicates=chance.choice(["never", "listed", "both", "staged-only"]),
        entity_ids=chance.random() < 0.7,
        failed_rows=chance.choice(["full", "message", "absent"]),
        staging_s=chance.choice([1.0, 60.0, 600.0, 8000.0]),
        lag_s=now_and_then(LAG_MAX_S),
        lose_before=now_and_then(0.3),
        lose_after=now_and_then(0.3),
        down=now_and_then(0.02, 0.3),
        forget=now_and_then(0.3, 0.3),
        staging_fails=now_and_then(0.3, 0.3),
        refuses=now_and_then(0.3, 0.3),
        window_limit=chance.choice([15_000, 15_000, 12, 30]),
        poison=frozenset(chance.sample(entities, 1)) if chance.random() < 0.2 else frozenset(),
        never_ready=frozenset(chance.sample([f.name for f in files], 1)) if chance.random() < 0.2 else frozenset(),
        disabled=(chance.choice(["ls_zip", "dds_ms"]), chance.uniform(0, 50_000)) if chance.random() < 0.2 else None,
        call_s=chance.choice([0.01, 0.3, 5.0]),
        foreign_rows=chance.choice([0, 0, 3]),
        not_offered=frozenset((r.entity_id, r.product_id) for f in files for r in f.routes if not r.available),
    )


def draw_weather(chance: random.Random) -> Weather:
    """Random transfers."""
    kinds = ["expired", "not-found", "unready", "failed", "network", "server", "maintenance", "certificate", "refused"]
    shares = {kind: chance.random() * 0.15 for kind in chance.sample(kinds, chance.randint(0, 4))}
    shares |= {kind: 0.01 for kind in ("bug", "disk") if chance.random() < 0.2}
    outages = {}
    for host in ("landsatlook.test", "dds.test"):
        if chance.random() < 0.3:
            begin = chance.uniform(0, 3000)
            outages[host] = (begin, begin + chance.expovariate(1 / 4000))
    return Weather(chance, shares, outages, mean_s=chance.choice([0.1, 20.0, 300.0]))


def healthy(climate: Climate) -> Climate:
    """The same service on a good day; what it cannot do at all stays so."""
    return replace(
        climate, lose_before=0.0, lose_after=0.0, down=0.0, forget=0.0, staging_fails=0.0, refuses=0.0, disabled=None
    )


@dataclass
class Played:
    """Facts of a schedule, for the figures."""

    seed: int
    lives: list[str]
    states: Counter[str]
    requests: int
    calls: int
    virtual_s: float
    given_up: int
    """Bundles that came as single files."""


def run_schedule(seed: int, folder: Path) -> Played:
    """Run one schedule and check it; AssertionError when something does not hold."""
    return run_in_virtual_time(partial(_schedule, seed, folder))


async def _schedule(seed: int, folder: Path) -> Played:
    chance = random.Random(seed)
    random.seed(seed)  # the jitter of requester and poller
    systems = [["ls_zip"], ["dds_ms"], ["ls_zip", "dds_ms"], ["dds_ms", "ls_zip"]]
    systems += [["ls_zip", "-dds_ms"], ["dds_ms", "-ls_zip"]]
    files = [wanted(n, chance.choice(systems)) for n in range(chance.randint(1, 24))]
    climate, weather = draw_climate(chance, files), draw_weather(chance)
    book = OrderBook(climate, chance, names_of(files), options={f.scene_entity_id: offered(f) for f in files})
    if chance.random() < 0.3:  # another program of this account has asked for some
        for file in chance.sample(files, chance.randint(1, len(files))):
            book.enter(file.routes[0].entity_id, file.routes[0].product_id, "theia")
    lab = Lab(
        folder / f"schedule{seed}", book, weather, files,
        fallback=chance.random() < 0.3,
        workers=chance.choice([1, 4]), queue_size=chance.choice([1, 3, 8]), staging_timeout_s=20_000.0,
    )  # fmt: skip
    for _ in range(chance.randint(0, 3)):
        drawn = chance.random()
        if drawn < 0.6:
            life = await lab.live(kill_at=(int(chance.expovariate(1 / 60)) + 1, chance.random() < 0.5))
        elif drawn < 0.8:
            life = await lab.live(stop_after_s=chance.expovariate(1 / 600))
        else:
            life = await lab.live()
        lab.check(life)
        await anyio.sleep(chance.choice([0.0, 1.0, 100.0, 50_000.0]))
    book.climate, weather.shares, weather.outages = healthy(climate), {}, {}
    for _ in range(2):  # what failed in the first healthy life is tried again in the second
        life = await lab.live()
        lab.check(life)
        assert life.ended == "by itself", life.ended
    states = lab.ledger.states()
    hopeless = {file.name for file in files if file.routes[0].entity_id in climate.poison}
    hopeless |= climate.never_ready
    failed = {name: reason for name, reason in lab.failed().items() if name not in hopeless}
    assert not failed, f"not fetched although the service was well: {failed}"
    given_up = len(lab.given_up())
    lab.ledger.connection.close()
    return Played(
        seed,
        [life.ended for life in lab.lives],
        states,
        book.requests,
        len(book.call_times),
        anyio.current_time(),
        given_up,
    )
