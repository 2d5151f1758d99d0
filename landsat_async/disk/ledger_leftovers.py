"""The ledger's view of finished files that a newer version or another layout has left behind."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from landsat_async.disk.ledger_core import LedgerCore
from landsat_async.model import WantedFile
from landsat_async.rules.leftovers import Leftovers, is_newer_version

ROWS_MAX = 10_000
"""So many are looked at on disk; beyond that "more than" says enough."""

_OF_RUN = "SELECT relpath, name, scene_entity_id, scene_display_id FROM item WHERE state='done' AND run_id=?"
_OF_PLAN = "SELECT relpath, name, scene_entity_id, scene_display_id FROM temp.selected"
_OLDER = """
SELECT DISTINCT old.relpath, old.scene_display_id, new.scene_display_id FROM item old
JOIN (SELECT DISTINCT scene_entity_id, scene_display_id FROM now) new USING(scene_entity_id)
WHERE old.state='done' AND old.scene_display_id<>new.scene_display_id
  AND old.relpath NOT IN (SELECT relpath FROM now) ORDER BY old.item_id"""
_ELSEWHERE = """
SELECT relpath FROM item WHERE state='done' AND name IN (SELECT name FROM now)
  AND relpath NOT IN (SELECT relpath FROM now) ORDER BY item_id"""


class LeftoverBook(LedgerCore):
    """The part of the ledger that knows what lies here besides the selection."""

    async def leftovers(self, run_id: str, root: Path) -> Leftovers:
        """Files of earlier runs that still lie below `root` beside what this run has brought."""
        return await self.call(lambda c: _look(c, _OF_RUN, (run_id,), root))


def leftovers_of_plan(connection: sqlite3.Connection, files: Iterable[WantedFile], root: Path) -> Leftovers:
    """The same for files that a run would bring; for a connection that only reads."""
    columns = "relpath TEXT COLLATE NOCASE, name TEXT, scene_entity_id TEXT, scene_display_id TEXT"
    connection.execute(f"CREATE TEMP TABLE selected({columns})")
    rows = ((file.relpath, file.name, file.scene_entity_id, file.scene_display_id) for file in files)
    connection.executemany("INSERT INTO temp.selected VALUES(?,?,?,?)", rows)
    return _look(connection, _OF_PLAN, (), root)


def _look(connection: sqlite3.Connection, now: str, arguments: tuple[str, ...], root: Path) -> Leftovers:
    found, looked = Leftovers(), 0
    for relpath, old, new in connection.execute(f"WITH now AS MATERIALIZED ({now}) {_OLDER}", arguments):
        if not is_newer_version(new, old):
            continue
        looked += 1
        if looked > ROWS_MAX:
            found.cut = True
            break
        if os.path.lexists(root / relpath):
            found.older.append(relpath)
            found.versions[old] = new
    rows = connection.execute(f"WITH now AS MATERIALIZED ({now}) {_ELSEWHERE} LIMIT ?", (*arguments, ROWS_MAX + 1))
    paths = [relpath for (relpath,) in rows]
    found.cut = found.cut or len(paths) > ROWS_MAX
    found.elsewhere += [relpath for relpath in paths[:ROWS_MAX] if os.path.lexists(root / relpath)]
    return found
