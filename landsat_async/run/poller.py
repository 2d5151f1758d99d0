"""Moves what the service has prepared into the stream of the workers.

The problem. After download-request some files are there at once, some in minutes, some in hours; proxied ones stand in
`requested` with a working link, prepared ones move to `available`, some vanish from both lists, and some answers to
download-request never arrive. The notebook looked at one list only and polled for ever.

What we do. Every `poll_interval_s` each label that still has waiting files is asked for (download-retrieve). Ready is
what has a link. A file in neither list is looked up with download-search; if the service does not know it either,
several rounds in a row, it is asked for again, at most MAX_ASKS times. A file that is known and not ready waits until
`staging_timeout_s`. Foreign rows are ignored (run/matching.py). When the service says that it has made a download
under an older label before (duplicateProducts), that label is looked through once, and what stands there is polled
under it from then on.

What we do not do: fetch a staging link before the service lists it as ready.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from landsat_async.disk.ledger import Item
from landsat_async.errors import BadReply, CredentialsError, EndpointGone, RequestRefused, ServiceError
from landsat_async.m2m.caller import TIDY_LIMIT_S
from landsat_async.m2m.replies import QueueItem
from landsat_async.rules.lifecycle import State, Step
from landsat_async.run.context import RunContext
from landsat_async.run.link_stream import LinkStream, deliver
from landsat_async.run.matching import AnswerRow, from_queue, match
from landsat_async.run.quota import eta_s, poll_delay_s

LISTING_DELAY_S = 20.0
"""Right after a request the lists may still be empty; an absence counts only after so long, or a poll interval."""
MISSED_ROUNDS = 3
"""Rounds without a trace of a file that was being prepared, before it is asked for again."""
REPORT_EVERY_S = 300.0
"""Files that have arrived are reported together, so often at most, and what is left when the run ends: a report for
each would be as many calls as there are files, and nothing waits for it."""
REPORT_FILES = 500
"""So many are reported at once; when as many have arrived, no sooner time is waited for."""
MAX_ASKS = 2
"""Requests of one file in a run: the first, and one more when the service has lost it."""


class Poller:
    """One coroutine; see the module header."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._quiet_rounds = 0
        self._reported_s: float | None = None
        """Loop time of the last report of completed files; None before the first round."""
        self._in_doubt = False
        """Something is absent that was asked for just now: look again soon."""

    async def run(self, stream: LinkStream) -> None:
        """Poll until no file waits any more, then close our side of the stream."""
        states = self._context.states
        with stream.sending():
            if not states.by_state[State.REQUESTED] + states.by_state[State.PREPARING]:  # else of an earlier run
                await self._rest()
            while not states.ended:
                try:
                    await self._report()
                    news = await self._round(stream)
                    self._quiet_rounds = 0 if news else self._quiet_rounds + 1
                    await self._estimate()
                    await self._rest()
                except (CredentialsError, ServiceError) as error:
                    states.give_up(error)

    async def _report(self) -> None:
        """Tell the service what has arrived, when it is time for that or much has."""
        now_s = self._context.states.loop_time()
        if self._reported_s is None:
            self._reported_s = now_s
        is_time = now_s - self._reported_s >= REPORT_EVERY_S
        told, _ = await report_completed(self._context, at_least=1 if is_time else REPORT_FILES)
        if told or is_time:
            self._reported_s = now_s

    async def _rest(self) -> None:
        """Wait for the next round: the interval, less when an answer got lost or a host may be tried again."""
        context = self._context
        delay_s = poll_delay_s(context.config.download.poll_interval_s, self._quiet_rounds, random.random())
        if self._in_doubt:
            delay_s = min(delay_s, LISTING_DELAY_S)
        now_s = context.states.loop_time()
        soonest_s, latest_s = now_s + min(1.0, delay_s), now_s + delay_s
        while not (context.states.ended or context.wakeups.poll_now):
            until_s = latest_s
            if context.states.deferred:
                until_s = min(until_s, max(soonest_s, context.states.loop_time() + context.deferred_wait_s()))
            context.wakeups.next_look_s = until_s
            if not await context.wakeups.wait(max(0.0, until_s - context.states.loop_time())):
                break
        context.wakeups.poll_now, context.wakeups.next_look_s = False, None

    async def _round(self, stream: LinkStream) -> bool:
        """Ask for every label that can still bring something; True when something was ready."""
        context = self._context
        news = self._in_doubt = False
        for label, created, foreign in await context.ledger.requests.labels(context.run_id):
            waiting = await context.ledger.requests.waiting(context.run_id, None if foreign else label)
            waiting = [item for item in waiting if item.item_id not in context.states.undelivered]
            if not waiting or context.states.ended:
                continue
            reply = await context.m2m.download_retrieve(label)
            rows = [*reply.available, *reply.requested]
            pairs = match(waiting, from_queue([row for row in rows if not _is_over(row)]))
            absent = [item for item in waiting if item.item_id not in pairs]
            if absent:
                rows += await self._search(label)
                pairs |= match(absent, from_queue([row for row in rows if not _is_over(row)]))
                absent = [item for item in absent if item.item_id not in pairs]
            if foreign:
                await context.ledger.requests.unwatch_label(label, created)
            else:
                await self._absent(absent, [row for row in rows if _is_over(row)])
                await self._expire([item for item in waiting if not _is_ready(pairs.get(item.item_id))])
            for item, answer in pairs.values():
                if answer.refusal is not None:
                    await context.routes.refused(item, answer)
            good = [pair for pair in pairs.values() if pair[1].refusal is None]
            news |= await deliver(context, good, stream, label=label) > 0
        return news

    async def _absent(self, lost: Sequence[Item], over: Sequence[QueueItem]) -> None:
        """Files without a living trace under their label; `over` are the rows of what has ended there."""
        context = self._context
        ended = match(lost, from_queue(over))
        texts = {row.download_id: row.status_text for row in over}
        for item, answer in ended.values():
            reason = f"USGS does not offer it any more (status: {texts.get(answer.download_id or 0)})"
            await self._ask_again(item, reason, answer.download_id)
        lost = [item for item in lost if item.item_id not in ended]
        just_now = context.states.now() - min(LISTING_DELAY_S, context.config.download.poll_interval_s)
        overdue = [item for item in lost if (item.requested_at or 0.0) <= just_now]
        self._in_doubt |= len(overdue) < len(lost)
        await self._missed(overdue)

    async def _estimate(self) -> None:
        """When the last of the files in preparation is likely to be ready."""
        context = self._context
        preparing = context.states.by_state[State.PREPARING]
        waits, elapsed_s = (
            await context.ledger.requests.staging(context.run_id, context.states.now()) if preparing else ([], 0.0)
        )
        left_s = eta_s(waits, preparing, elapsed_s)
        context.counts.staged_at_s = None if left_s is None else context.states.loop_time() + left_s

    async def _search(self, label: str) -> list[QueueItem]:
        """Everything of a label, for files that are in neither list; without that call the lists alone decide."""
        try:
            return await self._context.m2m.download_search(label)
        except (EndpointGone, RequestRefused):
            return []

    async def _missed(self, lost: Sequence[Item]) -> None:
        """Count rounds without a trace; in the end ask again."""
        for item in lost:
            rounds = item.absent_polls + 1
            patient = item.state is State.PREPARING or item.request_attempts > 0
            if patient and rounds < MISSED_ROUNDS:
                await self._context.ledger.requests.note_absent(item.item_id, rounds)
            else:
                await self._ask_again(item, f"USGS does not list it under the label of M2M {item.label}", None)

    async def _ask_again(self, item: Item, reason: str, ended: int | None) -> None:
        """Have a file asked for once more; in the very end try another storage system, or give up."""
        context = self._context
        if item.request_attempts + 1 >= MAX_ASKS:
            reason = f"{reason}, asked for twice"
            hint = "Run the same command again later."
            await context.routes.fail_or_reroute(item, Step.UNASK, reason, hint, ended=ended)
            return
        await context.states.apply(context.ledger.requests.ask_again(item, ended, context.states.now()))

    async def _expire(self, waiting: Sequence[Item]) -> None:
        """End the wait for files that have been preparing for too long."""
        context = self._context
        limit_s = context.config.download.staging_timeout_s
        oldest = context.states.now() - limit_s
        for item in waiting:
            if item.state is not State.PREPARING or (item.requested_at or 0.0) > oldest:
                continue
            waited_s = context.states.waited_s(item)
            if waited_s > limit_s:
                reason = f"still being prepared by USGS after {waited_s:.0f} s (label of M2M: {item.label})"
                await context.routes.fail(
                    item, reason, "The next run picks it up without asking again.", keep_label=True
                )


def _is_ready(pair: tuple[Item, AnswerRow] | None) -> bool:
    return pair is not None and pair[1].url is not None


def _is_over(row: QueueItem) -> bool:
    """Failed, cleared and cancelled downloads will never be ready; letters for them are not documented.

    Nor will one that the service holds for delivered: it has sent all bytes to a run that was killed then.
    """
    text = (row.status_text or "").lower()
    if row.url is None and (row.status_code == "C" or text == "complete"):
        return True
    return any(word in text for word in ("fail", "clear", "cancel", "remove", "expired"))


async def report_completed(
    context: RunContext, *, at_least: int = 1, limit_s: float = TIDY_LIMIT_S
) -> tuple[bool, bool]:
    """Tell the service which proxied files have arrived: it cannot see those transfers.

    Args:
        context: Of the run.
        at_least: Fewer files are left for a later report.
        limit_s: For one report.

    Returns whether something was reported, and whether the service had the answer for all that was to be.
    """
    told = False
    while True:
        rows = await context.ledger.files.unreported(REPORT_FILES)
        if len(rows) < max(1, at_least):
            return told, True
        try:
            sizes = [(number, size) for _, number, size in rows]
            await context.m2m.download_complete_proxied(sizes, once=True, limit_s=limit_s)
        except (EndpointGone, RequestRefused, BadReply):
            pass  # the items are gone there, or the call is: transfers do not depend on it
        except ServiceError:
            return told, False  # later, or by the next run: nothing waits for it
        told = True
        await context.ledger.files.reported([item_id for item_id, _, _ in rows])
