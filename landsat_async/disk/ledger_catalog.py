"""What the ledger knows of the scenes whose files are here, for STAC items and tables.

It is read from one moment, also while a run goes on, one scene at a time.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import msgspec

from landsat_async.disk.ledger_schema import reading


class FileHere(msgspec.Struct, frozen=True):
    """A proven file."""

    relpath: str
    name: str
    size_bytes: int
    sha256: str
    done: float
    """When it was verified, unix seconds."""


class SceneHere(msgspec.Struct, frozen=True):
    """A scene of which at least one file is proven."""

    display_id: str
    entity_id: str
    files: Sequence[FileHere]
    dataset: str = ""
    acquired: str | None = None
    cloud_cover: float | None = None
    footprint: str | None = None
    """GeoJSON text as it was sent."""


_FILES = """
SELECT scene_display_id, scene_entity_id, relpath, name, size_bytes, sha256, done FROM item JOIN file USING(item_id)
WHERE state='done' AND size_bytes>0{} ORDER BY scene_display_id, relpath"""
"""Without windows of fill alone, which are no files."""
_SCENE = """
SELECT dataset, acquired, cloud_cover, geometry FROM (SELECT ? AS display_id)
LEFT JOIN scene USING(display_id) LEFT JOIN footprint USING(display_id)"""


_IDS = (
    "SELECT DISTINCT scene_display_id FROM item JOIN file USING(item_id) WHERE state='done' AND size_bytes>0 ORDER BY 1"
)


class ScenesHere:
    """The scenes of a ledger, as they are at one moment."""

    def __init__(self, connection: sqlite3.Connection, run_id: str | None) -> None:
        self._connection = connection
        self._look = _FILES.format("" if run_id is None else " AND run_id=?")
        self._of_run = () if run_id is None else (run_id,)

    def __iter__(self) -> Iterator[SceneHere]:
        """Yield the scenes by display id, one at a time."""
        connection = self._connection
        for display_id, rows in groupby(connection.execute(self._look, self._of_run), key=itemgetter(0)):
            found = list(rows)
            dataset, acquired, cloud, footprint = connection.execute(_SCENE, (display_id,)).fetchone()
            files = [FileHere(*row[2:]) for row in found]
            yield SceneHere(display_id, found[0][1], files, dataset or "", acquired, cloud, footprint)

    def ids(self) -> list[str]:
        """Return their display ids."""
        return [row[0] for row in self._connection.execute(_IDS)]

    def folders(self) -> set[str]:
        """Return the folders that hold files, or held files of versions that have been put away."""
        rows = self._connection.execute("SELECT relpath FROM item UNION ALL SELECT relpath FROM superseded")
        return {row[0].rpartition("/")[0] for row in rows}

    def digest(self) -> str:
        """Return what stands for all proven files and where they are; it changes when one of them does."""
        digest = hashlib.sha256()
        for row in self._connection.execute(self._look, self._of_run):
            digest.update("\0".join(map(str, row)).encode())
        for row in self._connection.execute("SELECT count(*), max(display_id) FROM footprint"):
            digest.update(repr(tuple(row)).encode())
        return digest.hexdigest()


@contextmanager
def scenes_here(ledger: Path, run_id: str | None = None) -> Iterator[ScenesHere]:
    """Open a ledger for that; with `run_id`, for the files of one run. Raises LedgerError, also in the block."""
    with reading(ledger) as connection:
        yield ScenesHere(connection, run_id)
