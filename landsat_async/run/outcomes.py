"""What is done with a transfer that brought no file of its own: whose fault that is, and what is tried next.

The judgement is `run.host_health`. A file whose own failure it is gets a few more links, and fails when they are used
up; a file of a host that is left alone waits at the service, and nothing counts against it. Every wait is announced.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import assert_never

import msgspec

from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.disk.ledger import Item
from landsat_async.disk.part import part_name
from landsat_async.errors import OutOfResources
from landsat_async.events import Retrying
from landsat_async.rules.lifecycle import Step
from landsat_async.run.context import UNTRUSTED_HINT, RunContext
from landsat_async.run.host_health import HostFault, Ruling
from landsat_async.run.inventory import facts_of_named
from landsat_async.run.link_stream import Link
from landsat_async.run.recorder import Proven, Recorder
from landsat_async.transfer.retry import PROGRESS_BYTES, FaultKind, HostReport
from landsat_async.transfer.types import (
    Counted,
    Done,
    FileFailed,
    GivenBack,
    HostDown,
    MembersTaken,
    NameLearnt,
    NeedsLink,
    NoData,
    NotDone,
    NotReady,
)

RENEWAL_WAITS_S = (0.0, 5.0, 60.0, 300.0, 900.0)
"""Pauses before the 1st, 2nd ... new link of a file; after the last, or the patience, the file has failed."""
LOST_AT_MOST = 3
ASIDE_S = 5.0
"""So long a file steps back, so that others of its host are tried."""
_KEPT = "The parts are kept; run the same command again later."
_OF_FILE_FAILED = {
    FaultKind.NETWORK: HostFault.NETWORK,
    FaultKind.BUSY: HostFault.SERVER,
    FaultKind.PAGE: HostFault.PAGE,
}
"""Faults that can be the host's although they have used up the tries of a file; all others are the file's own."""


def fault_of_attempt(report: HostReport) -> HostFault | None:
    """Return what one attempt that failed says about the host; None = nothing yet.

    A refused link, or a certificate, is judged when the transfer is over: a new link may be all that is needed.
    """
    match report:
        case HostReport.NETWORK:
            return HostFault.NETWORK
        case HostReport.SERVER:
            return HostFault.SERVER
        case HostReport.MAINTENANCE:
            return HostFault.MAINTENANCE
        case HostReport.PROXY:
            return HostFault.PROXY
        case HostReport.PAGE:
            return HostFault.PAGE
        case HostReport.REFUSED | HostReport.CERTIFICATE | HostReport.PAUSED | HostReport.OK:
            return None
        case _:
            assert_never(report)


class _HostFailure(msgspec.Struct, frozen=True):
    """A failure that may be the host's."""

    host: str
    kind: HostFault
    reason: str
    hint: str = _KEPT
    wish_s: float = 0.0
    tried: bool = False
    """The transfer has used up the tries of the file itself."""


class Outcomes:
    """Decides what is tried next, and writes it down; one for all workers of a run. Proven files go to the recorder."""

    def __init__(self, context: RunContext, recorder: Recorder) -> None:
        self.context = context
        self.recorder = recorder
        self._kept_bytes: dict[int, int] = {}
        """Item -> bytes that were here when it last needed a new link."""
        self._lost: Counter[int] = Counter()
        """How many processes of a cluster were lost with an item."""
        self._attempts = context.config.download.attempts
        self._patience_s = context.config.service.patience_s

    async def handle(self, item: Item, link: Link, outcome: NotDone) -> None:
        """Write down what follows from an outcome. Raises what concerns the whole run."""
        context, host = self.context, link.host
        match outcome:
            case NoData():
                await self.recorder.no_data(item, outcome, proxied=link.proxied)
            case MembersTaken():
                await self._members_taken(item, link, outcome)
            case Counted(count, size_bytes):
                assert context.measuring is not None
                await context.measuring.counted(item, count, size_bytes, report=link.proxied)
            case NameLearnt():
                pass  # the worker has acted on that
            case GivenBack():
                await self._given_back(item, link, outcome)
            case NotReady() if context.states.waited_s(item) > context.config.download.staging_timeout_s:
                reason = f"USGS lists it as ready, but its link serves nothing: {outcome.reason}"
                await self._fail(item, host, reason, "Run the same command again later.")
            case NotReady():
                await context.states.apply(context.ledger.requests.unready(item, context.states.now()))
            case HostDown():
                await self._host_down(item, host, outcome)
            case NeedsLink():
                await self._needs_link(item, host, outcome)
            case FileFailed() if outcome.kind is FaultKind.IN_THE_WAY:
                await context.ledger.files.note_stranger(item.relpath, context.states.now())
                await context.routes.fail(item, outcome.reason, outcome.hint)
            case FileFailed() if outcome.kind in (FaultKind.IN_USE, FaultKind.STORE):  # no other system would help
                await context.routes.fail(item, outcome.reason, outcome.hint)
            case FileFailed() if outcome.kind is FaultKind.FILES:
                raise OutOfResources(outcome.reason, hint=outcome.hint)  # the next file would lack them as well
            case FileFailed() if outcome.kind in _OF_FILE_FAILED:
                kind = _OF_FILE_FAILED[outcome.kind]
                await self._judge(item, _HostFailure(host, kind, outcome.reason, outcome.hint, tried=True))
            case FileFailed():
                await self._fail(item, host, outcome.reason, outcome.hint)

    async def _given_back(self, item: Item, link: Link, outcome: GivenBack) -> None:
        """Have it taken anew, under another name for its part; a file that ends its processes fails."""
        if await self.is_named_already(item, link, (part_name(item.item_id, item.generation),)):
            return
        self._lost[item.item_id] += outcome.lost
        if self._lost[item.item_id] >= LOST_AT_MOST:
            reason = f"{LOST_AT_MOST} processes of the cluster have ended while they had it: {outcome.reason}"
            await self.context.routes.fail(
                item, reason, "Look at the logs of the workers; memory is a frequent reason."
            )
            return
        if outcome.lost:
            await self._announce(item, outcome.reason, self._lost[item.item_id], 0.0)
        await self.look_up_again(item.item_id)

    async def is_named_already(self, item: Item, link: Link, part_names: Sequence[str]) -> bool:
        """Tell whether a process has given a file its final name, and was lost; then that is recorded."""
        facts = await facts_of_named(self.context, item, part_names)
        if facts is not None:
            done = Done(facts.size_bytes, facts.sha256, facts.proof, 0, facts.mtime_ns, facts.identity)
            await self.recorder.put_at_once(Proven(item, done, done.size_bytes, link.proxied))
        return facts is not None

    async def look_up_again(self, item_id: int) -> None:
        """Have the service give a new link for what it has prepared already."""
        states = self.context.states
        await states.apply(self.context.ledger.requests.look_up(item_id, states.now()))
        self.context.wakeups.poll_soon()

    async def _members_taken(self, item: Item, link: Link, taken: MembersTaken) -> None:
        """Write down what has come of each member; the one that stands for the bundle is the last."""
        context = self.context
        others = await context.ledger.requests.waiting_members(context.run_id, item)
        items = {one.relpath: one for one in (*others, item)}
        for relpath, outcome in taken.results:
            one = items.get(relpath)
            if one is None:
                continue
            match outcome:
                case Done():
                    came_bytes = taken.size_bytes if one is item else 0
                    await self.recorder.put_at_once(Proven(one, outcome, came_bytes, link.proxied))
                case NoData():
                    await self.recorder.no_data(one, outcome, proxied=link.proxied)
                case FileFailed():
                    if outcome.kind is FaultKind.IN_THE_WAY:
                        await context.ledger.files.note_stranger(relpath, context.states.now())
                    await context.routes.fail(one, outcome.reason, outcome.hint, alone=True)
        self.recorder.drop_part(item)

    async def _host_down(self, item: Item, host: str, down: HostDown) -> None:
        """Put the file back until its host may be used, unless no pause helps."""
        context = self.context
        match down.kind:
            case HostReport.CERTIFICATE:
                context.hosts.untrusted_hosts[down.host] = down.reason
                await context.routes.fail_or_reroute(item, Step.RELINK, down.reason, UNTRUSTED_HINT)
            case HostReport.PAUSED:
                await self._put_back(item, down.wait_s)
            case HostReport.NETWORK:  # the transfer gives a host up only when no connection comes about at all
                await self._judge(item, _HostFailure(host, HostFault.UNREACHABLE, down.reason, wish_s=down.wait_s))
            case HostReport.REFUSED:
                await self._judge(item, _HostFailure(host, HostFault.REFUSED, down.reason, wish_s=down.wait_s))
            case _:
                fault = fault_of_attempt(down.kind) or HostFault.SERVER
                await self._judge(item, _HostFailure(host, fault, down.reason, wish_s=down.wait_s))

    async def _needs_link(self, item: Item, host: str, outcome: NeedsLink) -> None:
        """A first new link at once; if that one is refused too, it may be the host that refuses."""
        renewals = await self._links_without_progress(item)
        failure = _HostFailure(host, HostFault.REFUSED, outcome.reason)
        if not outcome.expired:  # it leads nowhere: worth one new link
            await (
                self._retry(item, failure, renewals) if renewals < 1 else self._fail(item, host, outcome.reason, _KEPT)
            )
        elif renewals < 1:
            self.context.hosts.first_refusal(host, item.item_id)
            await self._retry(item, failure, renewals)
        else:
            await self._judge(item, failure, renewals)

    async def _judge(self, item: Item, failure: _HostFailure, renewals: int | None = None) -> None:
        context, host = self.context, failure.host
        others = await self._others(host, item)
        ruling = context.hosts.judge(
            host, failure.kind, item.item_id, failure.reason, others=others, wish_s=_wish_s(failure)
        )
        match ruling:
            case Ruling.WAIT | Ruling.HOST:
                await self._put_back(item, context.hosts.pause_s(host), relink=failure.kind is HostFault.REFUSED)
            case Ruling.ASIDE:
                wait_s = min(
                    max(ASIDE_S, failure.wish_s if failure.kind is HostFault.SERVER else 0.0), self._patience_s
                )
                await self._announce(item, failure.reason, 1, wait_s)
                await self._put_back(item, wait_s, relink=failure.kind is HostFault.REFUSED, aside=True)
            case Ruling.OWN if failure.tried:
                await self._fail(item, host, failure.reason, failure.hint)
            case Ruling.OWN:
                renewals = item.link_renewals if renewals is None else renewals
                await self._retry(item, failure, renewals)

    async def _others(self, host: str, item: Item) -> bool:
        """Whether the run has files of a host besides those that stand in its row of failures."""
        context = self.context
        row = context.hosts.of(host).row | {item.item_id}
        systems = {item.system, *context.hosts.systems_at({host})}
        found = await context.ledger.requests.open_of(context.run_id, sorted(systems), len(row) + 1)
        return any(item_id not in row for item_id in found)

    async def _retry(self, item: Item, failure: _HostFailure, renewals: int) -> None:
        """Another link, a bounded number of times without progress."""
        context = self.context
        left_s = max(self._patience_s, RENEWAL_WAITS_S[1]) - sum(RENEWAL_WAITS_S[:renewals])
        if renewals >= max(1, min(len(RENEWAL_WAITS_S), self._attempts - 1)) or left_s <= 0:
            await self._fail(item, failure.host, failure.reason, failure.hint)
            return
        wait_s = min(max(RENEWAL_WAITS_S[renewals], _wish_s(failure)), left_s)
        if wait_s > 0:
            await self._announce(item, f"{failure.reason}; a new link is asked for then", renewals + 1, wait_s)
        now = context.states.now()
        await context.states.apply(context.ledger.requests.relink(item, now + wait_s, now, link_renewals=renewals + 1))

    async def _links_without_progress(self, item: Item) -> int:
        context = self.context
        saved = await context.ledger.files.load_part(item.item_id)
        facts = Checkpoint.unpack(saved) if saved else None
        kept = facts.durable + facts.compared if facts else 0
        best = self._kept_bytes.get(item.item_id, 0)
        self._kept_bytes[item.item_id] = max(kept, best)
        return 0 if kept >= best + PROGRESS_BYTES else item.link_renewals

    async def _put_back(self, item: Item, pause_s: float, *, relink: bool = False, aside: bool = False) -> None:
        """Leave a file at the service until its host may be used again; what another system has is asked for there.

        `relink`: only a new request brings a new link. `aside`: only this file waits, and for the whole pause.
        """
        context = self.context
        states, requests, now = context.states, context.ledger.requests, context.states.now()
        due = now + pause_s
        if context.routes.elsewhere(item):
            await states.apply(requests.relink(item, due, now))
        elif relink:
            await states.apply(requests.relink(item, due, now, link_renewals=item.link_renewals))
        elif await states.apply(requests.unready(item, now)):
            context.states.deferred[item.item_id] = due if aside else 0.0
            context.wakeups.notify()  # the poller rests until the first of them may be used

    async def _fail(self, item: Item, host: str, reason: str, hint: str) -> None:
        context = self.context
        context.hosts.forget(host, item.item_id)
        self._kept_bytes.pop(item.item_id, None)
        await context.routes.fail_or_reroute(item, Step.RELINK, reason, hint)

    async def _announce(self, item: Item, reason: str, attempt: int, wait_s: float) -> None:
        await self.context.bus.emit(Retrying(item.relpath, reason, attempt, wait_s))


def _wish_s(failure: _HostFailure) -> float:
    """What the server asked for; other kinds carry pauses of ours, which `host_health` has already."""
    return failure.wish_s if failure.kind is HostFault.SERVER else 0.0
