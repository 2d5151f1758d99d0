"""What a run would do: search and selection, compared with the ledger and the disk, nothing requested."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

import aiohttp
import anyio.to_thread

from landsat_async.config import Config
from landsat_async.credentials import Credentials
from landsat_async.disk.adopt import is_as_recorded
from landsat_async.disk.folder import OutputFolder
from landsat_async.disk.ledger import done_files, replaced_scenes
from landsat_async.disk.schema import reading
from landsat_async.events import LeftOut
from landsat_async.m2m.client import M2MClient
from landsat_async.m2m.gate import ApiWait
from landsat_async.model import DroppedScene, Scene, Unavailable, WantedFile
from landsat_async.run import fallback
from landsat_async.run.choose import Gaps, choosing
from landsat_async.run.runner import check_role, find_credentials
from landsat_async.run.search import Unreadable, find_scenes, read_aoi

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file and what would happen to it."""

    file: WantedFile
    state: str
    """"here" (verified), "partial", "preparing", "unverified" (something has the name), or "missing"."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What `plan` shows."""

    scenes: list[Scene]
    dropped: list[DroppedScene]
    files: list[PlannedFile]
    unavailable: list[Unavailable]
    bytes_nominal: int
    bytes_left: int
    """Nominal bytes of what is not here yet."""
    free_bytes: int
    left_out: tuple[LeftOut, ...] = ()
    """Bands that some scenes lack."""
    notes: tuple[str, ...] = ()
    """Where the area lies, what was simplified, what in the config has no effect."""


async def plan(
    config: Config,
    *,
    session: aiohttp.ClientSession | None = None,
    credentials: Credentials | None = None,
    on_wait: Callable[[ApiWait], None] | None = None,
) -> Plan:
    """Make the plan. Nothing is requested, downloaded or written. Raises LandsatError."""
    service = config.service
    aoi = await read_aoi(config)
    OutputFolder(Path(config.download.directory)).check_path()
    gaps, unreadable = Gaps(config), Unreadable()
    files: list[PlannedFile] = []
    in_files = set[str]()
    history = _Ledger(config)
    async with M2MClient(
        service.url,
        await find_credentials(config, credentials),
        session=session,
        ca_bundle=service.ca_bundle,
        patience_s=service.patience_s,
        on_wait=on_wait,
        on_unusable=unreadable.note,
    ) as m2m:
        await check_role(m2m)
        found = await find_scenes(config, m2m, aoi)
        known = await history.known()
        async with choosing(config, m2m, None, found.dataset, found.scenes, history) as selections:
            async for selection in selections:
                gaps.add(selection)
                in_files |= fallback.scenes_in_files(selection)
                files += await anyio.to_thread.run_sync(_states, config, known, selection.files)
    missing = [*unreadable.missing(), *found.missing, *gaps.all()]
    left = sum(planned.file.bytes_nominal or 0 for planned in files if planned.state != "here")
    nominal = sum(planned.file.bytes_nominal or 0 for planned in files)
    free = await anyio.to_thread.run_sync(OutputFolder(Path(config.download.directory)).free_bytes)
    notes = [*config.notes, *found.notes]
    if in_files and config.select.may_replace_bundles:
        notes.append(fallback.told(len(in_files), fallback.EARLIER).text)
    lacks = tuple(gaps.left_out())
    return Plan(found.scenes, found.dropped, files, missing, nominal, left, free, lacks, tuple(notes))


_Known: TypeAlias = tuple[str, int | None, int | None, int | None]
"""State, size, time of change and durable bytes of a file."""


class _Ledger:
    """History as a ledger tells it that is only read; none if there is no ledger."""

    def __init__(self, config: Config) -> None:
        self._path = OutputFolder(Path(config.download.directory)).ledger
        self._known: dict[str, _Known] = {}

    async def replaced(self) -> frozenset[str]:
        return await anyio.to_thread.run_sync(self._read, replaced_scenes) or frozenset()

    async def done_among(self, relpaths: Sequence[str]) -> list[WantedFile]:
        done = [relpath for relpath in relpaths if self._known.get(relpath, ("",))[0] == "done"]
        if not done:
            return []
        return await anyio.to_thread.run_sync(self._read, partial(done_files, relpaths=done)) or []

    async def known(self) -> dict[str, _Known]:
        known = await anyio.to_thread.run_sync(self._read, _known)
        self._known = known or {}
        return self._known

    def _read(self, look: Callable[[sqlite3.Connection], T]) -> T | None:
        if not self._path.exists():
            return None
        with reading(self._path) as connection:
            return look(connection)


def _known(connection: sqlite3.Connection) -> dict[str, _Known]:
    rows = connection.execute(
        "SELECT relpath, state, size_bytes, mtime_ns, durable FROM item"
        " LEFT JOIN file USING(item_id) LEFT JOIN part USING(item_id)"
    )
    return {relpath: (state, size, mtime_ns, durable) for relpath, state, size, mtime_ns, durable in rows}


def _states(config: Config, known: Mapping[str, _Known], files: Sequence[WantedFile]) -> list[PlannedFile]:
    root = config.download.directory
    return [PlannedFile(file, _state(f"{root}/{path}", known.get(path))) for file in files if (path := file.relpath)]


def _state(path: str, known: _Known | None) -> str:
    state, size_bytes, mtime_ns, durable = known or ("", None, None, None)
    if state == "done" and is_as_recorded(path, size_bytes, mtime_ns):
        return "here"
    if os.path.lexists(path):
        return "unverified"
    if durable:
        return "partial"
    return "preparing" if state == "preparing" else "missing"
