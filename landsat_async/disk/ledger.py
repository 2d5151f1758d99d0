"""The ledger: what is wanted, where it is, what has been proven; across runs and crashes.

One writer (`ledger_writer`), and what it writes in four parts: `requests` is what is asked for, `files` are parts and
proven files, `scenes` is what is known of scenes, `measures` the clouds in an area. Runs and their selection stand
here. A state changes by compare-and-set along rules/lifecycle.TRANSITIONS (`ledger_rows`), and a method that is awaited
returns after its commit is durable. Nothing here waits for a network, and no method holds more rows in memory than its
caller asked for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Container, Sequence
from pathlib import Path

from landsat_async.disk.acquire import acquire_in_thread
from landsat_async.disk.ledger_catalog import ScenesHere
from landsat_async.disk.ledger_files import FileRecords
from landsat_async.disk.ledger_hooks import HookRecords
from landsat_async.disk.ledger_measures import MeasureRecords, dismiss_held
from landsat_async.disk.ledger_observations import ObservationRecords
from landsat_async.disk.ledger_requests import RequestRecords
from landsat_async.disk.ledger_rows import (
    FinishedFile,
    Item,
    Move,
    SavedPart,
    marks,
    move,
    put,
    read_item,
    read_items,
    take_over,
)
from landsat_async.disk.ledger_scenes import CachedFile, SceneRecords, cache_scenes
from landsat_async.disk.ledger_schema import connect
from landsat_async.disk.ledger_sync import SyncRecords
from landsat_async.disk.ledger_writer import LedgerWriter
from landsat_async.model import WantedFile
from landsat_async.rules.lifecycle import State, Step

__all__ = ["CachedFile", "FinishedFile", "Item", "Ledger", "Move", "SavedPart"]


class Ledger:
    """Async face of the ledger. Make it with `Ledger.open`; close it with `aclose`."""

    def __init__(self, writer: LedgerWriter) -> None:
        self.path = writer.path
        self.writer = writer
        self.requests = RequestRecords(writer)
        self.files = FileRecords(writer)
        self.scenes = SceneRecords(writer)
        self.sync = SyncRecords(writer)
        self.observations = ObservationRecords(writer)
        self.hooks = HookRecords(writer)
        self.measures = MeasureRecords(writer)

    @classmethod
    async def open(cls, path: Path) -> Ledger:
        """Open or create the ledger at `path`. Raises LedgerError, DiskFull, OutOfResources."""

        def start() -> Ledger:
            writer = LedgerWriter(lambda: connect(path), path)
            writer.start()
            return cls(writer)

        return await acquire_in_thread(start, lambda ledger: ledger.writer.leave(), name="open-ledger")

    async def aclose(self) -> None:
        """Finish what is queued and close."""
        await self.writer.aclose()

    def on_busy(self, callback: Callable[[float], None]) -> None:
        """Have it called when another program holds the ledger, with the seconds until the run gives up."""
        self.writer.on_busy = callback

    async def begin_run(self, run_id: str, now: float) -> None:
        """Record that a run has begun; from now on this ledger speaks for it, until a later run begins.

        What has waited for a figure in an earlier run waits no more. What an earlier run wrote while the clock was
        ahead counts from now on, or it would block for that long.
        """

        def write(c: sqlite3.Connection) -> None:
            c.execute("INSERT INTO run(run_id, started) VALUES(?, ?)", (run_id, now))
            c.execute("UPDATE asked SET at=? WHERE at>?", (now, now))
            c.execute("UPDATE request SET created=? WHERE created>?", (now, now))
            dismiss_held(c)

        await self.writer.call(write)
        self.writer.run_id = run_id

    def end_run(self, run_id: str, now: float, exit_code: int) -> Awaitable[None]:
        """Record how a run ended, also when a later one has begun."""
        self.writer.run_id = None
        return self.writer.write("UPDATE run SET ended=?, exit_code=? WHERE run_id=?", now, exit_code, run_id)

    def note_speed(self, run_id: str, size_bytes: int, flowing_s: float, now: float) -> Awaitable[None]:
        """Record how many bytes a run has received, and in how many seconds of those in which some came."""
        return self.writer.write("INSERT OR REPLACE INTO speed VALUES(?, ?, ?, ?)", run_id, size_bytes, flowing_s, now)

    def select(
        self,
        files: Sequence[WantedFile],
        run_id: str,
        now: float,
        *,
        complete: Container[str] = frozenset(),
        choice: str = "",
    ) -> Awaitable[None]:
        """Put files into the run. What is known already keeps its state; failed files are wanted again.

        A failed row that kept its label was still being prepared: it is looked up, not asked for again.
        Routes are taken from the newest answer of the service, except while a request is under way. `complete` are the
        display ids of scenes of which `files` holds everything that `choice` asks for.
        """

        def write(c: sqlite3.Connection) -> None:
            put(c, files, run_id, now)
            cache_scenes(c, [file for file in files if file.scene_display_id in complete], choice, now)

        return self.writer.call(write)

    def replace_bundle(
        self, item_id: int, files: Sequence[WantedFile], run_id: str, now: float
    ) -> Awaitable[tuple[State, list[State]] | None]:
        """Take a bundle out of the run and put its single files in, in one commit.

        What an earlier run left in flight of the files is taken over, as at the beginning of a run. Returns the state
        that the bundle was in and the states of the files; None when the bundle is beyond that.
        """
        names = [file.relpath for file in files]
        among = f"relpath IN({marks(names)})"

        def write(c: sqlite3.Connection) -> tuple[State, list[State]] | None:
            bundle = read_item(c, item_id)
            if bundle.state not in (State.PLANNED, State.PREPARING):
                return None
            move(c, item_id, Step.UNASK, now)
            c.execute(
                "UPDATE item SET run_id='', label=NULL, download_id=NULL, next_try=0, updated=? WHERE item_id=?",
                (now, item_id),
            )
            c.execute("INSERT OR IGNORE INTO replaced VALUES(?)", (bundle.scene_display_id,))
            put(c, files, run_id, now)
            take_over(c, among, names, now)
            return bundle.state, [State(row[0]) for row in c.execute(f"SELECT state FROM item WHERE {among}", names)]

        return self.writer.call(write)

    def reattach(self, run_id: str, now: float) -> Awaitable[int]:
        """Take over what an earlier process left in flight: look it up by its label. Returns how many."""

        def write(c: sqlite3.Connection) -> int:
            c.execute("UPDATE request SET run_id=? WHERE foreign_label=1", (run_id,))
            return take_over(c, "run_id=?", [run_id], now)

        return self.writer.call(write)

    def count(self, run_id: str) -> Awaitable[dict[State, int]]:
        """Files of the run by state."""

        def read(c: sqlite3.Connection) -> dict[State, int]:
            rows = c.execute("SELECT state, count(*) FROM item WHERE run_id=? GROUP BY state", (run_id,))
            return {State(state): number for state, number in rows}

        return self.writer.call(read)

    def items(
        self, run_id: str, states: Sequence[State], *, after: int = 0, limit: int = 1000
    ) -> Awaitable[list[Item]]:
        """A page of the run's files in these states, by item id."""
        condition = f"run_id=? AND state IN({marks(states)}) AND item_id>? ORDER BY item_id LIMIT ?"
        arguments = [run_id, *states, after, limit]
        return self.writer.call(lambda c: read_items(c, condition, arguments))

    def digest_of_files(self) -> Awaitable[str]:
        """What stands for all proven files and where they are, see `ledger_catalog`."""
        return self.writer.call(lambda c: ScenesHere(c, None).digest())

    def item(self, item_id: int) -> Awaitable[Item]:
        """One file."""
        return self.writer.call(lambda c: read_item(c, item_id))
