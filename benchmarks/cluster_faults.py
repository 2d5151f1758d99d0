"""What a run over a dask cluster bears: kills, double execution, frozen workers, bad disks, a scheduler that goes away.

    nice -n 15 python -m benchmarks.cluster_faults [--kills 20] [--seed 1] [--band-mib 32] [lab ...]

Labs: workers, coordinator, twice, frozen, stop, shrink, pushed, disk, scheduler, hangs, canary; all of them when none
is named. Each prints a JSON line, and the exit code is 1 when a promise was broken. Scheduler and workers are processes
of `dask`, with one thread each (`pushed`: two); what was fetched again is counted from the log of the simulator. Needs
the extra `dask`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

import anyio

from landsat_async import Config, Credentials, LandsatError, open_run
from landsat_async.events import Event, Failed, Notice, Retrying, Started
from landsat_async.run.concurrency import HOLD_S
from landsat_async.scale import DaskPool, join
from landsat_async.sim import Script, Simulator, open_simulator
from landsat_async.sim.file_hosts import FileHost
from landsat_async.sim.script import FileFault
from tests.support.kill_lab import MIB, MemoryArchive
from tests.support.process_memory import found_in

WORKERS = 4
RATE_BYTES_S = 6 * MIB
MANY = 4
"""Scenes of a run that is killed many times; each has four bands."""
CHECKPOINT_BYTES = 16 * MIB + 5 * RATE_BYTES_S
"""What a kill may cost: 16 MiB, and what the line brings in five seconds."""
BUFFER_BYTES = 8 * MIB
"""What the system holds of a connection on both sides: sent by the server, seen by nobody."""
BANDS = ["SR_B1", "SR_B2", "SR_B3", "SR_B4"]


class Broken(AssertionError):
    """A promise does not hold."""


def hold(promise: object, text: str) -> None:
    """Raise Broken unless the promise holds."""
    if not promise:
        raise Broken(text)


class Cluster:
    """A scheduler and workers of one thread each, as processes of their own; a worker that dies is started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.threads = 1
        """Of each worker that is started from now on."""
        self.address = self.dashboard = ""
        self._scheduler: subprocess.Popen[bytes] | None = None
        self._nannies: list[subprocess.Popen[bytes]] = []

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / "cluster.log").open("ab") as log:
            environ = os.environ | {"PYTHONUNBUFFERED": "1", "DASK_LOGGING__DISTRIBUTED": "debug"}
            return subprocess.Popen([sys.executable, "-m", "dask", *command], stdout=log, stderr=log, env=environ)

    async def start_scheduler(self, port: int = 0) -> None:
        """Start a scheduler, at the port of the last one when it is named."""
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        self._scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", str(port), "--scheduler-file", str(file),
            "--dashboard-address", "127.0.0.1:0",
        )  # fmt: skip
        while not file.exists() or not file.read_text().rstrip().endswith("}"):
            await asyncio.sleep(0.1)
        found = json.loads(file.read_text())
        self.address, self.dashboard = found["address"], f"http://127.0.0.1:{found['services']['dashboard']}"

    async def scale(self, count: int) -> None:
        """Have so many workers."""
        while len(self._nannies) > count:
            self._nannies.pop().terminate()
        await self.ready(count)

    async def ready(self, count: int) -> None:
        """Wait until so many workers are there; those that have ended with their nanny are started anew."""
        while len(await self.pids()) != count:
            self._nannies = [nanny for nanny in self._nannies if nanny.poll() is None]
            while len(self._nannies) < count:
                local = str(self.folder / "spill")
                self._nannies.append(
                    self._start("worker", self.address, "--nthreads", str(self.threads), "--host", "127.0.0.1",
                                "--local-directory", local, "--no-dashboard")
                )  # fmt: skip
            await asyncio.sleep(0.5)

    async def pids(self) -> dict[str, int]:
        """Return the process of each worker, by its address."""
        async with self.client() as client:
            return dict(await client.run(os.getpid, on_error="ignore"))

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Any]:
        """A client of the lab itself."""
        from distributed import Client

        make: Any = Client
        async with make(self.address, asynchronous=True, set_as_default=False) as client:
            yield client

    @property
    def scheduler_pid(self) -> int:
        """Process of the scheduler."""
        assert self._scheduler is not None
        return self._scheduler.pid

    def kill_scheduler(self) -> int:
        """Kill it; return its port."""
        assert self._scheduler is not None
        self._scheduler.kill()
        self._scheduler.wait()
        return int(self.address.rpartition(":")[2])

    def end(self) -> None:
        """End all its processes."""
        processes = [*self._nannies, *([self._scheduler] if self._scheduler else [])]
        for process in processes:
            process.terminate()
            process.send_signal(signal.SIGCONT)  # where it was made to hang
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


class Lab:
    """One simulator, one cluster, and folders."""

    def __init__(self, base: Path, sim: Simulator, cluster: Cluster, options: argparse.Namespace) -> None:
        self.base, self.sim, self.cluster, self.options = base, sim, cluster, options
        self.rng = random.Random(options.seed)
        self._number = 0

    def place(self) -> Path:
        """Return another output folder; the log of the server begins anew."""
        self._number += 1
        self.sim.log.clear()
        return self.base / f"data-{self._number}"

    def tables(self, root: Path, limit: int = 2, workers: int = WORKERS) -> dict[str, Any]:
        """Return the config of a run."""
        return {
            "service": {"url": self.sim.service_url, "patience_s": 20.0},
            "search": {"dataset": "landsat_ot_c2_l2", "limit": limit},
            "select": {"type": "band", "bands": BANDS},
            "download": {
                "directory": str(root), "workers": workers, "poll_interval_s": 0.2, "min_free_bytes": "0 B",
            },
        }  # fmt: skip

    async def run(
        self, root: Path, watch: Any = None, limit: int = 2, pool: Any = None, workers: int = WORKERS
    ) -> tuple[Any, list[Event]]:
        """Run in this process; return the summary and the events."""
        events: list[Event] = []
        config = Config.from_dict(self.tables(root, limit, workers), base_dir=str(self.base))
        credentials = Credentials(self.sim.username, self.sim.token)
        async with open_run(config, credentials=credentials, pool=pool or DaskPool(self.cluster.address)) as run:
            async for event in run.events():
                events.append(event)
                if watch is not None:
                    watch(event)
        return run.summary, events

    def begin(self, root: Path, limit: int = 2) -> subprocess.Popen[bytes]:
        """Run as a command of its own."""
        file = self.base / "run.json.toml"
        file.write_text(
            "\n".join(
                f"[{table}]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in keys.items())
                for table, keys in self.tables(root, limit).items()
            )
        )
        environ = os.environ | {"USGS_USERNAME": self.sim.username, "USGS_TOKEN": self.sim.token}
        environ |= {"M2M_USERNAME": self.sim.username, "M2M_TOKEN": self.sim.token}
        with (self.base / "run.log").open("ab") as log:
            command = [
                sys.executable,
                "-m",
                "landsat_async",
                "run",
                "-v",
                "--scheduler",
                self.cluster.address,
                str(file),
            ]
            return subprocess.Popen(command, stdout=log, stderr=log, env=environ)

    def files(self, root: Path) -> dict[str, Path]:
        """Return what has a final name; Broken when one of them is not what the archive has."""
        found = {path.name: path for path in root.glob("**/*.TIF") if ".landsat_async" not in path.parts}
        for name, path in found.items():
            content = self.sim.archive.file(name)
            hold(content is not None and path.read_bytes() == content.read(0, content.size), f"{name} is wrong")
        return found

    def check(self, root: Path, count: int) -> None:
        """See that all is there and right, and no part left."""
        hold(len(self.files(root)) == count, f"{len(self.files(root))} of {count} files")
        left = list((root / ".landsat_async/parts").iterdir())
        hold(not left, f"parts left: {[path.name for path in left]}")

    def sent(self) -> dict[str, list[Any]]:
        """Return the requests for each file."""
        found: dict[str, list[Any]] = defaultdict(list)
        for entry in self.sim.log.entries:
            if entry.host != "m2m" and entry.method == "GET":
                found[entry.what].append(entry)
        return found

    def fetched_again(self) -> tuple[int, int, int]:
        """Return bytes sent again: of all files, the most for one more request, and how many more requests."""
        total = worst = more = 0
        for name, entries in self.sent().items():
            content = self.sim.archive.file(name)
            assert content is not None
            again = sum(entry.sent_bytes for entry in entries) - content.size
            total, more = total + again, more + len(entries) - 1
            if len(entries) > 1:
                worst = max(worst, again // (len(entries) - 1))
        return total, worst, more


# -- the labs ----------------------------------------------------------------------------------------------------------


async def workers(lab: Lab) -> dict[str, Any]:
    """Kill workers at random times, many in one run."""
    await lab.cluster.scale(WORKERS)
    kills = runs = total = worst = hits = given_up = 0
    while kills < lab.options.kills:
        root, runs = lab.place(), runs + 1
        killed: list[int] = []
        killing = asyncio.create_task(_kill(lab, lab.options.kills - kills, killed))
        summary, events = await lab.run(root, limit=MANY)
        killing.cancel()
        await asyncio.wait([killing])
        lost = [event for event in events if isinstance(event, Failed)]
        hold(all("processes of the cluster have ended" in event.reason for event in lost), str(lost))
        given_up += len(lost)
        if lost:
            summary, _ = await lab.run(root, limit=MANY)
        hold(summary.exit_code == 0, f"exit code {summary.exit_code}")
        lab.check(root, 4 * MANY)
        again, most, more = lab.fetched_again()
        kills, total, worst, hits = kills + len(killed), total + again, max(worst, most), hits + more
        _say(f"{kills} kills, {hits} hit a file, {total / MIB:.1f} MiB again, most {worst / MIB:.1f}")
        await lab.cluster.ready(WORKERS)
    hold(worst <= CHECKPOINT_BYTES + BUFFER_BYTES, f"{worst} bytes again for one kill")
    return {
        "kills": kills, "runs": runs, "hit_a_file": hits, "again_mib_per_kill": round(total / kills / MIB, 1),
        "worst_mib": round(worst / MIB, 1), "bound_mib": CHECKPOINT_BYTES // MIB, "given_up_after_three": given_up,
    }  # fmt: skip


async def _kill(lab: Lab, most: int, killed: list[int]) -> None:
    while not lab.sent():
        await asyncio.sleep(0.1)
    while len(killed) < most:
        await asyncio.sleep(lab.rng.uniform(0.5, 4))
        pids = sorted((await lab.cluster.pids()).values())
        with suppress(ProcessLookupError):
            if pids:
                os.kill(pid := lab.rng.choice(pids), signal.SIGKILL)
                killed.append(pid)


async def _until_asked(lab: Lab, process: subprocess.Popen[bytes]) -> None:
    """Wait until a run of its own asks for a file, or has ended."""
    at = len(lab.sim.log.entries)
    while not any(entry.host != "m2m" for entry in list(lab.sim.log.entries)[at:]) and process.poll() is None:
        await asyncio.sleep(0.05)


def _say(text: str) -> None:
    print(f"{text}; load {os.getloadavg()[0]:.0f}", file=sys.stderr, flush=True)


async def coordinator(lab: Lab) -> dict[str, Any]:
    """Kill the run itself at random times, many times in one folder; what had its name is not asked for again."""
    await lab.cluster.scale(WORKERS)
    kills = committed = total = 0
    while kills < lab.options.kills:
        root, there = lab.place(), list[tuple[float, set[str]]]()
        while kills < lab.options.kills:
            process = lab.begin(root, limit=MANY)
            await _until_asked(lab, process)
            await asyncio.sleep(lab.rng.uniform(0, 5))
            is_killed = process.poll() is None
            process.kill()
            process.wait()
            if not is_killed:
                hold(process.returncode == 0, f"exit code {process.returncode}")
                break
            kills += 1
            there.append((asyncio.get_running_loop().time(), set(lab.files(root))))
            _say(f"{kills} kills, {len(there[-1][1])} files were there")
            if lab.rng.random() < 0.5:
                await asyncio.sleep(lab.rng.uniform(0, 3))
        summary, _ = await lab.run(root, limit=MANY)
        hold(summary.exit_code == 0, f"exit code {summary.exit_code}")
        lab.check(root, 4 * MANY)
        for at_s, names in there:
            committed += len(names)
            again = [e for name in names for e in lab.sent()[name] if e.time_s > at_s and e.sent_bytes]
            hold(not again, f"fetched again: {[(e.what, e.time_s - at_s, e.range, e.sent_bytes) for e in again]}")
        total += lab.fetched_again()[0]
    return {
        "kills": kills, "committed": committed, "bytes_again_of_committed": 0,
        "again_mib_per_kill_of_others": round(total / kills / MIB, 1),
    }  # fmt: skip


async def twice(lab: Lab) -> dict[str, Any]:
    """Have the scheduler take a worker for dead that is at work: dask runs its task again."""
    await lab.cluster.scale(WORKERS)
    return await _lose(lab, freeze=False)


async def frozen(lab: Lab) -> dict[str, Any]:
    """Freeze a worker, give its file to another, and let it go on."""
    await lab.cluster.scale(WORKERS)
    return await _lose(lab, freeze=True)


async def forget(dask_scheduler: Any, address: str) -> None:
    """Take a worker for dead, in the scheduler."""
    await dask_scheduler.remove_worker(address, stimulus_id="lab", expected=True, close=False)


def _when_begun(begun: anyio.Event) -> Any:
    return lambda event: begun.set() if isinstance(event, Started) else None


async def _begun(begun: anyio.Event, running: asyncio.Task[Any]) -> None:
    """Wait for the first file. Raises what has ended the run before."""
    waiting = asyncio.create_task(begun.wait())
    await asyncio.wait([waiting, running], return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        waiting.cancel()
        await running


async def _lose(lab: Lab, *, freeze: bool) -> dict[str, Any]:
    after, rounds = 0, max(1, lab.options.kills // 4)
    for number in range(rounds):
        root = lab.place()
        begun = anyio.Event()
        running = asyncio.create_task(lab.run(root, _when_begun(begun)))
        await _begun(begun, running)
        await asyncio.sleep(0 if number == 0 else lab.rng.uniform(0, 4))
        pids = await lab.cluster.pids()
        address = lab.rng.choice(sorted(pids))
        if freeze:
            os.kill(pids[address], signal.SIGSTOP)
            await asyncio.sleep(0.5)
        async with lab.cluster.client() as client:
            await client.run_on_scheduler(forget, address=address)
        if freeze:
            await asyncio.sleep(lab.rng.uniform(2, 6))
            os.kill(pids[address], signal.SIGCONT)
        summary, _ = await running
        hold(summary.exit_code == 0, f"exit code {summary.exit_code}")
        lab.check(root, 8)
        total, _, more = lab.fetched_again()
        after = max(after, total)
        print(f"{number + 1}: {more} more requests, {total / MIB:.1f} MiB again", file=sys.stderr, flush=True)
        with suppress(ProcessLookupError):
            os.kill(pids[address], signal.SIGKILL)  # the scheduler does not know it any more; its nanny starts another
        await lab.cluster.ready(WORKERS)
    hold(after <= CHECKPOINT_BYTES + BUFFER_BYTES, f"{after} bytes again")
    return {"rounds": rounds, "worst_again_mib": round(after / MIB, 1)}


async def stop(lab: Lab) -> dict[str, Any]:
    """Ctrl-C at random times, each second one when files are about to be complete; half as many as kills."""
    await lab.cluster.scale(WORKERS)
    stops, took, unknown, total, told = max(1, lab.options.kills // 2), list[float](), 0, 0, set[str]()
    while len(took) < stops:
        root = lab.place()
        while len(took) < stops:
            process = lab.begin(root)
            await _until_asked(lab, process)
            await _until(lab, process, at_end=len(took) % 2 == 1)
            is_stopped, at_s = process.poll() is None, time.monotonic()
            process.send_signal(signal.SIGINT)
            while process.poll() is None:
                await asyncio.sleep(0.02)
            if process.returncode == 0:
                break  # it was done before
            hold(is_stopped and process.returncode == 7, f"exit code {process.returncode}")
            took.append(time.monotonic() - at_s)
            told.add((lab.base / "run.log").read_text().rstrip().splitlines()[-1])
            now = sum(size - known for size, known in _parts(root))
            unknown += now
            _say(f"{took[-1]:.2f} s, {len(_parts(root))} parts, {len(lab.files(root))} files, {now} bytes unknown")
        summary, _ = await lab.run(root)
        hold(summary.exit_code == 0, f"exit code {summary.exit_code}")
        lab.check(root, 8)
        total += lab.fetched_again()[0]
    hold(not unknown, f"{unknown} bytes are not known")
    return {
        "band_mib": lab.options.band_mib, "stops": len(took), "worst_stop_s": round(max(took), 2),
        "median_stop_s": round(statistics.median(took), 2), "bytes_unknown": unknown,
        "again_mib_per_stop": round(total / len(took) / MIB, 2), "told": sorted(told),
    }  # fmt: skip


async def _until(lab: Lab, process: subprocess.Popen[bytes], *, at_end: bool) -> None:
    """Wait for a moment to stop a run at: any, or when a file of it is about to be complete."""
    if not at_end:
        await asyncio.sleep(lab.rng.uniform(0, 4))
        return
    begun = len(lab.sim.log.entries) - 1
    while process.poll() is None:
        for entry in list(lab.sim.log.entries)[begun:]:
            content = None if entry.host == "m2m" or entry.method != "GET" else lab.sim.archive.file(entry.what)
            first = int((entry.range or "bytes=0-")[6:].partition("-")[0])
            if content is not None and first + entry.sent_bytes >= content.size:
                await asyncio.sleep(lab.rng.uniform(0, 0.2))
                return
        await asyncio.sleep(0.01)


def _parts(root: Path) -> list[tuple[int, int]]:
    """Return how long each unfinished part is, and how much of it the next run knows."""
    with closing(sqlite3.connect(root / ".landsat_async/ledger.sqlite3")) as ledger:
        known = dict(ledger.execute("SELECT name, durable FROM part").fetchall())
        done = {row[0] for row in ledger.execute("SELECT item_id FROM item WHERE state='done'")}
    found = [path for path in (root / ".landsat_async/parts").iterdir() if int(path.name.partition(".")[0]) not in done]
    return [(path.stat().st_size, known.get(path.name, 0)) for path in found]


class Open(NamedTuple):
    """How many files are open, since when, and which was begun then; "" = one has ended."""

    at_s: float
    count: int
    begun: str = ""


@contextmanager
def counted() -> Iterator[list[Open]]:
    """Note when the file hosts together have how many files open; the peaks of each are of different times."""
    seen = [Open(time.monotonic(), 0)]
    real: Any = FileHost._limited

    async def limited(self: Any, request: Any, wire: Any, entry: Any, *values: Any) -> Any:
        seen.append(Open(time.monotonic(), seen[-1].count + 1, entry.what))
        try:
            return await real(self, request, wire, entry, *values)
        finally:
            seen.append(Open(time.monotonic(), seen[-1].count - 1))

    setattr(FileHost, "_limited", limited)  # noqa: B010
    try:
        yield seen
    finally:
        setattr(FileHost, "_limited", real)  # noqa: B010


async def shrink(lab: Lab) -> dict[str, Any]:
    """Have a cluster of 1, 8 and 2 workers in one run, and count the files that the server has open."""
    with counted() as seen:
        return await _shrink(lab, seen)


async def _shrink(lab: Lab, seen: list[Open]) -> dict[str, Any]:
    root = lab.place()
    await lab.cluster.scale(1)
    running = asyncio.create_task(lab.run(root, limit=4))
    for count in (8, 2):
        await asyncio.sleep(6)
        await lab.cluster.scale(count)
    summary, _ = await running
    hold(summary.exit_code == 0, f"exit code {summary.exit_code}")
    lab.check(root, 16)
    most = max(now.count for now in seen)
    hold(most <= WORKERS, f"{most} files at a time")
    return {"most_open": most, "workers": WORKERS, "again_mib": round(lab.fetched_again()[0] / MIB, 1)}


RETRY_AFTER_S = 5


async def pushed(lab: Lab) -> dict[str, Any]:
    """Have a host answer one file with 429 while eight are open, in the next run with 503."""
    lab.cluster.threads = 2
    await lab.cluster.scale(4)
    return {"processes": 4, "rounds": [await _pushed(lab, status) for status in (429, 503)]}


class Given(DaskPool):
    """Notes when each file was last given to the cluster."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.given_s: dict[str, float] = {}

    async def fetch(self, job: Any, hooks: Any) -> Any:
        """Transfer one file."""
        self.given_s[job.name] = time.monotonic()
        return await super().fetch(job, hooks)


async def _pushed(lab: Lab, status: int) -> dict[str, Any]:
    root, fault = lab.place(), FileFault(kind="status", status=status, headers={"Retry-After": str(RETRY_AFTER_S)})
    pool = Given(lab.cluster.address)
    heard: list[float] = []

    def watch(event: Event) -> None:
        if isinstance(event, Retrying) and f"status {status}" in event.reason:
            heard.append(time.monotonic())

    with counted() as seen:
        running = asyncio.create_task(lab.run(root, watch, limit=6, workers=8, pool=pool))
        while seen[-1].count < 8 and not running.done():
            await asyncio.sleep(0.02)
        lab.sim.script.file_faults.append(fault)
        summary, _ = await running
    hold(summary.exit_code == 0, f"exit code {summary.exit_code}")
    lab.check(root, 24)
    hold(fault.served == 1, "no file was pushed back")
    (entry,) = (one for one in lab.sim.log.entries if one.status == status)
    again_s = min(one.time_s for one in lab.sim.log.of(entry.what) if one.time_s > entry.time_s) - entry.time_s
    hold(again_s >= RETRY_AFTER_S, f"asked again after {again_s:.1f} s")
    pushed_s = next(now.at_s for now in seen if now.begun == entry.what)
    since = [now._replace(at_s=now.at_s - pushed_s) for now in seen]
    begun = [now for now in since if now.begun and 0.02 < now.at_s < HOLD_S]
    # What was on its way before the run has heard of it comes late when the machine is busy; later ones are fewer.
    others = [now for now in begun if now.begun != entry.what]
    late = max((now.count for now in others if pool.given_s[now.begun] > heard[0] + 2), default=0)
    before = [now for now in others if pool.given_s[now.begun] <= heard[0] + 2]
    result = {
        "status": status, "heard_after_s": round(heard[0] - pushed_s, 2), "most_open": max(now.count for now in since),
        "open_2_s_later": next(now.count for now in reversed(since) if now.at_s <= 2),
        "begun_within_2_s": [(round(now.at_s, 2), now.count) for now in begun if now.at_s <= 2],
        "four_open_after_s": next(round(now.at_s, 2) for now in since if now.at_s > 0 and now.count <= 4),
        "most_open_when_others_were_given": late,
        "last_that_was_given_before_begun_after_s": max((round(now.at_s, 2) for now in before), default=0),
        "same_file_again_after_s": round(again_s, 2),
        "open_then": max(now.count for now in begun if now.begun == entry.what),
    }  # fmt: skip
    hold(late <= 4, f"more than half: {result}")
    return result


def small_disk() -> None:
    """Have the system refuse all writes beyond 6 MiB in this process, as a full disk does."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6 * MIB, resource.RLIM_INFINITY))


def bad_disk() -> None:
    """Have each write fail in this process."""
    from landsat_async.disk.fs_posix import PosixFs

    def fail(self: object, fd: int, data: object, offset: int) -> None:
        raise OSError(5, "made to fail")

    setattr(PosixFs, "pwrite_all", fail)  # noqa: B010 - for types it is not to be set


async def disk(lab: Lab) -> dict[str, Any]:
    """Fill the disk of one worker, and break that of another."""
    await lab.cluster.scale(WORKERS)
    pids = await lab.cluster.pids()
    full, broken = sorted(pids)[:2]
    async with lab.cluster.client() as client:
        await client.run(small_disk, workers=[full])
        await client.run(bad_disk, workers=[broken])
    root = lab.place()
    summary, events = await lab.run(root)
    hold(summary.exit_code == 0, f"exit code {summary.exit_code}")
    lab.check(root, 8)
    told = [event.text for event in events if isinstance(event, Notice) and "left out" in event.text]
    hold(len(told) == 2, f"told: {told}")
    for address in (full, broken):
        os.kill(pids[address], signal.SIGKILL)
    await lab.cluster.ready(WORKERS)
    return {"left_out": told, "again_mib": round(lab.fetched_again()[0] / MIB, 1)}


async def scheduler(lab: Lab) -> dict[str, Any]:
    """Kill the scheduler: it comes back, and it does not."""
    await lab.cluster.scale(WORKERS)
    root = lab.place()
    begun = anyio.Event()
    running = asyncio.create_task(lab.run(root, _when_begun(begun)))
    await _begun(begun, running)
    await asyncio.sleep(3)
    port = lab.cluster.kill_scheduler()
    await asyncio.sleep(2)
    await lab.cluster.start_scheduler(port)
    await asyncio.sleep(5)
    await lab.cluster.scale(WORKERS)
    summary, _ = await running
    hold(summary.exit_code == 0, f"exit code {summary.exit_code}")
    lab.check(root, 8)
    back = lab.fetched_again()[0]
    root = lab.place()
    begun = anyio.Event()
    join.GONE_S = 5.0
    running = asyncio.create_task(lab.run(root, _when_begun(begun)))
    await _begun(begun, running)
    await asyncio.sleep(3)
    port, gone_s = lab.cluster.kill_scheduler(), time.monotonic()
    try:
        await running
        raise Broken("it went on without a scheduler")
    except LandsatError as error:
        hold(error.exit_code == 6, f"exit code {error.exit_code}")
    took_s = time.monotonic() - gone_s
    await lab.cluster.start_scheduler(port)
    await asyncio.sleep(5)
    await lab.cluster.scale(WORKERS)
    summary, _ = await lab.run(root)
    hold(summary.exit_code == 0, f"exit code {summary.exit_code}")
    lab.check(root, 8)
    return {"again_mib_when_back": round(back / MIB, 1), "gone_told_after_s": round(took_s, 1),
            "again_mib_next_run": round(lab.fetched_again()[0] / MIB, 1)}  # fmt: skip


async def hangs(lab: Lab) -> dict[str, Any]:
    """Have the scheduler hang with its connections kept: for a while, and for good."""
    await lab.cluster.scale(WORKERS)
    root, join.GONE_S = lab.place(), 20.0
    told: list[tuple[float, str]] = []
    for lasts_s in (8.0, None):
        begun = anyio.Event()
        told.clear()

        def watch(event: Event, begun: anyio.Event = begun) -> None:
            if isinstance(event, Started):
                begun.set()
            elif isinstance(event, Retrying) and event.file is None:
                told.append((time.monotonic(), event.reason))

        running = asyncio.create_task(lab.run(root, watch))
        await _begun(begun, running)
        await asyncio.sleep(1)
        os.kill(lab.cluster.scheduler_pid, signal.SIGSTOP)
        hung_s = time.monotonic()
        if lasts_s is not None:
            await asyncio.sleep(lasts_s)
            os.kill(lab.cluster.scheduler_pid, signal.SIGCONT)
        try:
            summary, _ = await asyncio.wait_for(running, 120)
            hold(lasts_s is not None, "it went on with a scheduler that hangs")
            hold(summary.exit_code == 0, f"exit code {summary.exit_code}")
            lab.check(root, 8)
            root = lab.place()
        except LandsatError as error:
            hold(lasts_s is None and error.exit_code == 6, f"{error}")
        took_s = time.monotonic() - hung_s
        hold(any("does not answer" in reason for _, reason in told), f"told: {told}")
    os.kill(lab.cluster.scheduler_pid, signal.SIGCONT)
    await asyncio.sleep(5)
    await lab.cluster.ready(WORKERS)
    summary, _ = await lab.run(root)
    hold(summary.exit_code == 0, f"exit code {summary.exit_code}")
    lab.check(root, 8)
    return {"told_after_s": round(told[0][0] - hung_s, 1), "ended_after_s": round(took_s, 1), "limit_s": join.GONE_S}


PAGES = ("status", "tasks", "workers", "info/main/workers.html", "info/main/logs.html", "json/counts.json", "events",
         "individual-task-stream", "info/main/events.html", "metrics")  # fmt: skip


def spoil_parcels() -> None:
    """Have no parcel be opened in this process any more."""
    from landsat_async.scale import parcel

    def fail(*values: object) -> None:
        raise ValueError("made to fail")

    setattr(parcel, "_open_parcel", fail)  # noqa: B010
    setattr(parcel, "pickle", None)  # noqa: B010


async def spoil_transfers() -> None:
    """Have each transfer fail inside in this process."""
    from landsat_async.scale import agent

    async def fail(*values: object) -> None:
        raise ValueError(str(values))

    setattr(agent, "run_apart", fail)  # noqa: B010


def kept(turned: list[str]) -> list[str]:
    """Return which kinds of objects of this process hold a secret."""
    import gc

    gc.collect()
    found: set[str] = set()
    needles = [secret[::-1] for secret in turned]  # turned on the way: who logs all would show them
    seen: set[int] = set(map(id, needles))
    for one in gc.get_objects():
        for value in gc.get_referents(one):
            if id(value) not in seen and isinstance(value, str | bytes | bytearray):
                text = value if isinstance(value, str) else bytes(value).decode("latin-1")
                if any(needle in text for needle in needles) and not (isinstance(one, list) and one == needles):
                    found.add(type(one).__name__)
    return sorted(found)


def tasks_left(dask_scheduler: Any) -> int:
    """Return how many tasks of ours a scheduler has."""
    return sum(str(key).startswith("landsat-async") for key in dask_scheduler.tasks)


def look_into(pid: int, links: list[str], keys: set[bytes], sealed: list[bytes]) -> int:
    """Search the memory of a scheduler; return how many sealed parcels it still has. Broken when it can open one."""
    secrets = {link.rpartition("?")[2].encode() for link in links}
    found = found_in(pid, secrets | keys | set(sealed))
    hold(not found & secrets, f"{len(found & secrets)} links stand in the memory of the scheduler")
    hold(not found & keys, "the key of a run stands in the memory of the scheduler")
    return len(found & set(sealed))


async def canary(lab: Lab) -> dict[str, Any]:
    """Look for the links wherever a cluster shows something, also when files fail inside."""
    links: list[str] = []
    words: list[str] = []
    keys: set[bytes] = set()
    sealed: list[bytes] = []

    class Pool(DaskPool):
        async def fetch(self, job: Any, hooks: Any) -> Any:
            links.append(job.url.reveal())
            keys.add(self._key._raw)
            return await super().fetch(job, hooks)

        async def _submit(self, followed: Any, parcel: Any) -> Any:
            sealed.append(parcel.sealed)
            return await super()._submit(followed, parcel)

    async def look() -> None:
        async with lab.cluster.client() as client:
            await client.dump_cluster_state(str(lab.base / "dump"), format="yaml")
            words.append((lab.base / "dump.yaml").read_text())
            words.append(repr(await client.get_scheduler_logs()) + repr(await client.get_worker_logs(nanny=False)))
            words.append(repr(await client.get_events()))
        for page in PAGES:
            with suppress(OSError):
                words.append(await asyncio.to_thread(lambda page=page: _page(f"{lab.cluster.dashboard}/{page}")))

    left: list[str] = []
    for spoil in (None, spoil_transfers, spoil_parcels):
        await lab.cluster.scale(WORKERS)
        pids = await lab.cluster.pids()
        if spoil is not None:
            async with lab.cluster.client() as client:
                await client.run(spoil)
        root = lab.place()
        looks: list[asyncio.Task[None]] = []
        begun_s = time.monotonic()

        def watch(event: Event, looks: list[asyncio.Task[None]] = looks) -> None:
            words.append(repr(event))
            if isinstance(event, Started) and not looks:
                looks.append(asyncio.create_task(look()))

        try:
            summary, _ = await lab.run(root, watch, pool=Pool(lab.cluster.address))
            left.append(f"exit code {summary.exit_code}")
        except Exception as error:  # what it says is looked at
            left.append(f"{type(error).__name__} after {time.monotonic() - begun_s:.0f} s")
            words.append(f"{error!r} {error} {getattr(error, 'hint', '')}")
        await asyncio.gather(*looks)
        await asyncio.sleep(1)
        hold(links, "no link was given")
        still = await asyncio.to_thread(look_into, lab.cluster.scheduler_pid, links, keys, sealed)
        left.append(f"{still} of {len(sealed)} parcels, sealed, in its memory")
        await look()
        async with lab.cluster.client() as client:
            secrets = [link.rpartition("?")[2] for link in links]
            words.append((lab.base / "cluster.log").read_text(errors="replace"))
            shown = [number for number, word in enumerate(words) if any(secret in word for secret in secrets)]
            lines = [
                line.replace(secret, "SECRET")[:300]
                for number in shown
                for line in words[number].splitlines()
                for secret in secrets
                if secret in line
            ]
            hold(not shown, f"a link is shown by {len(lines)} lines, such as {lines[:3]} (spoilt: {spoil})")
            turned = [secret[::-1] for secret in secrets]
            holders = await client.run_on_scheduler(kept, turned)
            hold(not holders, f"the scheduler holds links: {holders}")
            at_work = {kind for kinds in (await client.run(kept, turned)).values() for kind in kinds}
            left.append(f"workers hold links in {sorted(at_work)}")  # they have fetched with them
            tasks = await client.run_on_scheduler(tasks_left)
            hold(not tasks, f"{tasks} tasks are left")
        for pid in pids.values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(1)
        await lab.cluster.ready(WORKERS)
    return {"links": len(links), "places": len(words), "ends": left}


def _page(url: str) -> str:
    with urlopen(url, timeout=10) as answer:
        return str(answer.read().decode(errors="replace"))


LABS = {
    lab.__name__: lab
    for lab in (workers, coordinator, twice, frozen, stop, shrink, pushed, disk, scheduler, hangs, canary)
}


async def main() -> int:
    """Go through the labs; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--band-mib", type=int, default=32)
    parser.add_argument("labs", nargs="*", choices=[*LABS, []], default=[])
    options, code = parser.parse_args(), 0
    for name in options.labs or LABS:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            base, began = Path(folder), time.monotonic()
            async with open_simulator(
                MemoryArchive.demo(band_bytes=options.band_mib * MIB), Script(rate_bytes_s=RATE_BYTES_S)
            ) as sim:
                cluster = Cluster(base)
                try:
                    await cluster.start_scheduler()
                    result = await LABS[name](Lab(base, sim, cluster, options))
                except Broken as broken:
                    result, code = {"broken": str(broken)}, 1
                finally:
                    cluster.end()
            print(json.dumps({"lab": name} | result | {"seconds": round(time.monotonic() - began)}), flush=True)
    return code


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
