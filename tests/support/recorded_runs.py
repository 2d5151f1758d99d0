"""Small real runs on tape, each with something that goes wrong on the way."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from landsat_async import Config, Credentials, download, open_run
from landsat_async.run import worker
from landsat_async.sim import Archive, Script, Simulator, open_simulator
from landsat_async.transfer.types import TransferPolicy
from tests.support.kill_lab import KIB, LAKE, STATE
from tests.support.power_cut import lay_out
from tests.support.tape import RecordingFs, Tape, recorded

Mistakes = Callable[[], list[AbstractContextManager[Any]]]
SMALL = {"block_bytes": 64 * KIB, "checkpoint_bytes": 128 * KIB, "backoff_cap_s": 0.02}
SCENARIOS = ("straight", "cuts", "new version", "ranges ignored", "wrong bytes", "stopped", "overwrite", "bundle")
LYING_SERVERS = ("wrong bytes",)


class Versions(Archive):
    """An archive that remembers all versions of its files."""

    def file(self, name: str) -> Any:
        kept: dict[tuple[str, int], Any] = self.__dict__.setdefault("_kept", {})
        key = (name, self.version(name))
        if key not in kept:
            kept[key] = super().file(name)
        return kept[key]

    def truths(self, name: str) -> list[bytes]:
        """The contents that the file has had."""
        self.file(name)
        kept = self.__dict__["_kept"]
        return [content.read(0, content.size) for (known, _), content in kept.items() if known == name]


@dataclass
class Recording:
    tape: Tape
    archive: Versions
    config: Config
    sim: Simulator
    transfers: int
    faults: dict[str, int]

    def truth(self, relpath: str) -> list[bytes]:
        return self.archive.truths(relpath.rpartition("/")[2])

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.sim.username, self.sim.token)


def config_of(sim: Simulator, root: Path, *, bundle: bool = False, limit: int = 2, **download: Any) -> Config:
    """A few bands and a text of a few scenes, or bundles."""
    data: dict[str, Any] = {
        "service": {"url": sim.service_url, "patience_s": 20.0},
        "search": {
            "dataset": "landsat_ot_c2_l2", "bbox": LAKE, "start": "2024-07-05", "end": "2024-08-06",
            "cloud_cover": [0, 10], "limit": limit,
        },
        "select": {"type": "bundle"} if bundle else {"type": "band", "bands": ["SR_B3", "SR_B5", "ANG", "MTL"]},
        "download": {
            "directory": str(root), "workers": 4, "queue_size": 16, "poll_interval_s": 0.02,
            "min_free_bytes": "0 B", "attempts": 20,
        } | download,
    }  # fmt: skip
    return Config.from_dict(data)


@contextmanager
def small_steps() -> Iterator[None]:
    """Let a run write and checkpoint in small steps."""
    with mock.patch.object(worker, "TransferPolicy", partial(TransferPolicy, **SMALL)):
        yield


def _script(scenario: str, rng: random.Random) -> Script:
    script = Script(seed=rng.randrange(1000))
    match scenario:
        case "cuts" | "stopped":
            script.fault_file("*.TIF", "cut", times=1, fraction=0.5)  # at least one, whatever chance says of the others
            for kind in ("cut", "cut-rst"):
                script.fault_file("*.TIF", kind, probability=0.3, times=None, fraction=rng.uniform(0.3, 0.95))
        case "new version":
            script.fault_file("*.TIF", "cut", skip=0, times=2, fraction=0.9)
            script.fault_file("*.TIF", "new-version", ranged=True, times=2)
            if rng.random() < 0.7:
                script.etag, script.last_modified = "none", "none"
                script.ranges = rng.random() < 0.5
        case "ranges ignored":
            script.ranges = False
            script.fault_file("*.TIF", "cut", times=1, fraction=0.8)
            script.fault_file("*.TIF", "cut", probability=0.5, times=None, fraction=0.8)
        case "wrong bytes":
            script.fault_file("*.TIF", "error-text", times=2, fraction=0.7)
            script.fault_file("*.TIF", "too-long", times=1, bytes=5000)
            script.fault_file("*.TIF", "range-shifted", ranged=True, probability=0.3, bytes=7, times=3)
    if scenario == "stopped":
        script.rate_bytes_s = 4_000_000
    return script


async def record(
    base: Path, scenario: str, seed: int, *, fs: type[RecordingFs] = RecordingFs, mistakes: Mistakes = list
) -> Recording:
    """Run a scenario with a recorder, perhaps with a mistake put into the program."""
    rng = random.Random(f"{scenario} {seed}")
    root = base / "data"
    bundle = scenario == "bundle"
    size = {"pixels": 100, "tile": 64} if bundle else {"pixels": rng.choice((300, 420)), "tile": 128}
    archive = Versions.demo(compress=False, **size)
    tape = Tape(root)
    async with open_simulator(archive, _script(scenario, rng)) as sim:
        config = config_of(sim, root, bundle=bundle, limit=rng.choice((1, 2)))
        recording = Recording(tape, archive, config, sim, 0, {})
        if scenario == "overwrite":
            await _run(recording)
            for path in sorted(root.glob("*.TIF"))[:2]:
                path.write_bytes(b"II*\0 of the user")
                recording.tape = Tape(root)
        with recorded(recording.tape, fs), ExitStack() as stack:
            for mistake in mistakes():
                stack.enter_context(mistake)
            if scenario == "stopped":
                for _ in range(2):
                    await _run(recording, stop_after=rng.randrange(2, 25))
            await _run(recording, overwrite=scenario == "overwrite")
        recording.transfers = sum(sim.log.files.values())
        recording.faults = dict(sim.log.faults)
    return recording


async def _run(recording: Recording, *, stop_after: int | None = None, overwrite: bool = False) -> None:
    """Run to the end, or until so many events."""
    with small_steps():
        async with open_run(recording.config, credentials=recording.credentials, overwrite=overwrite) as run:
            number = 0
            async for _ in run.events():
                number += 1
                if number == stop_after:
                    run.stop()


async def recover(recording: Recording, point: int, base: Path, rng: random.Random) -> str:
    """Lay out one state after a power cut and let a real run go on from it; returns what the state was like.

    Everything must be there and right afterwards, and nothing wrong may have been there before.
    """
    root = base / "data"
    root.mkdir()
    state = lay_out(recording.tape, point, root, rng)
    _check_finals(recording, root, state)
    async with open_simulator(recording.archive) as sim:
        bundle = recording.config.select.type == "bundle"
        config = config_of(sim, root, bundle=bundle, limit=recording.config.search.limit)
        with small_steps():
            summary = await download(config, credentials=Credentials(sim.username, sim.token), overwrite=True)
    assert summary.exit_code == 0, f"{state}: {summary}"
    assert summary.files_total == summary.files_verified + summary.files_skipped, f"{state}: {summary}"
    _check_finals(recording, root, state)
    assert len(_finals(root)) == summary.files_total, state
    return state


def _finals(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and STATE not in path.parts]


def _check_finals(recording: Recording, root: Path, state: str) -> None:
    users = {recording.tape.contents[file] for file in recording.tape.before.values()}
    for path in _finals(root):
        body = path.read_bytes()
        assert body in recording.truth(path.name) or body in users, f"{state}: {path.name} is wrong"
