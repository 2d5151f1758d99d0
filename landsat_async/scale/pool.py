"""A dask cluster as the pool of a run.

The pool speaks to the scheduler over a connection of its own, in the loop of the run; a client that is handed over
says only where the scheduler is. dask runs a task again by itself when a process dies, and knows nothing of parts; so
such a task fetches nothing (see `scale.agent`), and the run takes the file anew, under another name for its part.
"""

from __future__ import annotations

import pickle
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectSendStream

from landsat_async import errors
from landsat_async.config import Config
from landsat_async.config_checks import what_no_cluster_does
from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.disk.folder import OutputFolder
from landsat_async.errors import ConfigError, LandsatError, SchedulerGone
from landsat_async.events import Notice, Retrying, Started, Transferred
from landsat_async.rules.links import host_of, read_link
from landsat_async.scale.busy import BusyWatch
from landsat_async.scale.followed import Followed, keep_all
from landsat_async.scale.join import (
    GONE_S,
    JoinChecks,
    Tell,
    close,
    connect,
    gone,
    look_at_processes,
    said_by_dask,
    workers_of,
)
from landsat_async.scale.mark import remove_mark, set_mark
from landsat_async.scale.parcel import (
    Contents,
    FetchEnded,
    FetchFatal,
    FetchStopped,
    FetchSuperseded,
    FetchTooOld,
    FetchUnable,
    Parcel,
    Reply,
    Setup,
    is_over,
)
from landsat_async.scale.seal import RunKey, SealBroken
from landsat_async.scale.watch import ANSWERS_S, LOOKS_S, Looks
from landsat_async.transfer.retry import HostReport
from landsat_async.transfer.types import GivenBack, Outcome, TransferHooks, TransferJob

STOP_S = 3.5
"""For the checkpoints of all parts when a run is stopped, which has five seconds until it ends."""
LEAVES_S, LEAVES_STOPPED_S = 2.0, 0.5
"""For all processes to forget the run; when it was stopped, each has heard from it already."""
KEEP_S = 0.4
"""For the ledger to take the last checkpoint of a file; what comes to the ledger later comes after it."""
WAIT_AT_MOST_S = 900.0
"""A parcel that has waited longer for a process comes back, and its file gets a new link."""
_NO_CODE = {"distributed.diagnostics.computations.nframes": 0}
"""Else dask sends the source of the function that submits with each task: a tenth of the CPU time of that."""
ENDED_S = 1.0
"""So long after a process has lost a file it may still have a connection for it; see `leaving.LEAVES_EVERY_S`."""
WATCHES_S = 0.1
"""So often it is looked whether another connection to the scheduler is used."""
_EVENTS = {kind.__name__: kind for kind in (Started, Transferred, Retrying, Notice)}


class DaskPool:
    """Transfers in the processes of a dask cluster, for one run at a time.

    All its machines see the output folder under the same path; account and token never leave the run.
    """

    def __init__(self, client: Any) -> None:
        """Use the cluster of a `distributed.Client`, or the one whose scheduler has this address."""
        self.slots = 0
        self._given = client
        self._client: Any = None
        self._setup: Setup | None = None
        self._key: RunKey
        self._tasks: TaskGroup | None = None
        self._followed: dict[str, Followed] = {}
        self._number = 0
        self._unable: set[str] = set()
        """Addresses of processes that cannot write, or lack what they need."""
        self._stopping: anyio.Event | None = None

    # -- one run -------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def serving(self, config: Config, folder: OutputFolder, file_mode: int, tell: Tell) -> AsyncIterator[None]:
        """Connect, see that all processes fit, and work for a run until the block is left; see `ClusterPool`."""
        problems = what_no_cluster_does(config.download.directory, config.download.max_rate)
        if problems:
            raise ConfigError("; ".join(problems))
        setup = Setup(
            secrets.token_hex(8), str(folder.root), file_mode, config.service.url, config.service.file_hosts,
            config.service.ca_bundle, config.download.workers,
        )  # fmt: skip
        self._client = await connect(self._given, tell)
        self._setup, self._stopping, self._key = setup, None, RunKey.new()
        self._unable.clear()
        try:
            await anyio.to_thread.run_sync(set_mark, folder, setup.run)
            look = JoinChecks(str(folder.parts), setup.root, setup.ca_bundle)
            self.slots = (await look_at_processes(self._client, look, tell)).slots
            async with anyio.create_task_group() as group:
                send, receive = anyio.create_memory_object_stream[Followed](1024)
                group.start_soon(keep_all, receive)
                self._tasks = group
                self._listen(send)
                group.start_soon(self._watch, tell)
                try:
                    yield
                finally:
                    self._tasks = None
                    send.close()
                    group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._leave(setup)
                with anyio.move_on_after(LEAVES_S):  # a disk that hangs is not waited for
                    await anyio.to_thread.run_sync(remove_mark, folder, setup.run, abandon_on_cancel=True)

    def _listen(self, send: MemoryObjectSendStream[Followed]) -> None:
        from landsat_async.scale.agent import TOPIC

        assert self._setup is not None
        run = self._setup.run

        def on_event(event: tuple[float, dict[str, Any]]) -> None:
            message = event[1]
            followed = self._followed.get(message["part"])
            if followed is None or message["run"] != run:
                return  # of another run, or of a file that has been given to another process, or is done
            kind, values = message["kind"], message["values"]
            if kind == "reply":
                followed.hear(pickle.loads(values[0]))
            elif kind == "save":
                followed.told(Checkpoint.unpack(values[0]))
                with suppress(anyio.WouldBlock, anyio.ClosedResourceError):  # it is kept at its end at the latest
                    send.send_nowait(followed)
            elif kind == "key":
                self._aside(self._give_key, *values)
            elif kind == "health":
                followed.hooks.health(values[0], HostReport(values[1]), values[2])
            else:
                followed.notify(_EVENTS[kind](*values))

        self._client.subscribe_topic(TOPIC, on_event)

    def _aside(self, work: Callable[..., Coroutine[Any, Any, None]], *values: Any) -> None:
        """Do something beside the files, as long as the run goes on."""
        if self._tasks is not None:
            self._tasks.start_soon(work, *values)

    async def _give_key(self, address: str, public: bytes) -> None:
        """Give a worker the key of the run, closed for it alone; when it does not arrive, it is asked for again."""
        from landsat_async.scale.run_keys import take_key

        assert self._setup is not None
        with suppress(SealBroken):
            await self._tell_workers(
                take_key, self._setup.run, self._key.sealed_for(public, self._setup.run), workers=[address]
            )

    def host_changed(self, host: str, wait_s: float) -> None:
        """Have what is under way ask a host nothing for so long; see `ClusterPool`."""
        from landsat_async.scale.agent import leave_host_alone

        if self._setup is not None:
            self._aside(self._tell_workers, leave_host_alone, self._setup.run, host, wait_s)

    async def _tell_workers(self, function: Callable[..., Any], *values: Any, workers: list[str] | None = None) -> None:
        """Call something in all workers, or in these; who does not hear it within `ANSWERS_S` does without."""
        with anyio.move_on_after(ANSWERS_S), suppress(Exception):
            await self._client.run(function, *values, workers=workers, on_error="ignore")

    async def _leave(self, setup: Setup) -> None:
        """Have the processes forget the run, and close the connection."""
        from landsat_async.scale.agent import end_run

        client, self._client, self._setup = self._client, None, None
        within_s = LEAVES_S if self._stopping is None else LEAVES_STOPPED_S
        with anyio.move_on_after(within_s), suppress(Exception):
            if client.status == "running":
                await client.run(end_run, setup.run, on_error="ignore")
        await close(client)

    # -- one file ------------------------------------------------------------------------------------------------------

    async def fetch(self, job: TransferJob, hooks: TransferHooks) -> Outcome:
        """Transfer one file in one of the processes."""
        from distributed.client import FutureCancelledError
        from distributed.scheduler import KilledWorker

        if (down := self._ask_host(job, hooks)) is not None:
            return down
        assert self._setup is not None
        parcel = Parcel.of(Contents(self._setup, job, time.time() + WAIT_AT_MOST_S), self._key)
        followed = self._followed[job.part_name] = Followed(job, hooks)
        future: Any = None
        try:
            future = await self._submit(followed, parcel)
            return await self._outcome(followed, await self._reply(followed, future))
        except KilledWorker:
            return GivenBack("a process of the cluster has ended", lost=True)
        except FutureCancelledError:  # before the next: for dask it is a cancellation
            return await self._wait_for_scheduler(followed)
        except anyio.get_cancelled_exc_class():
            if future is not None:
                await self._stop(followed, future)
            if isinstance(followed.reply, FetchEnded) and is_over(followed.reply.outcome):
                return await self._outcome(followed, followed.reply)  # it has its final name
            raise
        finally:
            self._followed.pop(job.part_name, None)
            with anyio.move_on_after(KEEP_S, shield=True):  # what is written is not waited for any longer
                await followed.keep()
            if future is not None:
                future.release()

    async def _stop(self, followed: Followed, future: Any) -> None:
        """Have all processes stop, and hear what has become of one file; within STOP_S."""
        from distributed.client import FutureCancelledError

        with anyio.move_on_after(STOP_S, shield=True):
            async with anyio.create_task_group() as group:
                group.start_soon(self._stop_all)
                with suppress(Exception, FutureCancelledError):
                    followed.hear(await self._reply(followed, future))

    async def _reply(self, followed: Followed, future: Any) -> Reply:
        """Wait for what a process tells of a file, or for what dask tells of its task. Raises what dask raises."""
        error: BaseException | None = followed.error
        if followed.reply is None and error is None:
            with anyio.CancelScope() as followed.waiting:
                error = await future.exception()  # waits for the task, and asks for no result
        if followed.reply is not None:
            return followed.reply
        if (error := followed.error or error) is not None:
            raise said_by_dask(error)
        return await future or FetchStopped(None)

    def _ask_host(self, job: TransferJob, hooks: TransferHooks) -> Outcome | None:
        try:
            return hooks.check_host(host_of(read_link(job.url.reveal())))
        except ValueError:
            return None  # the transfer refuses such a link, and says why

    async def _outcome(self, followed: Followed, reply: Reply) -> Outcome:
        match reply:
            case FetchEnded(outcome):
                for event in reply.events:
                    followed.notify(event)
                for host, report, reason in reply.health:
                    followed.hooks.health(host, report, reason)
                followed.count(max(0, outcome.bytes_received - followed.counted))
                return outcome
            case FetchSuperseded():  # who had it may still have a connection: else there were more than `workers`
                if (later := await followed.later(ENDED_S)) is not None:
                    return await self._outcome(followed, later)
                return GivenBack("the process that had it has ended, or has lost it", lost=True)
            case FetchTooOld() | FetchStopped():
                return GivenBack("no process has come to it in time", lost=False)
            case FetchUnable():
                return await self._without(followed, reply)
            case FetchFatal(error, message, hint):
                raise _error(error, message, hint)

    async def _without(self, followed: Followed, unable: FetchUnable) -> Outcome:
        """Go on without a process; when it is the last, what it says is said of the run, or of the file."""
        came = 0 if unable.ended is None else unable.ended.outcome.bytes_received
        followed.count(max(0, came - followed.counted))
        is_new = unable.process not in self._unable
        self._unable.add(unable.process)
        if await self._fit() != set():
            if is_new:
                text = f"{unable.process} is left out for the rest of the run: {unable.message}"
                followed.hooks.notify(Notice(text, "warning"))
            return GivenBack(unable.message, lost=False)
        if unable.ended is not None:
            self._unable.clear()  # the next file may have more luck
            return unable.ended.outcome
        raise _error(unable.error, unable.message, unable.hint)

    async def _fit(self) -> set[str] | None:
        """Return the addresses of the processes that may be given files; None = the scheduler does not answer."""
        workers = await self._workers()
        return None if workers is None else workers.keys() - self._unable

    async def _workers(self) -> dict[str, dict[str, Any]] | None:
        """Return what the scheduler knows of its workers, by address; None = it does not answer."""
        with anyio.move_on_after(ANSWERS_S), suppress(OSError):
            return await workers_of(self._client)
        return None

    async def _submit(self, followed: Followed, parcel: Parcel) -> Any:
        """Hand a parcel to dask, for all processes but those that are left out."""
        import dask

        from landsat_async.scale.agent import fetch_parcel

        self._number += 1
        run = "" if self._setup is None else self._setup.run
        key = f"landsat-async-{run}-{followed.job.part_name}-{self._number}"
        followed.key, followed.given_s = key, anyio.current_time()
        options: dict[str, Any] = {}
        if self._unable and (fit := await self._fit()):
            followed.given_to, options = fit, {"workers": sorted(fit)}
        with dask.config.set(_NO_CODE):
            return self._client.submit(fetch_parcel, parcel, key=key, pure=False, **options)

    async def _watch(self, tell: Tell) -> None:
        """See, as long as the run goes on, that what is told arrives, and that no file waits for who has gone.

        A client that has found back to a scheduler does not ask it again for what it listened to.
        """
        from landsat_async.scale.agent import TOPIC

        client, looks, looked_s = self._client, Looks(), anyio.current_time()
        busy = BusyWatch(client)
        heard = client.scheduler_comm
        while True:
            await anyio.sleep(WATCHES_S)
            if client.scheduler_comm is not heard and client.status == "running":
                heard = client.scheduler_comm
                handler = client._event_handlers[TOPIC]
                client.unsubscribe_topic(TOPIC)
                client.subscribe_topic(TOPIC, handler)
            if client.status != "running":
                looks = Looks()
            elif self._followed and anyio.current_time() - looked_s > LOOKS_S:
                looked_s, workers = anyio.current_time(), await self._workers()
                self._judge(looks, workers, looked_s, tell)
                if workers and (word := await busy.look(list(self._followed.values()))) is not None:
                    tell(word)

    def _judge(self, looks: Looks, workers: dict[str, dict[str, Any]] | None, asked_s: float, tell: Tell) -> None:
        """Tell what a look at the cluster shows, and let no file wait for what will not come."""
        fit, now_s = None if workers is None else workers.keys() - self._unable, anyio.current_time()
        seen = looks.see(fit, asked_s, now_s)
        beats = {address: float(worker["last_seen"]) for address, worker in (workers or {}).items()}
        for word in (seen, looks.see_heartbeats(beats, now_s) if workers is not None else None):
            if isinstance(word, Retrying):
                tell(word)
        for followed in list(self._followed.values()):
            if isinstance(seen, SchedulerGone):
                followed.fail(gone(GONE_S))
            elif fit is not None and followed.given_to and not followed.given_to & fit:
                followed.hear(FetchStopped(None))

    async def _wait_for_scheduler(self, followed: Followed) -> Outcome:
        client, job = self._client, followed.job
        followed.hooks.notify(Retrying(job.relpath, "the connection to the scheduler is lost", 1, GONE_S))
        while client.status == "connecting":  # noqa: ASYNC110 - it gives up after GONE_S, and tells nobody
            await anyio.sleep(0.1)
        if client.status != "running":
            raise gone(GONE_S)
        await anyio.sleep(ENDED_S)
        return GivenBack("the connection to the scheduler was lost", lost=False)

    async def _stop_all(self) -> None:
        """Have all processes stop this run; once, whoever comes first."""
        from landsat_async.scale.agent import stop_run

        if self._stopping is None:
            self._stopping = anyio.Event()
            assert self._setup is not None
            with suppress(Exception):  # a process has ended meanwhile; the others have been told
                await self._client.run(stop_run, self._setup.run, on_error="ignore")

    def cancel_soon(self) -> None:
        """Do nothing: the first transfer that is cancelled stops all, and each has a bounded time."""

    async def aclose(self) -> None:
        """Do nothing: the connection belongs to the run, and the cluster to whoever made it."""


def _error(name: str, message: str, hint: str) -> LandsatError:
    return getattr(errors, name, LandsatError)(message, hint=hint)
