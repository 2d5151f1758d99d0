"""The ledger: what is wanted, where it is, what has been proven; across runs and crashes.

The only writer of states. A state changes by compare-and-set along rules/lifecycle.TRANSITIONS, and each method
returns after its commit is durable. Nothing here waits for a network, and no method holds more rows in memory than its
caller asked for.

This file has runs, selection and states; `ledger_requests` what is asked for; `ledger_files` parts and proven files.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from landsat_async.disk.acquire import acquire_in_thread
from landsat_async.disk.ledger_files import FileBook
from landsat_async.disk.ledger_leftovers import LeftoverBook
from landsat_async.disk.ledger_names import NameBook
from landsat_async.disk.ledger_requests import RequestBook
from landsat_async.disk.ledger_rows import (
    ITEM_COLUMNS,
    FinishedFile,
    Item,
    SavedPart,
    compare_and_set,
    item_of,
    marks,
    without_download,
)
from landsat_async.disk.ledger_scene_cache import CachedFile, SceneCacheBook, settle
from landsat_async.model import Scene, WantedFile
from landsat_async.rules.lifecycle import State, Step

__all__ = ["CachedFile", "FinishedFile", "Item", "Ledger", "SavedPart", "without_download"]


class Ledger(RequestBook, FileBook, SceneCacheBook, LeftoverBook, NameBook):
    """Async face of the ledger. Make it with `Ledger.open`; close it with `aclose`."""

    @classmethod
    async def open(cls, path: Path) -> Ledger:
        """Open or create the ledger at `path`. Raises LedgerError, DiskFull, OutOfResources."""

        def start() -> Ledger:
            ledger = cls(path)
            ledger._thread.start()
            return ledger

        return await acquire_in_thread(start, lambda ledger: ledger._thread.leave(), name="open-ledger")

    async def aclose(self) -> None:
        """Finish what is queued and close."""
        await self._thread.aclose()

    def on_busy(self, told: Callable[[float], None]) -> None:
        """Have `told` called when another program holds the ledger, with the seconds until the run gives up."""
        self._thread.on_busy = told

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

    async def remember_scenes(self, scenes: Sequence[Scene], now: float) -> None:
        """Keep what was seen of scenes; the publication date is what a later "only what is new" asks by."""

        def write(c: sqlite3.Connection) -> None:
            rows = ((s.display_id, s.entity_id, s.dataset, s.acquired, s.cloud_cover, s.published, now) for s in scenes)
            c.executemany("INSERT OR REPLACE INTO scene VALUES(?,?,?,?,?,?,?)", rows)

        await self.call(write)

    async def datasets_of(self, display_ids: Sequence[str]) -> dict[str, str]:
        """Aliases of the datasets that scenes were found in, by display id."""

        def look(c: sqlite3.Connection) -> dict[str, str]:
            sql = f"SELECT display_id, dataset FROM scene WHERE display_id IN({marks(display_ids)})"
            return dict(c.execute(sql, tuple(display_ids)).fetchall())

        return await self.call(look)

    async def select(
        self,
        files: Sequence[WantedFile],
        run_id: str,
        now: float,
        *,
        complete: Container[str] = frozenset(),
        choice: str = "",
    ) -> None:
        """Put files into the run. What is known already keeps its state; failed files are wanted again.

        A failed row that kept its label was still being prepared: it is looked up, not asked for again.
        Routes are taken from the newest answer of the service, except while a request is under way. `complete` are the
        display ids of scenes of which `files` holds everything that `choice` asks for.
        """

        def write(c: sqlite3.Connection) -> None:
            _put(c, files, run_id, now)
            settle(c, (file for file in files if file.scene_display_id in complete), choice, now)

        await self.call(write)

    async def replaced(self) -> frozenset[str]:
        """Display ids of scenes whose bundle was given up for its single files and is not here."""
        return await self.call(replaced_scenes)

    async def done_among(self, relpaths: Sequence[str]) -> list[WantedFile]:
        """The files at these places that are proven, as they were wanted."""
        return await self.call(lambda c: done_files(c, relpaths))

    async def note_replaced(self, display_ids: Iterable[str]) -> None:
        """Remember scenes that are fetched as single files."""
        rows = [(display_id,) for display_id in display_ids]

        def write(c: sqlite3.Connection) -> None:
            c.executemany("INSERT OR IGNORE INTO replaced VALUES(?)", rows)

        await self.call(write)

    async def replace_bundle(
        self, item_id: int, files: Sequence[WantedFile], run_id: str, now: float
    ) -> tuple[State, list[State]] | None:
        """Take a bundle out of the run and put its single files in, in one commit.

        What an earlier run left in flight of the files is taken over, as at the beginning of a run. Returns the state
        that the bundle was in and the states of the files; None when the bundle is beyond that.
        """
        names = [file.relpath for file in files]

        def write(c: sqlite3.Connection) -> tuple[State, list[State]] | None:
            row = c.execute("SELECT state, scene_display_id FROM item WHERE item_id=?", (item_id,)).fetchone()
            before = State(row["state"])
            if before not in (State.PLANNED, State.PREPARING):
                return None
            c.execute(
                "UPDATE item SET state='planned', run_id='', label=NULL, download_id=NULL, next_try=0, updated=?"
                " WHERE item_id=?",
                (now, item_id),
            )
            c.execute("INSERT OR IGNORE INTO replaced VALUES(?)", (row["scene_display_id"],))
            _put(c, files, run_id, now)
            _reattach(c, f"relpath IN({marks(names)})", names, now)
            found = c.execute(f"SELECT state FROM item WHERE relpath IN({marks(names)})", names)
            return before, [State(row["state"]) for row in found]

        return await self.call(write)

    async def reattach(self, run_id: str, now: float) -> int:
        """Take over what an earlier process left in flight: look it up by its label. Returns how many."""

        def write(c: sqlite3.Connection) -> int:
            c.execute("UPDATE request SET run_id=? WHERE foreign_label=1", (run_id,))
            return _reattach(c, "run_id=?", [run_id], now)

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
        self, run_id: str, states: Sequence[State], *, after: int = 0, limit: int = 1000, scene: str | None = None
    ) -> list[Item]:
        """A page of the run's files in these states, by item id; of one scene (display id), or of all."""
        of_scene = "" if scene is None else " AND scene_display_id=?"
        arguments = [run_id, *states, after, *([] if scene is None else [scene]), limit]

        def read(c: sqlite3.Connection) -> list[Item]:
            rows = c.execute(
                f"SELECT {ITEM_COLUMNS} FROM item WHERE run_id=? AND state IN({marks(states)}) AND item_id>?{of_scene}"
                " ORDER BY item_id LIMIT ?",
                arguments,
            )
            return [item_of(row) for row in rows]

        return await self.call(read)

    async def item(self, item_id: int) -> Item:
        """One file."""
        return await self.call(
            lambda c: item_of(c.execute(f"SELECT {ITEM_COLUMNS} FROM item WHERE item_id=?", (item_id,)).fetchone())
        )

    async def step(self, item_id: int, step: Step, now: float, **columns: Any) -> State | None:
        """Apply one step by compare-and-set, writing `columns` with it.

        Returns the state it came from, or None when the file was in no state that allows the step.
        """
        return await self.call(lambda c: compare_and_set(c, item_id, step, now, columns))

    async def step_many(self, steps: Sequence[tuple[int, Step, Mapping[str, Any]]], now: float) -> list[State | None]:
        """Several steps in one transaction."""
        return await self.call(
            lambda c: [compare_and_set(c, item_id, step, now, columns) for item_id, step, columns in steps]
        )

    async def note_list(self, list_id: str, now: float) -> None:
        """Write a scene list down before it is made, so that a crash cannot leave it behind for ever."""
        await self._write("INSERT OR REPLACE INTO scene_list VALUES(?,?)", (list_id, now))

    async def forget_list(self, list_id: str) -> None:
        """The list has been removed at the service."""
        await self._write("DELETE FROM scene_list WHERE list_id=?", (list_id,))

    async def lists(self) -> list[str]:
        """Scene lists that may still exist at the service."""
        return await self.call(lambda c: [row[0] for row in c.execute("SELECT list_id FROM scene_list")])


def _reattach(connection: sqlite3.Connection, where: str, arguments: Sequence[str], now: float) -> int:
    """What is in flight and has a label is looked up by it, the rest is asked for; returns how many have one.

    Whose answer never came may have been sent just now: its absence counts from now on.
    """
    in_flight = f"{where} AND state IN('ready','active','preparing','requested')"
    changed = connection.execute(
        "UPDATE item SET missed=0, asked_at=iif(state='requested', ?, min(asked_at, ?)), state='requested', updated=?"
        f" WHERE label IS NOT NULL AND {in_flight}",
        (now, now, now, *arguments),
    ).rowcount
    connection.execute(
        f"UPDATE item SET state='planned', updated=? WHERE label IS NULL AND {in_flight}", (now, *arguments)
    )
    return changed


def replaced_scenes(connection: sqlite3.Connection) -> frozenset[str]:
    """Scenes that are fetched as single files; also for a connection that only reads, of any version."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name='replaced'").fetchone():
        return frozenset()
    rows = connection.execute(
        "SELECT display_id FROM replaced WHERE display_id NOT IN("
        " SELECT scene_display_id FROM item WHERE kind='bundle' AND state='done')"
    )
    return frozenset(row[0] for row in rows)


def done_files(connection: sqlite3.Connection, relpaths: Sequence[str]) -> list[WantedFile]:
    """The proven files at these places; also for a connection that only reads."""
    look = f"SELECT {ITEM_COLUMNS} FROM item WHERE state='done' AND relpath=?"
    items = [item_of(row) for relpath in relpaths for row in connection.execute(look, (relpath,))]
    return [
        WantedFile(
            item.name, item.scene_entity_id, item.scene_display_id, item.kind, item.routes, item.bytes_nominal,
            item.relpath.rpartition("/")[0], item.group_dataset, item.file_groups,
        )
        for item in items
    ]  # fmt: skip


def _put(connection: sqlite3.Connection, files: Iterable[WantedFile], run_id: str, now: float) -> None:
    """Put files into a run; see `Ledger.select`."""
    connection.executemany(_PUT, (_row(file, run_id, now) for file in files))


def _row(file: WantedFile, run_id: str, now: float) -> tuple[object, ...]:
    first = file.routes[0]
    routes, groups = msgspec.json.encode(file.routes).decode(), msgspec.json.encode(file.file_groups).decode()
    return (
        file.relpath, file.name, file.kind, file.scene_entity_id, file.scene_display_id, first.entity_id,
        first.product_id, first.system, routes, file.group_dataset, groups, file.bytes_nominal, run_id, now,
    )  # fmt: skip


_PUT = """INSERT INTO item(relpath, name, kind, scene_entity_id, scene_display_id, entity_id, product_id,
     system, routes, group_dataset, file_groups, bytes_nominal, state, run_id, updated)
   VALUES(?,?,?,?,?,?,?,?,?,?,?,?,'planned',?,?)
   ON CONFLICT(relpath) DO UPDATE SET run_id=excluded.run_id, bytes_nominal=excluded.bytes_nominal,
     group_dataset=excluded.group_dataset, file_groups=excluded.file_groups, fresh=0, asks=0, next_try=0,
     state=CASE WHEN state<>'failed' THEN state WHEN label IS NULL THEN 'planned' ELSE 'requested' END""" + "".join(
    f", {column}=CASE WHEN state IN('planned','done') OR state='failed' AND label IS NULL"
    f" THEN excluded.{column} ELSE {column} END"
    for column in ("routes", "route", "entity_id", "product_id", "system")
)
