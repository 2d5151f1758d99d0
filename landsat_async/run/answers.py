"""Acting on what the service says of files that wait: shared by requester and poller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from landsat_async.disk.ledger import Item
from landsat_async.events import Ready
from landsat_async.m2m.replies import DownloadItem, FailedItem, QueueItem
from landsat_async.model import SecretUrl
from landsat_async.rules.lifecycle import State, Step
from landsat_async.rules.matching import Answer
from landsat_async.rules.naming import name_from_url
from landsat_async.run.context import RunContext
from landsat_async.transfer.links import host_in


@dataclass(frozen=True, slots=True)
class Link:
    """A file that can be fetched now. The link lives here, in memory, and nowhere else."""

    item_id: int
    url: SecretUrl
    born_s: float
    """Monotonic time; an old link is renewed before use."""
    proxied: bool


Links = MemoryObjectSendStream[Link]


def from_items(rows: Iterable[DownloadItem], *, ready: bool) -> list[Answer]:
    """Rows of availableDownloads, or of preparingDownloads (whose links do not work yet)."""
    return [
        Answer(
            row.download_id,
            row.entity_id,
            row.display_id or (name_from_url(row.url.reveal()) if row.url else None),
            row.url if ready else None,
        )
        for row in rows
    ]


def from_queue(rows: Iterable[QueueItem]) -> list[Answer]:
    """Rows of download-retrieve or download-search: ready is what has a link, whatever list it stands in."""
    return [
        Answer(row.download_id, row.entity_id, row.display_id, row.url, proxied=row.status_code == "P") for row in rows
    ]


def from_failed(rows: Iterable[FailedItem]) -> list[Answer]:
    """Rows of `failed`."""
    return [Answer(row.download_id, row.entity_id, None, message=row.message) for row in rows]


async def deliver(context: RunContext, pairs: Sequence[tuple[Item, Answer]], send: Links) -> int:
    """Hand links to the workers and note what is being prepared. Returns how many links were handed over.

    Waits while the stream is full; a file becomes `ready` only when its turn has come.
    """
    preparing = [
        (item.item_id, Step.PREPARE, {"download_id": answer.download_id, "missed": 0, "asks": 0})
        for item, answer in pairs
        if answer.url is None and (item.state is not State.PREPARING or item.missed)
    ]
    await context.step_many(preparing)
    linked = [(item, answer) for item, answer in pairs if answer.url is not None]
    held = {item.item_id for item, _ in linked}
    context.held |= held
    try:
        rest = linked
        while rest:
            room = send.statistics()
            count = max(1, int(room.max_buffer_size) - room.current_buffer_used + room.tasks_waiting_receive)
            await _hand_over(context, rest[:count], send)
            rest = rest[count:]
    finally:
        context.held -= held
    return len(linked)


async def _hand_over(context: RunContext, pairs: Sequence[tuple[Item, Answer]], send: Links) -> None:
    """Make files `ready` in one commit, then put their links into the stream."""
    columns = [{"download_id": answer.download_id, "missed": 0, "asks": 0} for _, answer in pairs]
    steps = [(item.item_id, Step.LINK, column) for (item, _), column in zip(pairs, columns, strict=True)]
    moved = await context.step_many(steps)
    context.held.difference_update(item.item_id for item, _ in pairs)
    for (item, answer), linked in zip(pairs, moved, strict=True):
        if linked and answer.url is not None:
            context.hosts.learn(item.system, host_in(answer.url))
            if item.state is State.PREPARING and item.asked_at is not None:
                await context.ledger.add_staged(item.system, context.now() - item.asked_at, context.now())
            await context.bus.emit(Ready(item.relpath))
            proxied = answer.proxied or item.system.startswith("ls_")
            await send.send(Link(item.item_id, answer.url, anyio.current_time(), proxied))
