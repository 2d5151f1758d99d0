"""What the ledger knows of finished files that a newer version or another layout has left behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from landsat_async.disk.fs import Fs, is_there, local_fs
from landsat_async.disk.leftovers import Leftovers, is_newer_version
from landsat_async.model import WantedFile

ROWS_MAX = 10_000
"""So many are looked at on disk; beyond that "more than" says enough."""

_TABLES = """
CREATE TEMP TABLE selected_path(relpath TEXT PRIMARY KEY COLLATE NOCASE) WITHOUT ROWID;
CREATE TEMP TABLE selected_name(name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TEMP TABLE selected_scene(entity_id TEXT, display_id TEXT, PRIMARY KEY(entity_id, display_id)) WITHOUT ROWID;"""
"""What is selected now, with the indexes that the questions below need; the ledger itself has none for them."""
_NAMES = ("selected_path", "selected_name", "selected_scene")
_OF_RUN = (
    "INSERT OR IGNORE INTO temp.selected_path SELECT relpath FROM item WHERE run_id=? AND state='done'",
    "INSERT OR IGNORE INTO temp.selected_name SELECT name FROM item WHERE run_id=? AND state='done'",
    "INSERT OR IGNORE INTO temp.selected_scene"
    " SELECT scene_entity_id, scene_display_id FROM item WHERE run_id=? AND state='done'",
)
_OLDER = """
SELECT DISTINCT old.relpath, old.scene_display_id, new.display_id
FROM item old CROSS JOIN temp.selected_scene new ON new.entity_id=old.scene_entity_id
WHERE old.state='done' AND old.scene_display_id<>new.display_id
  AND NOT EXISTS(SELECT 1 FROM temp.selected_path now WHERE now.relpath=old.relpath)"""
_ELSEWHERE = """
SELECT old.relpath FROM item old WHERE old.state='done'
  AND EXISTS(SELECT 1 FROM temp.selected_name now WHERE now.name=old.name)
  AND NOT EXISTS(SELECT 1 FROM temp.selected_path now WHERE now.relpath=old.relpath) LIMIT ?"""


def leftovers_of_run(connection: sqlite3.Connection, run_id: str, root: Path) -> Leftovers:
    """Files of earlier runs that still lie below `root` beside what this run has brought."""
    if not connection.execute("SELECT 1 FROM item WHERE state='done' AND run_id<>? LIMIT 1", (run_id,)).fetchone():
        return Leftovers()  # the first run of a folder, or one that has selected all of it
    with _selected(connection):
        for sql in _OF_RUN:
            connection.execute(sql, (run_id,))
        return _look(connection, root)


def leftovers_of_plan(connection: sqlite3.Connection, files: Sequence[WantedFile], root: Path) -> Leftovers:
    """The same for files that a run would bring; for a connection that only reads."""
    with _selected(connection):
        for table, rows in zip(
            _NAMES,
            (
                ((file.relpath,) for file in files),
                ((file.name,) for file in files),
                ((file.scene_entity_id, file.scene_display_id) for file in files),
            ),
            strict=True,
        ):
            marks = "?,?" if table == "selected_scene" else "?"
            connection.executemany(f"INSERT OR IGNORE INTO temp.{table} VALUES({marks})", rows)
        return _look(connection, root)


@contextmanager
def _selected(connection: sqlite3.Connection) -> Iterator[None]:
    """Have the tables of what is selected inside the block."""
    for sql in _TABLES.split(";"):
        connection.execute(sql)
    try:
        yield
    finally:
        for name in _NAMES:
            connection.execute(f"DROP TABLE temp.{name}")


def _look(connection: sqlite3.Connection, root: Path, fs: Fs | None = None) -> Leftovers:
    found, looked, files = Leftovers(), 0, fs or local_fs()
    for relpath, old, new in connection.execute(_OLDER):
        if not is_newer_version(new, old):
            continue
        looked += 1
        if looked > ROWS_MAX:
            found.cut = True
            break
        if is_there(files, files.join(str(root), relpath)):
            found.older.append(relpath)
            found.versions[old] = new
    paths = [relpath for (relpath,) in connection.execute(_ELSEWHERE, (ROWS_MAX + 1,))]
    found.cut = found.cut or len(paths) > ROWS_MAX
    found.elsewhere += [relpath for relpath in paths[:ROWS_MAX] if is_there(files, files.join(str(root), relpath))]
    return found
