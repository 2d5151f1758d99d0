"""What a run would do: search and selection, compared with the ledger and the disk, nothing requested."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import anyio.to_thread

from landsat_async.config import Config
from landsat_async.credentials import Credentials
from landsat_async.disk.adopt import is_as_recorded
from landsat_async.disk.folder import OutputFolder
from landsat_async.disk.schema import reading
from landsat_async.m2m.client import M2MClient
from landsat_async.m2m.gate import ApiWait
from landsat_async.model import DroppedScene, Scene, Unavailable, WantedFile
from landsat_async.run.choose import Gaps, choose_files
from landsat_async.run.runner import check_role, find_credentials
from landsat_async.run.search import find_scenes, read_aoi


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
    gaps = Gaps(config)
    files: list[PlannedFile] = []
    async with M2MClient(
        service.url,
        await find_credentials(config, credentials),
        session=session,
        ca_bundle=service.ca_bundle,
        patience_s=service.patience_s,
        on_wait=on_wait,
    ) as m2m:
        await check_role(m2m)
        found = await find_scenes(config, m2m, aoi)
        async for selection in choose_files(config, m2m, None, found.dataset, found.scenes):
            gaps.add(selection)
            files += await anyio.to_thread.run_sync(_states, config, selection.files)
    missing = [*found.missing, *gaps.all()]
    left = sum(planned.file.bytes_nominal or 0 for planned in files if planned.state != "here")
    nominal = sum(planned.file.bytes_nominal or 0 for planned in files)
    free = await anyio.to_thread.run_sync(OutputFolder(Path(config.download.directory)).free_bytes)
    return Plan(found.scenes, found.dropped, files, missing, nominal, left, free, (*config.notes, *found.notes))


def _states(config: Config, files: Sequence[WantedFile]) -> list[PlannedFile]:
    folder = OutputFolder(Path(config.download.directory))
    known: dict[str, sqlite3.Row] = {}
    if folder.ledger.exists():
        with reading(folder.ledger) as connection:
            known = {
                row["relpath"]: row
                for row in connection.execute(
                    "SELECT relpath, state, size_bytes, mtime_ns, durable FROM item"
                    " LEFT JOIN file USING(item_id) LEFT JOIN part USING(item_id)"
                )
            }
    return [PlannedFile(file, _state(folder.root / file.relpath, known.get(file.relpath))) for file in files]


def _state(path: Path, row: sqlite3.Row | None) -> str:
    if row is not None and row["state"] == "done" and is_as_recorded(path, row["size_bytes"], row["mtime_ns"]):
        return "here"
    if os.path.lexists(path):
        return "unverified"
    if row is not None and row["durable"]:
        return "partial"
    return "preparing" if row is not None and row["state"] == "preparing" else "missing"
