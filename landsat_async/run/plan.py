"""What a run would do: search and selection, compared with the ledger and the disk, nothing requested."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import aiohttp
import anyio.to_thread

from landsat_async.config import Config
from landsat_async.credentials import Credentials
from landsat_async.disk.ledger_reader import KnownFile, LedgerReader
from landsat_async.disk.target import Look, Place, Recorded, Target
from landsat_async.errors import CredentialsError, DiskFull, FolderBusy
from landsat_async.events import LeftOut, Searching
from landsat_async.m2m.caller import ApiWait
from landsat_async.m2m.client import M2MClient
from landsat_async.model import DroppedScene, Scene, Unavailable, WantedFile
from landsat_async.public import publish
from landsat_async.rules.clouds import CloudCount
from landsat_async.rules.naming import bundle_name, is_member
from landsat_async.run import fallback
from landsat_async.run.area_clouds import Rule, judge, unknown_notes
from landsat_async.run.choose_target import target_for
from landsat_async.run.find_credentials import MISSING_ROLE, check_role, client_for
from landsat_async.run.offers import MissingFiles, choosing
from landsat_async.run.search import Found, UnreadableScenes, find_scenes, finds_at_most, read_aoi, read_window_area
from landsat_async.run.search_told import SearchTold, told_search
from landsat_async.run.waits import told_target
from landsat_async.run.windows import RunWindows

if TYPE_CHECKING:  # loads shapely, see run/scene_filter
    from landsat_async.rules.aoi import Aoi


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file and what would happen to it.

    Attributes:
        file: The file.
        state: "here" (verified), "empty" (a window of fill alone: there is no file, and none will come), "partial",
            "preparing", "unverified" (something has the name), "refused" (something has it that a run could not
            verify), or "missing".
    """

    file: WantedFile
    state: str

    @property
    def is_open(self) -> bool:
        """There is something left to do for it."""
        return self.state not in ("here", "empty")

    @property
    def bundle(self) -> str | None:
        """Name of the bundle that it comes in, which itself is not kept; None for a file of its own."""
        return bundle_name(self.file.scene_display_id) if is_member(self.file.kind, self.file.name) else None


@dataclass(frozen=True, slots=True)
class Plan:
    """What `plan` shows.

    Attributes:
        scenes: Scenes left after all filters.
        dropped: Scenes that the filters leave out.
        files: Files that are wanted, with what would happen to each.
        unavailable: What was selected and cannot be had.
        bytes_nominal: Sum of the listed sizes of all files; of windows about what comes by ranges.
        bytes_whole: The same without windows; None where there are none.
        bytes_left: Nominal bytes of what is not here yet.
        free_bytes: Bytes that are free on the disk of the output folder.
        spool_free_bytes: Bytes that are free on the disk of the spool; None where the output is a folder.
        left_out: Bands that some scenes lack.
        notes: Where the area lies, what was simplified, what in the config has no effect.
        bytes_short: So many nominal bytes are more than the disk has room for; 0 when all fits.
        busy: Another run that holds the folder now; None when nobody does.
        rate_bytes_s: Bytes a second that the last run into the folder has had while they flowed; None = not known.
        measured: The clouds in the area, by display id, as far as earlier runs or `plan --measure` have measured them.
        unmeasured: Scenes that a run would measure first; their files count here as if they passed.
        without_role: The account may search and not download: `files` is empty, and sizes are not known. None = it may.
    """

    scenes: list[Scene]
    dropped: list[DroppedScene]
    files: list[PlannedFile]
    unavailable: list[Unavailable]
    bytes_nominal: int
    bytes_left: int
    free_bytes: int
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    bytes_short: int = 0
    busy: FolderBusy | None = None
    without_role: CredentialsError | None = None
    rate_bytes_s: float | None = None
    bytes_whole: int | None = None
    measured: Mapping[str, CloudCount] = field(default_factory=dict)
    unmeasured: int = 0
    spool_free_bytes: int | None = None

    @property
    def exit_code(self) -> int:
        """What `run` would end with, as far as that can be known: what ends it early comes first."""
        if self.busy is not None:
            return self.busy.exit_code
        if self.without_role is not None:
            return self.without_role.exit_code
        if self.bytes_short:
            return DiskFull.exit_code
        return 4 if self.unavailable or any(planned.state == "refused" for planned in self.files) else 0


async def plan(
    config: Config,
    *,
    session: aiohttp.ClientSession | None = None,
    credentials: Credentials | None = None,
    on_wait: Callable[[ApiWait], None] | None = None,
    on_search: Callable[[Searching], None] | None = None,
) -> Plan:
    """Return what a run would do. Nothing is requested, downloaded or written.

    Args:
        config: What to do.
        session: Its connections are used and it is left open; None = connections of our own.
        credentials: None = found as `config.service` and the environment say.
        on_wait: Called before each wait for the service, with its reason and seconds; must return at once.
        on_search: Called once a second with how far the search is; must return at once.

    Raises:
        LandsatError: what would end a run at once.
    """
    aoi = await read_aoi(config)
    busy = await _busy(config, on_wait)
    unreadable = UnreadableScenes()
    async with await client_for(
        config.service, credentials, session=session, on_wait=on_wait, on_unusable=unreadable.note
    ) as m2m:
        try:
            await check_role(m2m)
        except CredentialsError as error:
            if error.reference != MISSING_ROLE:
                raise
            return await _scenes_only(config, m2m, aoi, unreadable, busy, error)
        async with told_search(m2m, on_search) as search:
            return await _make(config, m2m, aoi, unreadable, busy, search, on_wait)


publish(PlannedFile, Plan, plan)


async def plan_if_small(config: Config, m2m: M2MClient, *, scenes_max: int) -> Plan | None:
    """Make the plan when no more than `scenes_max` scenes have to be looked at; None: that would take too long here.

    `m2m` is logged in, and its account may download; who holds the folder is not looked at. Raises what would end a
    run at once.
    """
    aoi = await read_aoi(config)
    if not await finds_at_most(config, m2m, aoi, scenes_max):
        return None
    async with told_search(m2m, None) as search:
        return await _make(config, m2m, aoi, UnreadableScenes(), None, search)


async def _busy(config: Config, on_wait: Callable[[ApiWait], None] | None) -> FolderBusy | None:
    """Who holds the output folder now. Raises what else a run could not do with it."""
    target = target_for(config)
    async with told_target(target, on_wait):
        refused = await anyio.to_thread.run_sync(target.foresee)
    if refused is not None and not isinstance(refused, FolderBusy):
        raise refused
    return refused


async def _make(
    config: Config,
    m2m: M2MClient,
    aoi: Aoi | None,
    unreadable: UnreadableScenes,
    busy: FolderBusy | None,
    search: SearchTold,
    on_wait: Callable[[ApiWait], None] | None = None,
) -> Plan:
    """Search, choose, and compare with what is here."""
    gaps, target = MissingFiles(config), target_for(config)
    damage = dict[str, None]()
    history = LedgerReader(target.folder, lambda damaged: damage.setdefault(f"{damaged} {damaged.hint}"))
    files: list[PlannedFile] = []
    in_files = set[str]()
    found = await find_scenes(config, m2m, aoi)
    search.found = len(found.scenes)
    rule = Rule.of(config.search, aoi)
    found, measured = await _judged(found, rule, history)
    known = await history.known()
    windows = RunWindows.of(config.select, await read_window_area(config, aoi))
    async with (
        told_target(target, on_wait),
        choosing(config, m2m, target, None, found.scenes, history, None, windows) as selections,
    ):
        async for selection in selections:
            gaps.add(selection)
            in_files |= fallback.scenes_in_files(selection)
            files += await anyio.to_thread.run_sync(_states, target, known, selection.files)
    missing = [*unreadable.missing(), *found.missing, *gaps.all()]
    left = _left_bytes(files)
    nominal = sum(planned.file.bytes_nominal or 0 for planned in files)
    whole = sum(planned.file.bytes_whole or planned.file.bytes_nominal or 0 for planned in files)
    free, spool = await anyio.to_thread.run_sync(lambda: (target.free_bytes(), target.spool_free_bytes()))
    short = _short(config, files, left, free, spool)
    notes = [*config.remarks, *config.notes, *found.notes, *(f"warning: {text}" for text in found.warnings)]
    if in_files and config.select.may_replace_bundles:
        notes.append(fallback.notice_of(len(in_files), fallback.EARLIER).text)
    notes += [] if rule is None else unknown_notes(found.scenes, rule)
    leftovers = await history.leftovers([planned.file for planned in files])
    notes += [*leftovers.told(), *damage]
    return Plan(
        found.scenes,
        found.dropped,
        files,
        missing,
        nominal,
        left,
        free,
        tuple(gaps.left_out()),
        tuple(notes),
        short,
        busy,
        rate_bytes_s=await history.rate_bytes_s(),
        bytes_whole=whole if windows is not None else None,
        measured=measured,
        unmeasured=_unmeasured(config, files, measured),
        spool_free_bytes=spool,
    )


async def _judged(found: Found, rule: Rule | None, history: LedgerReader) -> tuple[Found, dict[str, CloudCount]]:
    """Leave out what the figures of earlier runs refuse; returns those figures of the search's scenes, too."""
    if rule is None:
        return found, {}
    known = await history.figures(rule.area, rule.counts)
    judged = judge(found.scenes, rule, known)
    dropped = [DroppedScene(scene, reason) for scene, reason in judged.refused]
    measured = {scene.display_id: known[scene.display_id] for scene in found.scenes if scene.display_id in known}
    return replace(found, scenes=judged.kept, dropped=[*found.dropped, *dropped]), measured


def _left_bytes(files: Sequence[PlannedFile]) -> int:
    """Return how much is to come: of a bundle all of it, as long as one of its members is not here."""
    incomplete = {planned.bundle for planned in files if planned.is_open}
    return sum(
        planned.file.bytes_nominal or 0
        for planned in files
        if (planned.is_open if planned.bundle is None else planned.bundle in incomplete)
    )


def _short(
    config: Config, files: Sequence[PlannedFile], left_bytes: int, free_bytes: int, spool_free_bytes: int | None
) -> int:
    """Return how many bytes are wanted beyond the room that there is: for all files, or for the few in the spool."""
    keep = config.download.min_free_bytes
    most = _most_at_once(config, files, left_bytes)
    lacking = (most if config.select.cuts_bundles else left_bytes) - max(0, free_bytes - keep)
    in_spool = 0 if spool_free_bytes is None else most - max(0, spool_free_bytes - keep)
    return max(0, lacking, in_spool)


def _most_at_once(config: Config, files: Sequence[PlannedFile], left_bytes: int) -> int:
    """Return how much of what comes lies on a disk at a time, where it goes from there: one file for each worker."""
    sizes = [planned.file.bytes_nominal or 0 for planned in files]
    return min(left_bytes, config.download.workers * max(sizes, default=0))


def _unmeasured(config: Config, files: Sequence[PlannedFile], measured: Mapping[str, CloudCount]) -> int:
    if not config.search.measures:
        return 0
    wanted = {planned.file.scene_display_id for planned in files if planned.is_open}
    return len(wanted - measured.keys())


async def _scenes_only(
    config: Config,
    m2m: M2MClient,
    aoi: Aoi | None,
    unreadable: UnreadableScenes,
    busy: FolderBusy | None,
    refused: CredentialsError,
) -> Plan:
    """Search alone: what can be said to those who wait for the MACHINE role."""
    found = await find_scenes(config, m2m, aoi)
    target = target_for(config)
    free, spool = await anyio.to_thread.run_sync(lambda: (target.free_bytes(), target.spool_free_bytes()))
    notes = (*config.remarks, *config.notes, *found.notes, *(f"warning: {text}" for text in found.warnings))
    missing = [*unreadable.missing(), *found.missing]
    return Plan(
        found.scenes, found.dropped, [], missing, 0, 0, free,
        notes=notes, busy=busy, without_role=refused, spool_free_bytes=spool,
    )  # fmt: skip


def _states(target: Target, known: Mapping[str, KnownFile], files: Sequence[WantedFile]) -> list[PlannedFile]:
    return [PlannedFile(file, _state(target, file.relpath, known.get(file.relpath, _UNKNOWN))) for file in files]


def _state(target: Target, relpath: str, known: KnownFile) -> str:
    recorded = Recorded(relpath, known.size_bytes or 0, known.mtime_ns or 0)
    if known.state == "done" and known.size_bytes == 0:
        return "empty"
    if known.state == "done" and target.look([recorded]) == [Look.SAME]:
        return "here"
    if target.places([(relpath, "")]) != [Place.FREE]:
        return "refused" if known.state == "refused" else "unverified"
    if known.durable_bytes:
        return "partial"
    return "preparing" if known.state == "preparing" else "missing"


_UNKNOWN = KnownFile("", None, None, None)
