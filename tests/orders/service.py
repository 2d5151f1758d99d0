"""A scripted order book in memory, with the face of `M2MClient`: for thousands of runs in virtual time.

What is unknown of the real service is a member of `Climate`, drawn anew for every schedule; what would be wrong in any
climate (a file asked for that is already held for us, two calls at a time) is noted in `wrong`.
"""

from __future__ import annotations

import math
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from landsat_async.errors import OutcomeUnknown, QuotaReached, RequestRefused, ServiceDown
from landsat_async.m2m.caller import Gate
from landsat_async.m2m.payloads import DataGroup
from landsat_async.m2m.replies import DownloadItem, DownloadReply, ProductOption, QueueItem, RetrieveReply
from landsat_async.m2m.tolerant import FailedItem
from landsat_async.rules.links import SecretUrl

OURS = "la-"
HOSTS = {"ls_zip": "landsatlook.test", "ls_s3": "landsatlook.test", "dds": "dds.test", "dds_ms": "dds.test"}
WINDOW_S = 900.0
LAG_MAX_S = 8.0
"""Right after a request both lists may be empty for so long; clients are known to sleep for a few seconds."""


@dataclass(frozen=True)
class Climate:
    """How the service behaves in one schedule."""

    duplicates: str = "never"
    """never, listed (a: only in duplicateProducts), both (b), staged-only (c: never for proxied systems)."""
    entity_ids: bool = True
    """False: answers of download-request without entity ids, as before 2025."""
    failed_rows: str = "full"
    """full, message (no ids) or absent."""
    staging_s: float = 300.0
    """Mean time until a staged file is ready."""
    lag_s: float = 0.0
    lose_before: float = 0.0
    """Share of requests whose call dies before the service has acted."""
    lose_after: float = 0.0
    """Share of requests whose answer gets lost after it has acted."""
    down: float = 0.0
    """Share of calls that find the service away for longer than the patience."""
    forget: float = 0.0
    """Share of staged downloads that vanish from every list."""
    staging_fails: float = 0.0
    refuses: float = 0.0
    """Share of download-request rows that come back as failed."""
    window_limit: int = 15_000
    poison: frozenset[str] = frozenset()
    """Entity ids with which a request is refused as a whole."""
    never_ready: frozenset[str] = frozenset()
    disabled: tuple[str, float] | None = None
    """A download system that is temporarily disabled, and until when."""
    call_s: float = 0.3
    """Mean time of a call."""
    away: tuple[float, float] = (0.0, 0.0)
    """From when to when nobody answers."""
    ready_at: float | None = None
    """When every staged file is ready, whenever it was asked for."""
    ready_share: float | None = None
    """Share of a label's downloads that gets ready each time that the label is looked at; None = by time."""
    foreign_rows: int = 0
    not_offered: frozenset[tuple[str, str]] = frozenset()
    """(entity, product) of rows that are listed and cannot be requested."""


@dataclass
class Order:
    """One download that the service holds."""

    number: int
    entity: str
    product: str
    name: str
    system: str
    label: str
    born_s: float
    ready_s: float
    state: str = "active"
    """active, complete, failed or gone."""
    links: int = 0
    spent: bool = False
    """We had a reason to ask for the file anew."""


@dataclass
class OrderBook:
    """The service; outlives the processes that talk to it."""

    climate: Climate
    chance: random.Random
    names: dict[tuple[str, str], tuple[str, str]]
    """(entity, product) -> (file name, download system)."""
    orders: dict[int, Order] = field(default_factory=dict)
    by_label: dict[str, list[Order]] = field(default_factory=dict)
    by_name: dict[str, list[Order]] = field(default_factory=dict)
    asked: list[tuple[float, int]] = field(default_factory=list)
    late: list[tuple[float, str, list[tuple[str, str]]]] = field(default_factory=list)
    """Requests whose sender died and that are acted upon afterwards."""
    wrong: list[str] = field(default_factory=list)
    excused: set[str] = field(default_factory=set)
    """File names that may be asked for again although we hold them: their link was refused, or a run gave them up."""
    call_times: list[tuple[float, str]] = field(default_factory=list)
    requests: int = 0
    options: dict[str, ProductOption] = field(default_factory=dict)
    """What download-options says, by scene."""
    acting_at: float | None = None
    """When a request is carried out that is looked at only later."""

    def now(self) -> float:
        return anyio.current_time() if self.acting_at is None else self.acting_at

    def held(self, entity: str, product: str) -> Order | None:
        """The active download of a file, the oldest first."""
        same = self.by_name.get(self.names[entity, product][0], [])
        found = [order for order in same if order.product == product and order.state == "active"]
        return min(found, key=lambda order: (order.spent, order.number), default=None)

    def enter(self, entity: str, product: str, label: str) -> tuple[Order, bool]:
        """Make a download, or find the active one; True = new."""
        name, system = self.names[entity, product]
        climate, held = self.climate, self.held(entity, product)
        if name in self.excused:
            for order in self.by_name.get(name, []):
                order.spent = True
        proxied = system.startswith("ls_")
        if held is not None:
            if held.label.startswith(OURS) and not held.spent:
                self.wrong.append(f"{name} asked for under {label} although it is held under {held.label}")
            if climate.duplicates in ("listed", "both") or (climate.duplicates == "staged-only" and not proxied):
                return held, False
        wait_s = 0.0 if proxied else min(15_000.0, self.chance.expovariate(1.0) * climate.staging_s)
        if name in climate.never_ready or climate.ready_share is not None:
            wait_s = 10.0**9
        ready_s = self.now() + wait_s if climate.ready_at is None else max(climate.ready_at, self.now())
        order = Order(len(self.orders) + 1, entity, product, name, system, label, self.now(), ready_s)
        if not proxied:
            order.state = self._fate()
        self.orders[order.number] = order
        self.by_label.setdefault(label, []).append(order)
        self.by_name.setdefault(name, []).append(order)
        return order, True

    def _fate(self) -> str:
        drawn = self.chance.random()
        if drawn < self.climate.forget:
            return "gone"
        return "failed" if drawn < self.climate.forget + self.climate.staging_fails else "active"

    def act(self, label: str, pairs: list[tuple[str, str]]) -> DownloadReply:
        """Carry out a download-request."""
        now, climate = self.now(), self.climate
        self.requests += 1
        if any(entity in climate.poison for entity, _ in pairs):
            raise RequestRefused("SERVER_ERROR", code="SERVER_ERROR", endpoint="download-request")
        recent = sum(count for at, count in self.asked if at > now - WINDOW_S)
        if recent + len(pairs) > climate.window_limit:
            raise QuotaReached("window", code="RATE_LIMIT_USER_DL", endpoint="download-request", retry_after_s=300.0)
        self.asked.append((now, len(pairs)))
        available: list[DownloadItem] = []
        preparing: list[DownloadItem] = []
        failed: list[FailedItem] = []
        duplicates: dict[int, str] = {}
        for entity, product in pairs:
            refusal = self._refusal(entity, product)
            if refusal is not None:
                ids = (entity, product) if climate.failed_rows == "full" else (None, None)
                failed.append(FailedItem(*ids, None, refusal))
                continue
            order, new = self.enter(entity, product, label)
            if self.acting_at is None:  # a dead process does not use up what a living one is excused for
                self.excused.discard(order.name)
            if not new:
                duplicates[order.number] = order.label
            if new or climate.duplicates == "both":
                ready = self._is_ready(order)
                item = DownloadItem(
                    order.number,
                    entity if climate.entity_ids else None,
                    self._url(order, staging=not ready),
                )
                (available if ready else preparing).append(item)
        return DownloadReply(
            tuple(available), tuple(preparing), () if climate.failed_rows == "absent" else tuple(failed), duplicates
        )

    def _refusal(self, entity: str, product: str) -> str | None:
        disabled = self.climate.disabled
        if disabled is not None and self.names[entity, product][1] == disabled[0] and self.now() < disabled[1]:
            return "This download has been temporarily disabled"
        if (entity, product) in self.climate.not_offered:
            return "not available"
        return "not available" if self.chance.random() < self.climate.refuses else None

    def _is_ready(self, order: Order) -> bool:
        return order.system.startswith("ls_") or (order.state == "active" and self.now() >= order.ready_s)

    def _url(self, order: Order, *, staging: bool = False) -> SecretUrl:
        order.links += 1
        folder = "download-staging" if staging else "data"
        return SecretUrl(f"https://{HOSTS[order.system]}/{folder}/{order.name}?k={order.number}-{order.links}")

    def rows(self, label: str | None, *, links: bool) -> list[QueueItem]:
        """What the lists show of a label."""
        now, rows = self.now(), []
        found = self.orders.values() if label is None else self.by_label.get(label, [])
        if self.climate.ready_share is not None:
            waiting = [order for order in found if order.ready_s > now]
            for order in waiting[: math.ceil(self.climate.ready_share * len(found))]:
                order.ready_s = now
        for order in found:
            if order.state in ("gone", "complete") or now - order.born_s < self.climate.lag_s:
                continue
            url = self._url(order) if links and order.state == "active" and self._is_ready(order) else None
            code, text = ("F", "Failed") if order.state == "failed" else ("P", "Proxied") if url else ("S", "Staging")
            if order.state == "failed" and links:
                continue
            display = order.name.removesuffix(".tar")
            rows.append(QueueItem(order.number, order.entity, display, "D1", url, code, text, order.label, 1))
        for n in range(self.climate.foreign_rows):
            url = SecretUrl(f"https://dds.test/data/strange{n}.tar?k=0")
            rows.append(QueueItem(10**6 + n, f"STRANGE{n}", f"strange{n}", "D9", url, "A", "Available", "theia", 1))
        return rows


class Client:
    """What one process sees of the service, through the gate that the real client uses."""

    def __init__(self, book: OrderBook, gate: Gate) -> None:
        self.book = book
        self._gate = gate

    async def _half(self) -> None:
        await anyio.sleep(self.book.chance.expovariate(1.0) * self.book.climate.call_s / 2)

    @asynccontextmanager
    async def _turn(self, name: str) -> AsyncIterator[None]:
        """Wait for the gate, and send; while the service is away, one probe after the other, as the caller does."""
        book, gate = self.book, self._gate
        while True:
            closed_until_s = gate.outage.closed_until_s if gate.outage else 0.0
            await anyio.sleep(max(0.0, closed_until_s - anyio.current_time()))
            async with gate.turn:
                if gate.is_closed():
                    continue
                await anyio.sleep(gate.slow_start.turn(anyio.current_time()))
                book.call_times.append((book.now(), name))
                begin, end = book.climate.away
                if begin <= book.now() < end:
                    gate.close(ServiceDown("nobody answers"), patience_s=math.inf)
                    continue
                gate.reopen()
                await self._half()
                self._act_late()
                if book.chance.random() < book.climate.down:
                    raise ServiceDown("the service is away")
                yield
                return

    def _act_late(self) -> None:
        """Carry out what dead processes have sent."""
        book = self.book
        due = [entry for entry in book.late if entry[0] <= book.now()]
        book.late = [entry for entry in book.late if entry not in due]
        for book.acting_at, label, pairs in due:
            self._act_unseen(label, pairs)
        book.acting_at = None

    def _act_unseen(self, label: str, pairs: list[tuple[str, str]]) -> None:
        try:
            self.book.act(label, pairs)
        except (RequestRefused, QuotaReached):
            pass

    async def download_request(
        self, *, label: str, downloads: Sequence[tuple[str, str]] = (), data_groups: Sequence[DataGroup] = ()
    ) -> DownloadReply:
        book, pairs, sent = self.book, list(downloads), False
        try:
            async with self._turn("download-request"):
                sent = True
                drawn = book.chance.random()
                if drawn < book.climate.lose_before:
                    raise OutcomeUnknown("download-request was sent, but its answer was lost")
                if drawn < book.climate.lose_before + book.climate.lose_after:
                    self._act_unseen(label, pairs)
                    raise OutcomeUnknown("download-request was sent, but its answer was lost")
                reply = book.act(label, pairs)
                await self._half()
                return reply
        except anyio.get_cancelled_exc_class():
            if not sent and book.chance.random() < 0.5:  # it was on its way
                book.late.append((book.now() + book.chance.uniform(0, LAG_MAX_S), label, pairs))
            raise

    async def download_retrieve(self, label: str) -> RetrieveReply:
        async with self._turn("download-retrieve"):
            rows = self.book.rows(label, links=True)
            await self._half()
            available = tuple(row for row in rows if row.download_id % 2 == 0)
            return RetrieveReply(available, tuple(row for row in rows if row.download_id % 2), len(rows))

    async def download_search(self, label: str | None = None, active_only: bool | None = None) -> list[QueueItem]:
        async with self._turn("download-search"):
            return self.book.rows(label, links=False)

    async def download_options(self, dataset: str, *, entity_ids: Sequence[str]) -> list[ProductOption]:
        async with self._turn("download-options"):
            return [self.book.options[entity] for entity in entity_ids]

    async def download_complete_proxied(
        self, items: Sequence[tuple[int, int]], *, once: bool = False, **_: float
    ) -> int:
        async with self._turn("download-complete-proxied"):
            for number, _ in items:
                self.book.orders[number].state = "complete"
            return len(items)
