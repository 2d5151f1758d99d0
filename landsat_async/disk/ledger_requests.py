"""The ledger's part of requests: what is asked for next, under which label, and what becomes of it.

A method for each change of state that requester, poller and workers cause. Each returns the moves that are in the
ledger; a file whose state does not allow the change is left out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Container, Sequence
from typing import NamedTuple

import msgspec

from landsat_async.disk.ledger_rows import (
    ROUTES,
    Item,
    Move,
    json,
    marks,
    move,
    move_alike,
    move_many,
    moved_ids,
    read_items,
    superseded,
)
from landsat_async.disk.ledger_writer import LedgerWriter
from landsat_async.model import Route
from landsat_async.rules.lifecycle import OPEN, Step

_OPEN = tuple(sorted(OPEN))
_WITHOUT_DOWNLOAD = ", label=NULL, download_id=NULL, spent=?"
"""With `superseded`: the rows of a download that is given up are not taken for those of the next one."""
_ACCEPTED = ", download_id=?, label=?, missed=0"
"""With an `AcceptedDownload`."""
_OF_OTHER_BUNDLES = (
    "NOT(kind='bundle' AND name NOT LIKE '%.tar' AND EXISTS(SELECT 1 FROM item AS other"
    " WHERE other.scene_display_id=item.scene_display_id AND other.run_id=item.run_id AND other.kind='bundle'"
    " AND (other.state IN('requested','preparing','ready','active')"
    " OR other.state='planned' AND other.item_id<item.item_id)))"
)
"""Of the members that are wanted of a bundle one is asked for, and brings the others along."""
STAGED_KEPT = 200
"""Staging times that are remembered, for the estimate of the next ones."""


class AcceptedDownload(NamedTuple):
    """What the service says of a file that was asked for."""

    download_id: int | None
    label: str
    """Under which it stands there; maybe an older one."""
    item_id: int


class Batch(NamedTuple):
    """What may be asked for next."""

    files: list[Item]
    request_log: list[tuple[float, int]]
    """What quotas are counted by: (unix time, downloads) of earlier requests, of all runs on this folder."""
    free_bytes: int
    """On the disk that the files go to; 0 without files."""


class RequestRecords:
    """What requester, poller and workers write and ask."""

    def __init__(self, writer: LedgerWriter) -> None:
        self._writer = writer

    # What may be asked for

    def batch(
        self, run_id: str, limit: int, now: float, paused_systems: Sequence[str] = (), *, log_since: float = 0.0,
        free_bytes: Callable[[], int] = lambda: 0,
    ) -> Awaitable[Batch]:  # fmt: skip
        """The next files to ask for: due, not on a paused system, all of one kind of request.

        Args:
            run_id: Of the run.
            limit: The most files.
            now: Unix time.
            paused_systems: Systems that are left alone.
            log_since: Unix time from which requests are counted.
            free_bytes: Asked in the thread of the ledger, which stands on the same disk: one more would be one too many
                for small machines.
        """
        due = f"run_id=? AND state='planned' AND next_try<=? AND {_OF_OTHER_BUNDLES}"
        if paused_systems:
            due += f" AND system NOT IN({marks(paused_systems)})"
        order = "ORDER BY next_try, item_id LIMIT"
        arguments = (run_id, now, *paused_systems)

        def read(c: sqlite3.Connection) -> Batch:
            first = c.execute(f"SELECT group_dataset FROM item WHERE {due} {order} 1", arguments).fetchone()
            if first is None:
                return Batch([], [], 0)
            more = (first["group_dataset"], limit)
            log = c.execute("SELECT at, downloads FROM asked WHERE at>=?", (log_since,))
            items = read_items(c, f"{due} AND group_dataset IS ? {order} ?", (*arguments, *more))
            return Batch(items, list(map(tuple, log)), free_bytes())

        return self._writer.call(read)

    def reroute(self, run_id: str, paused_systems: Sequence[str], now: float) -> Awaitable[int]:
        """Files that wait for a paused system and can be had from another one change over. Returns how many."""

        def write(c: sqlite3.Connection) -> int:
            rows = c.execute(
                f"SELECT item_id, routes FROM item WHERE run_id=? AND state='planned' AND json_array_length(routes)>1"
                f" AND system IN({marks(paused_systems)})",
                (run_id, *paused_systems),
            ).fetchall()
            changes = []
            for item_id, text in rows:
                routes = enumerate(ROUTES.decode(text))
                other = next(((n, r) for n, r in routes if r.available and r.system not in paused_systems), None)
                if other is not None:
                    number, route = other
                    changes.append((number, route.entity_id, route.product_id, route.system, now, item_id))
            c.executemany(
                "UPDATE item SET route=?, entity_id=?, product_id=?, system=?, next_try=0, updated=?,"
                " spent=iif(download_id IS NULL, spent, json_insert(spent, '$[#]', download_id)),"
                " label=NULL, download_id=NULL WHERE item_id=?",
                changes,
            )
            return len(changes)

        return self._writer.call(write)

    def bundles_of(self, run_id: str, systems: Sequence[str]) -> Awaitable[list[Item]]:
        """Bundles that wait and that only these systems have now."""
        waiting = f"run_id=? AND kind='bundle' AND state IN('planned','preparing') AND system IN({marks(systems)})"

        def read(c: sqlite3.Connection) -> list[Item]:
            items = read_items(c, waiting, (run_id, *systems))
            return [item for item in items if {r.system for r in item.routes if r.available} <= set(systems)]

        return self._writer.call(read)

    def open_of(self, run_id: str, systems: Sequence[str], limit: int) -> Awaitable[list[int]]:
        """Some files of these download systems that the run can still deliver, `limit` at most."""
        look = (
            f"SELECT item_id FROM item WHERE run_id=? AND state IN({marks(_OPEN)}) AND system IN({marks(systems)})"
            " LIMIT ?"
        )
        return self._writer.call(lambda c: [row[0] for row in c.execute(look, (run_id, *_OPEN, *systems, limit))])

    def open_systems(self, run_id: str) -> Awaitable[set[str]]:
        """Download systems of the files that the run can still deliver."""
        look = f"SELECT DISTINCT system FROM item WHERE run_id=? AND state IN({marks(_OPEN)})"
        return self._writer.call(lambda c: {row[0] for row in c.execute(look, (run_id, *_OPEN))})

    def next_due(self, run_id: str) -> Awaitable[float | None]:
        """Unix time of the earliest planned file; None without one."""
        look = (
            f"SELECT next_try FROM item WHERE run_id=? AND state='planned' AND {_OF_OTHER_BUNDLES}"
            " ORDER BY next_try LIMIT 1"
        )

        def read(c: sqlite3.Connection) -> float | None:
            row = c.execute(look, (run_id,)).fetchone()
            return None if row is None else row[0]

        return self._writer.call(read)

    def waiting_members(self, run_id: str, item: Item) -> Awaitable[list[Item]]:
        """What else is wanted of the bundle that a member comes with, and is not here."""
        wanted = "run_id=? AND scene_display_id=? AND kind='bundle' AND name NOT LIKE '%.tar' AND state='planned'"
        arguments = (run_id, item.scene_display_id, item.item_id)
        return self._writer.call(lambda c: read_items(c, f"{wanted} AND item_id<>? ORDER BY item_id", arguments))

    # Changes of state

    def intend(self, label: str, run_id: str, item_ids: Sequence[int], now: float) -> Awaitable[list[Move]]:
        """Write the label down before the call is sent."""
        changes = ", label=?, download_id=NULL, asked_at=?, missed=0"

        def write(c: sqlite3.Connection) -> list[Move]:
            moves = move_alike(c, Step.ASK, now, changes, (label, now), item_ids)
            number = len(moved_ids(moves))
            c.execute(
                "INSERT INTO request(label, run_id, created, downloads) VALUES(?,?,?,?)"
                " ON CONFLICT(label) DO UPDATE SET downloads=downloads+excluded.downloads, created=excluded.created",
                (label, run_id, now, number),
            )
            c.execute("INSERT INTO asked VALUES(?,?)", (now, number))
            c.execute("DELETE FROM asked WHERE at<?", (now - 86400,))
            return moves

        return self._writer.call(write)

    def prepare(self, answers: Sequence[AcceptedDownload], now: float) -> Awaitable[list[Move]]:
        """The service lists files without a link."""
        return self._writer.call(lambda c: move_many(c, Step.PREPARE, now, _ACCEPTED, answers))

    def link(self, answers: Sequence[AcceptedDownload], now: float) -> Awaitable[list[Move]]:
        """The service gave links, which wait in the stream from now on."""
        return self._writer.call(lambda c: move_many(c, Step.LINK, now, _ACCEPTED, answers))

    def unask(self, item_ids: Sequence[int], now: float) -> Awaitable[list[Move]]:
        """The service does not give these files: to be asked for anew, under another label."""
        return self._writer.call(lambda c: move_alike(c, Step.UNASK, now, ", label=NULL", (), item_ids))

    def put_off(self, item: Item, next_try: float, now: float) -> Awaitable[list[Move]]:
        """The service does not give a file now: to be asked for at `next_try`."""
        changes = ", label=NULL, fresh=?, next_try=?"
        return self._move(item, Step.UNASK, now, changes, item.link_renewals + 1, next_try)

    def ask_again(self, item: Item, download_id: int | None, now: float) -> Awaitable[list[Move]]:
        """The service shows no trace of a file, or its download (None = unknown) has come to nothing."""
        changes = f"{_WITHOUT_DOWNLOAD}, asks=?, missed=0"
        return self._move(item, Step.UNASK, now, changes, superseded(item, download_id), item.request_attempts + 1)

    def withdraw(self, downloads: Sequence[tuple[Item, int | None]], now: float) -> Awaitable[list[Move]]:
        """Give up downloads that are ready at a host that is left alone: another storage system has these files."""

        def write(c: sqlite3.Connection) -> list[Move]:
            return [
                one
                for item, number in downloads
                for one in move(c, item.item_id, Step.UNASK, now, _WITHOUT_DOWNLOAD, superseded(item, number))
            ]

        return self._writer.call(write)

    def switch_route(self, item: Item, step: Step, routes: Sequence[Route], now: float) -> Awaitable[list[Move]]:
        """Give up the route in use, through `step` (UNASK or RELINK); `routes` are the others, the next one first."""
        route = routes[0]
        changes = (
            f"{_WITHOUT_DOWNLOAD}, routes=?, entity_id=?, product_id=?, system=?, route=0, asks=0, fresh=0, next_try=0"
        )
        values = (superseded(item, item.download_id), json(routes), route.entity_id, route.product_id, route.system)
        return self._move(item, step, now, changes, *values)

    def give_up_routes(self, item: Item, step: Step, next_try: float, now: float) -> Awaitable[list[Move]]:
        """No storage system gives a bundle: it waits until `next_try` for its single files to take its place."""
        changes = f"{_WITHOUT_DOWNLOAD}, next_try=?"
        return self._move(item, step, now, changes, superseded(item, item.download_id), next_try)

    def relink(
        self, item: Item, next_try: float, now: float, *, link_renewals: int | None = None
    ) -> Awaitable[list[Move]]:
        """A link has served its time: a new one is asked for at `next_try`; the label stays. None = no one counts."""
        changes = ", fresh=coalesce(?, fresh), next_try=?"
        return self._move(item, Step.RELINK, now, changes, link_renewals, next_try)

    def unready(self, item: Item, now: float) -> Awaitable[list[Move]]:
        """A link does not serve its file yet, or its host is left alone: the file is polled for again."""
        return self._move(item, Step.UNREADY, now, ", missed=0")

    def look_up(self, item_id: int, now: float) -> Awaitable[list[Move]]:
        """A link is too old: what the service holds under the label of its file brings a new one."""
        return self._writer.call(lambda c: move(c, item_id, Step.REATTACH, now, ", missed=0"))

    def fail(
        self, item: Item, reason: str, hint: str, now: float, *, keep_label: bool = False
    ) -> Awaitable[list[Move]]:
        """This run cannot deliver a file. `keep_label`: the next run looks it up instead of asking again."""
        changes = ", reason=?, hint=?" + ("" if keep_label else ", label=NULL, download_id=NULL")
        return self._move(item, Step.FAIL, now, changes, reason, hint)

    def _move(self, item: Item, step: Step, now: float, changes: str, *values: object) -> Awaitable[list[Move]]:
        return self._writer.call(lambda c: move(c, item.item_id, step, now, changes, *values))

    # What waits for an answer

    def note_requested(self, item_ids: Sequence[int], now: float) -> Awaitable[None]:
        """The call is over: absence from the lists counts from now on, not from before it waited for its turn."""
        return self._writer.write(
            f"UPDATE item SET asked_at=? WHERE state='requested' AND item_id IN({marks(item_ids)})", now, *item_ids
        )

    def note_absent(self, item_id: int, polls: int) -> Awaitable[None]:
        """Remember how many poll rounds in a row did not list a file."""
        return self._writer.write("UPDATE item SET missed=? WHERE item_id=?", polls, item_id)

    async def revive(self, items: Sequence[Item], download_ids: Container[int]) -> list[Item]:
        """Downloads that were given up and that the service names again are ours once more; returns the files anew."""
        revived = []
        changes = []
        for item in items:
            kept = tuple(number for number in item.superseded_ids if number not in download_ids)
            if kept != item.superseded_ids:
                changes.append((json(kept), item.item_id))
                item = msgspec.structs.replace(item, superseded_ids=kept)
            revived.append(item)

        def write(c: sqlite3.Connection) -> None:
            c.executemany("UPDATE item SET spent=? WHERE item_id=?", changes)

        if changes:
            await self._writer.call(write)
        return revived

    def labels(self, run_id: str) -> Awaitable[list[tuple[str, float, bool]]]:
        """(label, created, foreign) that can still bring something for this run; foreign ones first.

        First, because a file that stands there is not missing under its own label.
        """
        look = """SELECT label, coalesce(created, 0), 0 FROM (
             SELECT DISTINCT label FROM item WHERE run_id=? AND state IN('requested','preparing'))
             LEFT JOIN request USING(label) WHERE label IS NOT NULL
           UNION SELECT label, created, 1 FROM request WHERE foreign_label=1 AND run_id=? AND EXISTS(
             SELECT 1 FROM item WHERE run_id=? AND state='requested')
           ORDER BY 3 DESC, created"""
        return self._writer.call(
            lambda c: [(label, at, bool(foreign)) for label, at, foreign in c.execute(look, (run_id, run_id, run_id))]
        )

    def watch_label(self, label: str, run_id: str, now: float) -> Awaitable[None]:
        """Look under an older label too: the service said that some of our files stand there."""
        return self._writer.write(
            "INSERT INTO request VALUES(?,?,?,0,1)"
            " ON CONFLICT(label) DO UPDATE SET foreign_label=1, run_id=excluded.run_id, created=excluded.created",
            label, run_id, now,
        )  # fmt: skip

    def unwatch_label(self, label: str, created: float) -> Awaitable[None]:
        """An older label has been looked through, unless it was named again meanwhile: our files there carry it now."""
        return self._writer.write("UPDATE request SET foreign_label=0 WHERE label=? AND created=?", label, created)

    def waiting(self, run_id: str, label: str | None) -> Awaitable[list[Item]]:
        """Files that wait for an answer under `label`; None = those of which no label has shown a trace yet."""
        under, arguments = ("state='requested'", ()) if label is None else ("label=?", (label,))
        condition = f"run_id=? AND state IN('requested','preparing') AND {under}"
        return self._writer.call(lambda c: read_items(c, condition, (run_id, *arguments)))

    def add_staged(self, waits: Sequence[tuple[str, float]], now: float) -> Awaitable[None]:
        """Remember how long files took to be prepared: (download system, seconds)."""

        def write(c: sqlite3.Connection) -> None:
            c.executemany("INSERT INTO staged VALUES(?,?,?)", [(system, waited_s, now) for system, waited_s in waits])
            c.execute("DELETE FROM staged WHERE rowid <= (SELECT max(rowid) FROM staged) - ?", (STAGED_KEPT,))

        return self._writer.call(write)

    def staging(self, run_id: str, now: float) -> Awaitable[tuple[list[float], float]]:
        """The last staging times, and for how long the youngest of the files in preparation has waited; in seconds."""
        look = "SELECT max(asked_at) FROM item WHERE run_id=? AND state='preparing'"

        def read(c: sqlite3.Connection) -> tuple[list[float], float]:
            waits = [row[0] for row in c.execute("SELECT waited_s FROM staged")]
            (youngest,) = c.execute(look, (run_id,)).fetchone()
            return waits, now - youngest if youngest is not None else 0.0

        return self._writer.call(read)
