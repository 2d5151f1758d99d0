"""The ledger's book of requests: what is asked for next, under which label, and what still waits for an answer."""

from __future__ import annotations

import sqlite3
from collections.abc import Container, Sequence
from dataclasses import replace

import msgspec

from landsat_async.disk.ledger_rows import ITEM_COLUMNS, ROUTES, Item, LedgerCore, compare_and_set, item_of, marks
from landsat_async.rules.lifecycle import OPEN, Step

_OPEN = tuple(sorted(OPEN))
STAGED_KEPT = 200
"""Staging times that are remembered, for the estimate of the next ones."""


class RequestBook(LedgerCore):
    """The part of the ledger that requester and poller use."""

    async def portion(self, run_id: str, limit: int, now: float, paused_systems: Sequence[str] = ()) -> list[Item]:
        """The next files to ask for: due, not on a paused system, all of one kind of request."""

        def read(c: sqlite3.Connection) -> list[Item]:
            first = c.execute(
                f"SELECT group_dataset FROM item WHERE run_id=? AND state='planned' AND next_try<=?"
                f" AND system NOT IN({marks(paused_systems)}) ORDER BY next_try, item_id LIMIT 1",
                (run_id, now, *paused_systems),
            ).fetchone()
            if first is None:
                return []
            rows = c.execute(
                f"SELECT {ITEM_COLUMNS} FROM item WHERE run_id=? AND state='planned' AND next_try<=?"
                f" AND system NOT IN({marks(paused_systems)}) AND group_dataset IS ?"
                " ORDER BY next_try, item_id LIMIT ?",
                (run_id, now, *paused_systems, first["group_dataset"], limit),
            )
            return [item_of(row) for row in rows]

        return await self.call(read)

    async def reroute(self, run_id: str, paused_systems: Sequence[str], now: float) -> int:
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

        return await self.call(write)

    async def bundles_of(self, run_id: str, systems: Sequence[str]) -> list[Item]:
        """Bundles that wait and that only these systems have now."""

        def read(c: sqlite3.Connection) -> list[Item]:
            rows = c.execute(
                f"SELECT {ITEM_COLUMNS} FROM item WHERE run_id=? AND kind='bundle' AND state IN('planned','preparing')"
                f" AND system IN({marks(systems)})",
                (run_id, *systems),
            )
            items = [item_of(row) for row in rows]
            return [item for item in items if {r.system for r in item.routes if r.available} <= set(systems)]

        return await self.call(read)

    async def open_of(self, run_id: str, systems: Sequence[str], limit: int) -> list[int]:
        """Some files of these download systems that the run can still deliver, `limit` at most."""

        def read(c: sqlite3.Connection) -> list[int]:
            rows = c.execute(
                f"SELECT item_id FROM item WHERE run_id=? AND state IN({marks(_OPEN)})"
                f" AND system IN({marks(systems)}) LIMIT ?",
                (run_id, *_OPEN, *systems, limit),
            )
            return [row[0] for row in rows]

        return await self.call(read)

    async def open_systems(self, run_id: str) -> set[str]:
        """Download systems of the files that the run can still deliver."""

        def read(c: sqlite3.Connection) -> set[str]:
            rows = c.execute(
                f"SELECT DISTINCT system FROM item WHERE run_id=? AND state IN({marks(_OPEN)})", (run_id, *_OPEN)
            )
            return {row[0] for row in rows}

        return await self.call(read)

    async def next_due(self, run_id: str) -> float | None:
        """Unix time of the earliest planned file; None without one."""
        return await self.call(
            lambda c: c.execute(
                "SELECT min(next_try) FROM item WHERE run_id=? AND state='planned'", (run_id,)
            ).fetchone()[0]
        )

    async def intend(self, label: str, run_id: str, item_ids: Sequence[int], now: float) -> list[int]:
        """Write the label down before the call is sent. Returns the ids that really moved."""

        def write(c: sqlite3.Connection) -> list[int]:
            columns = {"label": label, "download_id": None, "asked_at": now, "missed": 0}
            moved = [i for i in item_ids if compare_and_set(c, i, Step.ASK, now, columns) is not None]
            c.execute(
                "INSERT INTO request(label, run_id, created, downloads) VALUES(?,?,?,?)"
                " ON CONFLICT(label) DO UPDATE SET downloads=downloads+excluded.downloads, created=excluded.created",
                (label, run_id, now, len(moved)),
            )
            c.execute("INSERT INTO asked VALUES(?,?)", (now, len(moved)))
            c.execute("DELETE FROM asked WHERE at<?", (now - 86400,))
            return moved

        return await self.call(write)

    async def note_asked(self, item_ids: Sequence[int], now: float) -> None:
        """The call is over: absence from the lists counts from now on, not from before it waited for its turn."""
        await self._write(
            f"UPDATE item SET asked_at=? WHERE state='requested' AND item_id IN({marks(item_ids)})", (now, *item_ids)
        )

    async def asked(self, since: float) -> list[tuple[float, int]]:
        """(time, downloads) of the requests since then, of all runs on this folder."""
        return await self.call(
            lambda c: [(at, n) for at, n in c.execute("SELECT at, downloads FROM asked WHERE at>=?", (since,))]
        )

    async def watch_label(self, label: str, run_id: str, now: float) -> None:
        """Look under an older label too: the service said that some of our files stand there."""
        await self._write(
            "INSERT INTO request VALUES(?,?,?,0,1)"
            " ON CONFLICT(label) DO UPDATE SET foreign_label=1, run_id=excluded.run_id, created=excluded.created",
            (label, run_id, now),
        )

    async def unwatch_label(self, label: str, created: float) -> None:
        """An older label has been looked through, unless it was named again meanwhile: our files there carry it now."""
        await self._write("UPDATE request SET foreign_label=0 WHERE label=? AND created=?", (label, created))

    async def revive(self, items: Sequence[Item], download_ids: Container[int]) -> list[Item]:
        """Downloads that were given up and that the service names again are ours once more; returns the files anew."""
        revived = []
        changes = []
        for item in items:
            spent = tuple(number for number in item.spent if number not in download_ids)
            if spent != item.spent:
                changes.append((msgspec.json.encode(spent).decode(), item.item_id))
            revived.append(replace(item, spent=spent))

        def write(c: sqlite3.Connection) -> None:
            c.executemany("UPDATE item SET spent=? WHERE item_id=?", changes)

        if changes:
            await self.call(write)
        return revived

    async def labels(self, run_id: str) -> list[tuple[str, float, bool]]:
        """(label, created, foreign) that can still bring something for this run; foreign ones first.

        First, because a file that stands there is not missing under its own label.
        """

        def read(c: sqlite3.Connection) -> list[tuple[str, float, bool]]:
            rows = c.execute(
                """SELECT label, coalesce(created, 0), 0 FROM (
                     SELECT DISTINCT label FROM item WHERE run_id=? AND state IN('requested','preparing'))
                     LEFT JOIN request USING(label) WHERE label IS NOT NULL
                   UNION SELECT label, created, 1 FROM request WHERE foreign_label=1 AND run_id=? AND EXISTS(
                     SELECT 1 FROM item WHERE run_id=? AND state='requested')
                   ORDER BY 3 DESC, created""",
                (run_id, run_id, run_id),
            )
            return [(label, created, bool(foreign)) for label, created, foreign in rows]

        return await self.call(read)

    async def waiting(self, run_id: str, label: str | None) -> list[Item]:
        """Files that wait for an answer under `label`; None = those of which no label has shown a trace yet."""
        where, arguments = (" AND state='requested'", ()) if label is None else (" AND label=?", (label,))

        def read(c: sqlite3.Connection) -> list[Item]:
            rows = c.execute(
                f"SELECT {ITEM_COLUMNS} FROM item WHERE run_id=? AND state IN('requested','preparing'){where}",
                (run_id, *arguments),
            )
            return [item_of(row) for row in rows]

        return await self.call(read)

    async def note_missed(self, item_id: int, rounds: int) -> None:
        """Remember how many poll rounds in a row did not list a file."""
        await self._write("UPDATE item SET missed=? WHERE item_id=?", (rounds, item_id))

    async def add_staged(self, waits: Sequence[tuple[str, float]], now: float) -> None:
        """Remember how long files took to be prepared: (download system, seconds)."""

        def write(c: sqlite3.Connection) -> None:
            c.executemany("INSERT INTO staged VALUES(?,?,?)", [(system, waited_s, now) for system, waited_s in waits])
            c.execute("DELETE FROM staged WHERE rowid <= (SELECT max(rowid) FROM staged) - ?", (STAGED_KEPT,))

        await self.call(write)

    async def staging(self, run_id: str, now: float) -> tuple[list[float], float]:
        """The last staging times, and for how long the youngest of the files in preparation has waited; in seconds."""

        def read(c: sqlite3.Connection) -> tuple[list[float], float]:
            waits = [row[0] for row in c.execute("SELECT waited_s FROM staged")]
            youngest = c.execute(
                "SELECT max(asked_at) FROM item WHERE run_id=? AND state='preparing'", (run_id,)
            ).fetchone()[0]
            return waits, now - youngest if youngest is not None else 0.0

        return await self.call(read)
