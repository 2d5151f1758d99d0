"""The parent's side of killed runs: a simulator, children on call, and what must hold after each death.

async with open_lab(tmp_path) as lab:
    place = lab.place()                      # a new output folder
    death = await lab.run(place, kill_after_s=0.2)
    place.check()                            # the promise
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import signal
import sqlite3
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.raster.spec import WindowSpec
from landsat_async.rules.naming import window_key, window_source
from landsat_async.sim import Archive, Script, Simulator, open_simulator
from landsat_async.sim.content import Content, Literal, sha256
from tests.support.crash_child import MARKS_BYTES, PHASES
from tests.support.nursery import Nursery, open_nursery
from tests.transfer.window_host import window

LAKE = [-68.01, 9.99, -67.49, 10.34]
STATE = ".landsat_async"
PATIENCE_S = 45.0
KIB, MIB = 1024, 1024 * 1024


class Broken(AssertionError):
    """The promise does not hold."""


@dataclass(frozen=True, slots=True)
class Death:
    """How a child ended."""

    code: int
    """Exit code; negative: the signal."""
    phases: tuple[str, ...]
    """What was going on at that moment, in all its threads and tasks."""
    calls: int
    """File calls and commits that it had begun."""
    made_to_fail: int
    """Calls that were made to fail."""
    seconds: float
    served_bytes: int
    """Body bytes that the file hosts have sent to it."""

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


@dataclass
class Place:
    """One output folder."""

    lab: Lab
    base: Path
    config: dict[str, Any]
    renames: bool = False
    """The disk has no hard links: a part gets its final name by a rename."""
    _hashed: dict[tuple[int, int, int], str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.base / "data"

    @property
    def said(self) -> str:
        """What the children have printed."""
        with suppress(FileNotFoundError):
            return (self.base / "said").read_text()
        return ""

    def finals(self) -> dict[str, Path]:
        """Everything under a final name."""
        found = {p.relative_to(self.root).as_posix(): p for p in self.root.rglob("*") if not p.is_dir()}
        return {name: path for name, path in found.items() if not name.startswith(STATE)}

    def parts(self) -> list[str]:
        """Names of unfinished files."""
        return sorted(path.name for path in (self.root / STATE / "parts").iterdir())

    def toml(self) -> Path:
        """The config as a file."""
        path = self.base / "config.toml"
        tables = (
            "\n".join([f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())])
            for table, keys in self.config.items()
        )
        path.write_text("\n".join(tables) + "\n")
        return path

    def ledger(self, sql: str) -> list[tuple[Any, ...]]:
        path = self.root / STATE / "ledger.sqlite3"
        if not path.exists():
            return []
        with closing(sqlite3.connect(path)) as connection:
            try:
                return connection.execute(sql).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []  # killed before the first commit
                raise

    def check(self) -> None:
        """A final name is absent or whole, the ledger tells the truth, a checkpoint speaks of bytes that are there."""
        finals = self.finals()
        for name, path in finals.items():
            if name.endswith(".probe"):
                continue
            if self.sha256(path) not in self.lab.truths(path.name):
                raise Broken(f"N1: {name} has {path.stat().st_size} bytes and is not what the archive has")
        rows = self.ledger("SELECT relpath, sha256 FROM item LEFT JOIN file USING(item_id) WHERE state='done'")
        for relpath, recorded in rows:
            if relpath not in finals or recorded != self.sha256(finals[relpath]):
                raise Broken(f"N3: the ledger says that {relpath} is done")
        for name, relpath, durable, facts in self.ledger(
            "SELECT part.name, relpath, durable, facts FROM part JOIN item USING(item_id)"
        ):
            path = self._part(name, finals.get(relpath))
            self._check_part(path, durable, msgspec.json.decode(facts, type=Checkpoint))

    def _part(self, name: str, final: Path | None) -> Path:
        """A part may have been renamed by the run that was killed: to its next name, or to its final one.

        The latter where there are no hard links: between that rename and its record the checkpoint speaks of a file
        that is whole and under its final name.
        """
        folder, item = self.root / STATE / "parts", name.partition(".")[0]
        found = sorted(folder.glob(f"{item}.*part"), key=lambda path: path.stat().st_mtime)
        if (folder / name).exists() or not (found or (final and self.renames)):
            return folder / name
        return found[-1] if found else final or folder / name

    def _check_part(self, path: Path, durable: int, facts: Checkpoint) -> None:
        with open(path, "rb") as part:
            prefix = part.read(durable)
        if facts.durable != durable or hashlib.sha256(prefix).hexdigest() != facts.sha256:
            raise Broken(f"N3: the checkpoint of {path.name} at {durable} does not fit its bytes")

    def sha256(self, path: Path) -> str:
        found = path.stat()
        key = (found.st_ino, found.st_size, found.st_mtime_ns)
        if key not in self._hashed:
            with open(path, "rb") as file:
                self._hashed[key] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._hashed[key]

    def check_finished(self, files: int | None = None) -> None:
        """Everything is there."""
        self.check()
        states = dict(self.ledger("SELECT state, count(*) FROM item GROUP BY state"))
        if set(states) != {"done"} or states["done"] != len(self.finals()):
            why = self.ledger("SELECT name, state, reason FROM item WHERE state<>'done'")
            raise Broken(f"missing at the end: {states}, {len(self.finals())} files; {why}")
        if files is not None and states["done"] != files:
            raise Broken(f"{states['done']} files in place of {files}")

    @property
    def kept_bytes(self) -> int:
        """What the ledger will not fetch again."""
        kept = [
            *self.ledger("SELECT ifnull(sum(durable), 0) FROM part"),
            *self.ledger("SELECT ifnull(sum(size_bytes), 0) FROM file JOIN item USING(item_id) WHERE state='done'"),
        ]
        return sum(row[0] for row in kept)


class Lab:
    """A simulator and children that run against it."""

    def __init__(self, sim: Simulator, nursery: Nursery, archive: MemoryArchive, base: Path) -> None:
        self.sim, self.nursery, self.archive, self.base = sim, nursery, archive, base
        self._truths: dict[str, dict[int, str]] = {}
        self._places = 0
        self.window: WindowSpec | None = None
        """What the runs cut out of bands."""

    def truths(self, name: str) -> set[str]:
        """SHA-256 of all versions that a file of the archive has had."""
        known, source = self._truths.setdefault(name, {}), window_source(name)
        for version in range(self.sim.archive.version(source) + 1):
            if version not in known:
                known[version] = self._truth(name, source, self.archive.of_version(source, version))
        return set(known.values())

    def _truth(self, name: str, source: str, content: Content) -> str:
        if window_key(name) is None:
            return sha256(content)
        assert self.window is not None, "a window that nobody has asked for"
        return hashlib.sha256(window(content.read(0, content.size), self.window, source)).hexdigest()

    def place(
        self, *, bands: list[str] | None = None, limit: int = 0, search: dict[str, Any] | None = None, **download: Any
    ) -> Place:
        """A new output folder and the config for it."""
        self._places += 1
        base = self.base / f"place{self._places}"
        base.mkdir(exist_ok=True)
        select = {"type": "band", "bands": bands} if bands else {"type": "bundle"}
        config = {
            "service": {"url": self.sim.service_url, "patience_s": 30.0},
            "search": {
                "dataset": "landsat_ot_c2_l2", "bbox": LAKE, "start": "2024-07-05", "end": "2024-08-06",
                "cloud_cover": [0, 10], "limit": limit,
            } | (search or {}),
            "select": select,
            "download": {
                "directory": str(base / "data"), "workers": 4, "queue_size": 64, "poll_interval_s": 0.05,
                "min_free_bytes": "0 B", "stall_timeout_s": 20, "attempts": 30,
            } | download,
        }  # fmt: skip
        return Place(self, base, config)

    async def begin(self, place: Place, **order: Any) -> tuple[int, Path]:
        """Start a run on a place; returns process id and the file with its marks."""
        place.renames = order.get("windows_like", {}).get("hard_links", 0) == 1
        marks = place.base / f"marks{len(list(place.base.glob('marks*')))}"
        marks.write_bytes(bytes(MARKS_BYTES))
        pid = await self.nursery.begin(
            {
                "config": place.config, "username": self.sim.username, "token": self.sim.token, "marks": str(marks),
                "said": str(place.base / "said"),
            }
            | order
        )  # fmt: skip
        return pid, marks

    async def run(self, place: Place, *, kill_after_s: float | None = None, **order: Any) -> Death:
        """Run until the end, or until it is killed."""
        served = sum(self.sim.log.file_bytes.values())
        began = time.monotonic()
        pid, marks = await self.begin(place, **order)
        ending = asyncio.ensure_future(self.nursery.end(pid))
        if kill_after_s is not None:
            await asyncio.wait([ending], timeout=kill_after_s)
            await self.nursery.send(pid, signal.SIGKILL)
        await self._must_end(place, pid, ending)
        code = ending.result()
        seconds = time.monotonic() - began
        await self._settled(0.06 if code < 0 else 0.01)  # who leaves by himself has hung up
        served = sum(self.sim.log.file_bytes.values()) - served
        return Death(code, *read_marks(marks), seconds=seconds, served_bytes=served)

    async def stop(
        self, place: Place, *signals: signal.Signals, transfers: int = 4, wait_s: float = 0.0, gap_s: float = 0.0,
        **order: Any,
    ) -> tuple[int, float]:  # fmt: skip
        """Start the program on a place, and send it signals `wait_s` after so many transfers run.

        Returns its exit code and how long it took to leave after the last signal.
        """
        argv = ["run", "--quiet", str(place.toml())]
        pid, marks = await self.begin(place, argv=argv, **order)
        ending = asyncio.ensure_future(self.nursery.end(pid))
        async with asyncio.timeout(PATIENCE_S):
            while under_way(marks)["body"] < transfers:
                if ending.done():
                    raise Broken(f"ended too early, exit code {ending.result()}: {place.said[-2000:]}")
                await asyncio.sleep(0.002)
        await asyncio.sleep(wait_s)
        began = time.monotonic()
        for number in signals:
            began = time.monotonic()
            await self.nursery.send(pid, number)
            await asyncio.wait([ending], timeout=gap_s)
        await self._must_end(place, pid, ending)
        seconds = time.monotonic() - began
        await self._settled(0.15)
        return ending.result(), seconds

    async def _must_end(self, place: Place, pid: int, ending: asyncio.Future[int]) -> None:
        await asyncio.wait([ending], timeout=PATIENCE_S)
        if not ending.done():
            await self.nursery.send(pid, signal.SIGUSR1)  # it prints where it hangs
            await asyncio.sleep(1.0)
            await self.nursery.send(pid, signal.SIGKILL)
            await ending
            rows = place.ledger("SELECT item_id, name, state, label, missed, asks, next_try, reason FROM item")
            raise Broken(f"N5: a run hangs:\n{rows}\n{place.said[-20000:]}")

    async def _settled(self, quiet_s: float) -> None:
        """The simulator finds out that a client is gone when it sends the next bytes."""
        before = -1
        while (now := sum(self.sim.log.file_bytes.values())) != before:
            before = now
            await asyncio.sleep(quiet_s)


def under_way(path: Path) -> dict[str, int]:
    """How much of each phase is going on."""
    return dict(zip(PHASES, struct.unpack(f"{len(PHASES) + 2}I", path.read_bytes()), strict=False))


def read_marks(path: Path) -> tuple[tuple[str, ...], int, int]:
    """What was going on when the process ended, how many calls it had begun, and how many were made to fail."""
    *under_way, calls, made_to_fail = struct.unpack(f"{len(PHASES) + 2}I", path.read_bytes())
    return tuple(name for name, number in zip(PHASES, under_way, strict=True) if number), calls, made_to_fail


@asynccontextmanager
async def open_lab(base: Path, archive: MemoryArchive, script: Script | None = None) -> AsyncIterator[Lab]:
    """A simulator on loopback, and children on call."""
    async with open_simulator(archive, script) as sim, open_nursery() as nursery:
        yield Lab(sim, nursery, archive, base)


class RunCounts:
    """Where the kills fell, and what they cost."""

    def __init__(self) -> None:
        self.kills = 0
        self.runs = 0
        self.phases: Counter[str] = Counter()
        self.lost_bytes: list[int] = []

    def add(self, death: Death, lost_bytes: int | None) -> None:
        self.runs += 1
        if death.killed:
            self.kills += 1
            self.phases.update(death.phases or ("between calls",))
            if lost_bytes is not None:
                self.lost_bytes.append(lost_bytes)

    def __str__(self) -> str:
        fell = ", ".join(f"{name} {number}" for name, number in self.phases.most_common())
        lines = [f"{self.kills} kills in {self.runs} runs; they fell into: {fell}"]
        if self.lost_bytes:
            mean = sum(self.lost_bytes) / len(self.lost_bytes) / MIB
            most = max(self.lost_bytes) / MIB
            lines.append(f"bytes to fetch again per kill: mean {mean:.1f} MiB, most {most:.1f} MiB")
        return "\n".join(lines)


class MemoryArchive(Archive):
    """Keeps its files in memory, so that serving them costs little, and remembers all their versions."""

    def file(self, name: str) -> Content | None:
        kept: dict[tuple[str, int], Any] = self.__dict__.setdefault("_kept", {})
        key = (name, self.version(name))
        if key not in kept:
            content = super().file(name)
            kept[key] = None if content is None else Literal(content.read(0, content.size))
        return kept[key]

    def of_version(self, name: str, version: int) -> Content:
        """A version that has been served."""
        self.file(name)
        return self.__dict__["_kept"].get((name, version)) or Literal(b"never served")


async def kill_until_done(
    lab: Lab, place: Place, rng: random.Random, cycle: Death, tally: RunCounts, *, most: int, at_calls: bool = False,
    **order: Any,
) -> int:  # fmt: skip
    """Kill runs on one folder at random times until one ends by itself; returns the number of kills.

    `cycle` was a run that nobody killed; the times lie within 1.1 times what is left of it. With `at_calls` they are
    killed at random calls, which fall in mid-run however fast the machine is.
    """
    kills = 0
    while True:
        kept = place.kept_bytes
        left = max(0.2, 1 - kept / cycle.served_bytes)
        when: dict[str, Any] = {}
        if kills < most and at_calls:
            when = {"kill_at": rng.randrange(3, int(cycle.calls * left))}
        elif kills < most:
            when = {"kill_after_s": rng.uniform(0.0, 1.1 * cycle.seconds * left)}
        death = await lab.run(place, **when, **order)
        place.check()
        if not death.killed:
            if death.code != 0:
                raise Broken(f"exit code {death.code}: {place.said[-2000:]}")
            tally.add(death, None)
            place.check_finished()
            return kills
        kills += 1
        tally.add(death, max(0, death.served_bytes - (place.kept_bytes - kept)))


async def kill_at_call(lab: Lab, place: Place, number: int, rng: random.Random, tally: RunCounts, **order: Any) -> bool:
    """Kill a run at one of its calls, the next one at a call of its recovery, and let the third go on to the end.

    False when the run has fewer calls.
    """
    first = await lab.run(place, kill_at=number, **order)
    place.check()
    tally.add(first, None)
    if not first.killed:
        place.check_finished()
        return False
    second = await lab.run(place, kill_at=rng.randrange(1, 60), **order)
    place.check()
    tally.add(second, None)
    last = await lab.run(place, **order)
    if last.code != 0:
        raise Broken(f"exit code {last.code} after kills at call {number}: {place.said[-2000:]}")
    tally.add(last, None)
    place.check_finished()
    return True


async def kill_in_phase(
    lab: Lab, place: Place, phase: str, nth: int, rng: random.Random, tally: RunCounts, **order: Any
) -> bool:
    """Kill a run when it enters a phase for the nth time, and go on to the end; False when it does so less often."""
    first = await lab.run(place, kill_in=phase, nth=nth, **order)
    place.check()
    tally.add(first, None)
    if first.killed:
        last = await lab.run(place, **order)
        if last.code != 0:
            raise Broken(f"exit code {last.code} after a kill in {phase}: {place.said[-2000:]}")
        tally.add(last, None)
    place.check_finished()
    return first.killed


async def run_pair(lab: Lab, place: Place, delay_s: float | None, *, lying: bool, **order: Any) -> tuple[int, int]:
    """Two runs on one folder, the second a little later; returns their exit codes.

    Without a delay the second begins as soon as the first transfers.

    At the end nothing is wrong. Nothing is missing either: the second run of a lying lock goes on with everything, and
    with a lock that works the first one does.
    """

    async def later() -> int:
        if delay_s is not None:
            await asyncio.sleep(delay_s)
        else:
            async with asyncio.timeout(PATIENCE_S):
                while not (place.base / "marks0").exists() or not under_way(place.base / "marks0")["body"]:
                    await asyncio.sleep(0.002)
        return (await lab.run(place, lying_lock=lying, **order)).code

    async def sooner() -> int:
        return (await lab.run(place, lying_lock=lying, **order)).code

    runs, script = [asyncio.ensure_future(sooner()), asyncio.ensure_future(later())], lab.sim.script
    await asyncio.wait(runs, return_when=asyncio.FIRST_COMPLETED)
    rate, script.rate_bytes_s = script.rate_bytes_s, None  # slow, so that they meet; the last one is alone now
    codes = await runs[0], await runs[1]
    script.rate_bytes_s = rate
    if set(codes) - {0, 8} or 0 not in codes:
        raise Broken(f"exit codes {codes}: {place.said[-3000:]}")
    place.check_finished()
    return codes
