"""`python -m benchmarks.soak`: a real run against a service of which a share of all answers is faulty.

The simulator is a process of its own (in the tests it shares their loop, whose clock jumps). Which request gets which
fault follows from the seed, the file (or endpoint) and how often it has been asked for, so a run can be repeated
whatever the order of its requests. At the end every file must be right by its SHA-256, few bytes may have been served
twice, and nothing may be left over in this process.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import anyio
import anyio.to_thread
import msgspec

from landsat_async import Config, Credentials, open_run
from landsat_async.run_summary import RunSummary
from landsat_async.sim.archive import Archive
from landsat_async.sim.content import sha256
from landsat_async.sim.script import ApiFault, FileFault, Script
from landsat_async.sim.server import Simulator, open_simulator

PROJECT = Path(__file__).parents[1]
BANDS = ("SR_B2", "SR_B3", "SR_B4", "SR_B5", "ANG")
ERROR_PAGE = "<html><head><title>Error</title></head><body>Something has failed.</body></html>"
ALLOWED = {0.1: 1.10, 0.4: 1.5}
"""How many times its own size a file may be served, by share of faulty answers."""
RUNS = 4

PLAIN: dict[str, dict[str, Any]] = {
    "status 503": {"kind": "status", "status": 503},
    "status 403": {"kind": "status", "status": 403},
    "page": {"kind": "html", "text": ERROR_PAGE},
    "json": {"kind": "json"},
    "xml": {"kind": "xml"},
    "empty": {"kind": "empty"},
    "no content": {"kind": "no-content"},
    "closed": {"kind": "close"},
    "reset": {"kind": "rst"},
    "cut": {"kind": "cut"},
    "cut by reset": {"kind": "cut-rst"},
    "chunked, cut": {"kind": "cut-chunked"},
    "no length, cut": {"kind": "cut-close"},
    "no length, reset": {"kind": "cut-close-rst"},
    "gzip": {"kind": "gzip"},
    "too long": {"kind": "too-long", "bytes": 700},
    "stalled": {"kind": "stall"},
    "error text, cut": {"kind": "error-text"},
    "changed file": {"kind": "new-version"},
    "other etag": {"kind": "etag", "text": '"other"'},
}
RANGED: dict[str, dict[str, Any]] = {
    "range ignored": {"kind": "ignore-range"},
    "range shifted": {"kind": "range-shifted", "bytes": 1000},
    "range short": {"kind": "range-short", "bytes": 70_000},
    "range without header": {"kind": "range-no-header"},
    "range, wrong start": {"kind": "range-wrong-start", "bytes": 512},
    "range, wrong total": {"kind": "range-wrong-total", "bytes": 512},
    "416": {"kind": "416", "text": "smaller"},
}
ONLY_IN_CONTENT: dict[str, dict[str, Any]] = {
    "flipped bit": {"kind": "flip"},
    "error text inside": {"kind": "error-text-full"},
}
"""What structure shows not at all, or not everywhere; a run that looks for published sums gets these too."""
OF_THE_API: dict[str, dict[str, Any]] = {
    "api: status 502": {"kind": "status", "status": 502},
    "api: reset": {"kind": "rst-before"},
    "api: cut": {"kind": "cut-json"},
    "api: answer lost": {"kind": "close-after"},
}


class SoakScript(Script, kw_only=True):
    """A script that draws a fault for a share of all requests."""

    share: float
    with_content: bool = False
    asked: dict[str, int] = msgspec.field(default_factory=dict)
    drawn: dict[str, int] = msgspec.field(default_factory=dict)

    def _draw(self, what: str, kinds: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
        number = self.asked[what] = self.asked.get(what, 0) + 1
        dice = Random(f"{self.seed} {what} {number}")
        if dice.random() >= self.share:
            return None
        name = dice.choice(list(kinds))
        self.drawn[name] = self.drawn.get(name, 0) + 1
        return {**kinds[name], "fraction": dice.uniform(0.05, 0.99)}

    def file_fault(self, host: str, name: str, *, ranged: bool) -> FileFault | None:
        kinds = PLAIN | (RANGED if ranged else {}) | (ONLY_IN_CONTENT if self.with_content else {})
        drawn = self._draw(name, kinds)
        return None if drawn is None else FileFault(**drawn)

    def api_fault(self, endpoint: str) -> ApiFault | None:
        drawn = None if endpoint in ("logout", "login-token") else self._draw(endpoint, OF_THE_API)
        return None if drawn is None else ApiFault(**drawn)


# -- the service, in a process of its own ----------------------------------------------------------------------------


def _archive_and_script(files: int, share: float, seed: int, with_content: bool) -> tuple[Archive, SoakScript]:
    scenes = -(-files // len(BANDS))
    archive = Archive.seeded(scenes, seed=seed, pixels=360, tile=128, compress=False, cache_bytes=256 << 20)
    return archive, SoakScript(seed=seed, share=share, with_content=with_content)


def _address(simulator: Simulator) -> dict[str, str]:
    return {"url": simulator.service_url, "username": simulator.username, "token": simulator.token}


def _truth(simulator: Simulator, script: SoakScript) -> dict[str, Any]:
    """Return what was served, and what is true."""
    names = [name for name in simulator.log.files if not name.endswith("stac.json")]
    return {
        "sums": {name: sha256(content) for name in names if (content := simulator.archive.file(name))},
        "served": sum(simulator.log.file_bytes.values()),
        "requests": sum(simulator.log.requests.values()),
        "faults": script.drawn,
        "overlaps": simulator.log.overlaps,
    }


async def serve(files: int, share: float, seed: int, with_content: bool) -> None:
    """Serve until standard input ends; then print what was served and what is true."""
    archive, script = _archive_and_script(files, share, seed, with_content)
    async with open_simulator(archive, script) as simulator:
        print(json.dumps(_address(simulator)), flush=True)
        await anyio.to_thread.run_sync(sys.stdin.readline)
        print(json.dumps(_truth(simulator, script)), flush=True)


Service: TypeAlias = tuple[dict[str, str], Callable[[], Awaitable[dict[str, Any]]]]
"""Where it is, and what it tells at the end."""
Serving: TypeAlias = Callable[[int, float, int, bool], AbstractAsyncContextManager[Service]]


@asynccontextmanager
async def service_apart(files: int, share: float, seed: int, with_content: bool) -> AsyncIterator[Service]:
    """Serve in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.soak", "--serve", "--files", str(files), "--faulty", str(share),
               "--seed", str(seed), *(["--content"] if with_content else [])]  # fmt: skip
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told, orders = process.stdout, process.stdin

        async def end() -> dict[str, Any]:
            orders.close()
            return dict(json.loads(await anyio.to_thread.run_sync(told.readline)))

        try:
            yield json.loads(told.readline()), end
        finally:
            process.kill()


@asynccontextmanager
async def service_here(files: int, share: float, seed: int, with_content: bool) -> AsyncIterator[Service]:
    """Serve in this loop, whose clock may jump then."""
    archive, script = _archive_and_script(files, share, seed, with_content)
    async with open_simulator(archive, script) as simulator:

        async def end() -> dict[str, Any]:
            return _truth(simulator, script)

        yield _address(simulator), end


# -- our side --------------------------------------------------------------------------------------------------------


@dataclass
class Result:
    files: int
    share: float
    seed: int
    right: int = 0
    wrong: list[str] = field(default_factory=list)
    """Under a final name, and not what the service has."""
    runs: int = 0
    summary: RunSummary | None = None
    ratio: float = 0.0
    given_up: Counter[str] = field(default_factory=Counter)
    """Why a run left files to the next one."""
    faults: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    overlaps: int = 0
    elapsed_s: float = 0.0
    left_over: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        faults = self.faults.total()
        lines = [
            f"{self.right} of {self.files} files right by SHA-256, {len(self.wrong)} wrong; "
            f"{self.ratio:.3f} x the bytes; {self.runs} run(s), {self.elapsed_s:.0f} s; seed {self.seed}",
            f"{faults} of {self.requests} answers faulty ({faults / max(1, self.requests):.1%}),"
            f" {len(self.faults)} kinds: " + ", ".join(f"{n} {kind}" for kind, n in self.faults.most_common()),
            f"left over: {', '.join(self.left_over) or 'nothing'}; overlapping API calls: {self.overlaps}",
        ]
        lines += [f"left to the next run: {n} x {reason}" for reason, n in self.given_up.most_common()]
        return "\n".join([*lines, *self.wrong[:10]])

    @property
    def good(self) -> bool:
        limit = max((ratio for share, ratio in ALLOWED.items() if share <= self.share), default=1.05)
        whole = self.right == self.files and not self.wrong and not self.left_over and not self.overlaps
        return whole and self.ratio <= limit


def _state() -> dict[str, int]:
    gc.collect()
    kept = [thread for thread in threading.enumerate() if not thread.name.startswith(("AnyIO", "asyncio_"))]
    tasks = len(anyio.get_running_tasks())
    return {"open files": len(os.listdir("/proc/self/fd")), "threads": len(kept), "tasks": tasks}


async def soak(
    files: int, share: float, seed: int, folder: Path, *, proof: str = "structure", workers: int = 8,
    serving: Serving = service_apart,
) -> Result:  # fmt: skip
    """Fetch so many files from a service that is wrong so often; runs are repeated while files are missing."""
    result = Result(files, share, seed)
    begun_s = time.monotonic()
    async with serving(files, share, seed, proof != "structure") as (service, end):
        config = Config.from_dict({
            "service": {"url": service["url"], "patience_s": 600.0},
            "search": {"dataset": "landsat_ot_c2_l2"},
            "select": {"type": "band", "bands": list(BANDS)},
            "download": {"directory": str(folder), "workers": workers, "poll_interval_s": 1, "min_free_bytes": "0 B",
                         "stall_timeout_s": 2, "attempts": 20, "proof": proof},
        })  # fmt: skip
        credentials = Credentials(service["username"], service["token"])
        before: dict[str, int] | None = None
        while result.runs < RUNS and (result.summary is None or result.summary.exit_code == 4):
            if result.summary is None:
                await anyio.to_thread.run_sync(lambda: None)  # the first thread opens what stays open
                before = _state()
            async with open_run(config, credentials=credentials) as run:
                run.bus.mute()
                result.summary = await run.wait()
            result.runs += 1
            result.given_up.update(failure.reason for failure in result.summary.failures)
        told = await end()
    await _compare_state(before or {}, result)
    total = _judge(folder, told["sums"], result)
    result.ratio = told["served"] / max(1, total)
    result.faults, result.requests, result.overlaps = Counter(told["faults"]), told["requests"], told["overlaps"]
    result.elapsed_s = time.monotonic() - begun_s
    return result


async def _compare_state(before: dict[str, int], result: Result) -> None:
    for _ in range(100):  # transports and threads need a moment to say good-bye
        after = _state()
        if all(after[what] <= before[what] for what in before):
            return
        await anyio.sleep(0.02)
    result.left_over = [f"{after[what] - n} {what}" for what, n in before.items() if after[what] > n]


def _judge(folder: Path, sums: dict[str, str], result: Result) -> int:
    """Hold every file against the truth; return the bytes of those that are right."""
    total = 0
    for path in folder.iterdir():
        if path.name == ".landsat_async":
            continue
        data = path.read_bytes()
        if sums.get(path.name) == hashlib.sha256(data).hexdigest():
            result.right += 1
            total += len(data)
        else:
            result.wrong.append(path.name)
    return total


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--files", type=int, default=5000, help=f"a multiple of {len(BANDS)}")
    parser.add_argument("--faulty", type=float, default=0.1, help="share of the answers")
    parser.add_argument("--seed", type=int, default=20240705)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--proof", choices=("structure", "content", "published"), default="structure")
    parser.add_argument("--directory", default=tempfile.gettempdir())
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--content", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        anyio.run(serve, given.files, given.faulty, given.seed, given.content)
        return 0
    with tempfile.TemporaryDirectory(prefix="soak-", dir=given.directory) as name:
        result = anyio.run(_soak, given, Path(name))
    print(result)
    return 0 if result.good else 1


async def _soak(given: argparse.Namespace, folder: Path) -> Result:
    return await soak(given.files, given.faulty, given.seed, folder, proof=given.proof, workers=given.workers)


if __name__ == "__main__":
    sys.exit(main())
