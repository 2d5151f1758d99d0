"""The ledger's part of hooks: which scenes are complete, whose hook is still to be called, whose has ended.

A scene is complete when every file of it that the run has chosen is proven. Its hook has ended for these files: where
one of them was fetched anew, or more were chosen, the hook is due again. `hook_due` is the list of work of one run; a
run that is killed loses it, and the next one makes it anew, so a hook is called at least once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable

import msgspec

from landsat_async.disk.ledger_writer import LedgerWriter
from landsat_async.rules.naming import is_member


class DueScene(msgspec.Struct, frozen=True):
    """A complete scene whose hook is to be called."""

    display_id: str
    entity_id: str
    dataset: str
    files: tuple[str, ...]
    """Paths below the output folder."""
    bundle: str | None
    """Path of its bundle among them; None where it came as single files."""
    state: str
    """Stands for these files; the hook has ended for them and for no others."""


_STATE = "printf('%d:%d:%.6f', count(*), sum(size_bytes), max(done))"
_COMPLETE = f"""
SELECT scene_display_id, {_STATE} AS files FROM item LEFT JOIN file USING(item_id)
WHERE run_id=? {{}} GROUP BY scene_display_id HAVING sum(state<>'done')=0"""
_PUT = f"""
INSERT OR REPLACE INTO hook_due SELECT scene_display_id, ? FROM ({_COMPLETE}) AS complete WHERE NOT EXISTS(
  SELECT 1 FROM hook_ended WHERE display_id=scene_display_id AND hook_ended.files=complete.files)"""
_ALL_DUE = _PUT.format("")
_ONE_DUE = _PUT.format("AND scene_display_id=?")
_NEXT = """
SELECT hook_due.display_id, coalesce(dataset, '') FROM hook_due LEFT JOIN scene USING(display_id)
ORDER BY at, hook_due.display_id LIMIT 1"""
_FILES = "SELECT scene_entity_id, relpath, kind FROM item WHERE run_id=? AND scene_display_id=? ORDER BY relpath"


class HookRecords:
    """What the caller of hooks writes and asks."""

    def __init__(self, writer: LedgerWriter) -> None:
        self._writer = writer

    def begin(self, run_id: str, now: float) -> Awaitable[int]:
        """List the scenes that are complete already and whose hook has not ended; returns how many."""

        def write(c: sqlite3.Connection) -> int:
            c.execute("DELETE FROM hook_due")
            return c.execute(_ALL_DUE, (now, run_id)).rowcount

        return self._writer.call(write)

    def file_done(self, display_id: str, run_id: str, now: float) -> Awaitable[bool]:
        """A file of a scene was proven: True when that has completed the scene, which is listed now."""

        def write(c: sqlite3.Connection) -> bool:
            return c.execute(_ONE_DUE, (now, run_id, display_id)).rowcount > 0

        return self._writer.call(write)

    def next(self, run_id: str) -> Awaitable[DueScene | None]:
        """The scene that has waited longest; None when none waits."""

        def read(c: sqlite3.Connection) -> DueScene | None:
            row = c.execute(_NEXT).fetchone()
            if row is None:
                return None
            display_id, dataset = row
            files = c.execute(_FILES, (run_id, display_id)).fetchall()
            complete = c.execute(_COMPLETE.format("AND scene_display_id=?"), (run_id, display_id)).fetchone()
            bundle = next((path for _, path, kind in files if kind == "bundle" and not is_member(kind, path)), None)
            entity_id = files[0][0] if files else ""
            paths = tuple(path for _, path, _ in files)
            return DueScene(display_id, entity_id, dataset, paths, bundle, complete[1] if complete else "")

        return self._writer.call(read)

    def waiting(self) -> Awaitable[int]:
        """How many scenes wait."""
        return self._writer.call(lambda c: int(c.execute("SELECT count(*) FROM hook_due").fetchone()[0]))

    def ended(self, scene: DueScene, now: float) -> Awaitable[None]:
        """The hook of a scene has ended well: it is not called for these files again."""

        def write(c: sqlite3.Connection) -> None:
            c.execute("DELETE FROM hook_due WHERE display_id=?", (scene.display_id,))
            c.execute("INSERT OR REPLACE INTO hook_ended VALUES(?,?,?)", (scene.display_id, scene.state, now))

        return self._writer.call(write)

    def put_off(self, scene: DueScene) -> Awaitable[None]:
        """The hook of a scene has failed: the next run calls it again."""
        return self._writer.write("DELETE FROM hook_due WHERE display_id=?", scene.display_id)
