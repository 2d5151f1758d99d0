"""What a run would do: search and selection, compared with the ledger and the disk, nothing requested."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import aiohttp
import anyio.to_thread

from landsat_async.config import Config
from landsat_async.credentials import Credentials
from landsat_async.disk.folder import OutputFolder
from landsat_async.disk.foresee import refusal
from landsat_async.disk.fs import is_there
from landsat_async.disk.ledger import done_files, replaced_scenes
from landsat_async.disk.ledger_leftovers import leftovers_of_plan
from landsat_async.disk.ledger_names import names_of
from landsat_async.disk.ledger_schema import LedgerDamaged, reading
from landsat_async.disk.target import LocalTarget, Look, Place, Recorded, Target
from landsat_async.errors import DiskFull, FolderBusy
from landsat_async.events import LeftOut
from landsat_async.m2m.caller import ApiWait
from landsat_async.m2m.client import M2MClient
from landsat_async.model import DroppedScene, Scene, Unavailable, WantedFile
from landsat_async.run import fallback
from landsat_async.run.find_credentials import find_credentials
from landsat_async.run.offers import MissingFiles, choosing
from landsat_async.run.runner import check_role
from landsat_async.run.search import UnreadableScenes, find_scenes, finds_at_most, read_aoi

if TYPE_CHECKING:  # loads shapely, see run/scene_filter
    from landsat_async.rules.aoi import Aoi

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file and what would happen to it."""

    file: WantedFile
    state: str
    """"here" (verified), "partial", "preparing", "unverified" (something has the name), "refused" (something has it
    that a run could not verify), or "missing"."""


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
    bytes_short: int = 0
    """So many nominal bytes are more than the disk has room for; 0 when all fits."""
    busy: FolderBusy | None = None
    """Another run holds the folder now."""

    @property
    def exit_code(self) -> int:
        """What `run` would end with, as far as that can be known: what ends it early comes first."""
        if self.busy is not None:
            return self.busy.exit_code
        if self.bytes_short:
            return DiskFull.exit_code
        return 4 if self.unavailable or any(planned.state == "refused" for planned in self.files) else 0


async def plan(
    config: Config,
    *,
    session: aiohttp.ClientSession | None = None,
    credentials: Credentials | None = None,
    on_wait: Callable[[ApiWait], None] | None = None,
) -> Plan:
    """Make the plan. Nothing is requested, downloaded or written. Raises what would end a run at once: LandsatError."""
    service = config.service
    aoi = await read_aoi(config)
    busy = await _busy(config)
    unreadable = UnreadableScenes()
    async with M2MClient(
        service.url,
        await find_credentials(service, credentials, on_wait=on_wait),
        session=session,
        ca_bundle=service.ca_bundle,
        patience_s=service.patience_s,
        on_wait=on_wait,
        on_unusable=unreadable.note,
    ) as m2m:
        await check_role(m2m)
        return await _make(config, m2m, aoi, unreadable, busy)


async def plan_if_small(config: Config, m2m: M2MClient, *, scenes_max: int) -> Plan | None:
    """Make the plan when no more than `scenes_max` scenes have to be looked at; None: that would take too long here.

    `m2m` is logged in, and its account may download; who holds the folder is not looked at. Raises what would end a
    run at once.
    """
    aoi = await read_aoi(config)
    if not await finds_at_most(config, m2m, aoi, scenes_max):
        return None
    return await _make(config, m2m, aoi, UnreadableScenes(), None)


async def _busy(config: Config) -> FolderBusy | None:
    """Who holds the output folder now. Raises what else a run could not do with it."""
    refused = await anyio.to_thread.run_sync(refusal, OutputFolder(Path(config.download.directory)))
    if refused is not None and not isinstance(refused, FolderBusy):
        raise refused
    return refused


async def _make(
    config: Config, m2m: M2MClient, aoi: Aoi | None, unreadable: UnreadableScenes, busy: FolderBusy | None
) -> Plan:
    """Search, choose, and compare with what is here."""
    gaps, history = MissingFiles(config), _Ledger(config)
    files: list[PlannedFile] = []
    in_files = set[str]()
    found = await find_scenes(config, m2m, aoi)
    known = await history.known()
    async with choosing(config, m2m, None, found.scenes, history) as selections:
        async for selection in selections:
            gaps.add(selection)
            in_files |= fallback.scenes_in_files(selection)
            files += await anyio.to_thread.run_sync(_states, config, known, selection.files)
    missing = [*unreadable.missing(), *found.missing, *gaps.all()]
    left = sum(planned.file.bytes_nominal or 0 for planned in files if planned.state != "here")
    nominal = sum(planned.file.bytes_nominal or 0 for planned in files)
    free = await anyio.to_thread.run_sync(OutputFolder(Path(config.download.directory)).free_bytes)
    short = max(0, left - max(0, free - config.download.min_free_bytes))
    notes = [*config.notes, *found.notes, *(f"warning: {text}" for text in found.warnings)]
    if in_files and config.select.may_replace_bundles:
        notes.append(fallback.told(len(in_files), fallback.EARLIER).text)
    notes += [*await history.leftovers([planned.file for planned in files]), *history.damage]
    lacks = tuple(gaps.left_out())
    return Plan(found.scenes, found.dropped, files, missing, nominal, left, free, lacks, tuple(notes), short, busy)


_Known: TypeAlias = tuple[str, int | None, int | None, int | None]
"""State, size, time of change and durable bytes of a file."""


class _Ledger:
    """History as a ledger tells it that is only read; none if there is no ledger."""

    def __init__(self, config: Config) -> None:
        self._root = Path(config.download.directory)
        folder = OutputFolder(self._root)
        self._path, self._fs = folder.ledger, folder.fs
        self._known: dict[str, _Known] = {}
        self.damage: tuple[str, ...] = ()
        """What is to be told of a ledger that cannot be read."""

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

    async def names_of(self, planned: Sequence[str]) -> dict[str, str]:
        return await anyio.to_thread.run_sync(self._read, partial(names_of, planned=planned)) or {}

    async def leftovers(self, files: Sequence[WantedFile]) -> list[str]:
        """What is to be told of finished files that these leave behind."""
        look = partial(leftovers_of_plan, files=files, root=self._root)
        found = await anyio.to_thread.run_sync(self._read, look)
        return list(found.told()) if found is not None else []

    def _read(self, look: Callable[[sqlite3.Connection], T]) -> T | None:
        if not is_there(self._fs, str(self._path)):
            return None
        try:
            with reading(self._path) as connection:
                return look(connection)
        except LedgerDamaged as damaged:
            self.damage = (f"{damaged} {damaged.hint}",)  # so does the run go on without it
            return None


def _known(connection: sqlite3.Connection) -> dict[str, _Known]:
    rows = connection.execute(
        "SELECT relpath, iif(stranger.relpath IS NULL, state, 'refused'), size_bytes, mtime_ns, durable FROM item"
        " LEFT JOIN file USING(item_id) LEFT JOIN part USING(item_id) LEFT JOIN stranger USING(relpath)"
    )
    return {relpath: (state, size, mtime_ns, durable) for relpath, state, size, mtime_ns, durable in rows}


def _states(config: Config, known: Mapping[str, _Known], files: Sequence[WantedFile]) -> list[PlannedFile]:
    target = LocalTarget(Path(config.download.directory))
    return [PlannedFile(file, _state(target, file.relpath, known.get(file.relpath))) for file in files]


def _state(target: Target, relpath: str, known: _Known | None) -> str:
    state, size_bytes, mtime_ns, durable = known or ("", None, None, None)
    if state == "done" and target.look([Recorded(relpath, size_bytes or 0, mtime_ns or 0)]) == [Look.SAME]:
        return "here"
    if target.places([(relpath, "")]) != [Place.FREE]:
        return "refused" if state == "refused" else "unverified"
    if durable:
        return "partial"
    return "preparing" if state == "preparing" else "missing"
