"""The ledger's part of files: checkpoints of unfinished ones, what has been proven, and what stands in their places."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from itertools import starmap
from pathlib import Path
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.disk.ledger_leftovers import leftovers_of_run
from landsat_async.disk.ledger_measures import HELD
from landsat_async.disk.ledger_rows import (
    FinishedFile,
    Item,
    Move,
    SavedPart,
    among,
    marks,
    move_alike,
    moved_ids,
    read_item,
)
from landsat_async.disk.ledger_writer import LedgerWriter
from landsat_async.disk.leftovers import Leftovers
from landsat_async.disk.thread_call import to_its_end
from landsat_async.model import MEASURE, WindowRecord
from landsat_async.rules.lifecycle import State, Step

_FINISH = (
    "INSERT OR REPLACE INTO file(item_id, size_bytes, sha256, proof, mtime_ns, done, report, download_id)"
    " SELECT item_id, ?, ?, ?, ?, ?, ? AND download_id IS NOT NULL, download_id FROM item WHERE item_id=?"
)
_SINCE_ASKED = """SELECT item.item_id, state, gen, label, download_id, asked_at, part.name, part.facts
  FROM item LEFT JOIN part ON part.item_id=item.item_id WHERE """
"""What the steps from the request to the link change of a file, and its last checkpoint; all else stays as it was."""
_EVIDENCE = "INSERT OR REPLACE INTO evidence VALUES(?,?,?)"

FINISHED = """SELECT file.item_id, relpath, size_bytes, sha256, proof, mtime_ns, coalesce(identity, 'none') AS identity,
    coalesce(adopted, file.download_id IS NULL) AS adopted
  FROM file JOIN item USING(item_id) LEFT JOIN evidence USING(item_id) WHERE state='done' AND size_bytes>0"""
"""Without windows of fill alone, which are no files. Files without evidence are of an older version, which wrote down
nothing of where they came from; what was fetched has a download."""


def finished_file(row: sqlite3.Row) -> FinishedFile:
    """Read a row of FINISHED."""
    return FinishedFile(**dict(row) | {"adopted": bool(row["adopted"])})


Claimed: TypeAlias = tuple[Item, SavedPart | None]
"""A file that a worker has taken, and its part."""


class Unrecorded(msgspec.Struct):
    """What stock-taking needs of a file that is not here: there may be very many."""

    item_id: int
    relpath: str
    name: str
    generation: int
    was_taken: int
    """1 when something that was not ours had its place when a run wanted to put a file there."""


class FileRecords:
    """What workers and the stock-taking write and ask."""

    def __init__(self, writer: LedgerWriter) -> None:
        self._writer = writer

    def save_part(self, item_id: int, name: str, durable: int, facts: bytes) -> Awaitable[None]:
        """Record a checkpoint; call it only after the part has been fsynced."""
        return self._writer.write("INSERT OR REPLACE INTO part VALUES(?,?,?,?)", item_id, name, durable, facts)

    def load_part(self, item_id: int) -> Awaitable[bytes | None]:
        """The facts of the last checkpoint, as saved; None without one."""

        def read(c: sqlite3.Connection) -> bytes | None:
            row = c.execute("SELECT facts FROM part WHERE item_id=?", (item_id,)).fetchone()
            return bytes(row["facts"]) if row else None

        return self._writer.call(read)

    def drop_part(self, item_id: int) -> Awaitable[None]:
        """Forget a part."""
        return self._writer.write("DELETE FROM part WHERE item_id=?", item_id)

    def claim(self, items: Sequence[Item], now: float) -> asyncio.Future[dict[int, Claimed]]:
        """Workers take ready files: their rows with the next generation, and their parts, in one commit.

        Those that are not ready any more are left out. `items`: their rows as they were when they were asked for, or
        later.
        """
        known = {item.item_id: item for item in items}

        def write(c: sqlite3.Connection) -> dict[int, Claimed]:
            condition, ids = among(list(known))
            rows = c.execute(_SINCE_ASKED + condition, (ids,)).fetchall()
            states = {row["item_id"]: row["state"] for row in rows}
            moved = frozenset(moved_ids(move_alike(c, Step.CLAIM, now, ", gen=gen+1", (), list(known), states)))
            claimed = {}
            for item_id, _, generation, label, download_id, asked_at, name, facts in rows:
                if item_id in moved:
                    item = replace(
                        known[item_id], state=State.ACTIVE, generation=generation + 1, label=label,
                        download_id=download_id, requested_at=asked_at, absent_polls=0,
                    )  # fmt: skip
                    claimed[item_id] = item, None if name is None else SavedPart(name, facts)
            return claimed

        return self._writer.call(write)

    def finish(self, files: Sequence[tuple[FinishedFile, bool]], now: float) -> Awaitable[list[Move]]:
        """Record proven files, after their folders have been fsynced; no move of one = somebody else has it.

        With each, whether to ask for a later download-complete-proxied. Who is cancelled meanwhile has the result all
        the same: the files have their final names, and a stop must not leave them uncounted.
        """

        def write(c: sqlite3.Connection) -> list[Move]:
            by_id = {file.item_id: (file, report) for file, report in files}
            moves = move_alike(c, Step.FINISH, now, ", reason='', hint=''", (), list(by_id))
            facts, evidence, ids, cut = [], [], [], []
            for file, report in map(by_id.__getitem__, moved_ids(moves)):
                facts.append((file.size_bytes, file.sha256, file.proof, file.mtime_ns, now, report, file.item_id))
                evidence.append((file.item_id, file.identity, file.adopted))
                ids.append((file.item_id,))
                if file.window is not None:
                    cut.append((file, file.window))
            c.executemany(_FINISH, facts)  # these four in place of what was known before
            c.executemany(_EVIDENCE, evidence)
            c.executemany("DELETE FROM window WHERE item_id=?", ids)
            c.executemany("DELETE FROM part WHERE item_id=?", ids)
            for file, window in cut:
                _write_window(c, file, window)
            return moves

        return to_its_end(self._writer.begin(write))

    def lose(self, item_ids: Sequence[int], now: float) -> Awaitable[list[Move]]:
        """Files that were proven and are no longer as recorded on disk: wanted again."""

        def write(c: sqlite3.Connection) -> list[Move]:
            rows = [(item_id,) for item_id in item_ids]
            for table in ("file", "evidence", "window"):
                c.executemany(f"DELETE FROM {table} WHERE item_id=?", rows)
            return move_alike(c, Step.RENEW, now, ", label=NULL, download_id=NULL", (), item_ids)

        return self._writer.call(write)

    def states(self) -> Awaitable[dict[int, State]]:
        """State of every file, by item id; bundles that were given up for their single files are left out."""
        look = "SELECT item_id, state FROM item WHERE run_id<>''"
        return self._writer.call(lambda c: {item_id: State(state) for item_id, state in c.execute(look)})

    def finished(
        self, run_id: str | None, *, after: int = 0, limit: int = 5000, scene: str | None = None
    ) -> Awaitable[list[FinishedFile]]:
        """A page of proven files, by item id; of one run's selection or of all, of one scene (display id) or of all."""
        given = [(column, value) for column, value in (("run_id", run_id), ("scene_display_id", scene)) if value]
        where = "".join(f" AND item.{column}=?" for column, _ in given)
        look = f"{FINISHED} AND file.item_id>?{where} ORDER BY file.item_id LIMIT ?"
        arguments = (after, *(value for _, value in given), limit)
        return self._writer.call(lambda c: [finished_file(row) for row in c.execute(look, arguments)])

    def unrecorded(self, run_id: str, *, after: int, limit: int, scene: str | None) -> Awaitable[list[Unrecorded]]:
        """A page of files that are not here, by item id: of one scene (display id), or of all."""
        of_scene = "" if scene is None else " AND scene_display_id=?"
        states = (State.PLANNED, State.REQUESTED, State.PREPARING)
        look = (
            "SELECT item_id, item.relpath, name, gen, stranger.relpath IS NOT NULL"
            " FROM item LEFT JOIN stranger ON stranger.relpath=item.relpath"  # its collation: as disks that fold case
            f" WHERE run_id=? AND state IN({marks(states)}) AND item_id>?{of_scene} ORDER BY item_id LIMIT ?"
        )
        values = [run_id, *states, after, *([] if scene is None else [scene]), limit]
        return self._writer.call(lambda c: list(starmap(Unrecorded, c.execute(look, values))))

    def nominal_left(self, run_id: str, free_bytes: Callable[[], int] = lambda: 0) -> Awaitable[tuple[int, int]]:
        """Listed bytes of the run's files that are not here yet, those of scenes that are measured first too.

        And what `free_bytes` says then, in the same thread: it is asked of the disk that the ledger stands on.
        """
        look = (
            "SELECT coalesce(sum(bytes_nominal), 0) FROM item WHERE run_id IN(?,?) AND kind<>?"
            " AND state NOT IN('done','failed')"
        )
        values = (run_id, HELD, MEASURE)
        return self._writer.call(lambda c: (int(c.execute(look, values).fetchone()[0]), free_bytes()))

    def without_data(self, run_id: str) -> Awaitable[list[tuple[str, str]]]:
        """Windows of a run of which is known that they hold nothing but fill: path and reason."""
        look = (
            "SELECT relpath, no_data FROM window JOIN item USING(item_id)"
            " WHERE run_id=? AND state='done' AND no_data<>'' ORDER BY item_id"
        )
        return self._writer.call(lambda c: [(relpath, why) for relpath, why in c.execute(look, (run_id,))])

    def touched(self, item_id: int, mtime_ns: int) -> Awaitable[None]:
        """A finished file has another time of change and the same bytes; 0 = the next run reads it again."""
        return self._writer.write("UPDATE file SET mtime_ns=? WHERE item_id=?", mtime_ns, item_id)

    def proven_anew(self, file: FinishedFile) -> Awaitable[None]:
        """A finished file was read again: what that has shown replaces what was recorded."""

        def write(c: sqlite3.Connection) -> None:
            c.execute(
                "UPDATE file SET proof=?, mtime_ns=? WHERE item_id=? AND sha256=?",
                (file.proof, file.mtime_ns, file.item_id, file.sha256),
            )
            c.execute(_EVIDENCE, (file.item_id, file.identity, file.adopted))

        return self._writer.call(write)

    def disproven(self, item_id: int) -> Awaitable[None]:
        """A finished file is not what it is named after, whatever was recorded: the next run takes it for changed."""
        return self._writer.write("UPDATE file SET mtime_ns=0, sha256=? WHERE item_id=?", "0" * 64, item_id)

    def learn_name(self, item_id: int, name: str, now: float) -> Awaitable[Item | None]:
        """Give a file its name, before any byte of it is kept; None when another file here has that name.

        In one commit with the memory of it, so that later runs plan with the name.
        """

        def write(c: sqlite3.Connection) -> Item | None:
            item = read_item(c, item_id)
            folder = item.relpath.rpartition("/")[0]
            relpath = f"{folder}/{name}" if folder else name
            if c.execute("SELECT 1 FROM item WHERE relpath=? AND item_id<>?", (relpath, item_id)).fetchone():
                return None
            c.execute("INSERT OR REPLACE INTO named VALUES(?,?)", (item.name, name))
            c.execute("UPDATE item SET name=?, relpath=?, updated=? WHERE item_id=?", (name, relpath, now, item_id))
            return read_item(c, item_id)

        return self._writer.call(write)

    def leftovers(self, run_id: str, root: Path) -> Awaitable[Leftovers]:
        """Files of earlier runs that still lie below `root` beside what this run has brought."""
        return self._writer.call(lambda c: leftovers_of_run(c, run_id, root))

    def note_stranger(self, relpath: str, now: float) -> Awaitable[None]:
        """Something that is not ours stands at this place: later runs leave it alone until the user says otherwise."""
        return self._writer.write("INSERT OR REPLACE INTO stranger VALUES(?,?)", relpath, now)

    def forget_stranger(self, relpath: str) -> Awaitable[None]:
        """It is gone, or the user has said that it may be replaced."""
        return self._writer.write("DELETE FROM stranger WHERE relpath=?", relpath)

    def unreported(self, limit: int = 500) -> Awaitable[list[tuple[int, int, int]]]:
        """(item id, download id, size) of proxied files whose completion has not been reported to the service."""
        look = "SELECT item_id, download_id, size_bytes FROM file WHERE report=1 LIMIT ?"
        return self._writer.call(lambda c: [(i, d, s) for i, d, s in c.execute(look, (limit,))])

    def reported(self, item_ids: Sequence[int]) -> Awaitable[None]:
        """The service knows now."""
        return self._writer.write(f"UPDATE file SET report=2 WHERE item_id IN({marks(item_ids)})", *item_ids)


class LedgerStore(msgspec.Struct):
    """Checkpoints of one transfer, kept in the ledger."""

    files: FileRecords
    item_id: int
    part_name: str

    async def save(self, facts: Checkpoint) -> None:
        """Record a checkpoint after its fsync."""
        await self.files.save_part(self.item_id, self.part_name, facts.durable, facts.pack())

    async def lower(self, durable: int) -> None:
        """Believe no more than nothing: the digest of a shorter prefix is not known."""
        await self.files.drop_part(self.item_id)

    async def clear(self) -> None:
        """Forget the part."""
        await self.files.drop_part(self.item_id)


def _write_window(connection: sqlite3.Connection, file: FinishedFile, window: WindowRecord) -> None:
    box = ",".join(map(str, window.box))
    row = (
        file.item_id, window.source, window.source_bytes, window.validator, window.transport, window.whole_proof,
        window.tiles, box, file.no_data,
    )  # fmt: skip
    connection.execute("INSERT INTO window VALUES(?,?,?,?,?,?,?,?,?)", row)
