"""A run from its first request to its end.

    find scenes ─► choose files ─► ledger ─► inventory ─► pipeline (requester, poller, workers) ─► clean-up

A stop cancels the scope round all this; what follows is shielded and bounded. The pipeline is requester, poller and
workers round one bounded stream, in one task group:

    ledger ─► requester ┐
      ▲                 ├─► one bounded stream ─► worker × N ─► proven files
      │       poller ───┘                            │
      └────────────────── facts ─────────────────────┘

Requester and poller hold the only send sides of the stream; when neither has anything left to do they close them, and
the workers end after the last file.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import urlsplit

import aiohttp
import anyio

from landsat_async.beside import beside
from landsat_async.config import Config
from landsat_async.credentials import Credentials
from landsat_async.disk.folder import Claim
from landsat_async.disk.ledger import Ledger
from landsat_async.disk.target import Target
from landsat_async.errors import LandsatError, single_error
from landsat_async.events import Error, Event, Finished, Notice, Retrying
from landsat_async.m2m.caller import ApiWait
from landsat_async.m2m.caller import Gate as ApiGate
from landsat_async.m2m.client import M2MClient
from landsat_async.public import publish
from landsat_async.rules.links import AllowedHosts
from landsat_async.rules.observed import Observations
from landsat_async.rules.slow_start import SlowStart
from landsat_async.run.bus import EventBus
from landsat_async.run.context import RunContext
from landsat_async.run.counts import FileStates, Limits, RunCounts
from landsat_async.run.ends import clean_up, note_leftovers, reason_of, tidy_in_time, write_wanted_outputs
from landsat_async.run.find_credentials import check_role, find_credentials
from landsat_async.run.hooks import Hooks, OnScene
from landsat_async.run.host_health import Circuit, HostHealth
from landsat_async.run.hosts import Hosts
from landsat_async.run.inventory import sweep_parts, take_stock, warn_of_space
from landsat_async.run.link_stream import LinkStream
from landsat_async.run.observing import count_observations
from landsat_async.run.poller import Poller
from landsat_async.run.preparation import prepare
from landsat_async.run.requester import Requester
from landsat_async.run.results import FilesOfRun, files_of_run
from landsat_async.run.search import UnreadableScenes
from landsat_async.run.waits import announced_waits
from landsat_async.run.windows import RunWindows
from landsat_async.run.worker import WorkerPool
from landsat_async.run_summary import RunSummary
from landsat_async.transfer.open_session import open_transfer_session
from landsat_async.transfer.pool import ClusterPool, TransferPool

if TYPE_CHECKING:  # `Aoi` loads shapely, see run/scene_filter; the other is for `sync` alone
    from landsat_async.rules.aoi import Aoi
    from landsat_async.run.sync import Synchroniser

Sync: TypeAlias = Literal["new", "full"]
"""How a folder is synchronised: by what is new where that is possible, or by everything."""
WIND_DOWN_S = 2.5
"""For what is still sent to the service when a run is stopped, or cannot go on; logging out has its own limit."""
REPORTS_S = 20.0
"""For the reports of what has arrived, where nothing presses: a busy service takes some seconds for them."""
INTERRUPTED = 7
PROGRESS_EVERY_S = 1.0
RATE_WORTH_BYTES = 1024**2
"""A run that has received less says nothing of the line's speed."""


class Run:
    """One run, made by `open_run`: watch it with `events`, end it with `stop`, wait for its end with `wait`.

    Attributes:
        config: What it was asked to do.
        bus: Where its events come from; renderers listen there.
        error: Why the run could not go on; None as long as it can, and when it could.
    """

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        claim: Claim,
        target: Target,
        *,
        session: aiohttp.ClientSession | None,
        credentials: Credentials | None,
        overwrite: bool,
        aoi: Aoi | None,
        window_area: Aoi | None,
        sync: Sync | None = None,
        on_scene: OnScene | None = None,
        measure_only: bool = False,
        pool: TransferPool | None = None,
    ) -> None:
        self.config = config
        self._aoi = aoi
        self._window_area = window_area
        self._measure_only = measure_only
        self._pool = pool
        self.bus = EventBus()
        self.error: LandsatError | None = None
        self._ledger = ledger
        self._claim = claim
        self._target = target
        self._session = session
        self._credentials = credentials
        self._overwrite = overwrite
        self._sync = sync
        self._on_scene = on_scene
        self._summary: RunSummary | None = None
        self._unreadable = UnreadableScenes()
        self._observations = Observations()
        self._done = False
        """The pipeline came to its own end."""
        self._scope = anyio.CancelScope()
        self._over = anyio.Event()
        ledger.on_busy(self._on_ledger_busy)
        self._run_id = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{uuid.uuid4().hex[:6]}"
        self._states = FileStates(ledger, self._run_id)
        limits = Limits(config.download.staging_timeout_s, config.download.max_rate, config.hooks.timeout_s)
        self._counts = RunCounts(time.monotonic(), self._states, limits=limits)
        self._counts.run_files = FilesOfRun(config.download, config.store, self._run_id)

    def __repr__(self) -> str:
        states = ", ".join(f"{number} {state}" for state, number in self._states.by_state.items() if number)
        return f"<Run {self._run_id} {states or 'starting'}>"

    @property
    def summary(self) -> RunSummary:
        """The counts as they are now; final once the run is over."""
        return self._summary or self._counts.summary(time.monotonic(), self._exit_code())

    def events(self) -> AsyncIterator[Event]:
        """Yield what happens until the run is over. One reader at a time; leaving early is fine."""
        return self.bus.events()

    def stop(self) -> None:
        """Ask for a clean stop: what runs is made durable, the next run continues. Returns at once."""
        self._target.stop_waiting()
        self._scope.cancel()

    async def wait(self) -> RunSummary:
        """Wait for the end and return the final counts.

        Raises:
            LandsatError: what ended the run early, if something did.
        """
        with self.bus.somebody_waits():
            await self._over.wait()
        if self.error is not None:
            raise self.error
        return self.summary

    async def main(self) -> None:
        """Do the whole job; for `open_run` alone."""
        try:
            with self._scope:
                async with self._serving():
                    await self._work()
        except Exception as error:
            self.error = reason_of(error, self._target.folder)
        finally:
            with anyio.move_on_after(WIND_DOWN_S, shield=True):
                await self._note_end()
            self._emit_the_end()

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        """Have the processes of a cluster ready, where there is one."""
        if not isinstance(self._pool, ClusterPool):
            yield
            return
        with single_error():
            async with self._pool.serving(self.config, self._target.folder, self._claim.file_mode, self.bus.tell):
                yield

    async def _note_end(self) -> None:
        """Write down how it ended; a ledger that cannot take that is no reason to say nothing."""
        received, flowing_s = self._counts.received(), self._counts.flowing_s
        try:
            await self._ledger.observations.add(self._observations.take(), time.time())
            if received >= RATE_WORTH_BYTES and flowing_s > 0:
                await self._ledger.note_speed(self._run_id, received, flowing_s, time.time())
            await self._ledger.end_run(self._run_id, time.time(), self._exit_code())
        except Exception as error:
            self.error = self.error or reason_of(error, self._target.folder)

    def _emit_the_end(self) -> None:
        code = self._exit_code()
        files = partial(files_of_run, str(self._target.folder.ledger), self._run_id, self.config.download.directory)
        self._summary = summary = replace(self._counts.summary(time.monotonic(), code), read_files=files)
        if self.error is not None:
            self.bus.tell(Error(self.error.reference, str(self.error), self.error.hint))
        self.bus.tell(
            Finished(
                summary.files_total,
                summary.files_verified,
                summary.files_skipped,
                summary.files_failed,
                summary.files_pending,
                summary.bytes_received,
                summary.elapsed_s,
                code,
            )
        )
        self.bus.end()
        self._over.set()

    def _exit_code(self) -> int:
        if self.error is not None:
            return self.error.exit_code
        if not self._done:
            return INTERRUPTED
        return 4 if self._counts.failures else 0

    async def _work(self) -> None:
        await self._ledger.begin_run(self._run_id, time.time())
        credentials = await find_credentials(self.config.service, self._credentials, on_wait=self._on_wait)
        for remark in self.config.remarks:
            self.bus.tell(Notice(remark))
        for note in (*self.config.notes, *credentials.notes, *self._claim.warnings):
            self.bus.tell(Notice(note, "warning"))
        slow_start = SlowStart()
        gate = ApiGate(slow_start)
        async with self._client(credentials, gate) as m2m:
            hosts = Hosts(self._on_health, slow_start, patience_s=self.config.service.patience_s)
            context = RunContext(
                self.config, self._ledger, m2m, self.bus, self._counts, hosts, self._target,
                overwrite=self._overwrite, observations=self._observations,
                window=RunWindows.of(self.config.select, self._window_area),
            )  # fmt: skip
            self._begin_measuring(context)
            is_tidy = False
            try:
                hooks = Hooks(context, self._on_scene, (credentials.token,))
                async with beside(count_observations, context), announced_waits(context, gate):
                    await self._search_and_fetch(context, hooks)
                    with anyio.move_on_after(REPORTS_S):  # a stop is heard here too, and takes nothing away
                        is_tidy = await clean_up(context, REPORTS_S)
            finally:
                if not is_tidy:
                    await tidy_in_time(context, WIND_DOWN_S)

    def _client(self, credentials: Credentials, gate: ApiGate) -> M2MClient:
        """Return the client of the service, which tells what it waits for and what it has seen."""
        service, note = self.config.service, self._observations.note
        host = urlsplit(service.url).hostname or ""
        return M2MClient(
            service.url, credentials,
            session=self._session, ca_bundle=service.ca_bundle, patience_s=service.patience_s, gate=gate,
            on_wait=self._on_wait, on_unusable=self._unreadable.note,
            observe=lambda facts: note((host, facts)),
        )  # fmt: skip

    async def _search_and_fetch(self, context: RunContext, hooks: Hooks) -> None:
        """Do all that was asked for, up to the outputs and hooks; what is left then is tidying up."""
        await check_role(context.m2m)
        sync = await self._begin_sync(context)
        async with self._workers(context) as workers:
            await prepare(context, self._aoi, self._unreadable, sync)
            await take_stock(context)
            await sweep_parts(context)  # after that: what was found here leaves its part behind
            await warn_of_space(context)
            if hooks.wanted and not self._measure_only:
                await self._pipeline_and_hooks(context, workers, hooks)
            else:
                await run_pipeline(context, workers)
            await sweep_parts(context)  # processes of a run that was killed may have finished files meanwhile
        if sync is not None:
            await sync.finish()
        if not self._measure_only:
            await note_leftovers(context, told_older=sync is not None)
            await write_wanted_outputs(context)
            await hooks.after_run(self._numbers())
        self._done = True
        if sync is not None and self._exit_code() == 0:
            await sync.succeed()

    async def _pipeline_and_hooks(self, context: RunContext, workers: WorkerPool, hooks: Hooks) -> None:
        """Hooks are called beside the downloads, and may go on when all files are here."""
        context.hooks = hooks
        await hooks.begin()
        async with anyio.create_task_group() as group:
            group.start_soon(hooks.run)
            await run_pipeline(context, workers)
            hooks.close()

    def _numbers(self) -> dict[str, str]:
        """Return what the hook of the run is told of it."""
        summary = self._counts.summary(time.monotonic(), 4 if self._counts.failures else 0)
        names = ("files_total", "files_verified", "files_skipped", "files_failed", "exit_code")
        return {name: str(getattr(summary, name)) for name in names} | {"run_id": self._run_id}

    def _begin_measuring(self, context: RunContext) -> None:
        if not self.config.search.measures:
            return
        from landsat_async.run.area_clouds import Rule
        from landsat_async.run.measuring import Measuring

        rule = Rule.of(self.config.search, self._aoi)
        if rule is not None:
            context.measuring = Measuring(context, rule, only=self._measure_only)
            context.routes.on_unmeasured = context.measuring.cannot

    async def _begin_sync(self, context: RunContext) -> Synchroniser | None:
        if self._sync is None:
            return None
        from landsat_async.run.sync import Synchroniser

        return await Synchroniser.begin(context, self._aoi, full=self._sync == "full")

    @asynccontextmanager
    async def _workers(self, context: RunContext) -> AsyncIterator[WorkerPool]:
        """Make what fetches files: before the search, so that it is in nobody's way when files are known."""
        service = self.config.service
        async with open_transfer_session(
            hosts=AllowedHosts.for_service(service.url, service.file_hosts),
            workers=self.config.download.workers,
            max_rate_bytes_s=self.config.download.max_rate,
            ca_bundle=service.ca_bundle,
            tls=context.m2m.tls,
            target=self._target,
            observe=self._observations.note,
            connector=self._session.connector if self._session is not None else None,
        ) as session:
            self._counts.session = session
            yield WorkerPool(context, session, overwrite=self._overwrite, pool=self._pool)

    def _on_wait(self, wait: ApiWait) -> None:
        self.bus.tell(Retrying(None, wait.reason, wait.attempt, wait.wait_s))

    def _on_ledger_busy(self, left_s: float) -> None:
        self.bus.tell(Retrying(None, f"another program holds the database {self._ledger.path}; close it", 1, left_s))

    def _on_health(self, host: str, health: HostHealth, last: bool) -> None:
        """One message per change of a host; after the `last` try no next one is announced."""
        name = host.removeprefix("system:")
        wait_s = max(0.0, health.until_s - anyio.current_time()) if health.circuit is Circuit.OPEN else 0.0
        if isinstance(self._pool, ClusterPool):
            self._pool.host_changed(host, wait_s)
        if last:
            self.bus.tell(Notice(f"{name} is down ({health.reason}), also at the last try."))
        elif health.circuit is Circuit.OPEN:
            reason = f"{name} is down ({health.reason}); its files wait, others go on"
            self.bus.tell(Retrying(None, reason, health.opened, wait_s))
        else:
            self.bus.tell(Notice(f"{name} works again."))


async def run_pipeline(context: RunContext, workers: WorkerPool) -> None:
    """Go on until every selected file is done or failed. Raises what ended the run early."""
    if not context.states.open:
        return
    context.wakeups.working = True
    stream = LinkStream(context.config.download.queue_size, senders=2)
    async with anyio.create_task_group() as outer:
        outer.start_soon(_report_progress, context)
        outer.start_soon(workers.manage)
        async with anyio.create_task_group() as group:
            group.start_soon(Requester(context).run, stream)
            group.start_soon(Poller(context).run, stream)
            for _ in range(workers.number):
                group.start_soon(workers.work, stream)
            group.start_soon(workers.recorder.run)
            group.start_soon(workers.cancel_soon_when_cancelled)
        outer.cancel_scope.cancel()
    await workers.recorder.discard_parts()
    if context.wakeups.fatal is not None:
        raise context.wakeups.fatal


async def _report_progress(context: RunContext) -> None:
    while True:
        context.bus.tell(context.counts.progress(context.states.loop_time()))
        await anyio.sleep(PROGRESS_EVERY_S)


publish(Run)
