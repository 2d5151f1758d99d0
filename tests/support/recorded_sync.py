"""A synchronisation on tape that brings new versions, moves the old ones away and makes all outputs anew.

What must hold in every state after a power cut at any of its steps:

- of each file of each scene a whole version is there: the old one, in its place or in `superseded/`, or the new one;
- an item, a collection, the catalogue, a VRT, a table is one that was written whole, the former or the new one;
- the catalogue and the collections name only documents that are there;
- where the note says what the outputs were made from, they are the ones that were made from it, all of them.
"""

from __future__ import annotations

import itertools
import json
import posixpath
import random
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from landsat_async import Config, Credentials, open_run
from landsat_async.disk.folder import LEDGER_NAME, STATE_FOLDER
from landsat_async.rules.naming import SUPERSEDED
from landsat_async.rules.product_id import parse_product_id
from landsat_async.run.outputs import MARKER
from landsat_async.sim import Simulator, open_simulator
from landsat_async.sim.scenes import Product
from tests.support.kill_lab import LAKE
from tests.support.power_cut import Disk, apply, contents, lay_out, rename
from tests.support.recorded_runs import Mistakes, Versions, small_steps
from tests.support.tape import Named, RecordingFs, Tape, Wrote, recorded

OLD = (
    Product("LC08", "L2SP", 4, 53, date(2024, 7, 5), date(2024, 7, 14), "T1", 4.0),
    Product("LC09", "L2SP", 5, 53, date(2024, 7, 20), date(2024, 7, 29), "T1", 4.0),
)
NOTE = f"{STATE_FOLDER}/{MARKER}"
_SAMPLES = 10
_MOST_RENAMES = 8
_ID_LENGTH = len(OLD[0].display_id)


@dataclass
class SyncRecording:
    tape: Tape
    archive: Versions
    layout: str
    versions: dict[tuple[object, ...], list[list[str]]] = field(default_factory=dict)
    """Scene and band -> the places where the old version may be, and those of the new one."""

    @property
    def end(self) -> dict[str, int]:
        """What the names stood for at the end."""
        return {path: file for path, file in self.tape.names.items() if is_output(path)}


def is_output(path: str) -> bool:
    """Tell whether a path is that of an item, a VRT, a table ..."""
    return path.startswith("stac/") or path.endswith(".vrt") or path == "scenes.csv"


def config_of(sim: Simulator, root: Path, layout: str) -> Config:
    """Two scenes, one band and the metadata of each, and all outputs."""
    return Config.from_dict({
        "service": {"url": sim.service_url, "patience_s": 20.0},
        "search": {"dataset": "landsat_ot_c2_l2", "bbox": LAKE, "start": "2024-07-01"},
        "select": {"type": "band", "bands": ["SR_B3"]},
        "download": {
            "directory": str(root), "layout": layout, "poll_interval_s": 0.02, "min_free_bytes": "0 B",
        },
        "output": {"stac": True, "vrt": True, "table": "csv"},
    })  # fmt: skip


async def _sync(sim: Simulator, root: Path, layout: str) -> int:
    with small_steps():
        credentials = Credentials(sim.username, sim.token)
        async with open_run(config_of(sim, root, layout), credentials=credentials, sync="full") as run:
            async for _ in run.events():
                pass
            return run.summary.exit_code


async def record_sync(
    base: Path, *, layout: str = "{year}", fs: type[RecordingFs] = RecordingFs, mistakes: Mistakes = list
) -> SyncRecording:
    """Fetch the old versions, then record how the new ones take their places."""
    root = base / "data"
    archive = Versions(list(OLD), pixels=64, tile=32, compress=False)
    recording = SyncRecording(Tape(root, every_commit=True), archive, layout)
    async with open_simulator(archive) as sim:
        assert await _sync(sim, root, layout) == 0
        before = {path.name: path.relative_to(root).as_posix() for path in root.rglob("LC*_02_T1_*")}
        today = datetime.now(UTC).date()
        for old in OLD:
            new = archive.reprocess(old.display_id, day=today)
            for stem in ("SR_B3.TIF", "MTL.txt"):
                place = before[old.file_name(stem)]
                key = (parse_product_id(old.display_id).version_key, stem)
                where = place.replace(old.display_id, new.display_id)
                recording.versions[key] = [[place, f"{SUPERSEDED}/{place}"], [where]]
        with closing(sqlite3.connect(root / STATE_FOLDER / LEDGER_NAME)) as ledger:
            recording.tape.database = ledger.serialize()
        with recorded(recording.tape, fs), ExitStack() as stack:
            for mistake in mistakes():
                stack.enter_context(mistake)
            assert await _sync(sim, root, layout) == 0
    return recording


def broken_promises(recording: SyncRecording, *, seed: int = 0) -> tuple[list[str], int]:
    """Try every power cut; returns what was broken, and how many states were looked at."""
    disk, rng, look = Disk.of(recording.tape), random.Random(seed), _Look(recording)
    noted = False
    for number, event in enumerate(recording.tape.events):
        disk.feed(number, event)
        paths = _paths_of(event, disk)
        noted = noted or NOTE in paths
        for key, places in recording.versions.items():
            if paths & set(itertools.chain(*places)):
                look.version(disk, number, key, places)
        for path in paths:
            if is_output(path):
                look.whole(disk, number, path)
        if any(map(is_output, paths)):
            for _ in range(_SAMPLES):
                look.leads_somewhere(disk, number, rng)
        if NOTE in paths:
            look.note(disk, number)
    assert noted, "the outputs were not made to their end"
    return look.broken, look.states


def _paths_of(event: object, disk: Disk) -> set[str]:
    match event:
        case Named(names):
            return {path for path, _ in names}
        case Wrote(file):
            return {path for path, files in disk.ever.items() if file in files}
    return set()


class _Look:
    """What states there are at a point, and what is wrong with them."""

    def __init__(self, recording: SyncRecording) -> None:
        self._archive, self._end, self._whole = recording.archive, recording.end, _whole_contents(recording.tape)
        self.broken: list[str] = []
        self.states = 0

    def version(self, disk: Disk, number: int, key: object, places: list[list[str]]) -> None:
        for names in name_states(disk, set(itertools.chain(*places))):
            self.states += 1
            if not any(self._is_right(disk, path, names) for path in names):
                self.broken.append(f"{number}: neither version of {key}: {sorted(names)}")

    def _is_right(self, disk: Disk, path: str, names: dict[str, int]) -> bool:
        right = self._archive.truths(posixpath.basename(path))
        return all(content in right for content in states_of(disk, names[path]))

    def whole(self, disk: Disk, number: int, path: str) -> None:
        for names in name_states(disk, {path}):
            for file in names.values():
                for content in states_of(disk, file):
                    self.states += 1
                    if content != self._whole[file]:
                        self.broken.append(f"{number}: {path} is not whole: {len(content)} bytes")

    def leads_somewhere(self, disk: Disk, number: int, rng: random.Random) -> None:
        """Follow the links down from the catalogue, in one state of all names."""
        self.states += 1
        names = dict(disk.names)
        for _, event in disk.renames:
            if rng.random() < 0.5:
                rename(names, event)
        ways = ["stac/catalog.json"] if "stac/catalog.json" in names else []
        while ways:
            path = ways.pop()
            if path not in names:
                self.broken.append(f"{number}: {path} is named, and not there")
                continue
            for link in json.loads(self._whole[names[path]])["links"]:
                if link["rel"] in ("item", "child"):
                    ways.append(posixpath.normpath(posixpath.join(posixpath.dirname(path), link["href"])))

    def note(self, disk: Disk, number: int) -> None:
        """The note may be there: then everything that it speaks of is, in every state."""
        end = {path: self._whole[file] for path, file in self._end.items()}
        for path in {*end, *filter(is_output, disk.ever)}:
            for names in name_states(disk, {path}):
                self.states += 1
                found = {content for file in names.values() for content in states_of(disk, file)} or {None}
                if found != {end.get(path)}:
                    self.broken.append(f"{number}: the note is there, and {path} is another one")


def name_states(disk: Disk, paths: Collection[str]) -> Iterator[dict[str, int]]:
    """Yield what some names may stand for: each change of one that is not durable has happened, or has not."""
    mine = [event for _, event in disk.renames if any(path in paths for path, _ in event.names)]
    base = {path: file for path, file in disk.names.items() if path in paths}
    for subset in itertools.product((True, False), repeat=min(len(mine), _MOST_RENAMES)):
        names = dict(base)
        for event, happened in itertools.zip_longest(mine, subset, fillvalue=True):
            if happened:
                rename(names, event)
        yield {path: file for path, file in names.items() if path in paths}


def states_of(disk: Disk, file: int) -> Iterator[bytes]:
    """Yield what a file may hold."""
    pending = [write for _, write in disk.writes.get(file, [])]
    yield from contents(disk.contents.get(file, b""), pending, 64, random.Random(0))


def _whole_contents(tape: Tape) -> dict[int, bytes]:
    """Return the bytes of each file with all that was written to it."""
    whole = dict(tape.contents)
    for event in tape.events:
        if isinstance(event, Wrote):
            whole[event.file] = apply(whole.get(event.file, b""), [(event, "all")])
    return whole


async def recover_sync(recording: SyncRecording, point: int, base: Path, rng: random.Random) -> str:
    """Lay out one state after a power cut, and synchronise; everything must be put right, with nothing lost."""
    root = base / "data"
    root.mkdir(parents=True)
    state = lay_out(recording.tape, point, root, rng)
    async with open_simulator(recording.archive) as sim:
        for _ in range(2):
            assert await _sync(sim, root, recording.layout) == 0, state
    with closing(sqlite3.connect(root / STATE_FOLDER / LEDGER_NAME)) as ledger:
        assert not ledger.execute("SELECT relpath FROM superseded WHERE done=0").fetchall(), state
    ids = {product.display_id for product in recording.archive}
    for (_, stem), ((place, away), (new,)) in recording.versions.items():
        assert not (root / place).exists(), f"{state}: {place} is still in its place"
        for path in (away, new):
            assert (root / path).read_bytes() in recording.archive.truths(posixpath.basename(path)), f"{state}: {stem}"
    documents = {path.stem for path in root.glob("stac/*/L*.json")}
    vrts = {path.stem for path in root.rglob("*.vrt")}
    assert documents == vrts == ids, f"{state}: items {documents}, VRTs {vrts}"
    return state
