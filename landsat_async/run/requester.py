"""Requests files in batches, as room and the account's limits allow.

The label of a batch is in the ledger before the call is sent. If the answer is lost, nothing is requested twice: the
files stay `requested`, and the poller finds out by the label what the service knows.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from operator import attrgetter
from urllib.parse import urlsplit

import anyio

from landsat_async.disk.ledger import Item
from landsat_async.errors import (
    CredentialsError,
    DiskFull,
    LandsatError,
    OutcomeUnknown,
    QuotaReached,
    RequestRefused,
    ServiceDown,
    ServiceError,
)
from landsat_async.events import Notice, Requested, Retrying
from landsat_async.m2m.payloads import DataGroup
from landsat_async.m2m.replies import DownloadReply
from landsat_async.model import MEASURE
from landsat_async.rules.lifecycle import State, Step
from landsat_async.rules.quantities import size_text
from landsat_async.run.context import UNTRUSTED_HINT, RunContext
from landsat_async.run.fallback import BundleFallback
from landsat_async.run.link_stream import LinkStream, Pairs, deliver
from landsat_async.run.matching import (
    AnswerRow,
    Refusal,
    fact_of_groups,
    from_request,
    match,
    of_one_request,
    product_apart,
    without_ids,
)
from landsat_async.run.quota import WINDOW_S, allowance, fitting
from landsat_async.run.scene_lists import scene_list

LABEL_DOWNLOADS = 1000
"""Downloads under one label: few labels to poll, and answers of bounded size."""
QUOTA_PAUSE_S = 900.0
REROUTE_EVERY_S = 1.0
GATHER_S = 10.0
"""Scenes pass one by one where the clouds in the area are measured: so long between two requests, each for all that has
passed by then."""
MEASURED_TOGETHER = 256
"""QA_PIXEL files of one request: a hundredth of each is fetched, so that many links are used while they are young."""
_LISTED_BYTES, _ITEM_ID = attrgetter("bytes_nominal"), attrgetter("item_id")
_PAIR = attrgetter("entity_id", "product_id")
HOUSEKEEPING_S = 30.0
"""The longest sleep without a look at paused hosts and due files."""


class Requester:
    """One coroutine; see the module header."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._labels: dict[str, tuple[int, int]] = {}
        """Product that is requested apart ("" for everything else) -> number of its label, downloads under it."""
        self._label_number = -1
        self._quota_hits = 0
        self._most = context.config.download.queue_size
        """Files of one request; less while the account has room for few only."""
        self._requested_s: float | None = None
        """Loop time of the last request; None before the first."""
        self._reroute_s = 0.0
        self._given_up: set[str] = set()
        """Systems whose host is not trusted."""
        self._fallback = BundleFallback(context) if context.routes.may_replace_bundles else None

    async def run(self, stream: LinkStream) -> None:
        """Request until nothing is left, then close our side of the stream."""
        context = self._context
        with stream.sending():
            while not context.states.ended:
                if context.measuring is not None and (pause_s := self._gathering_s()) > 0:
                    await context.wakeups.wait(pause_s)
                    continue
                try:
                    batch = await self._batch()
                    if batch:
                        await self._request_or_split(batch, stream)
                    else:
                        await self._idle()
                except (CredentialsError, ServiceError) as error:
                    context.states.give_up(error)

    def _gathering_s(self) -> float:
        """Return how long scenes that have just been measured are gathered for one request; 0 = not any more."""
        if self._requested_s is None:
            return 0.0
        return self._requested_s + GATHER_S - self._context.states.loop_time()

    async def _batch(self) -> list[Item]:
        """Return the files to request now; none while there are none or the limits say no."""
        context, hosts = self._context, self._context.hosts
        if hosts.untrusted_hosts:
            await self._fail_untrusted()
        if self._fallback is not None:
            await self._fallback.look()
        if not context.states.by_state[State.PLANNED]:  # the usual case when everything has been requested
            return []
        paused = hosts.paused_systems() if hosts.interrupted else []
        if paused:
            await self._reroute(paused)
        now = context.states.now()
        most = self._most if context.measuring is None else max(self._most, MEASURED_TOGETHER)
        batch = await context.ledger.requests.batch(
            context.run_id, most, now, paused, log_since=now - WINDOW_S, free_bytes=context.target.free_bytes
        )
        files = batch.files
        if most > self._most:
            files = _bounded(files, self._most)
        if hosts.interrupted:
            files = hosts.one_probe_each(files, context.states.loop_time())
        files = of_one_request(files)
        if not files:
            return []
        allowed = allowance(
            batch.request_log,
            now,
            want=len(files),
            in_flight=context.states.in_flight,
            share=context.config.service.share,
        )
        if allowed.downloads == 0:
            if allowed.wait_s > 0:
                await self._pause_for_quota(allowed.wait_s)
            else:
                context.wakeups.waiting_for_capacity = True
                await context.wakeups.wait(HOUSEKEEPING_S)
                context.wakeups.waiting_for_capacity = False
            return []
        return self._with_room(files[: allowed.downloads], batch.free_bytes)

    def _with_room(self, files: Sequence[Item], free: int) -> list[Item]:
        """Return the files that the disk has room for beside those that are coming; `free` bytes are there.

        Raises:
            DiskFull: it has room for none, and none is coming.
        """
        context, counts = self._context, self._context.counts
        keep, coming, scale = context.config.download.min_free_bytes, context.states.in_flight, counts.scale
        fits = fitting(
            list(map(_LISTED_BYTES, files)),
            free_bytes=free,
            keep_bytes=keep,
            coming_bytes=int(counts.nominal_left * scale * coming / max(1, context.states.open)),
            coming_files=coming,
            scale=scale,
        )
        if not fits and not coming:
            raise DiskFull(
                f"The disk has no room: {size_text(free)} are free, and {size_text(keep)} are kept free.",
                hint="Free space, or lower [download] min_free_bytes. Nothing is lost: the same command continues.",
            )
        return list(files[:fits])

    async def _fail_untrusted(self) -> None:
        """Do not request files that only a host without a trusted certificate has."""
        context = self._context
        untrusted = context.hosts.untrusted_systems()
        if untrusted.keys() <= self._given_up:
            return
        self._given_up |= untrusted.keys()
        await context.ledger.requests.reroute(context.run_id, list(untrusted), context.states.now())
        after = 0
        while page := await context.ledger.items(context.run_id, [State.PLANNED], after=after):
            after = page[-1].item_id
            for item in page:
                if item.system in untrusted and context.routes.may_come_in_files(item):
                    context.routes.refused_bundles[item.item_id] = untrusted[item.system]
                elif item.system in untrusted:
                    await context.routes.fail(item, untrusted[item.system], UNTRUSTED_HINT)

    async def _reroute(self, paused: Sequence[str]) -> None:
        """Files of a system that is down change over to another one that has them, if there is one."""
        context = self._context
        if context.states.loop_time() < self._reroute_s:
            return
        self._reroute_s = context.states.loop_time() + REROUTE_EVERY_S
        moved = await context.ledger.requests.reroute(context.run_id, paused, context.states.now())
        if moved:
            text = f"{', '.join(paused)} cannot be used now: {moved} files are fetched from another storage system"
            context.bus.tell(Notice(text, "warning"))

    async def _idle(self) -> None:
        """Wait until a file changes its state, becomes due, or a paused host may be tried."""
        context, wait_s = self._context, HOUSEKEEPING_S
        if context.hosts.interrupted:
            await self._check_patience()
            wait_s = min([wait_s, *(outage.wait_s for outage in context.hosts.outages())])
        planned = context.states.by_state[State.PLANNED]
        due = await context.ledger.requests.next_due(context.run_id) if planned else None
        context.wakeups.next_due_s = None
        if due is not None and (left_s := due - context.states.now()) > 0:
            wait_s = min(wait_s, left_s)
            context.wakeups.next_due_s = context.states.loop_time() + left_s
        if not context.states.ended:
            await context.wakeups.wait(max(0.01, wait_s))

    async def _check_patience(self) -> None:
        """End the run when only files of dead hosts are left, the patience is used up and the last try has failed."""
        context = self._context
        oldest = context.hosts.given_up()
        if oldest is None or context.states.in_flight > len(context.states.deferred):
            return
        dead = {*context.hosts.paused_systems(), *context.hosts.on_probation()}
        if await context.ledger.requests.open_systems(context.run_id) <= dead:
            context.states.give_up(
                ServiceDown(
                    f"{oldest.name.removeprefix('system:')} does not answer as it should: {oldest.reason}.",
                    hint="Everything fetched so far is kept. Run the same command again later.",
                    reference="host-down",
                )
            )

    async def _request_or_split(self, batch: Sequence[Item], stream: LinkStream) -> None:
        """Request; if the service refuses the batch as a whole, halve it until the culprit stands alone.

        While a call is under way the poller leaves its files alone.
        """
        todo, undelivered = [list(batch)], self._context.states.undelivered
        while todo:
            files, wait_s = todo.pop(), 0.0
            ids = list(map(_ITEM_ID, files))
            undelivered.update(ids)
            try:
                wait_s = await self._request(files, ids, stream)
            except RequestRefused as refusal:
                if len(files) > 1:
                    await self._release(files)
                    middle = len(files) // 2
                    todo += [files[middle:], files[:middle]]
                else:
                    reason = f"USGS refuses this file: {refusal}"
                    await self._context.routes.fail_or_reroute(files[0], Step.UNASK, reason)
            finally:
                undelivered.difference_update(ids)
            if wait_s > 0:
                await self._pause_for_quota(wait_s)

    async def _request(self, files: Sequence[Item], ids: Sequence[int], stream: LinkStream) -> float:
        """Request once, under a label; return how long to pause because the limits of the account are used up."""
        context = self._context
        label = self._label(len(files), product_apart(files[0]))
        intended = context.ledger.requests.intend(label, context.run_id, ids, context.states.now())
        moved = await context.states.apply(intended)
        if len(moved) < len(files):
            files = [item for item in files if item.item_id in moved]
        try:
            try:
                if files[0].group_dataset is not None:
                    reply = await self._call_by_groups(label, files, files[0].group_dataset)
                else:
                    reply = await context.m2m.download_request(label=label, downloads=list(map(_PAIR, files)))
            finally:
                self._requested_s = context.states.loop_time()
        except OutcomeUnknown as error:
            await context.ledger.requests.note_requested([item.item_id for item in files], context.states.now())
            await context.bus.emit(Retrying(None, str(error), 1, 0.0))
            context.wakeups.poll_soon()
            return 0.0
        except QuotaReached as error:
            await self._release(files)
            self._most = max(1, len(files) // 2)
            return error.retry_after_s or QUOTA_PAUSE_S
        except RequestRefused:
            raise  # the caller splits the batch
        except LandsatError:
            # Certainly not acted upon (an unclear outcome is caught above): leave nothing that looks requested.
            await self._release(files)
            raise
        if await self._apply(label, files, reply, stream):
            self._most = max(1, self._most // 2)
            return QUOTA_PAUSE_S
        self._quota_hits = 0
        self._most = min(context.config.download.queue_size, 2 * self._most)
        return 0.0

    async def _call_by_groups(self, label: str, files: Sequence[Item], dataset: str) -> DownloadReply:
        m2m = self._context.m2m
        groups = sorted({group for item in files for group in item.file_groups})
        async with scene_list(m2m, self._context.ledger, dataset, [item.entity_id for item in files]) as list_id:
            group = DataGroup(dataset=dataset, file_groups=tuple(groups), list_id=list_id)
            return await m2m.download_request(label=label, data_groups=[group])

    async def _apply(self, label: str, files: Sequence[Item], reply: DownloadReply, stream: LinkStream) -> bool:
        """Act on an answer. Files that it does not name stay `requested` for the poller.

        Returns whether some were refused because of the account's limits.
        """
        context = self._context
        answers = from_request(reply)
        if files[0].group_dataset is not None:
            host = urlsplit(context.config.service.url).hostname or ""
            fact = fact_of_groups([item.scene_display_id for item in files], answers)
            context.observations.note((host, [fact]))
        if reply.duplicates:
            files = await context.ledger.requests.revive(files, reply.duplicates)
        pairs = match(files, answers)
        if reply.failed:
            pairs |= without_ids([item for item in files if item.item_id not in pairs], reply)
        good: list[tuple[Item, AnswerRow]] = []
        failed: list[tuple[Item, AnswerRow]] = []
        ready = 0
        for item, answer in pairs.values():
            (good if answer.refusal is None else failed).append((item, answer))
            ready += answer.refusal is None and answer.url is not None
        await context.bus.emit(Requested(label, len(files), ready, len(files) - ready - len(failed), len(failed)))
        is_over_limit = bool(failed) and await self._take_refusals(failed, good)
        for old_label in sorted(set(reply.duplicates.values()) - {label}):
            await context.ledger.requests.watch_label(old_label, context.run_id, context.states.now())
        if len(pairs) < len(files):
            unanswered = [item.item_id for item in files if item.item_id not in pairs]
            await context.ledger.requests.note_requested(unanswered, context.states.now())
            context.wakeups.poll_soon()
        await deliver(context, good, stream, label=label)
        return is_over_limit

    async def _take_refusals(self, failed: Pairs, good: Pairs) -> bool:
        """Have files asked for later, elsewhere, or not any more; True when the account's limits refuse some."""
        over = [item for item, answer in failed if answer.refusal is Refusal.LIMITS]
        await self._release(over)
        serving = {item.system for item, _ in good}
        for item, answer in failed:
            if item not in over:
                await self._context.routes.refused(item, answer, serving=serving)
        return bool(over)

    async def _pause_for_quota(self, wait_s: float) -> None:
        context = self._context
        self._quota_hits += 1
        wait_s += random.uniform(0.0, min(60.0, 0.1 * wait_s))
        reason = "download quota of the account used up; running transfers go on"
        context.wakeups.quota_until_s = context.states.loop_time() + wait_s
        await context.bus.emit(Retrying(None, reason, self._quota_hits, wait_s, "quota"))
        with anyio.move_on_after(wait_s):
            while not context.states.ended:
                await context.wakeups.wait()
        context.wakeups.quota_until_s = None

    async def _release(self, files: Sequence[Item]) -> None:
        if files:
            context = self._context
            ids = [item.item_id for item in files]
            await context.states.apply(context.ledger.requests.unask(ids, context.states.now()))

    def _label(self, downloads: int, product: str) -> str:
        number, used = self._labels.get(product, (-1, 0))
        if number < 0 or (used and used + downloads > LABEL_DOWNLOADS):
            self._label_number += 1
            number, used = self._label_number, 0
        self._labels[product] = number, used + downloads
        return f"la-{self._context.run_id}-{number}"


def _bounded(files: list[Item], most: int) -> list[Item]:
    """Return all files that are wanted for their figure alone, and `most` of the others."""
    others = [item.item_id for item in files if item.kind != MEASURE][most:]
    late = set(others)
    return [item for item in files if item.item_id not in late]
