"""Acting on what the service says of files that wait: shared by requester and poller."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import assert_never

from landsat_async.disk.ledger import Item
from landsat_async.disk.ledger_requests import AcceptedDownload
from landsat_async.events import Ready, Retrying
from landsat_async.rules.lifecycle import State, Step
from landsat_async.rules.redact import quoted_from_outside
from landsat_async.run.context import RunContext
from landsat_async.run.host_health import HostFault, Ruling
from landsat_async.run.link_stream import Link, LinkStream
from landsat_async.run.matching import PROXIED, AnswerRow, Refusal
from landsat_async.transfer.link_policy import host_in

DISABLED_WAITS_S = (5.0, 60.0, 300.0)
"""Pauses before one file that is "temporarily disabled" is requested again while others of its system are given."""


async def refused(context: RunContext, item: Item, row: AnswerRow, *, serving: Collection[str] = ()) -> None:
    """The service does not give a file: another storage system if there is one, else the file has failed.

    `serving`: download systems that have given other files in the same answer.
    """
    message, hint = row.message, "Try again later."
    match row.refusal or Refusal.OTHER:
        case Refusal.DISABLED:
            if not context.routes.elsewhere(item):
                await _disabled(context, item, message, serving=item.system in serving)
                return
        case Refusal.LICENCE:
            message = f"a licence has to be accepted before it may be fetched (EULA {quoted_from_outside(row.message)})"
            hint = "Order one such scene at https://earthexplorer.usgs.gov by hand and accept its licence there."
        case Refusal.LIMITS | Refusal.OTHER:
            pass
        case refusal:
            assert_never(refusal)
    reason = f"USGS cannot deliver it now: {message}"
    await context.routes.fail_or_reroute(item, Step.UNASK, reason, hint, ended=row.download_id)


async def _disabled(context: RunContext, item: Item, message: str, *, serving: bool) -> None:
    """Request again later: for the file alone while its system gives others, with all of the system otherwise."""
    system, ruling = f"system:{item.system}", Ruling.OWN
    if not serving:
        row = context.hosts.of(system).row | {item.item_id}
        found = await context.ledger.requests.open_of(context.run_id, [item.system], len(row) + 1)
        others = any(item_id not in row for item_id in found)
        ruling = context.hosts.judge(system, HostFault.DISABLED, item.item_id, message, others=others)
    if ruling in (Ruling.HOST, Ruling.WAIT):
        await context.states.apply(context.ledger.requests.unask([item.item_id], context.states.now()))
        return
    patience_s, tries = context.config.service.patience_s, context.config.download.attempts - 1
    if item.link_renewals >= min(len(DISABLED_WAITS_S), max(1, tries)):
        context.hosts.forget(system, item.item_id)
        await context.routes.fail_or_reroute(
            item, Step.UNASK, f"USGS cannot deliver it now: {message}", "Try again later."
        )
        return
    wait_s = min(DISABLED_WAITS_S[item.link_renewals], max(patience_s, DISABLED_WAITS_S[0]))
    now = context.states.now()
    if await context.states.apply(context.ledger.requests.put_off(item, now + wait_s, now)):
        await context.bus.emit(Retrying(item.relpath, message, item.link_renewals + 1, wait_s))


Pairs = Sequence[tuple[Item, AnswerRow]]


async def deliver(context: RunContext, pairs: Pairs, stream: LinkStream, *, label: str) -> int:
    """Hand links to the workers and note what is being prepared; returns how many links were handed over.

    Waits while the stream is full. A file becomes `ready` only when its turn comes, together with the next ones: a
    commit for each would cost more than the quarter of a stream that waits here. Links to a host that is left
    alone stay where they are. `label` may be an older one: from now on the files are polled under it.
    """
    preparing: list[tuple[Item, AnswerRow]] = []
    rest: list[tuple[Item, AnswerRow]] = []
    waiting: set[int] = set()
    taken_by: set[str] = set()
    for item, answer in pairs:
        if item.state is not State.PREPARING:
            taken_by.add(item.system)
        if answer.url is None:
            preparing.append((item, answer))
        else:
            rest.append((item, answer))
            waiting.add(item.item_id)
    for system in taken_by:
        context.hosts.ok(f"system:{system}")  # it has taken a request, so what it refused before is over
    if preparing:
        await _note_preparing(context, preparing, label)
    born_s = context.states.loop_time()
    context.states.undelivered |= waiting
    delivered = 0
    try:
        while rest:
            count = max(stream.quarter, stream.room)
            usable: Pairs = rest[:count]
            if context.hosts.interrupted or context.states.deferred:
                usable, deferred = _sort_out(context, usable)
                await _defer(context, deferred, label)
            await _hand_over(context, usable, stream, label, born_s)
            delivered += len(usable)
            rest = rest[count:]
    finally:
        context.states.undelivered -= waiting
    return delivered


async def _note_preparing(context: RunContext, pairs: Pairs, label: str) -> None:
    news = [(item, answer) for item, answer in pairs if item.state is not State.PREPARING or item.absent_polls]
    if news:
        await context.states.apply(context.ledger.requests.prepare(_answered(news, label), context.states.now()))


def _answered(pairs: Pairs, label: str) -> list[AcceptedDownload]:
    return [AcceptedDownload(answer.download_id, answer.label or label, item.item_id) for item, answer in pairs]


def _sort_out(context: RunContext, pairs: Pairs) -> tuple[list[tuple[Item, AnswerRow]], list[tuple[Item, AnswerRow]]]:
    """Links that may be used now, and those to leave where they are; of a host on probation one is used."""
    hosts, now = context.hosts, context.states.now()
    closed, on_probation = set(hosts.paused_systems()), set(hosts.on_probation())
    usable: list[tuple[Item, AnswerRow]] = []
    deferred: list[tuple[Item, AnswerRow]] = []
    # What has failed there before says less about a host than a file that has not been tried.
    ordered = sorted(pairs, key=lambda pair: hosts.fails_at(pair[0].system, pair[0].item_id)) if on_probation else pairs
    for pair in ordered:
        system = pair[0].system
        waits = system in closed or context.states.deferred.get(pair[0].item_id, 0.0) > now
        (deferred if waits else usable).append(pair)
        if system in on_probation and not waits:
            closed.add(system)
    return usable, deferred


async def _defer(context: RunContext, pairs: Pairs, label: str) -> None:
    """Leave files at the service; those that another storage system has now are requested there instead."""
    elsewhere: list[tuple[Item, AnswerRow]] = []
    stay: list[tuple[Item, AnswerRow]] = []
    for pair in pairs:
        (elsewhere if context.routes.elsewhere(pair[0]) else stay).append(pair)
    if elsewhere:
        downloads = [(item, answer.download_id) for item, answer in elsewhere]
        await context.states.apply(context.ledger.requests.withdraw(downloads, context.states.now()))
    for item, _ in stay:
        context.states.deferred.setdefault(item.item_id, 0.0)
    await _note_preparing(context, stay, label)


async def _hand_over(context: RunContext, pairs: Pairs, stream: LinkStream, label: str, born_s: float) -> None:
    """Make files `ready` in one commit, then put their links into the stream."""
    if not pairs:
        return
    deferred = set(context.states.deferred)  # their waits say nothing of how long the service takes
    linked = await context.states.apply(context.ledger.requests.link(_answered(pairs, label), context.states.now()))
    watched, waits = linked - deferred, []
    for item, _ in pairs:
        context.states.undelivered.discard(item.item_id)
        if item.item_id in watched and item.state is State.PREPARING and item.requested_at is not None:
            waits.append((item.system, context.states.now() - item.requested_at))
    if waits:
        await context.ledger.requests.add_staged(waits, context.states.now())
    links = []
    for item, answer in pairs:
        if item.item_id in linked and answer.url is not None:
            host = host_in(answer.url)
            context.hosts.host_of_system[item.system] = host
            context.bus.tell(Ready(item.relpath))
            proxied = answer.proxied or item.system.startswith(PROXIED)
            links.append(Link(item, answer.url, host, born_s, proxied))
    await context.bus.room()
    await stream.put(links)
