"""The ledger's part of `sync`: what the last success had, which versions were put away, and what is being put away.

Before a file of an older version is moved or removed, that is written down; when it is, the file leaves the ledger in
the same commit that says so. What a crash leaves between the two is resolved by the next synchronisation.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Collection, Iterable, Sequence
from dataclasses import astuple

import msgspec

from landsat_async.disk.ledger_rows import marks, move_all
from landsat_async.disk.ledger_writer import LedgerWriter
from landsat_async.model import Scene
from landsat_async.rules.lifecycle import Step
from landsat_async.value import Value

_ROWS_AT_A_TIME = 500


class OldFile(msgspec.Struct, frozen=True):
    """A finished file of an older version."""

    item_id: int
    relpath: str
    name: str
    size_bytes: int
    mtime_ns: int
    sha256: str
    adopted: bool


class PutAway(Value, frozen=True):
    """A file of an older version that was put away, or is about to be."""

    relpath: str
    """Where it was."""
    old: str
    """Display id of its version."""
    new: str
    """Display id of the version that has taken its place."""
    action: str
    """move or delete."""
    moved_to: str
    """Where it is now; "" where it was removed."""
    size_bytes: int
    sha256: str
    at: float
    """Unix time."""


_LINEAGE = "relpath, old, new, action, moved_to, size_bytes, sha256, at"


class SyncRecords:
    """What a synchronisation writes and asks."""

    def __init__(self, writer: LedgerWriter) -> None:
        self._writer = writer

    def last(self) -> Awaitable[tuple[str, float, float] | None]:
        """Mark, begin and last full search of the last success; None before there was one."""
        return self._writer.call(lambda c: c.execute("SELECT mark, began, full_at FROM sync_mark").fetchone())

    def known(self) -> Awaitable[dict[str, Scene]]:
        """The scenes that the last success had, by display id."""
        look = "SELECT entity_id, display_id, acquired, dataset FROM sync_scene"

        def read(c: sqlite3.Connection) -> dict[str, Scene]:
            return {row[1]: Scene(row[0], row[1], row[2], dataset=row[3]) for row in c.execute(look)}

        return self._writer.call(read)

    def here(self) -> Awaitable[frozenset[str]]:
        """Display ids of all scenes of which a proven file is recorded."""
        look = "SELECT DISTINCT scene_display_id FROM item WHERE state='done'"
        return self._writer.call(lambda c: frozenset(row[0] for row in c.execute(look)))

    def carry(self, run_id: str, without: Collection[str], now: float) -> Awaitable[None]:
        """Put what the last success had into this run, but for scenes (display ids) that have been replaced."""

        def write(c: sqlite3.Connection) -> None:
            c.execute("CREATE TEMP TABLE left_out(display_id TEXT PRIMARY KEY) WITHOUT ROWID")
            c.executemany("INSERT INTO temp.left_out VALUES(?)", ((one,) for one in without))
            c.execute(
                "UPDATE item SET run_id=?, updated=? WHERE item_id IN(SELECT item_id FROM sync_item)"
                " AND scene_display_id NOT IN(SELECT display_id FROM temp.left_out)",
                (run_id, now),
            )
            c.execute("DROP TABLE temp.left_out")
            fresh = ", fresh=0, asks=0, next_try=0"
            for step, label in ((Step.RENEW, "NULL"), (Step.RESUME, "NOT NULL")):
                move_all(c, step, now, fresh, (), f"run_id=? AND state='failed' AND label IS {label}", [run_id])

        return self._writer.call(write)

    def scenes_of(self, run_id: str) -> Awaitable[dict[str, tuple[int, int]]]:
        """How many files of each scene of a run are done, and how many there are, by display id."""
        look = "SELECT scene_display_id, sum(state='done'), count(*) FROM item WHERE run_id=? GROUP BY scene_display_id"
        return self._writer.call(lambda c: {row[0]: (row[1], row[2]) for row in c.execute(look, (run_id,))})

    def others(self, run_id: str) -> Awaitable[list[str]]:
        """Display ids of scenes that have proven files which are not of this run."""
        look = "SELECT DISTINCT scene_display_id FROM item WHERE state='done' AND run_id<>?"
        return self._writer.call(lambda c: [row[0] for row in c.execute(look, (run_id,))])

    def names_of(self, run_id: str, display_id: str) -> Awaitable[frozenset[str]]:
        """The names of the proven files of a scene that are of this run."""
        look = "SELECT name FROM item WHERE state='done' AND run_id=? AND scene_display_id=?"
        return self._writer.call(lambda c: frozenset(row[0] for row in c.execute(look, (run_id, display_id))))

    def old_files(self, run_id: str, display_id: str) -> Awaitable[list[OldFile]]:
        """The proven files of a scene that are not of this run."""
        look = (
            "SELECT item_id, relpath, name, size_bytes, mtime_ns, sha256,"
            " coalesce(adopted, file.download_id IS NULL) AS adopted FROM item JOIN file USING(item_id)"
            " LEFT JOIN evidence USING(item_id) WHERE state='done' AND run_id<>? AND scene_display_id=?"
        )

        def read(c: sqlite3.Connection) -> list[OldFile]:
            rows = c.execute(look, (run_id, display_id))
            return [OldFile(**dict(row) | {"adopted": bool(row["adopted"])}) for row in rows]

        return self._writer.call(read)

    def intend(self, files: Sequence[PutAway]) -> Awaitable[None]:
        """Write down what is about to be put away."""
        return self._writer.call(lambda c: _note(c, files, done=False))

    def note_kept(self, files: Sequence[PutAway]) -> Awaitable[None]:
        """Write down that files of an older version stay where they are."""
        return self._writer.call(lambda c: _note(c, files, done=True))

    def intended(self) -> Awaitable[list[PutAway]]:
        """What was about to be put away when a run ended."""
        look = f"SELECT {_LINEAGE} FROM superseded WHERE done=0"
        return self._writer.call(lambda c: [PutAway(*row) for row in c.execute(look)])

    def put_away(self, files: Sequence[PutAway]) -> Awaitable[None]:
        """They are put away, durably: they leave the files of the folder and stay in its history."""

        def write(c: sqlite3.Connection) -> None:
            _note(c, files, done=True)
            _forget(c, [one.relpath for one in files])

        return self._writer.call(write)

    def recall(self, relpaths: Sequence[str]) -> Awaitable[None]:
        """They were not put away after all."""

        def write(c: sqlite3.Connection) -> None:
            c.executemany("DELETE FROM superseded WHERE done=0 AND relpath=?", ((one,) for one in relpaths))

        return self._writer.call(write)

    def forget(self, relpaths: Sequence[str]) -> Awaitable[None]:
        """Their owner has removed them already: they leave the ledger without a history."""
        return self._writer.call(lambda c: _forget(c, relpaths))

    def kept(self) -> Awaitable[frozenset[tuple[str, str]]]:
        """Pairs of an older version and its successor that were told and stay where they are (`keep`)."""
        look = "SELECT old, new FROM superseded WHERE action='keep'"
        return self._writer.call(lambda c: frozenset((row[0], row[1]) for row in c.execute(look)))

    def fields(self) -> Awaitable[str]:
        """Ids of filters that the last success used, as JSON."""
        return self._writer.call(lambda c: (c.execute("SELECT fields FROM sync_mark").fetchone() or ("{}",))[0])

    def succeed(
        self, run_id: str, mark: str, began: float, full: float, scenes: Iterable[Scene], fields: str = "{}"
    ) -> Awaitable[None]:
        """Everything of this run is here: the next synchronisation goes on from it."""
        rows = [(one.display_id, one.entity_id, one.dataset, one.acquired) for one in scenes]

        def write(c: sqlite3.Connection) -> None:
            for table in ("sync_mark", "sync_scene", "sync_item"):
                c.execute(f"DELETE FROM {table}")
            c.execute("INSERT INTO sync_mark VALUES(?,?,?,?)", (mark, began, full, fields))
            c.executemany("INSERT OR REPLACE INTO sync_scene VALUES(?,?,?,?)", rows)
            c.execute("INSERT INTO sync_item SELECT item_id FROM item WHERE run_id=?", (run_id,))

        return self._writer.call(write)


def _note(connection: sqlite3.Connection, files: Sequence[PutAway], *, done: bool) -> None:
    connection.executemany(
        f"INSERT OR REPLACE INTO superseded({_LINEAGE}, done) VALUES(?,?,?,?,?,?,?,?,{int(done)})", map(astuple, files)
    )


def _forget(connection: sqlite3.Connection, relpaths: Sequence[str]) -> None:
    for at in range(0, len(relpaths), _ROWS_AT_A_TIME):
        batch = relpaths[at : at + _ROWS_AT_A_TIME]
        among = f"IN(SELECT item_id FROM item WHERE relpath IN({marks(batch)}))"
        for table in ("file", "evidence", "part", "settled", "sync_item", "item"):
            connection.execute(f"DELETE FROM {table} WHERE item_id {among}", tuple(batch))


def lineage(connection: sqlite3.Connection) -> list[PutAway]:
    """What was put away, the newest last; also for a connection that only reads."""
    look = f"SELECT {_LINEAGE} FROM superseded WHERE done=1 ORDER BY at, relpath"
    return [PutAway(*row) for row in connection.execute(look)]
