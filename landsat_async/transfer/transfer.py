"""The transfer of one file: attempts until it is here, then proof and final name.

It can be used alone:

    hosts, target = AllowedHosts(("*.usgs.gov",)), LocalTarget(Path("data"))
    claim = target.prepare()
    async with open_transfer_session(hosts=hosts, target=target) as session:
        job = TransferJob(SecretUrl(link), "LC08_..._SR_B3.TIF", "1.part", "2024/LC08_..._SR_B3.TIF")
        match await transfer(job, session, TransferHooks(print, MemoryStore())):
            case Done(size_bytes, sha256, proof):
                target.discard([job.part_name])
    claim.release()

Everything that concerns one file comes back as an `Outcome`; what concerns the whole run (a full disk, a folder that
cannot be written) is raised. `Transfer` owns all that is known of one transfer; what is done with it stands in
`attempt` (one request), `sink` (bytes to the part), `commit` (proof and name), `recheck` and `repair`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
from anyio import create_task_group, get_cancelled_exc_class, move_on_after, sleep
from yarl import URL

from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.disk.io_threads import Threads
from landsat_async.disk.part import NoRoom, PartFile
from landsat_async.disk.target import Committed
from landsat_async.errors import LandsatError
from landsat_async.events import Retrying, Started, Transferred
from landsat_async.raster.grid import UnsupportedRaster
from landsat_async.rules.backoff import full_jitter_s, with_retry_after_s
from landsat_async.rules.identity import OtherFile, evidence_of_name
from landsat_async.rules.links import LinkRefused, ends_with_name, facts_of_link
from landsat_async.transfer.attempt import NameSeen, Received, attempt, fault_of_end
from landsat_async.transfer.commit import WHOLE_HINT, Joins, done
from landsat_async.transfer.file_errors import AttemptFailed, fault_of_disk, one_error
from landsat_async.transfer.finish import DamagedCopies, finish
from landsat_async.transfer.repair import Repairs, open_believed, repair
from landsat_async.transfer.retry import RULES, Budget, Fault, FaultKind, Fresh, GiveUp, HostReport, Pause, Unready
from landsat_async.transfer.session import TransferSession, Wait
from landsat_async.transfer.sink import Sink
from landsat_async.transfer.speed import Window
from landsat_async.transfer.types import (
    MIB,
    FileFailed,
    GivenBack,
    HostDown,
    NeedsLink,
    NotReady,
    Outcome,
    TransferHooks,
    TransferJob,
)

if TYPE_CHECKING:  # loads numpy, which most transfers do not need
    from landsat_async.raster.range_plan import RangePlan

LARGEST_BYTES = 8 * 1024 * MIB
"""More is no Landsat file, unless a larger one is listed."""
TELL_EVERY_S = 0.2
"""So often a transfer says how far it is."""


async def transfer(job: TransferJob, session: TransferSession, hooks: TransferHooks) -> Outcome:
    """Fetch one file, prove it and give it its final name.

    Args:
        job: What to fetch and where to.
        session: Shared session and threads, see `open_transfer_session`.
        hooks: What is told and asked meanwhile; its store has said `job.part` last.

    Raises:
        DiskFull: Nothing more can be written.
        FolderUnwritable: The output folder is gone or read-only.
    """
    return await run_apart(Transfer(job, session, hooks))


async def run_apart(one: Transfer) -> Outcome:
    """Run a transfer in a task of its own; see `transfer`. Who was cancelled finds in `one.outcome` what it still did.

    So cancellation of any origin (a scope, task.cancel(), asyncio.timeout) reaches the work in one form, from which its
    clean-up can be shielded, and is seen here at once, whatever the work waits for.
    """
    ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    async def run() -> None:
        one.outcome = await one.run()
        if not ended.done():
            ended.set_result(one.outcome)

    with one_error():
        async with create_task_group() as tasks:
            tasks.start_soon(run)
            try:
                return await ended
            except get_cancelled_exc_class():
                one.threads.cancel_soon()
                raise
    raise AssertionError


class Transfer:
    """All that is known of one transfer: made, `run` once, and over.

    `run` makes no task of its own, which would cost a small file as much as its request. So it is for tasks that
    nobody but a task group of anyio cancels, where `TransferSession.cancel_soon` is called as soon as that does: what
    waits for a thread is shielded, and cannot see it. `transfer` and `run_apart` are for all others.

    What most files never need has its value in the class, or is made when it is asked for.
    """

    url: URL
    host = ""
    """The host that is asked first; what is learnt about ranges is kept under this name."""
    is_staging = False
    """The link is one that answers before the file is ready."""
    part: PartFile
    """The bytes that are here; another one after a fault of the disk."""
    sink: Sink | None = None
    """Where the body goes that is coming now."""
    bytes_received = 0
    tries = 0
    """Attempts so far."""
    floor: Window | None = None
    """The watch over the speed below which nothing is worth the wait; None until something is waited for."""

    plan: RangePlan | None = None
    """The ranges of a window, once all are in the part."""

    # What has been learnt about this file.
    whole = False
    """Ranges are not to be used for it any more."""
    any_speed = False
    """Slow has turned out to be the line's own speed."""
    identity_only = False
    """A server has encoded the body although it was asked not to."""
    one_connection = False
    """Several connections are not to be used for it any more."""
    breaks = 0
    """How often one of several connections has broken."""
    is_doubtful = False
    """Its size is far from the listed one; known once it is complete."""
    outcome: Outcome | None = None
    """What `run_apart` has come to, also when it was cancelled: a file may have had its final name by then."""

    _paid_bytes = 0
    """Bytes that `[download] max_rate` has been charged for and that have not come yet."""
    _opened = False
    _started = False
    _told_s = 0.0
    _total: int | None = None

    def __init__(self, job: TransferJob, session: TransferSession, hooks: TransferHooks) -> None:
        self.job, self.session, self.hooks = job, session, hooks
        policy = job.policy
        self.max_bytes = max(4 * (job.bytes_nominal or 0), LARGEST_BYTES)
        """More than this is not taken."""
        self.answer_timeout_s = min(policy.stall_timeout_s, policy.connect_timeout_s + policy.header_timeout_s)
        """How long the head of an answer is waited for at most."""
        self.threads = Threads(session.pool, policy.grace_s)
        self.wait = Wait(self._tell_wait, session.waits)
        """That of the connection which is asked first."""
        self.repairs = Repairs()
        self.joins = Joins()
        """What is known of a part that came with several answers."""

    @cached_property
    def budget(self) -> Budget:
        """How many faults are borne."""
        return Budget(self.job.policy.attempts)

    @cached_property
    def damaged(self) -> DamagedCopies:
        """Complete copies that were damaged."""
        return DamagedCopies()

    async def run(self) -> Outcome:
        """Fetch the file, prove it and give it its name; see `transfer`."""
        if (refused := self._check_link()) is not None:
            return refused
        self.session.begin(self.threads)
        try:
            part = self.job.part
            self.part = self.new_part() if part is None else await open_believed(self, part)
            self._opened = True
            while (outcome := await self._step()) is None:
                pass
            return outcome
        except NameSeen as seen:
            self.hooks.health(self.host, HostReport.OK, "")
            return seen.outcome
        except OSError as error:  # of opening the part; others are faults of an attempt
            fault = fault_of_disk(error, self.session.target.parts_dir)
            if isinstance(fault, LandsatError):
                raise fault from None
            return FileFailed(fault.reason, RULES[fault.kind].hint, self.bytes_received, fault.kind)
        except get_cancelled_exc_class():
            await self._checkpoint_on_cancel()
            raise
        finally:
            if self.session.max_rate is not None:
                self.session.max_rate.charge(-self._paid_bytes)
            self.session.waits.open.pop(self.wait, None)
            self.session.running.discard(self.threads)
            del self.wait  # nothing refers to itself now: a part in memory would else stay until gc looks for it
            if self._opened and not self.part.closed:
                with move_on_after(self.job.policy.grace_s, shield=True):
                    await self.part.close()

    def _check_link(self) -> Outcome | None:
        link = self.job.url.reveal()
        try:
            self.url, host, self.is_staging = facts_of_link(link)
            self.session.hosts.check(self.url)
        except LinkRefused as refused:
            return FileFailed(str(refused), "Add the host to file_hosts in [service] if it is to be trusted.", 0)
        self.host = host
        if ends_with_name(link, self.job.name):  # nearly always
            return None
        said = evidence_of_name(self.job.name, urls=[link])
        if isinstance(said, OtherFile):
            return NeedsLink(f"the link leads to {said.name} in place of it", 0, expired=False)
        return None

    def new_part(self) -> PartFile:
        """Return a part without bytes, which will be made with the first write."""
        job, target = self.job, self.session.target
        path = target.fs.join(target.parts_dir, job.part_name)
        return PartFile(
            path, target.fs, self.threads, job.policy.min_free_bytes, job.part_was, None, is_claim=job.part_is_claim
        )

    # -- attempts ----------------------------------------------------------------------------------------------------

    async def _step(self) -> Outcome | None:
        """Receive and, when the file is complete, finish it; None = go on at once."""
        part = self.part
        length, total = part.length, part.facts.total
        result: Outcome | Fault | None
        if total is not None and length > total:
            result = Fault(FaultKind.RESTART, "more bytes here than the file has")
        elif length and length == total and not self.job.name_begins:
            result = await finish(self, length_known=True)
        elif (result := await self.host_down()) is None:
            try:
                if self.repairs.too_many_files:  # before anything is asked for once more
                    await self.part.write(memoryview(b""))
                    self.repairs.too_many_files = False
                received = await (attempt(self) if self.job.window is None else self._attempt_window())
            except (AttemptFailed, OSError) as error:
                result = await self.fault_of(error)
            except UnsupportedRaster as unsupported:
                return FileFailed(f"no window can be cut from it: {unsupported}", WHOLE_HINT, self.bytes_received)
            else:
                self.hooks.health(self.host, HostReport.OK, "")
                committed = received.committed
                if isinstance(committed, Committed):
                    result = done(self, committed)
                elif received.complete and not self.job.name_begins:
                    result = await finish(self, length_known=received.length_known, result=committed)
                else:
                    result = fault_of_end(self, length)
        if isinstance(result, Fault):
            result = await self._after(result)
        if isinstance(result, NeedsLink | HostDown | NotReady):
            # The last answer may have ended well and short; what it brought is not paid for again.
            await self.checkpoint_if_new()
        return result

    async def host_down(self) -> HostDown | None:
        """Take a slot again, where it was given back; then return why the host is not to be asked now, if so."""
        if self.hooks.slot.has_left:
            await self.hooks.slot.rejoin()
        down = self.hooks.check_host(self.host)
        return down and replace(down, bytes_received=self.bytes_received)

    def _attempt_window(self) -> Awaitable[Received]:
        from landsat_async.transfer.window_fetch import attempt_window  # loads numpy: a tenth of a second

        return attempt_window(self)

    async def fault_of(self, error: AttemptFailed | OSError) -> Fault:
        """Return what ended an attempt, and say to `health` what it says of the host. Raises what concerns the run."""
        if isinstance(error, AttemptFailed):
            report = RULES[error.fault.kind].health
            if report is not None:
                self.hooks.health(error.host or self.host, report, error.fault.reason)
            return error.fault
        fault = fault_of_disk(error, self.session.target.parts_dir)
        if not isinstance(fault, LandsatError):
            return fault
        with suppress(OSError):  # save what can be saved
            if isinstance(error, NoRoom):
                await self.checkpoint_if_new()
            else:  # gives the room back that is not accounted for; a full disk may still refuse to sync it
                await self.part.give_back()
        raise fault from None

    async def _after(self, fault: Fault) -> Outcome | None:
        """Ask the budget, repair the part, and wait; None = try again."""
        if fault.kind is FaultKind.LOST and self.job.part_is_claim:
            return GivenBack(fault.reason, lost=True, bytes_received=self.bytes_received)
        reached = self.part.length + self.part.facts.compared  # what is compared gets further as well
        match self.budget.verdict(fault, reached):
            case Fresh(expired):
                return NeedsLink(fault.reason, self.bytes_received, expired)
            case Pause(wait_s, kind):
                return HostDown(self.host, fault.reason, wait_s, kind, self.bytes_received)
            case Unready():
                return NotReady(fault.reason, self.bytes_received)
            case GiveUp(reason, hint):
                return FileFailed(reason, hint, self.bytes_received, fault.kind)
            case verdict:
                await repair(self, fault)
                await self._wait(fault, verdict.failures)
                return None

    async def _wait(self, fault: Fault, failures: int) -> None:
        uniform, policy = self.session.uniform, self.job.policy
        own_s = full_jitter_s(failures, uniform(), cap_s=policy.backoff_cap_s)
        wait_s = with_retry_after_s(own_s, fault.retry_after_s, uniform())
        self.hooks.notify(Retrying(self.job.relpath, fault.reason, failures, wait_s))
        with self.session.pausing(self.job.relpath, wait_s):
            await sleep(wait_s)

    # -- checkpoints -------------------------------------------------------------------------------------------------

    async def checkpoint(self, mark: Checkpoint) -> None:
        """Make the bytes that `mark` speaks of durable, then say so in the store.

        Not interrupted in between: the store would be ahead of what we know, and a full disk cuts the part to that.
        """
        part = self.part
        await part.sync()
        with self.threads.waiting():
            await self.hooks.store.save(mark)
            part.facts = msgspec.structs.replace(part.facts, durable=mark.durable, sha256=mark.sha256)

    async def checkpoint_if_new(self) -> None:
        """Make a checkpoint unless the last one says it all, or the part has become the file."""
        if self.part.length > self.part.facts.durable and not self.part.closed:
            await self.checkpoint(self.part.now)

    async def _checkpoint_on_cancel(self) -> None:
        """Make what is here durable, within the grace period."""
        with move_on_after(self.job.policy.grace_s, shield=True), suppress(OSError):
            if self._opened and not self.threads.lost:
                await self.checkpoint_if_new()

    # -- events ------------------------------------------------------------------------------------------------------

    def begin_body(self, sink: Sink | None, total: int | None) -> None:
        """Say once where the transfer begins, and from now on how far it is."""
        self.sink, self._total = sink, total
        if sink is not None:  # else it is complete before there is anything to add
            self._told_s = self._told_s or self.session.clock()
        if not self._started:
            self._started = True
            self.hooks.notify(Started(self.job.relpath, self.part.length, total))

    def count(self, size: int) -> None:
        """Count body bytes, and say now and then how far it is."""
        self.bytes_received += size
        self.session.bytes_received += size
        if self.session.max_rate is not None:
            self.session.max_rate.charge(max(0, size - self._paid_bytes))
            self._paid_bytes = max(0, self._paid_bytes - size)
        if self.sink is None:
            return
        now_s = self.session.clock()
        if now_s - self._told_s >= TELL_EVERY_S:
            self._told_s = now_s
            self.hooks.notify(Transferred(self.job.relpath, max(self.sink.position, self.part.length), self._total))

    async def wait_for_rate(self) -> None:
        """Before a request: wait until its answer may come, where the rate of the run is limited."""
        if self.session.max_rate is not None:
            nominal, here = self.job.bytes_nominal, self.part.length
            expected = None if nominal is None else max(0, nominal - here)
            self._paid_bytes = await self.session.max_rate.advance(expected, self._paid_bytes)

    def _tell_wait(self, reason: str, wait_s: float) -> None:
        self.hooks.notify(Retrying(self.job.relpath, reason, self.tries, wait_s))
