"""The ledger's book of settled scenes: those of which everything that was asked for once stood in the ledger.

What a product id lists hardly changes, so a scene that is settled and all here need not be asked about again for a
while. A row for each file, each with the number of them: one that got lost or changed unsettles its scene.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from landsat_async.disk.ledger_rows import NAMES, ROUTES, LedgerCore, marks
from landsat_async.model import WantedFile


def settle(connection: sqlite3.Connection, files: Iterable[WantedFile], choice: str, now: float) -> None:
    """Write down that these are all files of their scenes that `choice` asks for; they stand in the ledger."""
    by_scene: dict[str, list[str]] = {}
    for file in files:
        by_scene.setdefault(file.scene_display_id, []).append(file.relpath)
    connection.executemany("DELETE FROM settled WHERE display_id=?", ((display_id,) for display_id in by_scene))
    connection.executemany(
        "INSERT OR REPLACE INTO settled SELECT ?, item_id, ?, ?, ? FROM item WHERE relpath=?",
        (
            (display_id, choice, len(relpaths), now, relpath)
            for display_id, relpaths in by_scene.items()
            for relpath in relpaths
        ),
    )


@dataclass(frozen=True, slots=True)
class CachedFile:
    """A finished file of a settled scene."""

    file: WantedFile
    size_bytes: int
    mtime_ns: int


class SceneCacheBook(LedgerCore):
    """The part of the ledger that spares questions."""

    async def settled(
        self, display_ids: Sequence[str], choice: str, *, since: float, until: float
    ) -> dict[str, list[CachedFile]]:
        """Which of these scenes were settled in that time and have all their files done; with the files."""

        def read(c: sqlite3.Connection) -> dict[str, list[CachedFile]]:
            found: dict[str, list[CachedFile]] = {}
            counts: dict[str, int] = {}
            rows = c.execute(_SETTLED.format(marks(display_ids)), (choice, since, until, *display_ids))
            for display_id, count, *columns in rows:
                counts[display_id] = count
                found.setdefault(display_id, []).append(_settled_file(display_id, *columns))
            return {display_id: files for display_id, files in found.items() if len(files) == counts[display_id]}

        return await self.call(read)


_SETTLED = """
SELECT display_id, files, name, relpath, scene_entity_id, kind, routes, bytes_nominal, group_dataset, file_groups,
  size_bytes, mtime_ns
FROM settled JOIN item USING(item_id) JOIN file USING(item_id)
WHERE choice=? AND at BETWEEN ? AND ? AND state='done' AND scene_display_id=display_id AND display_id IN({})"""


def _settled_file(
    display_id: str, name: str, relpath: str, entity_id: str, kind: str, routes: str, bytes_nominal: int | None,
    group_dataset: str | None, file_groups: str, size_bytes: int, mtime_ns: int,
) -> CachedFile:  # fmt: skip
    folder, groups = relpath.rpartition("/")[0], NAMES.decode(file_groups)
    file = WantedFile(
        name, entity_id, display_id, kind, ROUTES.decode(routes), bytes_nominal, folder, group_dataset, groups
    )
    return CachedFile(file, size_bytes, mtime_ns)
