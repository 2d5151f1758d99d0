"""The transfer of one file: attempts until it is here, then proof and final name.

It can be used alone:

    hosts = AllowedHosts(("*.usgs.gov",))
    async with open_transfer_session(hosts=hosts) as net:
        job = TransferJob(SecretUrl(link), "LC08_..._SR_B3.TIF", "data/parts", "1.part", "data/LC08_..._SR_B3.TIF")
        match await transfer(job, net, notify=print, store=MemoryStore()):
            case Done(size_bytes, sha256, proof):
                discard_part(net.fs, job.part_path)

Everything that concerns one file comes back as an `Outcome`; what concerns the whole run (a full disk, a folder that
cannot be written) is raised.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar

from anyio import create_task_group, get_cancelled_exc_class, move_on_after, sleep, sleep_forever

from landsat_async.disk.finalise import Committed, InTheWay, PartLost
from landsat_async.disk.io_threads import Threads
from landsat_async.disk.part import NoRoom
from landsat_async.errors import LandsatError
from landsat_async.events import Notice, Retrying
from landsat_async.model import Identity
from landsat_async.proof.kinds import is_doubtful
from landsat_async.proof.prove import Damaged, Proved
from landsat_async.rules.backoff import full_jitter_s, with_retry_after_s
from landsat_async.rules.identity import OtherFile, evidence_of_name
from landsat_async.rules.joins import Next, after_proof
from landsat_async.transfer.attempt import NameSeen, TransferContext, attempt, checkpoint_if_new, one_error
from landsat_async.transfer.commit import Committer, Joined
from landsat_async.transfer.file_errors import AttemptFailed, fault_of_disk
from landsat_async.transfer.link_policy import LinkRefused, host_of, read_link
from landsat_async.transfer.recheck import compare_again, gives_ranges
from landsat_async.transfer.repair import Repairs, open_believed
from landsat_async.transfer.retry import (
    RULES,
    Budget,
    Fault,
    FaultKind,
    Fresh,
    GiveUp,
    HostReport,
    Pause,
    Retry,
    Unready,
)
from landsat_async.transfer.session import TransferSession
from landsat_async.transfer.types import (
    CheckpointStore,
    Done,
    FileFailed,
    HostDown,
    NameLearnt,
    NeedsLink,
    NotReady,
    Outcome,
    TransferEvent,
    TransferJob,
)

T = TypeVar("T")

CheckHost = Callable[[str], HostDown | None]
"""check_host(host): None = go on; asked before every attempt."""
Health = Callable[[str, HostReport, str], None]
"""health(host, report, reason): what came of an attempt, for a circuit breaker."""

_LIMIT_OF_DAMAGED_COPIES = 3


def _always(host: str) -> HostDown | None:
    return None


def _nobody(host: str, report: HostReport, reason: str) -> None:
    pass


async def transfer(
    job: TransferJob,
    net: TransferSession,
    *,
    notify: Callable[[TransferEvent], None],
    store: CheckpointStore,
    check_host: CheckHost = _always,
    health: Health = _nobody,
) -> Outcome:
    """Fetch one file, prove it and give it its final name.

    Args:
        job: What to fetch and where to.
        net: Shared session and threads, see `open_transfer_session`.
        notify: Called with events; must return at once and not raise.
        store: Keeps checkpoints; `job.part` is what it said last.
        check_host: May stop the transfer before an attempt, because the host is to be left alone.
        health: Told what each attempt says about its host.

    Raises:
        DiskFull: Nothing more can be written.
        FolderUnwritable: The output folder is gone or read-only.
    """
    ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    threads = Threads(net.pool, job.policy.grace_s)

    async def run() -> None:
        outcome = await _transfer(job, net, threads, notify, store, check_host, health)
        if not ended.done():
            ended.set_result(outcome)

    # The work is in a task of its own. So cancellation of any origin (a scope, task.cancel(), asyncio.timeout) reaches
    # it in one form, from which its clean-up can be shielded, and is seen here at once, whatever the work waits for.
    with one_error():
        async with create_task_group() as tasks:
            tasks.start_soon(run)
            try:
                return await ended
            except get_cancelled_exc_class():
                threads.cancel_soon()
                raise
    raise AssertionError


async def transfer_in_group(
    job: TransferJob,
    net: TransferSession,
    *,
    notify: Callable[[TransferEvent], None],
    store: CheckpointStore,
    check_host: CheckHost = _always,
    health: Health = _nobody,
) -> Outcome:
    """Do the same without a task of its own, which costs a small file as much as its request.

    For tasks that nobody but a task group of anyio cancels, where `net.cancel_soon` is called as soon as it does: what
    waits for a thread is shielded, and cannot see it.
    """
    threads = Threads(net.pool, job.policy.grace_s)
    with net.may_cancel_soon(threads):
        return await _transfer(job, net, threads, notify, store, check_host, health)


async def _transfer(
    job: TransferJob,
    net: TransferSession,
    threads: Threads,
    notify: Callable[[TransferEvent], None],
    store: CheckpointStore,
    check_host: CheckHost,
    health: Health,
) -> Outcome:
    try:
        url = read_link(job.url.reveal())
        net.hosts.check(url)
        said = evidence_of_name(job.name, urls=[job.url.reveal()])
    except LinkRefused as refused:
        return FileFailed(str(refused), "Add the host to file_hosts in [service] if it is to be trusted.", 0)
    if isinstance(said, OtherFile):
        return NeedsLink(f"the link leads to {said.name} in place of it", 0, expired=False)
    course = None
    try:
        part = await open_believed(job, net, threads, job.part, store)
        lander = Committer(job, net, part)
        trip = TransferContext(job, net, notify, store, url, host_of(url), part, lander)
        course = _AttemptLoop(trip, lander, check_host, health, Budget(job.policy.attempts))
        return await course.run()
    except NameSeen as seen:
        health(host_of(url), HostReport.OK, "")
        return _named(seen.name, job.name_begins)
    except OSError as error:  # of opening the part; others are faults of an attempt
        fault = fault_of_disk(error, job.parts_dir)
        if isinstance(fault, LandsatError):
            raise fault from None
        received = 0 if course is None else course.trip.bytes_received
        return FileFailed(fault.reason, RULES[fault.kind].hint, received, fault.kind)
    except get_cancelled_exc_class():
        if course is not None:
            await course.checkpoint_on_cancel()
        raise
    finally:
        if course is not None and not course.trip.part.closed:
            with move_on_after(job.policy.grace_s, shield=True):
                await course.trip.part.close()


def _named(name: str | None, begins: str) -> Outcome:
    if name is not None:
        return NameLearnt(name)
    reason = f"the server gives it no name that begins with {begins}"
    return FileFailed(reason, "Nothing is named by guess; try later, or choose another product.", 0)


@dataclass(slots=True)
class _AttemptLoop:
    """The way of one transfer: what has been tried, and what comes next."""

    trip: TransferContext
    lander: Committer
    check_host: CheckHost
    health: Health
    budget: Budget
    _damaged: set[str] = field(default_factory=set)
    _copies: int = 0
    _repairs: Repairs = field(init=False)

    def __post_init__(self) -> None:
        """Begin without a fault."""
        self._repairs = Repairs(self.trip, self.lander)

    async def run(self) -> Outcome:
        """Go on until there is an outcome."""
        while True:
            step = await self._step()
            if isinstance(step, Fault):
                step = await self._after(step)
            if isinstance(step, NeedsLink | HostDown | NotReady):
                # The last answer may have ended well and short; what it brought is not paid for again.
                await checkpoint_if_new(self.trip.part, self.trip.store)
            if step is not None:
                return step

    async def _step(self) -> Outcome | Fault | None:
        """Receive and, when the file is complete, finish it. None = go on at once."""
        part = self.trip.part
        if part.facts.total is not None and part.length > part.facts.total:
            return Fault(FaultKind.RESTART, "more bytes here than the file has")
        if part.length and part.length == part.facts.total and not self.trip.job.name_begins:
            return await self._finish(length_known=True)
        down = self.check_host(self.trip.host)
        if down is not None:
            return replace(down, bytes_received=self.trip.bytes_received)
        if self._repairs.too_many_files:  # before anything is asked for once more
            try:
                await part.write(memoryview(b""))
            except OSError as error:
                return await self._disk_fault(error)
            self._repairs.too_many_files = False
        before = part.length
        received = await self._ask(attempt(self.trip))
        if isinstance(received, Fault):
            return received
        if self.trip.job.name_begins:
            return Fault(FaultKind.WRONG_BODY, "a page came in place of the file")
        if received.complete:
            return await self._finish(length_known=received.length_known)
        if part.length > before:
            return None  # a server may send less than was asked for
        return Fault(FaultKind.NETWORK, "the server sends nothing new")

    async def _ask(self, answer: Awaitable[T]) -> T | Fault:
        """Have something asked of the host, and say to `health` what came of it. Raises what concerns the run."""
        try:
            received = await answer
        except AttemptFailed as failure:
            report = RULES[failure.fault.kind].health
            if report is not None:
                self.health(failure.host or self.trip.host, report, failure.fault.reason)
            return failure.fault
        except OSError as error:
            return await self._disk_fault(error)
        self.health(self.trip.host, HostReport.OK, "")
        return received

    async def _disk_fault(self, error: OSError) -> Fault:
        """Save what can be saved. Raises what concerns the whole run."""
        part, store = self.trip.part, self.trip.store
        fault = fault_of_disk(error, self.trip.job.parts_dir)
        if not isinstance(fault, LandsatError):
            return fault
        with suppress(OSError):
            if isinstance(error, NoRoom):
                await checkpoint_if_new(part, store)
            else:  # gives the room back that is not accounted for; a full disk may still refuse to sync it
                await part.give_back()
        raise fault from None

    # -- complete ----------------------------------------------------------------------------------------------------

    async def _finish(self, *, length_known: bool) -> Outcome | Fault:
        """See what became of the complete part; when it was complete from the beginning, prove and name it now."""
        part, job, lander = self.trip.part, self.trip.job, self.lander
        if lander.landing is None and lander.stretches:
            return await self._compare(length_known=length_known)
        if lander.landing is None:
            lander.length_known = length_known
            await part.threads.run(lander.land, stop=lander.stop)
        landing, lander.landing, lander.length_known = lander.landing, None, True
        if isinstance(landing, OSError):
            return await self._naming_fault(landing)
        match landing:
            case Committed(proof, mtime_ns, shown):
                if doubt := self._doubt_of_size():
                    self.trip.notify(Notice(f"{self.trip.file}: {doubt}; its proof is {proof}", "warning"))
                named = Identity.NAMED if part.facts.named else Identity.NONE
                identity = max(shown, named, key=lambda one: one.rank)
                return Done(part.length, part.sha256, proof, self.trip.bytes_received, mtime_ns, identity)
            case InTheWay():
                return FileFailed(
                    f"{os.path.basename(job.final_path)} exists and was not made by this program",
                    "Move it away, or use --overwrite to replace it.",
                    self.trip.bytes_received,
                    FaultKind.IN_THE_WAY,
                )
            case PartLost():
                return Fault(FaultKind.LOST, "the unfinished file was removed or changed by somebody else")
            case Damaged(reason):
                return self._damage(reason, length_known=length_known)
            case Joined():
                return await self._joined(landing, length_known=length_known)
            case Proved():
                return self._unproven()
        await sleep_forever()  # only a cancelled transfer stops its proof, and this raises
        raise AssertionError

    def _damage(self, reason: str, *, length_known: bool) -> Outcome | Fault:
        if not length_known:
            return Fault(FaultKind.UNPROVEN, f"the server gives no length; the file could not be proven: {reason}")
        sha256, self._copies = self.trip.part.sha256, self._copies + 1
        if sha256 in self._damaged:
            return self._failed(
                f"the copy at USGS itself looks damaged: {reason}", "Fetched twice with the same bytes; tell USGS."
            )
        if self._copies >= _LIMIT_OF_DAMAGED_COPIES:
            return self._failed(f"damaged each time in another way: {reason}", "Try again later.")
        self._damaged.add(sha256)
        return Fault(FaultKind.DAMAGED, f"the file is damaged: {reason}")

    def _doubt_of_size(self) -> str:
        """Say that the file is far from its listed size; "" when it is not."""
        part, listed = self.trip.part, self.trip.job.bytes_nominal
        doubtful = is_doubtful(part.length, listed)
        return f"it has {part.length:,} bytes where USGS lists {listed:,}" if doubtful else ""

    def _unproven(self) -> Fault:
        if doubt := self._doubt_of_size():
            return Fault(FaultKind.UNPROVEN, f"{doubt}, and its content cannot be proven")
        return Fault(FaultKind.UNPROVEN, "the server gives no length, and the file could not be proven")

    async def _joined(self, landing: Joined, *, length_known: bool) -> Outcome | Fault:
        """Go on with a file whose bytes came with several answers, and are proven as far as sums inside it go."""
        trip, lander, facts = self.trip, self.lander, self.trip.part.facts
        ranges = gives_ranges(trip, trip.net.habits(trip.host))
        size, weakly = trip.part.length, facts.joined_weakly
        match after_proof(landing.proof, landing.stretches, size=size, joined_weakly=weakly, ranges=ranges):
            case Next.COMPARE:
                lander.stretches = landing.stretches
                return await self._compare(length_known=length_known)
            case Next.FETCH_ANEW if weakly:
                return Fault(FaultKind.UNPROVEN, "resumed without a validator, and its content cannot be proven")
            case Next.FETCH_ANEW:
                return Fault(FaultKind.UNPROVEN, "it came in several answers, and its content cannot be proven")
            case Next.NAME_AND_SAY:
                text = f"{trip.file} came in several answers and holds no sums to tell that they are of one version"
                trip.notify(Notice(f"{text}; it is proven by {landing.proof} only", "warning"))
        lander.joins_settled = True
        return await self._finish(length_known=length_known)

    async def _compare(self, *, length_known: bool) -> Outcome | Fault:
        """Hold against the server what no sum covers, then go on; what has been compared is not asked for again."""
        trip = self.trip
        down = self.check_host(trip.host)
        if down is not None:
            return replace(down, bytes_received=trip.bytes_received)
        fault = await self._ask(compare_again(trip, self.lander))
        return await self._finish(length_known=length_known) if fault is None else fault

    async def _naming_fault(self, error: OSError) -> Outcome | Fault:
        if error.errno == errno.ELOOP:
            return self._failed(
                "a folder on the way to the final name is a symbolic link", "Remove the link, or choose another layout."
            )
        if error.errno in (errno.ENAMETOOLONG, errno.EINVAL):
            return self._failed("the file system does not take the final name", "Choose another layout.")
        fault = fault_of_disk(error, self.trip.job.parts_dir)
        if isinstance(fault, LandsatError):
            raise fault from None  # and nothing is cut: the part may have its final name already
        if fault.kind is FaultKind.IN_USE:
            with suppress(OSError):
                await checkpoint_if_new(self.trip.part, self.trip.store)  # the next run has only to name it
        return fault

    # -- after a fault -----------------------------------------------------------------------------------------------

    async def _after(self, fault: Fault) -> Outcome | None:
        """Repair the part, ask the budget, and wait; None = try again."""
        verdict = self.budget.verdict(fault, self.trip.part.length)
        match verdict:
            case Fresh(expired):
                return NeedsLink(fault.reason, self.trip.bytes_received, expired)
            case Pause(wait_s, kind):
                return HostDown(self.trip.host, fault.reason, wait_s, kind, self.trip.bytes_received)
            case Unready():
                return NotReady(fault.reason, self.trip.bytes_received)
            case GiveUp(reason, hint):
                return FileFailed(reason, hint, self.trip.bytes_received, fault.kind)
            case Retry(failures):
                await self._repairs.after(fault)
                await self._wait(fault, failures)
                return None

    async def _wait(self, fault: Fault, failures: int) -> None:
        uniform, policy = self.trip.net.uniform, self.trip.job.policy
        own_s = full_jitter_s(failures, uniform(), cap_s=policy.backoff_cap_s)
        wait_s = with_retry_after_s(own_s, fault.retry_after_s, uniform())
        self.trip.notify(Retrying(self.trip.file, fault.reason, failures, wait_s))
        await sleep(wait_s)

    def _failed(self, reason: str, hint: str) -> FileFailed:
        return FileFailed(reason, hint, self.trip.bytes_received)

    async def checkpoint_on_cancel(self) -> None:
        """On cancellation: make what is here durable, within the grace period."""
        part = self.trip.part
        with move_on_after(self.trip.job.policy.grace_s, shield=True), suppress(OSError):
            if not part.abandoned:
                await checkpoint_if_new(part, self.trip.store)
