"""What transfers in a process of a cluster: a thread, a loop and a session of its own, one for the process.

dask may run a task again without being asked, and a process that was frozen may wake up when its file has long been
given to another. Both are told by the part: each parcel has a name for it that no other has, so one that is there
already belongs to somebody else, and one that has gone was taken over. A worker that is retired or closed ends its
transfers itself, as soon as it knows: dask has given its tasks to others by then.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import secrets
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import msgspec
from anyio.abc import TaskGroup, TaskStatus
from anyio.from_thread import BlockingPortal

from landsat_async.beside import beside
from landsat_async.disk.fs import NEW, READ, is_there, local_fs
from landsat_async.disk.local_target import LocalTarget
from landsat_async.errors import DiskFull, FolderUnwritable, LandsatError
from landsat_async.rules.links import AllowedHosts
from landsat_async.scale.claim import claim_part, drop_empty
from landsat_async.scale.leaving import WORKS, TellLeaving, serve_while_working
from landsat_async.scale.mark import check_mark
from landsat_async.scale.parcel import (
    Contents,
    FetchEnded,
    FetchFatal,
    FetchStopped,
    FetchSuperseded,
    FetchTooOld,
    FetchUnable,
    Parcel,
    ProcessSeen,
    Reply,
    Setup,
    is_over,
    python_version,
    version,
)
from landsat_async.scale.run_keys import keys_of
from landsat_async.scale.seal import PACKAGE, SealBroken, can_seal
from landsat_async.scale.teller import Tell, Teller
from landsat_async.transfer.open_session import open_transfer_session
from landsat_async.transfer.retry import FaultKind, HostReport
from landsat_async.transfer.session import TransferSession
from landsat_async.transfer.transfer import Transfer, run_apart
from landsat_async.transfer.types import FileFailed, GivenBack, HostDown, TransferJob

LOOK_EVERY_S = 0.5
"""So often a running transfer looks whether its part is still its own; gone twice in a row = taken over."""
FROZEN_S = 3.0
"""Who sleeps so much longer than that was frozen, or swapped out, and believes its first look."""
TOPIC = "landsat-async"
"""Under which processes tell what happens: one for all runs, so that a scheduler keeps no more of many than of one."""

log = logging.getLogger(__name__)


# -- called by dask, in the loop of its worker -------------------------------------------------------------------------


async def fetch_parcel(parcel: Parcel) -> Reply:
    """Transfer one file, and tell what came of it; a result of dask would go three more ways through the scheduler.

    Raises nothing: what an exception shows is shown to many.
    """
    from distributed import get_worker

    if parcel.made_by != version():
        text = f"a process of the cluster has version {version()}, the run has {parcel.made_by}"
        return FetchFatal("ConfigError", text, "Install the same version of landsat-async on all machines.")
    worker, run, part = get_worker(), parcel.run, parcel.part_name

    def tell(kind: str, values: tuple[Any, ...]) -> None:
        worker.log_event(TOPIC, {"run": run, "part": part, "kind": kind, "values": values})

    async def tell_leaving(reply: FetchEnded | FetchStopped) -> None:
        message = {"run": run, "part": part, "kind": "reply", "values": (pickle.dumps(reply),)}
        await worker.scheduler.log_event(topic=TOPIC, msg=message)  # that of `tell` is closed when a worker is retired

    reply = await _serve_parcel(parcel, worker, tell, tell_leaving)
    if worker.status.name not in WORKS:
        return reply  # dask may run the task again
    if isinstance(reply, FetchUnable):
        reply = replace(reply, process=worker.address)
    tell("reply", (pickle.dumps(reply),))
    return reply  # stays here, and is asked for only when the connection was lost in between


async def _serve_parcel(parcel: Parcel, worker: Any, tell: Tell, tell_leaving: TellLeaving) -> Reply:
    """Open a parcel with the key of its run, and return what came of its file."""

    def ask(public: bytes) -> None:
        tell("key", (worker.address, public))

    key = await keys_of(worker).key_of(parcel.run, ask, lambda: worker.status.name in WORKS)
    if key is None:
        return FetchStopped(None)
    try:
        contents = parcel.open(key)
    except SealBroken:
        text = "a file that was given to the cluster came to its process changed"
        return FetchFatal("LandsatError", text, "See who reaches the scheduler, and run the same command again.")
    return await serve_while_working(_agent(), worker, contents, tell, tell_leaving)


async def stop_run(run: str, dask_worker: Any) -> None:
    """Let all transfers of a run end in this process, also those that are still to come."""
    keys_of(dask_worker).end(run)
    await asyncio.wrap_future(_agent().portal.start_task_soon(_agent().stop, run))


async def leave_host_alone(run: str, host: str, wait_s: float) -> None:
    """Have no transfer of a run that is under way in this process ask a host for so long; 0 = they may again."""
    await asyncio.wrap_future(_agent().portal.start_task_soon(_agent().leave_alone, run, host, wait_s))


async def end_run(run: str, dask_worker: Any) -> None:
    """Close what a run has used in this process."""
    keys_of(dask_worker).end(run)
    await asyncio.wrap_future(_agent().portal.start_task_soon(_agent().end, run))


def look_at_scheduler() -> tuple[str, str]:
    """Return the version that a scheduler has of this package, and its Python: parcels are opened there as well."""
    return version(), python_version()


def look_at_folder(parts_dir: str, name: str, text: str, ca_bundle: str | None) -> ProcessSeen:
    """Tell whether this process has the folder of the run, shown by a file in it, and may write there."""
    fs, refusal = local_fs(), ""
    try:
        fd = fs.open(fs.join(parts_dir, name), READ)
        try:
            if fs.pread(fd, 100, 0).decode() != text:
                refusal = "has another folder under this path"
        finally:
            fs.close(fd)
        own = fs.join(parts_dir, f"{name}.{secrets.token_hex(4)}")
        fs.close(fs.open(own, NEW))
        fs.unlink(own)
    except FileNotFoundError:
        refusal = "does not see the folder under this path"
    except OSError as error:
        refusal = f"cannot write there ({error.strerror or type(error).__name__})"
    has_bundle = ca_bundle is None or is_there(fs, ca_bundle)
    return ProcessSeen(version(), python_version(), refusal, has_bundle, "" if can_seal() else PACKAGE)


# -- the agent ---------------------------------------------------------------------------------------------------------


class _Room:
    """One run in this process."""

    def __init__(self, session: TransferSession, closing: anyio.Event) -> None:
        self.session = session
        self.closing = closing
        self.scopes: dict[str, anyio.CancelScope] = {}
        """Part name -> what ends its transfer."""
        self.until_s: dict[str, float] = {}
        """Host that is left alone -> when it may be asked again."""

    def check_host(self, host: str) -> HostDown | None:
        """Say that a host is left alone, where it is; see `TransferHooks`."""
        left_s = self.until_s.get(host, 0.0) - anyio.current_time()
        return HostDown(host, "", left_s, HostReport.PAUSED) if left_s > 0 else None


class Agent:
    """Transfers for the runs that use this process; all but `begin` belongs to its own loop."""

    def __init__(self) -> None:
        self.portal: BlockingPortal
        self._rooms: dict[str, _Room] = {}
        self._lock: anyio.Lock
        self._tasks: TaskGroup
        self._stopped: set[str] = set()
        self._unable: dict[str, FetchUnable] = {}
        """Run -> why this process fetches nothing more for it."""
        self._ready = threading.Event()

    def begin(self) -> None:
        """Start the thread; it ends with the process."""
        threading.Thread(target=anyio.run, args=(self._main,), name="landsat-async-agent", daemon=True).start()
        self._ready.wait()

    async def _main(self) -> None:
        self._lock = anyio.Lock()
        async with anyio.create_task_group() as self._tasks, BlockingPortal() as self.portal:
            self._ready.set()
            await self.portal.sleep_until_stopped()

    async def stop(self, run: str) -> None:
        """Cancel the transfers of a run."""
        self._stopped.add(run)
        if room := self._rooms.get(run):
            for scope in room.scopes.values():
                scope.cancel()

    async def stop_part(self, run: str, part: str) -> None:
        """Cancel the transfer of one file, where it has begun."""
        room = self._rooms.get(run)
        if room is not None and part in room.scopes:
            room.scopes[part].cancel()

    async def leave_alone(self, run: str, host: str, wait_s: float) -> None:
        """Have what is under way ask a host nothing more for so long."""
        if room := self._rooms.get(run):
            room.until_s[host] = anyio.current_time() + wait_s

    async def end(self, run: str) -> None:
        """Forget a run."""
        await self.stop(run)
        self._unable.pop(run, None)
        if room := self._rooms.pop(run, None):
            room.closing.set()

    async def serve(self, contents: Contents, tell: Tell) -> Reply:
        """Transfer one file; see `fetch_parcel`."""
        setup, job, not_after = contents
        try:
            if setup.run in self._stopped:
                return FetchStopped(job.part)
            if time.time() > not_after:
                return FetchTooOld()
            if setup.run in self._unable:
                return self._unable[setup.run]
            room = await self._room(setup)
            if not await anyio.to_thread.run_sync(claim_part, room.session.target, job):
                return FetchSuperseded()
            return self._judged(setup.run, await self._transfer(room, job, tell))
        except (DiskFull, FolderUnwritable) as error:
            return self._unable.setdefault(setup.run, FetchUnable(type(error).__name__, str(error), error.hint))
        except LandsatError as error:
            return FetchFatal(type(error).__name__, str(error), error.hint)
        except Exception as error:
            log.error("internal error while fetching %s: %s", job.name, type(error).__name__)
            where = error.__traceback__
            while where is not None and where.tb_next is not None:
                where = where.tb_next
            place = "" if where is None else f" in {Path(where.tb_frame.f_code.co_filename).name}:{where.tb_lineno}"
            text = f"an internal error in a process of the cluster: {type(error).__name__}{place}"
            return FetchFatal("LandsatError", text, "Please report it.")

    def _judged(self, run: str, reply: Reply) -> Reply:
        """Return what a reply says of this process, where the file has failed of its disk or its limits."""
        match reply:
            case FetchEnded(FileFailed(reason, hint, kind=FaultKind.DISK | FaultKind.FILES)):
                return self._unable.setdefault(run, FetchUnable("", reason, hint, ended=reply))
        return reply

    async def _room(self, setup: Setup) -> _Room:
        async with self._lock:
            if setup.run not in self._rooms:
                for old in [run for run, room in self._rooms.items() if not room.scopes]:
                    await self.end(old)  # of a run that was killed
                self._rooms[setup.run] = await self._tasks.start(self._keep_room, setup)
            return self._rooms[setup.run]

    async def _keep_room(self, setup: Setup, *, task_status: TaskStatus[_Room]) -> None:
        target = LocalTarget(Path(setup.root))
        await anyio.to_thread.run_sync(check_mark, target, setup.run, setup.root)
        await anyio.to_thread.run_sync(target.join_claimed, setup.file_mode)
        async with open_transfer_session(
            hosts=AllowedHosts.for_service(setup.service_url, setup.file_hosts),
            target=target,
            workers=setup.workers,
            ca_bundle=setup.ca_bundle,
        ) as session:
            room = _Room(session, anyio.Event())
            task_status.started(room)
            await room.closing.wait()

    async def _transfer(self, room: _Room, job: TransferJob, tell: Tell) -> Reply:
        job = msgspec.structs.replace(job, part_is_claim=True)
        teller = Teller(job, tell, room.check_host)
        one = Transfer(job, room.session, teller.hooks)
        with anyio.CancelScope() as scope:
            room.scopes[job.part_name] = scope
            try:
                async with _watched(room.session, job, scope) as lost:
                    await run_apart(one)
            except LandsatError:
                if await _is_part(room.session, job):
                    raise
                lost.append(True)  # it was taken over: the disk has nothing to do with it
            finally:
                del room.scopes[job.part_name]
                if not is_over(one.outcome):
                    with anyio.move_on_after(job.policy.grace_s, shield=True):
                        await anyio.to_thread.run_sync(drop_empty, room.session.target, job)
        if isinstance(one.outcome, GivenBack) or (lost and not is_over(one.outcome)):
            return FetchSuperseded()
        return FetchStopped(teller.facts) if one.outcome is None else teller.ended(one.outcome)


async def _is_part(session: TransferSession, job: TransferJob) -> bool:
    path = session.target.fs.join(session.target.parts_dir, job.part_name)
    return await anyio.to_thread.run_sync(is_there, local_fs(), path)


@asynccontextmanager
async def _watched(session: TransferSession, job: TransferJob, scope: anyio.CancelScope) -> AsyncIterator[list[bool]]:
    """End a transfer whose part has been taken over; the list is not empty then."""
    lost: list[bool] = []

    async def watch() -> None:
        gone = 0
        while gone < 2:
            slept_s = anyio.current_time()
            await anyio.sleep(LOOK_EVERY_S)
            was_frozen = anyio.current_time() - slept_s > FROZEN_S
            gone = 0 if await _is_part(session, job) else gone + 1 + was_frozen
        lost.append(True)
        scope.cancel()

    async with beside(watch):
        yield lost


_STARTING = threading.Lock()
_AGENTS: list[Agent] = []


def _agent() -> Agent:
    """Return the agent of this process."""
    with _STARTING:
        if not _AGENTS:
            made = Agent()
            made.begin()
            _AGENTS.append(made)
        return _AGENTS[0]
