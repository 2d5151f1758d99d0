"""What the tasks of one run share, and the one way in which they move a file from state to state."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import msgspec

from landsat_async.config import Config
from landsat_async.disk.ledger import FinishedFile, Item, Ledger, SavedPart, without_download
from landsat_async.errors import LandsatError
from landsat_async.events import Failed, Retrying
from landsat_async.m2m.client import M2MClient
from landsat_async.model import Unavailable, WantedFile
from landsat_async.rules.lifecycle import State, Step, advance
from landsat_async.run.bus import EventBus, Wakeup
from landsat_async.run.counts import RunCounts
from landsat_async.run.hosts import Hosts

UNTRUSTED_HINT = "Add a company's own CA with [service] ca_bundle; there is no insecure mode."
NEVER_S = 10 * 365 * 86400.0
_WAKING = frozenset({Step.UNASK, Step.RELINK})
"""Steps after which a file wants to be asked for."""


@dataclass(slots=True)
class RunContext:
    """Shared by requester, poller and workers of one run. Nothing of it is global."""

    config: Config
    run_id: str
    ledger: Ledger
    m2m: M2MClient
    bus: EventBus
    counts: RunCounts
    hosts: Hosts
    wakeup: Wakeup = field(default_factory=Wakeup)
    """Beats when there is something to ask for again, and when the run has ended."""
    waiting_for_capacity: bool = False
    """The requester waits until less is in flight."""
    poll_now: bool = False
    """The poller should look at once."""
    deferred: dict[int, float] = field(default_factory=dict)
    """Files that are ready at the service and wait there: until the unix time, or as long as their host is left alone.
    """
    first_reasons: dict[int, str] = field(default_factory=dict)
    """Why files could not be had from the storage systems that were tried before."""
    refused_bundles: dict[int, str] = field(default_factory=dict)
    """Bundles that no storage system gives and whose single files may come instead, with the reason."""
    undelivered: set[int] = field(default_factory=set)
    """Files whose links the requester holds while the stream is full; at most one portion."""
    working: bool = False
    """Files are being asked for and fetched; before that the run is prepared."""
    next_look_s: float | None = None
    """Loop time of the poller's next look; None while it looks."""
    next_due_s: float | None = None
    """Loop time at which the next planned file may be asked for; None = not known."""
    overwrite: bool = False
    """Files in the way that cannot be proven are replaced."""
    fatal: LandsatError | None = None
    """Why no more is asked for; transfers that have their link go on to their end."""

    loop_time: Callable[[], float] = field(default_factory=lambda: asyncio.get_running_loop().time)
    """Monotonic time of the event loop."""
    _epoch_s: float = field(default_factory=lambda: time.time() - anyio.current_time())

    @property
    def directory(self) -> Path:
        """The output folder."""
        return Path(self.config.download.directory)

    @property
    def ended(self) -> bool:
        """Nothing is left that requester and poller could do."""
        return self.counts.open == 0 or self.fatal is not None

    def now(self) -> float:
        """Unix time for facts that outlive the process.

        It was read once and goes on with the loop's clock: a wall clock that jumps neither ends nor prolongs a wait.
        """
        return self._epoch_s + self.loop_time()

    def waited_s(self, item: Item) -> float:
        """How long this run has waited for a file to be prepared."""
        return min(self.now() - (item.asked_at or 0.0), self.loop_time() - self.counts.started_s)

    def give_up(self, error: LandsatError) -> None:
        """End the run with `error` once the running transfers are through."""
        if self.fatal is None:
            self.fatal = error
        self.wakeup.notify()

    def parked_wait_s(self) -> float:
        """Seconds until a deferred file may be used, as far as that is known."""
        now = self.now()
        waits = [due - now for due in self.deferred.values() if due > now]
        waits += [outage.wait_s for outage in self.hosts.outages()]
        return min(waits, default=NEVER_S)

    def poll_soon(self) -> None:
        """Have the poller look at once."""
        self.poll_now = True
        self.wakeup.notify()

    async def step(self, item_id: int, step: Step, **columns: Any) -> bool:
        """Move one file; False when it was no longer in a state that allows it."""
        before = await self.ledger.step(item_id, step, self.now(), **columns)
        self._count(item_id, before, step)
        return before is not None

    async def step_many(self, steps: Sequence[tuple[int, Step, Mapping[str, Any]]]) -> list[bool]:
        """Move several files in one commit; tells for each whether it moved."""
        if not steps:
            return []
        befores = await self.ledger.step_many(steps, self.now())
        for (item_id, step, _), before in zip(steps, befores, strict=True):
            self._count(item_id, before, step)
        return [before is not None for before in befores]

    async def intend(self, label: str, item_ids: Sequence[int]) -> list[int]:
        """Write a label down before its call; returns the files that were still there to be asked for."""
        moved = await self.ledger.intend(label, self.run_id, item_ids, self.now())
        for item_id in moved:
            self._count(item_id, State.PLANNED, Step.ASK)
        return moved

    async def claim(self, item_id: int) -> tuple[Item, SavedPart | None] | None:
        """Take a ready file: its row and its part. None when somebody else has it."""
        claimed = await self.ledger.claim(item_id, self.now())
        self._count(item_id, State.READY if claimed else None, Step.CLAIM)
        return claimed

    async def finish(self, file: FinishedFile, *, report: bool = False) -> bool:
        """Record a proven file; False when somebody else has it."""
        before = await self.ledger.finish(file, self.now(), report=report)
        self._count(file.item_id, before, Step.FINISH)
        return before is not None

    async def lose(self, item_ids: Sequence[int]) -> None:
        """Finished files are no longer on disk as they were recorded: wanted again."""
        await self.ledger.lose(item_ids, self.now())
        for item_id in item_ids:
            self._count(item_id, State.DONE, Step.RENEW)

    async def fail(self, item: Item, reason: str, hint: str = "", *, keep_label: bool = False) -> None:
        """End a file for this run. `keep_label`: the next run looks it up instead of asking again."""
        first = self.first_reasons.pop(item.item_id, None)
        if first is not None and not reason.startswith(first):
            reason = f"{first}; then {reason}"
        columns = {"reason": reason, "hint": hint} | ({} if keep_label else {"label": None, "download_id": None})
        if await self.step(item.item_id, Step.FAIL, **columns):
            self.counts.nominal_left -= item.bytes_nominal or 0
            self.counts.failed(Unavailable(item.relpath, reason, hint))
            await self.bus.emit(Failed(item.relpath, reason, hint))

    def elsewhere(self, item: Item) -> bool:
        """Whether a file can be had from another storage system now, so that it need not wait for its own."""
        paused = self.hosts.paused_systems()
        others = (route for number, route in enumerate(item.routes) if number != item.route)
        return any(route.available and route.system not in paused for route in others)

    async def fail_or_reroute(self, item: Item, step: Step, reason: str, hint: str = "") -> None:
        """Give up the route in use and try another one through `step`; fail a file that has no other.

        What has failed is struck off, so that a file never goes back and forth between its routes.
        """
        others = item.routes[: item.route] + item.routes[item.route + 1 :]
        if not others:
            await self._refuse(item, step, self._all_reasons(item, reason), hint)
            return
        self.first_reasons[item.item_id] = self._all_reasons(item, reason)
        route = others[0]
        columns = {
            "routes": msgspec.json.encode(others).decode(), "route": 0,
            "entity_id": route.entity_id, "product_id": route.product_id, "system": route.system,
            "asks": 0, "fresh": 0, "next_try": 0.0,
        } | without_download(item, item.download_id)  # fmt: skip
        if await self.step(item.item_id, step, **columns):
            told = f"{reason}; trying {route.system or 'another storage system'} instead"
            await self.bus.emit(Retrying(item.relpath, told, 1, 0.0))

    def _all_reasons(self, item: Item, reason: str) -> str:
        """Reasons of all storage systems that were tried; the first one first, because it is the file's own."""
        first = self.first_reasons.get(item.item_id)
        named = f"{item.system}: {reason}" if item.system else reason
        if first is None:
            return named if len(item.routes) > 1 else reason
        return f"{first}; then {named}"

    def may_come_in_files(self, item: Item) -> bool:
        """Whether single files may come in place of this file."""
        return self.config.select.may_replace_bundles and item.kind == "bundle"

    async def _refuse(self, item: Item, step: Step, reason: str, hint: str) -> None:
        """No route is left: fail the file, or leave a bundle to run/fallback.py."""
        if not self.may_come_in_files(item):
            await self.fail(item, reason, hint)
            return
        columns = without_download(item, item.download_id) | {"next_try": self.now() + NEVER_S}
        self.refused_bundles[item.item_id] = reason
        if not await self.step(item.item_id, step, **columns):
            del self.refused_bundles[item.item_id]

    async def replace_bundle(self, item: Item, files: Sequence[WantedFile]) -> bool:
        """Put single files into the run in place of a bundle; False when the bundle is on its way after all."""
        done = await self.ledger.replace_bundle(item.item_id, files, self.run_id, self.now())
        if done is None:
            return False
        before, states = done
        self.counts.replaced(before, states)
        self.counts.nominal_left = await self.ledger.nominal_left(self.run_id)
        self.deferred.pop(item.item_id, None)
        self.wakeup.notify()
        return True

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds`, or until the run has ended."""
        with anyio.move_on_after(seconds):
            while not self.ended:
                await self.wakeup.wait()

    def _count(self, item_id: int, before: State | None, step: Step) -> None:
        """Keep the counts in step, and wake those who wait for what has just happened; most steps wake nobody."""
        if before is not None:
            self.counts.moved(before, advance(before, step))
            if step is not Step.PREPARE:
                self.deferred.pop(item_id, None)
            if step in _WAKING or self.waiting_for_capacity or self.ended:
                self.wakeup.notify()
