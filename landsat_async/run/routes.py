"""The storage systems that a file can be had from: the next one when one gives it up, the end when none is left.

What has failed is struck off, so that a file never goes back and forth between its routes, and the first reason is
kept, because it is the file's own: what the last system says is often only that it never had the file.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import assert_never

import msgspec

from landsat_async.config import Config
from landsat_async.disk.ledger import Item
from landsat_async.disk.ledger_requests import RequestRecords
from landsat_async.events import Failed, Retrying
from landsat_async.model import MEASURE, Unavailable
from landsat_async.rules.lifecycle import Step
from landsat_async.rules.naming import is_member
from landsat_async.rules.redact import quoted_from_outside
from landsat_async.run.bus import EventBus
from landsat_async.run.counts import RunCounts
from landsat_async.run.host_health import HostFault, Ruling
from landsat_async.run.hosts import Hosts
from landsat_async.run.matching import AnswerRow, Refusal

NEVER_S = 10 * 365 * 86400.0
DISABLED_WAITS_S = (5.0, 60.0, 300.0)
"""Pauses before one file that is "temporarily disabled" is requested again while others of its system are given."""


class Routes:
    """Gives up the route of a file, and the file with the last of them."""

    def __init__(
        self, config: Config, requests: RequestRecords, bus: EventBus, counts: RunCounts, hosts: Hosts
    ) -> None:
        self._config = config
        self._requests = requests
        self._bus, self._counts, self._hosts = bus, counts, hosts
        self._states = counts.states
        self.may_replace_bundles = config.select.may_replace_bundles
        self._first_reasons: dict[int, str] = {}
        """Why files could not be had from the storage systems that were tried before."""
        self.on_unmeasured: Callable[[Item, str], Awaitable[None]] | None = None
        """Called with a QA_PIXEL that cannot be had, in place of its failure: its scene is kept."""
        self.refused_bundles: dict[int, str] = {}
        """Bundles that no storage system gives and whose single files may come instead, with the reason."""

    def elsewhere(self, item: Item) -> bool:
        """Tell whether a file can be had from another storage system now, so that it need not wait for its own."""
        if len(item.routes) < 2:
            return False
        paused = self._hosts.paused_systems()
        others = (route for number, route in enumerate(item.routes) if number != item.route)
        return any(route.available and route.system not in paused for route in others)

    def may_come_in_files(self, item: Item) -> bool:
        """Tell whether single files may come in place of this file."""
        return self.may_replace_bundles and item.kind == "bundle"

    async def fail(
        self, item: Item, reason: str, hint: str = "", *, keep_label: bool = False, alone: bool = False
    ) -> None:
        """End a file for this run, and with a member of a bundle the others, which would have come with it.

        `keep_label`: the next run looks it up instead of requesting it again. `alone`: it is about this member only.
        """
        first = self._first_reasons.pop(item.item_id, None)
        if first is not None and not reason.startswith(first):
            reason = f"{first}; then {reason}"
        if item.kind == MEASURE and self.on_unmeasured is not None:
            await self.on_unmeasured(item, reason)
            return
        states = self._states
        if await states.apply(self._requests.fail(item, reason, hint, states.now(), keep_label=keep_label)):
            self._counts.failed(Unavailable(item.relpath, reason, hint), item.bytes_nominal or 0)
            await self._bus.emit(Failed(item.relpath, reason, hint))
            if is_member(item.kind, item.name) and not alone:
                for other in await self._requests.waiting_members(states.run_id, item):
                    await self.fail(other, reason, hint, alone=True)

    async def fail_or_reroute(
        self, item: Item, step: Step, reason: str, hint: str = "", *, ended: int | None = None
    ) -> None:
        """Give up the route in use and try another one through `step`; fail a file that has no other.

        `ended`: number of the download that has come to nothing, None = the one that is on record. When the answer
        to a request was lost, only its row in a list has the number; forgotten, that row would be taken for the end
        of what is requested by the next route, and the file would be requested a second time.
        """
        if ended is not None and item.download_id is None:
            item = msgspec.structs.replace(item, download_id=ended)
        others = item.routes[: item.route] + item.routes[item.route + 1 :]
        if not others:
            await self._refuse(item, step, self._all_reasons(item, reason), hint)
            return
        self._first_reasons[item.item_id] = self._all_reasons(item, reason)
        if await self._states.apply(self._requests.switch_route(item, step, others, self._states.now())):
            text = f"{reason}; trying {others[0].system or 'another storage system'} instead"
            await self._bus.emit(Retrying(item.relpath, text, 1, 0.0))

    async def _refuse(self, item: Item, step: Step, reason: str, hint: str) -> None:
        """Fail a file without another route, or leave a bundle to run/fallback.py."""
        if not self.may_come_in_files(item):
            await self.fail(item, reason, hint)
            return
        self.refused_bundles[item.item_id] = reason
        now = self._states.now()
        if not await self._states.apply(self._requests.give_up_routes(item, step, now + NEVER_S, now)):
            del self.refused_bundles[item.item_id]

    def _all_reasons(self, item: Item, reason: str) -> str:
        """Return the reasons of all storage systems that were tried, the first one first."""
        first = self._first_reasons.get(item.item_id)
        named = f"{item.system}: {reason}" if item.system else reason
        if first is None:
            return named if len(item.routes) > 1 else reason
        return f"{first}; then {named}"

    async def refused(self, item: Item, row: AnswerRow, *, serving: Collection[str] = ()) -> None:
        """The service does not give a file: another storage system if there is one, else the file has failed.

        `serving`: download systems that have given other files in the same answer.
        """
        message, hint = row.message, "Try again later."
        match row.refusal or Refusal.OTHER:
            case Refusal.DISABLED:
                if not self.elsewhere(item):
                    await self._disabled(item, message, serving=item.system in serving)
                    return
            case Refusal.LICENCE:
                message = (
                    f"a licence has to be accepted before it may be fetched (EULA {quoted_from_outside(row.message)})"
                )
                hint = "Order one such scene at https://earthexplorer.usgs.gov by hand and accept its licence there."
            case Refusal.LIMITS | Refusal.OTHER:
                pass
            case refusal:
                assert_never(refusal)
        reason = f"USGS cannot deliver it now: {message}"
        await self.fail_or_reroute(item, Step.UNASK, reason, hint, ended=row.download_id)

    async def _disabled(self, item: Item, message: str, *, serving: bool) -> None:
        """Request again later: for the file alone while its system gives others, with all of the system otherwise."""
        system, ruling = f"system:{item.system}", Ruling.OWN
        if not serving:
            row = self._hosts.of(system).row | {item.item_id}
            found = await self._requests.open_of(self._states.run_id, [item.system], len(row) + 1)
            others = any(item_id not in row for item_id in found)
            ruling = self._hosts.judge(system, HostFault.DISABLED, item.item_id, message, others=others)
        if ruling in (Ruling.HOST, Ruling.WAIT):
            await self._states.apply(self._requests.unask([item.item_id], self._states.now()))
            return
        patience_s, tries = self._config.service.patience_s, self._config.download.attempts - 1
        if item.link_renewals >= min(len(DISABLED_WAITS_S), max(1, tries)):
            self._hosts.forget(system, item.item_id)
            await self.fail_or_reroute(item, Step.UNASK, f"USGS cannot deliver it now: {message}", "Try again later.")
            return
        wait_s = min(DISABLED_WAITS_S[item.link_renewals], max(patience_s, DISABLED_WAITS_S[0]))
        now = self._states.now()
        if await self._states.apply(self._requests.put_off(item, now + wait_s, now)):
            await self._bus.emit(Retrying(item.relpath, message, item.link_renewals + 1, wait_s))
