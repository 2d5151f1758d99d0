"""The ledger: what is wanted, where it is, what has been proven; across runs and crashes.

The only writer of states. A state changes by compare-and-set along rules/lifecycle.TRANSITIONS, and each method
returns after its commit is durable. Nothing here waits for a network, and no method holds more rows in memory than its
caller asked for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import anyio.to_thread
import msgspec

from landsat_async.disk.ledger_thread import LedgerThread
from landsat_async.disk.schema import connect
from landsat_async.errors import FolderBusy
from landsat_async.model import Route, Scene, WantedFile
from landsat_async.rules.lifecycle import State, Step, advance, sources

T = TypeVar("T")
STAGED_KEPT = 200
"""Staging times that are remembered, for the estimate of the next ones."""


@dataclass(frozen=True, slots=True)
class Item:
    """One wanted file as the ledger knows it."""

    item_id: int
    relpath: str
    name: str
    kind: str
    scene_entity_id: str
    scene_display_id: str
    entity_id: str
    """Of the route in use."""
    product_id: str
    system: str
    routes: tuple[Route, ...]
    route: int
    group_dataset: str | None
    file_groups: tuple[str, ...]
    bytes_nominal: int | None
    state: State
    gen: int
    label: str | None
    download_id: int | None
    asked_at: float | None
    spent: tuple[int, ...]
    """Downloads that were given up: their rows in answers are not ours any more."""
    asks: int
    """Requests in a row that the service did not answer for this file."""
    fresh: int
    """New links asked for because the old one was refused."""
    missed: int
    """Poll rounds in a row in which the service did not list it."""
    next_try: float
    reason: str
    hint: str


@dataclass(frozen=True, slots=True)
class FinishedFile:
    """What is recorded of a proven file."""

    item_id: int
    relpath: str
    size_bytes: int
    sha256: str
    proof: str
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class SavedPart:
    """The last checkpoint of an unfinished file."""

    name: str
    """Of the part, when it was saved; a later generation may have renamed it."""
    facts: bytes
    """As they were saved."""


_ITEM = ", ".join(f"item.{name}" for name in Item.__dataclass_fields__)
_routes = msgspec.json.Decoder(tuple[Route, ...])
_names = msgspec.json.Decoder(tuple[str, ...])
_numbers = msgspec.json.Decoder(tuple[int, ...])


def _item(row: sqlite3.Row) -> Item:
    values = dict(row)
    values["routes"] = _routes.decode(values["routes"])
    values["file_groups"] = _names.decode(values["file_groups"])
    values["spent"] = _numbers.decode(values["spent"])
    values["state"] = State(values["state"])
    return Item(**values)


def without_download(item: Item, download_id: int | None) -> dict[str, Any]:
    """Columns of a file whose download is given up, so that its rows are not taken for those of the next one."""
    given_up = () if download_id is None or download_id in item.spent else (download_id,)
    return {"label": None, "download_id": None, "spent": msgspec.json.encode(item.spent + given_up).decode()}


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _cas(
    connection: sqlite3.Connection, item_id: int, step: Step, now: float, columns: Mapping[str, Any]
) -> State | None:
    """Apply one step to one row if its state allows it; the state it came from, or None when it did not."""
    row = connection.execute("SELECT state FROM item WHERE item_id=?", (item_id,)).fetchone()
    if row is None or State(row["state"]) not in sources(step):
        return None
    before = State(row["state"])
    assignments = "".join(f", {name}=?" for name in columns)
    connection.execute(
        f"UPDATE item SET state=?, updated=?{assignments} WHERE item_id=?",
        (advance(before, step), now, *columns.values(), item_id),
    )
    return before


class Ledger:
    """Async face of the ledger. Make it with `Ledger.open`; close it with `aclose`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._run_id: str | None = None
        self._thread = LedgerThread(lambda: connect(path), path.name)

    @classmethod
    async def open(cls, path: Path) -> Ledger:
        """Open or create the ledger at `path`. Raises LedgerError, DiskFull."""
        ledger = cls(path)
        await anyio.to_thread.run_sync(ledger._thread.start)
        return ledger

    async def aclose(self) -> None:
        """Finish what is queued and close."""
        await anyio.to_thread.run_sync(self._thread.close)

    async def call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run `function` in the next transaction of the ledger thread.

        Raises FolderBusy when a later run has begun on this folder, which only a lock that lies allows. From then on
        the later run alone decides, so that the two cannot undo each other's steps.
        """

        def fenced(c: sqlite3.Connection) -> T:
            if self._run_id is not None:
                newest = c.execute("SELECT run_id FROM run ORDER BY rowid DESC LIMIT 1").fetchone()
                if newest["run_id"] != self._run_id:
                    raise FolderBusy(
                        f"Another run has begun on {self.path.parent.parent} and goes on with it.",
                        hint="Nothing is lost. This file system does not keep two runs apart: start one only.",
                    )
            return function(c)

        return await self._thread.call(fenced)

    async def _write(self, sql: str, arguments: Sequence[Any]) -> None:
        def write(c: sqlite3.Connection) -> None:
            c.execute(sql, arguments)

        await self.call(write)

    # -- runs and selection ------------------------------------------------------------------------------------------

    async def begin_run(self, run_id: str, now: float) -> None:
        """Record that a run has begun; from now on this ledger speaks for it, until a later run begins.

        What an earlier run wrote while the clock was ahead counts from now on, or it would block for that long.
        """

        def write(c: sqlite3.Connection) -> None:
            c.execute("INSERT INTO run(run_id, started) VALUES(?, ?)", (run_id, now))
            c.execute("UPDATE asked SET at=? WHERE at>?", (now, now))
            c.execute("UPDATE request SET created=? WHERE created>?", (now, now))

        await self.call(write)
        self._run_id = run_id

    async def end_run(self, run_id: str, now: float, exit_code: int) -> None:
        """Record how a run ended."""
        self._run_id = None  # also when a later run has begun
        await self._write("UPDATE run SET ended=?, exit_code=? WHERE run_id=?", (now, exit_code, run_id))

    async def remember_scenes(self, dataset: str, scenes: Iterable[Scene], now: float) -> None:
        """Keep what was seen of scenes; the publication date is what a later "only what is new" asks by."""
        rows = [(s.display_id, s.entity_id, dataset, s.acquired, s.cloud_cover, s.published, now) for s in scenes]

        def write(c: sqlite3.Connection) -> None:
            c.executemany("INSERT OR REPLACE INTO scene VALUES(?,?,?,?,?,?,?)", rows)

        await self.call(write)

    async def select(self, files: Sequence[WantedFile], run_id: str, now: float) -> None:
        """Put files into the run. What is known already keeps its state; failed files are wanted again.

        A failed row that kept its label was still being prepared: it is looked up, not asked for again.
        Routes are taken from the newest answer of the service, except while a request is under way.
        """

        def write(c: sqlite3.Connection) -> None:
            for file in files:
                first = file.routes[0]
                routes, groups = (
                    msgspec.json.encode(file.routes).decode(),
                    msgspec.json.encode(file.file_groups).decode(),
                )
                c.execute(
                    """INSERT INTO item(relpath, name, kind, scene_entity_id, scene_display_id, entity_id, product_id,
                         system, routes, group_dataset, file_groups, bytes_nominal, state, run_id, updated)
                       VALUES(?,?,?,?,?,?,?,?,?,?,?,?,'planned',?,?)
                       ON CONFLICT(relpath) DO UPDATE SET run_id=excluded.run_id, bytes_nominal=excluded.bytes_nominal,
                         group_dataset=excluded.group_dataset, file_groups=excluded.file_groups,
                         fresh=0, asks=0, next_try=0,
                         state=CASE WHEN state<>'failed' THEN state WHEN label IS NULL THEN 'planned'
                           ELSE 'requested' END""",
                    (
                        file.relpath, file.name, file.kind, file.scene_entity_id, file.scene_display_id,
                        first.entity_id, first.product_id, first.system, routes, file.group_dataset, groups,
                        file.bytes_nominal, run_id, now,
                    ),
                )  # fmt: skip
                c.execute(
                    "UPDATE item SET routes=?, route=0, entity_id=?, product_id=?, system=?"
                    " WHERE relpath=? AND state IN('planned','done')",
                    (routes, first.entity_id, first.product_id, first.system, file.relpath),
                )

        await self.call(write)

    async def reattach(self, run_id: str, now: float) -> int:
        """Take over what an earlier process left in flight: look it up by its label. Returns how many."""

        def write(c: sqlite3.Connection) -> int:
            changed = c.execute(
                "UPDATE item SET state='requested', missed=0, asked_at=min(asked_at, ?), updated=?"
                " WHERE run_id=? AND label IS NOT NULL AND state IN('ready','active','preparing','requested')",
                (now, now, run_id),
            ).rowcount
            c.execute("UPDATE request SET run_id=? WHERE foreign_label=1", (run_id,))
            c.execute(
                "UPDATE item SET state='planned', updated=? WHERE run_id=? AND label IS NULL"
                " AND state IN('ready','active','preparing','requested')",
                (now, run_id),
            )
            return changed

        return await self.call(write)

    async def count(self, run_id: str) -> dict[State, int]:
        """Files of the run by state."""

        def read(c: sqlite3.Connection) -> dict[State, int]:
            rows = c.execute("SELECT state, count(*) FROM item WHERE run_id=? GROUP BY state", (run_id,))
            return {State(state): number for state, number in rows}

        return await self.call(read)

    async def nominal_left(self, run_id: str) -> int:
        """Listed bytes of the run's files that are not here yet."""
        return await self.call(
            lambda c: int(
                c.execute(
                    "SELECT coalesce(sum(bytes_nominal), 0) FROM item WHERE run_id=? AND state NOT IN('done','failed')",
                    (run_id,),
                ).fetchone()[0]
            )
        )

    async def items(
        self, run_id: str, states: Sequence[State], *, after: int = 0, limit: int = 1000, at: float | None = None
    ) -> list[Item]:
        """A page of the run's files in these states, by item id; `at` leaves out what is to be tried later."""
        due = "" if at is None else " AND next_try<=?"
        arguments = [run_id, *states, after, *([] if at is None else [at]), limit]

        def read(c: sqlite3.Connection) -> list[Item]:
            rows = c.execute(
                f"SELECT {_ITEM} FROM item WHERE run_id=? AND state IN({_marks(states)}) AND item_id>?{due}"
                " ORDER BY item_id LIMIT ?",
                arguments,
            )
            return [_item(row) for row in rows]

        return await self.call(read)

    async def item(self, item_id: int) -> Item:
        """One file."""
        return await self.call(
            lambda c: _item(c.execute(f"SELECT {_ITEM} FROM item WHERE item_id=?", (item_id,)).fetchone())
        )

    async def step(self, item_id: int, step: Step, now: float, **columns: Any) -> State | None:
        """Apply one step by compare-and-set, writing `columns` with it.

        Returns the state it came from, or None when the file was in no state that allows the step.
        """
        return await self.call(lambda c: _cas(c, item_id, step, now, columns))

    async def step_many(self, steps: Sequence[tuple[int, Step, Mapping[str, Any]]], now: float) -> list[State | None]:
        """Several steps in one transaction."""
        return await self.call(lambda c: [_cas(c, item_id, step, now, columns) for item_id, step, columns in steps])

    # -- asking ------------------------------------------------------------------------------------------------------

    async def portion(self, run_id: str, limit: int, now: float, paused_systems: Sequence[str] = ()) -> list[Item]:
        """The next files to ask for: due, not on a paused system, all of one kind of request."""

        def read(c: sqlite3.Connection) -> list[Item]:
            first = c.execute(
                f"SELECT group_dataset FROM item WHERE run_id=? AND state='planned' AND next_try<=?"
                f" AND system NOT IN({_marks(paused_systems)}) ORDER BY next_try, item_id LIMIT 1",
                (run_id, now, *paused_systems),
            ).fetchone()
            if first is None:
                return []
            rows = c.execute(
                f"SELECT {_ITEM} FROM item WHERE run_id=? AND state='planned' AND next_try<=?"
                f" AND system NOT IN({_marks(paused_systems)}) AND group_dataset IS ?"
                " ORDER BY next_try, item_id LIMIT ?",
                (run_id, now, *paused_systems, first["group_dataset"], limit),
            )
            return [_item(row) for row in rows]

        return await self.call(read)

    async def reroute(self, run_id: str, paused_systems: Sequence[str], now: float) -> int:
        """Files that wait for a paused system and can be had from another one change over. Returns how many."""

        def write(c: sqlite3.Connection) -> int:
            rows = c.execute(
                f"SELECT item_id, routes FROM item WHERE run_id=? AND state='planned' AND json_array_length(routes)>1"
                f" AND system IN({_marks(paused_systems)})",
                (run_id, *paused_systems),
            ).fetchall()
            changes = []
            for item_id, text in rows:
                routes = enumerate(_routes.decode(text))
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
            moved = [i for i in item_ids if _cas(c, i, Step.ASK, now, columns) is not None]
            c.execute(
                "INSERT INTO request(label, run_id, created, downloads) VALUES(?,?,?,?)"
                " ON CONFLICT(label) DO UPDATE SET downloads=downloads+excluded.downloads, created=excluded.created",
                (label, run_id, now, len(moved)),
            )
            c.execute("INSERT INTO asked VALUES(?,?)", (now, len(moved)))
            c.execute("DELETE FROM asked WHERE at<?", (now - 86400,))
            return moved

        return await self.call(write)

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
                f"SELECT {_ITEM} FROM item WHERE run_id=? AND state IN('requested','preparing'){where}",
                (run_id, *arguments),
            )
            return [_item(row) for row in rows]

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

    # -- parts and finished files ------------------------------------------------------------------------------------

    async def save_part(self, item_id: int, name: str, durable: int, facts: bytes) -> None:
        """Record a checkpoint; call it only after the part has been fsynced."""
        await self._write("INSERT OR REPLACE INTO part VALUES(?,?,?,?)", (item_id, name, durable, facts))

    async def load_part(self, item_id: int) -> bytes | None:
        """The facts of the last checkpoint, as saved; None without one."""

        def read(c: sqlite3.Connection) -> bytes | None:
            row = c.execute("SELECT facts FROM part WHERE item_id=?", (item_id,)).fetchone()
            return bytes(row["facts"]) if row else None

        return await self.call(read)

    async def claim(self, item_id: int, now: float) -> tuple[Item, SavedPart | None] | None:
        """A worker takes a ready file: its row with the next generation, and its part, in one commit."""

        def write(c: sqlite3.Connection) -> tuple[Item, SavedPart | None] | None:
            if _cas(c, item_id, Step.CLAIM, now, {}) is None:
                return None
            c.execute("UPDATE item SET gen=gen+1 WHERE item_id=?", (item_id,))
            item = _item(c.execute(f"SELECT {_ITEM} FROM item WHERE item_id=?", (item_id,)).fetchone())
            part = c.execute("SELECT name, facts FROM part WHERE item_id=?", (item_id,)).fetchone()
            return item, SavedPart(part["name"], bytes(part["facts"])) if part else None

        return await self.call(write)

    async def drop_part(self, item_id: int) -> None:
        """Forget a part."""
        await self._write("DELETE FROM part WHERE item_id=?", (item_id,))

    async def states(self) -> dict[int, State]:
        """State of every file, by item id."""
        return await self.call(lambda c: {i: State(s) for i, s in c.execute("SELECT item_id, state FROM item")})

    async def finish(self, file: FinishedFile, now: float, *, report: bool = False) -> State | None:
        """Record a proven file, after its folder has been fsynced; the state it came from, None = somebody else has it.

        `report` asks for a later download-complete-proxied.
        """

        def write(c: sqlite3.Connection) -> State | None:
            row = c.execute("SELECT download_id FROM item WHERE item_id=?", (file.item_id,)).fetchone()
            before = _cas(c, file.item_id, Step.FINISH, now, {"reason": "", "hint": ""})
            if before is None:
                return None
            wanted = report and row["download_id"] is not None
            c.execute(
                "INSERT OR REPLACE INTO file VALUES(?,?,?,?,?,?,?,?)",
                (file.item_id, file.size_bytes, file.sha256, file.proof, file.mtime_ns, now,
                 int(wanted), row["download_id"]),
            )  # fmt: skip
            c.execute("DELETE FROM part WHERE item_id=?", (file.item_id,))
            return before

        return await self.call(write)

    async def finished(self, run_id: str | None, *, after: int = 0, limit: int = 5000) -> list[FinishedFile]:
        """A page of proven files, by item id; of one run's selection, or of all."""
        where, arguments = ("", ()) if run_id is None else ("AND item.run_id=?", (run_id,))

        def read(c: sqlite3.Connection) -> list[FinishedFile]:
            rows = c.execute(
                f"""SELECT file.item_id, relpath, size_bytes, sha256, proof, mtime_ns FROM file JOIN item USING(item_id)
                    WHERE state='done' AND file.item_id>? {where} ORDER BY file.item_id LIMIT ?""",
                (after, *arguments, limit),
            )
            return [FinishedFile(**dict(row)) for row in rows]

        return await self.call(read)

    async def touched(self, item_id: int, mtime_ns: int) -> None:
        """A finished file has another time of change and the same bytes."""
        await self._write("UPDATE file SET mtime_ns=? WHERE item_id=?", (mtime_ns, item_id))

    async def lose(self, item_ids: Sequence[int], now: float) -> None:
        """Files that were proven and are no longer as recorded on disk: wanted again."""

        def write(c: sqlite3.Connection) -> None:
            for item_id in item_ids:
                _cas(c, item_id, Step.RENEW, now, {"label": None, "download_id": None})
                c.execute("DELETE FROM file WHERE item_id=?", (item_id,))

        await self.call(write)

    async def unreported(self, limit: int = 500) -> list[tuple[int, int, int]]:
        """(item id, download id, size) of proxied files whose completion the service has not been told."""
        return await self.call(
            lambda c: [
                (i, d, s)
                for i, d, s in c.execute(
                    "SELECT item_id, download_id, size_bytes FROM file WHERE report=1 LIMIT ?", (limit,)
                )
            ]
        )

    async def reported(self, item_ids: Sequence[int]) -> None:
        """The service has been told."""
        await self._write(f"UPDATE file SET report=2 WHERE item_id IN({_marks(item_ids)})", item_ids)

    # -- scene lists -------------------------------------------------------------------------------------------------

    async def note_list(self, list_id: str, now: float) -> None:
        """Write a scene list down before it is made, so that a crash cannot leave it behind for ever."""
        await self._write("INSERT OR REPLACE INTO scene_list VALUES(?,?)", (list_id, now))

    async def forget_list(self, list_id: str) -> None:
        """The list has been removed at the service."""
        await self._write("DELETE FROM scene_list WHERE list_id=?", (list_id,))

    async def lists(self) -> list[str]:
        """Scene lists that may still exist at the service."""
        return await self.call(lambda c: [row[0] for row in c.execute("SELECT list_id FROM scene_list")])
