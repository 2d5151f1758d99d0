"""The ledger for those who only read: plan, status and verify, also while a run goes on.

Each question opens the ledger anew and is answered from one moment. A ledger of an older version is read as it is. No
ledger is an empty one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import anyio.to_thread

from landsat_async.disk.folder import OutputFolder
from landsat_async.disk.foresee import cannot_hold
from landsat_async.disk.ledger_files import FINISHED, finished_file
from landsat_async.disk.ledger_leftovers import leftovers_of_plan
from landsat_async.disk.ledger_measures import figures
from landsat_async.disk.ledger_observations import Observed, observed
from landsat_async.disk.ledger_rows import FinishedFile
from landsat_async.disk.ledger_scenes import done_files, names_of, replaced_scenes
from landsat_async.disk.ledger_schema import LedgerDamaged, reading
from landsat_async.disk.ledger_sync import PutAway, lineage
from landsat_async.disk.leftovers import Leftovers
from landsat_async.model import WantedFile
from landsat_async.rules.clouds import CloudCount
from landsat_async.rules.naming import window_key, window_source

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FileStatus:
    """One wanted file as the ledger knows it."""

    file: str
    state: str
    size_bytes: int | None
    """Of a finished file; None otherwise."""
    durable_bytes: int
    """Bytes of an unfinished file that will not be fetched again."""
    proof: str | None
    identity: str | None
    """Of a finished file, "none" where there was no evidence; None of an unfinished one."""
    reason: str
    hint: str
    scene: str = ""
    """Display id of its scene."""

    @property
    def is_empty(self) -> bool:
        """A window of which is known that it holds nothing but fill: there is no file, and none will come."""
        return self.state == "done" and self.size_bytes == 0


@dataclass(frozen=True, slots=True)
class LedgerStatus:
    """What the ledger of an output folder knows."""

    directory: str
    counts: dict[str, int]
    files: list[FileStatus]
    last_run_started: float | None
    """Unix time; None when there never was a run."""
    last_exit_code: int | None
    """None while a run is going on, or after one that was killed."""
    ledger: bool = True
    """False: the folder has none."""
    held_by: str | None = None
    """Describes the run that is at work in the folder now, may be ""; None when there is none."""
    superseded: tuple[PutAway, ...] = ()
    """Files of older versions that `sync` has put away, the oldest first."""


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What a plan compares with the disk."""

    state: str
    """A state of the ledger, or "refused": something that is not ours stood in its place."""
    size_bytes: int | None
    mtime_ns: int | None
    durable_bytes: int | None


class LedgerReader:
    """Reads the ledger of a folder. Each method raises LedgerError (LedgerNewer, LedgerDamaged) when it cannot.

    With `on_damage`, a damaged ledger is reported to it and then taken for none, as a run does.
    """

    def __init__(self, folder: OutputFolder, on_damage: Callable[[LedgerDamaged], None] | None = None) -> None:
        self._folder = folder
        self._on_damage = on_damage
        self._known: dict[str, KnownFile] | None = None

    async def exists(self) -> bool:
        """Whether there is a ledger."""
        return await anyio.to_thread.run_sync(self._is_there)

    async def known(self) -> dict[str, KnownFile]:
        """All files, by their place; read once."""
        if self._known is None:
            self._known = await self._read(_known) or {}
        return self._known

    async def finished(self) -> list[FinishedFile]:
        """All proven files, by their place."""
        return await self._read(_finished) or []

    async def rate_bytes_s(self) -> float | None:
        """Bytes a second of the last run that has received some, while they flowed; None = there was none."""
        return await self._read(_rate)

    async def status(self, directory: str) -> LedgerStatus:
        """All files, and how the last run went; `directory` is what the user calls the folder."""
        found = await self._read(partial(_status, directory=directory))
        return found or LedgerStatus(directory, {}, [], None, None, ledger=False)

    async def figures(self, area: str, counts: str) -> dict[str, CloudCount]:
        """The clouds in an area by a rule, by display id."""
        return await self._read(partial(figures, area=area, counts=counts)) or {}

    async def leftovers(self, files: Sequence[WantedFile]) -> Leftovers:
        """Finished files in the folder that a run for `files` would leave behind."""
        return await self._read(partial(leftovers_of_plan, files=files, root=self._folder.root)) or Leftovers()

    async def observations(self) -> list[Observed]:
        """What runs have seen of the service and its hosts."""
        return await self._read(observed) or []

    async def replaced(self) -> frozenset[str]:
        """Display ids of scenes whose bundle was given up for its single files and is not here."""
        return await self._read(replaced_scenes) or frozenset()

    async def done_among(self, relpaths: Sequence[str]) -> list[WantedFile]:
        """The files at these places that are proven."""
        known = await self.known()  # each look at the ledger checks all of it
        done = [relpath for relpath in relpaths if relpath in known and known[relpath].state == "done"]
        return await self._read(partial(done_files, relpaths=done)) or [] if done else []

    async def names_of(self, planned: Sequence[str]) -> dict[str, str]:
        """The names that servers have given products, of those that go by these planned names."""
        return await self._read(partial(names_of, planned=planned)) or {}

    def _is_there(self) -> bool:
        """Whether there is a ledger; what cannot be looked into is no empty folder, and is refused."""
        try:
            self._folder.fs.lstat(str(self._folder.ledger))
            return True
        except OSError as error:
            if self._on_damage is None and (found := cannot_hold(self._folder, error)) is not None:
                raise found from None
            return False

    async def _read(self, look: Callable[[sqlite3.Connection], T]) -> T | None:
        """Return what `look` finds; None without a ledger."""

        def read() -> T | None:
            if not self._is_there():
                return None
            try:
                with reading(self._folder.ledger) as connection:
                    return look(connection)
            except LedgerDamaged as damaged:
                if self._on_damage is None:
                    raise
                self._on_damage(damaged)
                return None

        return await anyio.to_thread.run_sync(read)


def _finished(connection: sqlite3.Connection) -> list[FinishedFile]:
    return [finished_file(row) for row in connection.execute(f"{FINISHED} ORDER BY relpath")]


def _known(connection: sqlite3.Connection) -> dict[str, KnownFile]:
    rows = connection.execute(
        "SELECT relpath, iif(stranger.relpath IS NULL, state, 'refused'), size_bytes, mtime_ns, durable FROM item"
        " LEFT JOIN file USING(item_id) LEFT JOIN part USING(item_id) LEFT JOIN stranger USING(relpath)"
    )
    return {relpath: KnownFile(*more) for relpath, *more in rows}


def _rate(connection: sqlite3.Connection) -> float | None:
    row = connection.execute("SELECT size_bytes, flowing_s FROM speed ORDER BY at DESC LIMIT 1").fetchone()
    return row[0] / row[1] if row is not None and row[1] > 0 else None


_STATUS = """
SELECT relpath AS file, state, size_bytes, coalesce(durable, 0) AS durable_bytes, proof,
  CASE WHEN proof IS NOT NULL THEN coalesce(identity, 'none') END AS identity, reason, hint,
  scene_display_id AS scene, item.name, run_id
FROM item LEFT JOIN file USING(item_id) LEFT JOIN part USING(item_id) LEFT JOIN evidence USING(item_id)
WHERE run_id<>'' AND kind<>'measure' ORDER BY item.item_id"""
"""Without bundles that were given up for their single files, which no run has, and what is only measured."""


def _status(connection: sqlite3.Connection, directory: str) -> LedgerStatus:
    run = connection.execute("SELECT started, exit_code, run_id FROM run ORDER BY started DESC LIMIT 1").fetchone()
    files = _still_wanted(connection.execute(_STATUS).fetchall(), run[2] if run else None)
    counts: dict[str, int] = {}
    for file in files:
        counts[file.state] = counts.get(file.state, 0) + 1
    started, exit_code, _ = run or (None, None, None)
    return LedgerStatus(directory, counts, files, started, exit_code, superseded=tuple(lineage(connection)))


def _still_wanted(rows: list[sqlite3.Row], last_run: str | None) -> list[FileStatus]:
    """Return the files without unfinished windows of an area that is no longer asked for.

    The last run wanted another window of the same band; nothing fetches the old one any more.
    """
    now = {window_source(row["name"]) for row in rows if row["run_id"] == last_run and window_key(row["name"])}
    files = []
    for row in rows:
        name = row["name"]
        is_old = row["run_id"] != last_run and window_key(name) is not None and window_source(name) in now
        if row["state"] == "done" or not is_old:
            values = dict(row)
            del values["name"], values["run_id"]
            files.append(FileStatus(**values))
    return files
