"""Takes links from the stream and turns each into a proven file, or into a fact in the ledger.

Faults of one file are values (`transfer.types.Outcome`) and end in `run.outcomes`; only what concerns the whole run (a
full disk, a folder that cannot be written) goes up. A worker never sends anything back to the poller: it writes the
fact down, and the poller and requester read it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import anyio
from msgspec import structs

from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.disk.ledger import Item, SavedPart
from landsat_async.disk.ledger_files import LedgerStore
from landsat_async.disk.part import part_name
from landsat_async.errors import LandsatError, resources_lacking
from landsat_async.events import Notice, Retrying, Started, Transferred
from landsat_async.model import MEASURE, Proof
from landsat_async.rules.naming import bundle_name, is_member, is_planned, window_source
from landsat_async.rules.observed import Fact, words_of
from landsat_async.run import concurrency
from landsat_async.run.concurrency import SHORT_WINDOW_S, ConcurrencyLimit
from landsat_async.run.context import RunContext
from landsat_async.run.counts import Claiming
from landsat_async.run.inventory import take_name
from landsat_async.run.link_stream import LINK_MAX_AGE_S, ClaimsAhead, Link, LinkAges, LinkStream, Taken
from landsat_async.run.outcomes import Outcomes, fault_of_attempt
from landsat_async.run.recorder import Proven, Recorder
from landsat_async.transfer.checksums import PublishedSums
from landsat_async.transfer.pool import LocalPool, Slot, Slots, TransferPool
from landsat_async.transfer.retry import PROGRESS_BYTES, HostReport
from landsat_async.transfer.session import TransferSession, Wait
from landsat_async.transfer.types import (
    BACKOFF_CAP_S,
    Counted,
    Done,
    HostDown,
    MembersTaken,
    NameLearnt,
    NeedsLink,
    NoData,
    NotDone,
    NotReady,
    Outcome,
    TransferEvent,
    TransferHooks,
    TransferJob,
    TransferPolicy,
    WantedMember,
)

if TYPE_CHECKING:
    from landsat_async.raster.spec import WindowSpec

log = logging.getLogger(__name__)

QUICK_S = 2.0
"""The longest wait between two tries of a file where there is no patience."""
LINK_YOUNG_S = 1.0
"""A link that is refused at this age or later may have died of it; a younger one is refused for another reason."""
BUGS_IN_A_ROW = 5
CUT_BESIDE = 4
"""So many windows are cut, or wait for that, while others use their connections."""
RATED_BYTES = 2**20
"""The speed of smaller files says more of the round trip than of the line."""
Unfinished: TypeAlias = tuple[Item, Link, NotDone]
"""A file of which something else came out, and the link that it was tried with."""


def _earlier_names(item: Item, saved: SavedPart | None) -> tuple[str, ...]:
    """Where the part may stand: as it was saved, or as the last worker named it, killed before its first save."""
    last = (part_name(item.item_id, item.generation - 1),) if item.generation > 1 else ()
    return last if saved is None or saved.name in last else (saved.name, *last)


class WorkerPool:
    """What all workers of a run share."""

    def __init__(
        self, context: RunContext, session: TransferSession, *, overwrite: bool, pool: TransferPool | None = None
    ) -> None:
        self.context = context
        self.session = session
        self._pool: TransferPool = pool or LocalPool(session, context.config.download.workers)
        download = context.config.download
        self.policy = TransferPolicy(
            attempts=download.attempts,
            stall_timeout_s=download.stall_timeout_s,
            connections=download.connections_per_file,
            min_free_bytes=download.min_free_bytes,
            backoff_cap_s=min(BACKOFF_CAP_S, max(QUICK_S, context.config.service.patience_s)),
            proof=Proof(download.proof),
            overwrite=overwrite,
        )
        self._published = PublishedSums(session, self.policy) if self.policy.proof is Proof.PUBLISHED else None
        self._ages = LinkAges(LINK_MAX_AGE_S)
        self.recorder = Recorder(context, session)
        """Takes the files that came as they should."""
        self.outcomes = Outcomes(context, self.recorder)
        """What is done with all else that comes out."""
        self._claims = ClaimsAhead(context.states, download.workers, self._ages, self.recorder.flush)
        self.bugs = 0
        self._size = ConcurrencyLimit.start(download.workers)
        cuts = context.window is not None or context.measuring is not None
        cuts_here = cuts and pool is None and not session.target.is_far
        self._slots = Slots(self._size.allowed, CUT_BESIDE if cuts_here else 0)
        self.number = download.workers + self._slots.beside
        """So many `work`."""
        self._working = 0
        self._ended = anyio.Event()

    async def work(self, stream: LinkStream) -> None:
        """Fetch files until the stream has ended; pauses while enough others have a slot."""
        self._working += 1
        ahead: Taken | None = None
        slot: Slot | None = None
        with self.recorder.in_use():
            try:
                while (ahead := ahead or await self._next(stream)) is not None:
                    slot = slot or await self._slots.take()  # after a halving, files of the other half come first
                    begun, ahead = ahead, None  # from now on it is nobody else's
                    ended = await self._one(*begun, slot)
                    if isinstance(ended, Proven):  # nearly all
                        await self.recorder.put(ended)
                        if slot.may_take_ahead and self.context.hooks is None:
                            ahead = self._claims.take(stream)  # a claim that begins now shares the commit of this file
                    elif ended is not None:
                        await self.outcomes.handle(*ended)
                    if ahead is None or not slot.may_stay:
                        slot.close()
                        slot = None
            finally:
                if slot is not None:
                    slot.close()
                if ahead is not None:
                    self._claims.give_back(ahead)
                self._working -= 1
                if not self._working:
                    self._claims.leave()
                    self._ended.set()

    async def cancel_soon_when_cancelled(self) -> None:
        """Beside the workers, until the last has ended: see to it that cancelled ones do not wait for a dead disk."""
        try:
            await self._ended.wait()
        except anyio.get_cancelled_exc_class():
            self._pool.cancel_soon()
            raise

    async def _next(self, stream: LinkStream) -> Taken | None:
        """Return the next link; None when there will be no more."""
        await self._slots.ask()
        try:
            return await self._claims.wait(stream)
        finally:
            self._slots.asked()

    def _resize(self, size: ConcurrencyLimit) -> None:
        self._size = size
        if size.allowed != self._slots.allowed:
            self._slots.allow(size.allowed)

    async def manage(self) -> None:
        """Adapt the number of workers to the line, for ever."""
        counts, now_s = self.context.counts, self.context.states.loop_time
        began_s, files, before = now_s(), counts.verified, 0
        while True:
            counts.workers = self._size.allowed
            await anyio.sleep(SHORT_WINDOW_S)
            lasted_s = now_s() - began_s
            if not concurrency.window_is_over(lasted_s, counts.verified - files, self._size.allowed):
                continue
            through = self.session.bytes_received + concurrency.FILE_WORTH_BYTES * counts.verified
            rate, before = (through - before) / lasted_s, through
            began_s, files = now_s(), counts.verified
            self._resize(concurrency.after_window(self._size, rate, busy=self._slots.most_busy, now_s=began_s))
            self._slots.most_busy = self._slots.busy
            self.context.wakeups.notify()

    async def _one(self, link: Link, claiming: Claiming | None, slot: Slot) -> Proven | Unfinished | None:
        """Fetch a file; None when there is nothing more to do for it. `claiming`: None where its link is too old."""
        context = self.context
        claimed = None
        if claiming is not None and (claimed := await context.states.claimed(link.item.item_id, claiming)) is None:
            return None  # somebody else has it
        began_s = context.states.loop_time()
        age_s = began_s - link.born_s
        if claimed is None or (age_s > self._ages.young_s and self._ages.is_too_old(link, age_s)):
            self._ages.renewed[link.item.item_id] += 1
            await self.outcomes.look_up_again(link.item.item_id)
            return None
        self._ages.renewed.pop(link.item.item_id, None)
        item, saved = claimed
        was = _earlier_names(item, saved) if saved is not None or item.generation > 1 else ()
        if began_s < context.hosts.slow_start.until_s:
            await anyio.sleep(context.hosts.slow_start.turn(began_s))
            began_s = context.states.loop_time()
        try:
            if was and await self.outcomes.is_named_already(item, link, was):
                return None  # by a process of a run that was killed, after this one had taken stock
            outcome = await self._transfer(item, saved, was, link, slot)
            if isinstance(outcome, NameLearnt):
                named = await take_name(context, item, outcome.name)
                if named is None:
                    return None  # it is here already, or it cannot have that name
                item = named
                outcome = await self._transfer(item, saved, was, link, slot)
        except LandsatError:
            raise
        except Exception as error:
            if (lacking := resources_lacking(error)) is not None:
                raise lacking from None
            log.exception("unexpected error while fetching %s", item.name)
            self.bugs += 1
            if self.bugs >= BUGS_IN_A_ROW:
                raise
            await context.routes.fail(
                item, "an internal error of landsat_async", "Please report it, with the output of -v."
            )
            return None
        finally:
            context.counts.active.pop(item.item_id, None)
        self.bugs = 0
        if not isinstance(outcome, Done) or outcome.size_bytes >= RATED_BYTES:
            self._note(link, age_s, outcome, context.states.loop_time() - began_s)
        has_worked = isinstance(outcome, Done | NoData | MembersTaken | Counted)
        if has_worked and self._ages.worked(link.host, age_s):
            context.observations.note((link.host, self._ages.told(link.host)))
        if isinstance(outcome, Done):
            return Proven(item, outcome, outcome.size_bytes, link.proxied)
        expired = isinstance(outcome, NeedsLink) and outcome.expired and age_s >= LINK_YOUNG_S
        if expired and self._ages.refused(link, age_s):
            await self.outcomes.look_up_again(item.item_id)
            return None
        return item, link, outcome

    def _note(self, link: Link, age_s: float, outcome: Outcome, took_s: float) -> None:
        """Keep what the end of a transfer shows of its host; of small files nothing but the ages of their links."""
        facts = []
        match outcome:
            case Done() if took_s > 0:
                facts.append(Fact("rate", f"with {self._slots.busy} at a time", outcome.size_bytes / took_s / 1024))
            case NeedsLink(expired=True):
                facts.append(Fact("links", "refused at this age", age_s))
                facts.append(Fact("link refused", words_of(outcome.reason), age_s))
            case NotReady():
                facts.append(Fact("staged links", "not ready at this age", age_s))
            case HostDown() if outcome.kind is HostReport.SERVER:
                facts.append(Fact("connections", "pushed back with so many at a time", self._slots.busy))
        self.context.observations.note((link.host, facts))

    def _transfer(
        self, item: Item, saved: SavedPart | None, was: tuple[str, ...], link: Link, slot: Slot
    ) -> Awaitable[Outcome]:
        """Begin to fetch a file; `was`: where its part may stand.

        A plain file has the coroutine of its transfer, and no other round it, which each of its steps would pass.
        """
        job = TransferJob(
            link.url,
            item.name,
            part_name(item.item_id, item.generation),
            item.relpath,
            part_was=was,
            part=Checkpoint.unpack(saved.facts) if saved else None,
            policy=self.policy,
            bytes_nominal=item.bytes_nominal or None,
        )
        if item.kind == "file" and self.context.window is None and self._published is None:  # nearly all
            return self._fetch(item, link, job, slot)
        if item.kind == MEASURE:
            return self._fetch(item, link, self._measuring_job(item, job), slot)
        if is_planned(item.name):
            job = structs.replace(job, name_begins=item.scene_display_id)
        if self.context.window is None and self._published is None and not is_member(item.kind, item.name):
            return self._fetch(item, link, job, slot)
        return self._transfer_with_more(item, job, link, slot)

    async def _transfer_with_more(self, item: Item, job: TransferJob, link: Link, slot: Slot) -> Outcome:
        """Fetch a file of which more has to be known first: sums, or what is wanted of it."""
        is_from_bundle = is_member(item.kind, item.name)
        name = bundle_name(item.scene_display_id) if is_from_bundle else window_source(item.name)
        job = structs.replace(
            job,
            name=name,
            published=None if self._published is None else await self._sums(self._published, item, name, link),
            window=None if is_from_bundle else self._window_of(item),
            members=await self._members(item) if is_from_bundle else (),
        )
        return await self._fetch(item, link, job, slot)

    def _window_of(self, item: Item) -> WindowSpec | None:
        window = self.context.window
        return None if window is None else window.of_file(item.name)

    async def _members(self, item: Item) -> tuple[WantedMember, ...]:
        """Return what is wanted of the bundle of an item, itself last: it is what the bundle's part belongs to."""
        others = await self.context.ledger.requests.waiting_members(self.context.run_id, item)
        return tuple(
            WantedMember(window_source(one.name), one.relpath, self._window_of(one)) for one in [*others, item]
        )

    def _measuring_job(self, item: Item, job: TransferJob) -> TransferJob:
        """Return the job of a QA_PIXEL that is wanted for its figure alone."""
        assert self.context.measuring is not None
        policy, measuring = replace(self.policy, proof=Proof.STRUCTURE), self.context.measuring
        return structs.replace(job, policy=policy, window=measuring.window, measure=measuring.spec(item))

    def _fetch(self, item: Item, link: Link, job: TransferJob, slot: Slot) -> Awaitable[Outcome]:
        context = self.context
        served_at = 0

        def notify(event: TransferEvent) -> None:
            nonlocal served_at
            if isinstance(event, Started):
                served_at = event.offset_bytes + PROGRESS_BYTES
                context.counts.active[item.item_id] = event.offset_bytes
            elif isinstance(event, Transferred):
                context.counts.active[item.item_id] = event.position_bytes
                if event.position_bytes >= served_at:  # long before its end: others are judged meanwhile
                    served_at = event.position_bytes + PROGRESS_BYTES
                    health(link.host, HostReport.OK, "")
            context.bus.tell(event)

        def check_host(host: str) -> HostDown | None:
            if host in context.hosts.untrusted_hosts:
                return HostDown(host, context.hosts.untrusted_hosts[host], 0.0, HostReport.CERTIFICATE)
            wait_s = context.hosts.ask(host) if host in context.hosts.interrupted else 0.0
            return HostDown(host, "", wait_s, HostReport.PAUSED) if wait_s > 0 else None

        def health(host: str, report: HostReport, reason: str) -> None:
            if report is HostReport.OK:
                if context.hosts.ok(host, item.item_id):
                    context.wakeups.poll_soon()  # what waits at the service for this host may come now
            elif (fault := fault_of_attempt(report)) is not None:
                context.hosts.attempt_failed(host, fault, item.item_id, reason)
            if report is HostReport.SERVER:
                self._resize(concurrency.after_push_back(self._size, item.item_id, context.states.loop_time()))

        store = LedgerStore(context.ledger.files, item.item_id, job.part_name)
        return self._pool.fetch(job, TransferHooks(notify, store, check_host, health, self._count, slot))

    def _count(self, size: int) -> None:
        self.session.bytes_received += size

    async def _sums(self, published: PublishedSums, item: Item, name: str, link: Link) -> dict[str, str]:
        """What USGS publishes for a file; tells once when that is nothing."""
        waits = Wait(lambda reason, wait_s: self.context.bus.tell(Retrying(item.relpath, reason, 1, wait_s)))
        sums = await published.of(link.url, name, waits=waits)
        found = bool(sums) if item.kind == "bundle" else name in sums  # a bundle is compared member by member
        if not found and self.session.tell_once("no sums"):
            text = f"USGS gives no checksum for {name}; such files are verified by content"
            self.context.bus.tell(Notice(text, "warning"))
        return sums
