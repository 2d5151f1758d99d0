"""The ledger's part of scenes: what was seen of them, how they are fetched, and which need not be asked about again.

What a product id lists hardly changes, so a cached scene, one of which everything that was asked for once stood in the
ledger and is here, need not be asked about again for a while. The table has a row for each file, each with the number
of them: one that got lost or changed makes the scene be asked about.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Iterable, Sequence

import msgspec

from landsat_async.disk.ledger_rows import NAMES, ROUTES, marks
from landsat_async.disk.ledger_writer import LedgerWriter
from landsat_async.model import Scene, WantedFile

FOOTPRINT_CHARS = 20_000
"""A footprint has five corners; one that is longer than this is not kept."""


class CachedFile(msgspec.Struct, frozen=True):
    """A finished file of a cached scene."""

    file: WantedFile
    size_bytes: int
    mtime_ns: int


class SceneRecords:
    """What search and selection write and ask."""

    def __init__(self, writer: LedgerWriter) -> None:
        self._writer = writer

    def remember(self, scenes: Sequence[Scene], now: float) -> Awaitable[None]:
        """Keep what was seen of scenes; the publication date is what a later "only what is new" asks by.

        The footprint is what a STAC item has that no metadata file tells. One that was not sent this time stays.
        """

        def write(c: sqlite3.Connection) -> None:
            rows = ((s.display_id, s.entity_id, s.dataset, s.acquired, s.cloud_cover, s.published, now) for s in scenes)
            c.executemany("INSERT OR REPLACE INTO scene VALUES(?,?,?,?,?,?,?)", rows)
            footprints = (
                (s.display_id, s.footprint) for s in scenes if s.footprint and len(s.footprint) <= FOOTPRINT_CHARS
            )
            c.executemany("INSERT OR REPLACE INTO footprint VALUES(?,?)", footprints)

        return self._writer.call(write)

    def datasets_of(self, display_ids: Sequence[str]) -> Awaitable[dict[str, str]]:
        """Aliases of the datasets that scenes were found in, by display id."""
        look = f"SELECT display_id, dataset FROM scene WHERE display_id IN({marks(display_ids)})"
        return self._writer.call(lambda c: dict(c.execute(look, tuple(display_ids)).fetchall()))

    def replaced(self) -> Awaitable[frozenset[str]]:
        """Display ids of scenes whose bundle was given up for its single files and is not here."""
        return self._writer.call(replaced_scenes)

    def note_replaced(self, display_ids: Iterable[str]) -> Awaitable[None]:
        """Remember scenes that are fetched as single files."""
        rows = [(display_id,) for display_id in display_ids]

        def write(c: sqlite3.Connection) -> None:
            c.executemany("INSERT OR IGNORE INTO replaced VALUES(?)", rows)

        return self._writer.call(write)

    def done_among(self, relpaths: Sequence[str]) -> Awaitable[list[WantedFile]]:
        """The files at these places that are proven, as they were wanted."""
        return self._writer.call(lambda c: done_files(c, relpaths))

    def names_of(self, planned: Sequence[str]) -> Awaitable[dict[str, str]]:
        """The names of those products, by their planned names, that a server has named (`files.learn_name`)."""
        return self._writer.call(lambda c: names_of(c, planned))

    def cached(
        self, display_ids: Sequence[str], choice: str, *, since: float, until: float
    ) -> Awaitable[dict[str, list[CachedFile]]]:
        """Which of these scenes were cached in that time and have all their files done; with the files."""
        look, arguments = _CACHED.format(marks(display_ids)), (choice, since, until, *display_ids)

        def read(c: sqlite3.Connection) -> dict[str, list[CachedFile]]:
            found: dict[str, list[CachedFile]] = {}
            counts: dict[str, int] = {}
            for display_id, count, size_bytes, mtime_ns, *columns in c.execute(look, arguments):
                counts[display_id] = count
                found.setdefault(display_id, []).append(CachedFile(_wanted(*columns), size_bytes, mtime_ns))
            return {display_id: files for display_id, files in found.items() if len(files) == counts[display_id]}

        return self._writer.call(read)

    def note_list(self, list_id: str, now: float) -> Awaitable[None]:
        """Write a scene list down before it is made, so that a crash cannot leave it behind for ever."""
        return self._writer.write("INSERT OR REPLACE INTO scene_list VALUES(?,?)", list_id, now)

    def forget_list(self, list_id: str) -> Awaitable[None]:
        """The list has been removed at the service."""
        return self._writer.write("DELETE FROM scene_list WHERE list_id=?", list_id)

    def lists(self) -> Awaitable[list[str]]:
        """Scene lists that may still exist at the service."""
        return self._writer.call(lambda c: [row[0] for row in c.execute("SELECT list_id FROM scene_list")])


def cache_scenes(connection: sqlite3.Connection, files: Iterable[WantedFile], choice: str, now: float) -> None:
    """Write down that these are all files of their scenes that `choice` asks for; they stand in the ledger."""
    by_scene: dict[str, list[str]] = {}
    for file in files:
        by_scene.setdefault(file.scene_display_id, []).append(file.relpath)
    connection.executemany("DELETE FROM settled WHERE display_id=?", [(display_id,) for display_id in by_scene])
    rows = [
        (display_id, choice, len(relpaths), now, relpath)
        for display_id, relpaths in by_scene.items()
        for relpath in relpaths
    ]
    connection.executemany("INSERT OR REPLACE INTO settled SELECT ?, item_id, ?, ?, ? FROM item WHERE relpath=?", rows)


_WANTED = "name, scene_entity_id, scene_display_id, kind, routes, bytes_nominal, relpath, group_dataset, file_groups"
_CACHED = f"""
SELECT display_id, files, size_bytes, mtime_ns, {_WANTED} FROM settled JOIN item USING(item_id) JOIN file USING(item_id)
WHERE choice=? AND at BETWEEN ? AND ? AND state='done' AND scene_display_id=display_id AND display_id IN({{}})"""


def _wanted(
    name: str, entity_id: str, display_id: str, kind: str, routes: str, bytes_nominal: int | None, relpath: str,
    group_dataset: str | None, file_groups: str,
) -> WantedFile:  # fmt: skip
    folder, groups = relpath.rpartition("/")[0], NAMES.decode(file_groups)
    return WantedFile(
        name, entity_id, display_id, kind, ROUTES.decode(routes), bytes_nominal, folder, group_dataset, groups
    )


def done_files(connection: sqlite3.Connection, relpaths: Sequence[str]) -> list[WantedFile]:
    """The proven files at these places; also for a connection that only reads."""
    look = f"SELECT {_WANTED} FROM item WHERE state='done' AND relpath=?"
    return [_wanted(*row) for relpath in relpaths for row in connection.execute(look, (relpath,))]


def replaced_scenes(connection: sqlite3.Connection) -> frozenset[str]:
    """Scenes that are fetched as single files; also for a connection that only reads, of any version."""
    rows = connection.execute(
        "SELECT display_id FROM replaced WHERE display_id NOT IN("
        " SELECT scene_display_id FROM item WHERE kind='bundle' AND name LIKE '%.tar' AND state='done')"
    )
    return frozenset(row[0] for row in rows)


def names_of(connection: sqlite3.Connection, planned: Sequence[str]) -> dict[str, str]:
    """Names that servers gave to products; also for a connection that only reads."""
    look = "SELECT name FROM named WHERE planned=?"
    return {one: row[0] for one in planned for row in connection.execute(look, (one,))}
