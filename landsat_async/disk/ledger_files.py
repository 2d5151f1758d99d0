"""The ledger's book of files: checkpoints of unfinished ones, and what has been proven."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from landsat_async.disk.ledger_rows import (
    ITEM_COLUMNS,
    FinishedFile,
    Item,
    LedgerCore,
    SavedPart,
    compare_and_set,
    item_of,
    marks,
    move,
)
from landsat_async.rules.lifecycle import State, Step, advance

_ITEM_AND_PART = (
    f"SELECT {ITEM_COLUMNS}, part.name AS part_name, part.facts AS part_facts"
    " FROM item LEFT JOIN part ON part.item_id=item.item_id WHERE item.item_id=?"
)
_STATE_AND_MORE = (
    "SELECT state, download_id, EXISTS(SELECT 1 FROM part WHERE part.item_id=item.item_id) AS has_part"
    " FROM item WHERE item_id=?"
)


FINISHED = """SELECT file.item_id, relpath, size_bytes, sha256, proof, mtime_ns, identity,
    coalesce(adopted, file.download_id IS NULL) AS adopted
  FROM file JOIN item USING(item_id) LEFT JOIN evidence USING(item_id) WHERE state='done'"""
"""Files without evidence are of an older version, which wrote down nothing of where they came from; what was fetched
has a download."""


def finished_file(row: sqlite3.Row) -> FinishedFile:
    """Read a row of FINISHED."""
    values = dict(row)
    return FinishedFile(**values | {"identity": values["identity"] or "none", "adopted": bool(values["adopted"])})


class FileBook(LedgerCore):
    """The part of the ledger that workers and the stock-taking use."""

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
            row = c.execute(_ITEM_AND_PART, (item_id,)).fetchone()
            if row is None or move(c, item_id, row["state"], Step.CLAIM, now, {"gen": row["gen"] + 1}) is None:
                return None
            item = item_of(row)
            item = replace(item, state=advance(item.state, Step.CLAIM), gen=item.gen + 1)
            return item, SavedPart(row["part_name"], bytes(row["part_facts"])) if row["part_name"] is not None else None

        return await self.call(write)

    async def drop_part(self, item_id: int) -> None:
        """Forget a part."""
        await self._write("DELETE FROM part WHERE item_id=?", (item_id,))

    async def states(self) -> dict[int, State]:
        """State of every file, by item id; bundles that were given up for their single files are left out."""
        return await self.call(
            lambda c: {i: State(s) for i, s in c.execute("SELECT item_id, state FROM item WHERE run_id<>''")}
        )

    async def finish(self, file: FinishedFile, now: float, *, report: bool = False) -> State | None:
        """Record a proven file, after its folder has been fsynced; the state it came from, None = somebody else has it.

        `report` asks for a later download-complete-proxied.
        """

        def write(c: sqlite3.Connection) -> State | None:
            row = c.execute(_STATE_AND_MORE, (file.item_id,)).fetchone()
            if row is None:
                return None
            before = move(c, file.item_id, row["state"], Step.FINISH, now, {"reason": "", "hint": ""})
            if before is None:
                return None
            wanted = report and row["download_id"] is not None
            c.execute(
                "INSERT OR REPLACE INTO file VALUES(?,?,?,?,?,?,?,?)",
                (file.item_id, file.size_bytes, file.sha256, file.proof, file.mtime_ns, now,
                 int(wanted), row["download_id"]),
            )  # fmt: skip
            c.execute("INSERT OR REPLACE INTO evidence VALUES(?,?,?)", (file.item_id, file.identity, int(file.adopted)))
            if row["has_part"]:
                c.execute("DELETE FROM part WHERE item_id=?", (file.item_id,))
            return before

        return await self.call(write)

    async def finished(
        self, run_id: str | None, *, after: int = 0, limit: int = 5000, scene: str | None = None
    ) -> list[FinishedFile]:
        """A page of proven files, by item id; of one run's selection or of all, of one scene (display id) or of all."""
        given = [(column, value) for column, value in (("run_id", run_id), ("scene_display_id", scene)) if value]
        where = "".join(f" AND item.{column}=?" for column, _ in given)
        arguments = [value for _, value in given]

        def read(c: sqlite3.Connection) -> list[FinishedFile]:
            rows = c.execute(
                f"{FINISHED} AND file.item_id>?{where} ORDER BY file.item_id LIMIT ?", (after, *arguments, limit)
            )
            return [finished_file(row) for row in rows]

        return await self.call(read)

    async def touched(self, item_id: int, mtime_ns: int) -> None:
        """A finished file has another time of change and the same bytes."""
        await self._write("UPDATE file SET mtime_ns=? WHERE item_id=?", (mtime_ns, item_id))

    async def lose(self, item_ids: Sequence[int], now: float) -> None:
        """Files that were proven and are no longer as recorded on disk: wanted again."""

        def write(c: sqlite3.Connection) -> None:
            for item_id in item_ids:
                compare_and_set(c, item_id, Step.RENEW, now, {"label": None, "download_id": None})
                c.execute("DELETE FROM file WHERE item_id=?", (item_id,))
                c.execute("DELETE FROM evidence WHERE item_id=?", (item_id,))

        await self.call(write)

    async def proven_anew(self, file: FinishedFile) -> None:
        """A finished file was read again: what that has shown replaces what was recorded."""

        def write(c: sqlite3.Connection) -> None:
            c.execute(
                "UPDATE file SET proof=?, mtime_ns=? WHERE item_id=? AND sha256=?",
                (file.proof, file.mtime_ns, file.item_id, file.sha256),
            )
            c.execute("INSERT OR REPLACE INTO evidence VALUES(?,?,?)", (file.item_id, file.identity, int(file.adopted)))

        await self.call(write)

    async def disproven(self, item_id: int) -> None:
        """A finished file is not what it is named after, whatever was recorded: the next run takes it for changed."""
        await self._write("UPDATE file SET mtime_ns=0, sha256=? WHERE item_id=?", ("0" * 64, item_id))

    async def strangers(self, relpaths: Sequence[str]) -> frozenset[str]:
        """Which of these places held something that was not ours when a run wanted to put a file there; case-folded."""
        look = f"SELECT relpath FROM stranger WHERE relpath IN({marks(relpaths)})"
        return await self.call(lambda c: frozenset(row[0].casefold() for row in c.execute(look, relpaths)))

    async def note_stranger(self, relpath: str, now: float) -> None:
        """Something that is not ours stands at this place: later runs leave it alone until the user says otherwise."""
        await self._write("INSERT OR REPLACE INTO stranger VALUES(?,?)", (relpath, now))

    async def forget_stranger(self, relpath: str) -> None:
        """It is gone, or the user has said that it may be replaced."""
        await self._write("DELETE FROM stranger WHERE relpath=?", (relpath,))

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
        await self._write(f"UPDATE file SET report=2 WHERE item_id IN({marks(item_ids)})", item_ids)
