"""The ledger's part of clouds in the area: figures that are kept, and scenes that wait for theirs.

A scene that is not measured yet has one file in the run, its QA_PIXEL, of kind MEASURE; its other files are held: they
stand in the ledger under a run of their own (HELD), so nobody asks for them or counts them. When the figure is there,
one commit keeps it, takes the QA_PIXEL out of the run, and puts the others in, or lets them go.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Container, Sequence

import msgspec

from landsat_async.disk.ledger_rows import Item, marks, move, put, take_over
from landsat_async.disk.ledger_scenes import cache_scenes
from landsat_async.disk.ledger_writer import LedgerWriter
from landsat_async.model import WantedFile
from landsat_async.rules.clouds import CloudCount
from landsat_async.rules.lifecycle import State, Step

HELD = "held"
"""In place of the run of files that wait for a figure."""


class Concluded(msgspec.Struct, frozen=True):
    """What a figure has changed."""

    before: State
    """Of the QA_PIXEL, which has left the run."""
    states: list[State]
    """Of the files that came into the run; empty when the scene is left out, and where they go on waiting."""
    held: int
    """Files that have waited for it."""
    bytes_nominal: int
    """Their listed bytes, as far as they are not here."""


class MeasureRecords:
    """What measuring writes and asks."""

    def __init__(self, writer: LedgerWriter) -> None:
        self._writer = writer

    def known(self, area: str, counts: str) -> Awaitable[dict[str, CloudCount]]:
        """The figures of an area by a rule, by display id."""
        return self._writer.call(lambda c: figures(c, area, counts))

    def hold(
        self, files: Sequence[WantedFile], now: float, *, complete: Container[str] = frozenset(), choice: str = ""
    ) -> Awaitable[None]:
        """Put files into the ledger that wait for the figure of their scene; `complete` and `choice` as in `select`."""

        def write(c: sqlite3.Connection) -> None:
            put(c, files, HELD, now)
            cache_scenes(c, (file for file in files if file.scene_display_id in complete), choice, now)

        return self._writer.call(write)

    def conclude(
        self,
        item: Item,
        run_id: str,
        now: float,
        *,
        figure: tuple[str, str, CloudCount] | None,
        keep: bool | None,
        size_bytes: int | None = None,
    ) -> Awaitable[Concluded | None]:
        """Take a QA_PIXEL out of the run, and let its scene in or go.

        Args:
            item: The QA_PIXEL.
            run_id: The run.
            now: Unix time.
            figure: Area, rule and counts, to be kept; None = it could not be measured.
            keep: Its files come into the run (True), are let go (False), or go on waiting (None).
            size_bytes: What was received, to be reported to the service as complete; None = nothing to report.

        Returns None when it has left the run before.
        """
        scene = item.scene_display_id

        def write(c: sqlite3.Connection) -> Concluded | None:
            row = c.execute("SELECT state, download_id FROM item WHERE item_id=? AND run_id=?", (item.item_id, run_id))
            found = row.fetchone()
            if found is None:
                return None
            before = State(found["state"])
            move(c, item.item_id, Step.RELEASE, now)
            c.execute(
                "UPDATE item SET run_id='', label=NULL, download_id=NULL, next_try=0 WHERE item_id=?", (item.item_id,)
            )
            c.execute("DELETE FROM part WHERE item_id=?", (item.item_id,))
            if size_bytes is not None and found["download_id"] is not None:
                c.execute(
                    "INSERT OR REPLACE INTO file VALUES(?,?,?,?,?,?,?,?)",
                    (item.item_id, size_bytes, "0" * 64, "length", 0, now, 1, found["download_id"]),
                )
            if figure is not None:
                area, counts, count = figure
                values = (count.pixels, count.valid, count.cloud, count.shadow, count.snow, now)
                c.execute("INSERT OR REPLACE INTO measured VALUES(?,?,?,?,?,?,?,?,?)", (scene, area, counts, *values))
            held, nominal = c.execute(_WAITING, (HELD, scene)).fetchone()
            states = _release(c, scene, run_id, now) if keep else _dismiss(c, scene, keep)
            return Concluded(before, states, held, nominal)

        return self._writer.call(write)


_WAITING = (
    "SELECT count(*), coalesce(sum(iif(state='done', 0, bytes_nominal)), 0) FROM item"
    " WHERE run_id=? AND scene_display_id=?"
)


def _release(c: sqlite3.Connection, scene: str, run_id: str, now: float) -> list[State]:
    waiting = "run_id=? AND scene_display_id=?"
    ids = [row[0] for row in c.execute(f"SELECT item_id FROM item WHERE {waiting}", (HELD, scene))]
    among = f"item_id IN({marks(ids)})"
    c.execute(f"UPDATE item SET run_id=?, updated=? WHERE {among}", (run_id, now, *ids))
    take_over(c, among, ids, now)
    return [State(row[0]) for row in c.execute(f"SELECT state FROM item WHERE {among}", ids)]


def _dismiss(c: sqlite3.Connection, scene: str, keep: bool | None) -> list[State]:
    if keep is False:
        c.execute("UPDATE item SET run_id='' WHERE run_id=? AND scene_display_id=? AND state<>'done'", (HELD, scene))
    return []


def dismiss_held(connection: sqlite3.Connection) -> None:
    """Take what waits for a figure out of every run."""
    connection.execute("UPDATE item SET run_id='' WHERE run_id=? AND state<>'done'", (HELD,))


def figures(connection: sqlite3.Connection, area: str, counts: str) -> dict[str, CloudCount]:
    """The figures of an area by a rule, by display id; also for a connection that only reads."""
    look = "SELECT display_id, pixels, valid, cloud, shadow, snow FROM measured WHERE area=? AND counts=?"
    return {display_id: CloudCount(*count) for display_id, *count in connection.execute(look, (area, counts))}
