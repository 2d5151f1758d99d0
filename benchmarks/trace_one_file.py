"""`python -m benchmarks.trace_one_file`: the way of one small file through the code, from `planned` to `verified`.

How far has somebody to walk who wants to follow one file? One SR_B3 of about 100 KiB goes through `open_run` with one
worker; the simulator answers in a process of its own. `sys.setprofile` and `threading.setprofile` note each call of a
function of the package (without `sim/` and `show/`) from the first Planned event until the first Verified is told.
Counted are the files and functions that were passed, and the moves: two consecutive calls in different files.

It says how code is laid out, not how fast it is, and its figures do not depend on the machine; they vary by a few
moves with the order in which threads answer, so several runs are made and the median is shown.

All tasks of the run are counted, also those that go on beside the file and do nothing for it (`BESIDE`); what is left
without them is a second figure.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import anyio

import landsat_async
from benchmarks import service
from benchmarks.workload import Workload
from landsat_async import Config, Credentials, open_run
from landsat_async.events import Planned, Verified

PACKAGE = str(Path(landsat_async.__file__).parent) + "/"
LEFT_OUT = ("sim/", "show/")
LOAD = Workload("5000x100KiB", 1, 1, 1, None)
BESIDE = {
    "_report_progress": "tells how far the run is, once a second",
    "WorkerPool.manage": "adapts the number of workers, every few seconds",
    "WorkerPool.cancel_soon_when_cancelled": "waits for the end of the workers",
    "_announce": "says what is waited for when nothing flows",
    "count_observations": "counts what was seen, once a second",
    "Poller.run": "rests: nothing is being prepared",
    "trace": "reads the events of the run",
}
"""Tasks that go on while the file is on its way, by the function that they began with."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What was passed on the way."""

    calls: list[tuple[str, str]]
    """(file below the package, function), in order. A coroutine that goes on is a call again: one looks at it again."""
    first: list[bool]
    """Which of them begin a function; the others go on with one after an await or a yield."""
    tasks: list[str]
    """In which task each was made: the function that it began with, or the kind of a thread."""

    @property
    def files(self) -> set[str]:
        """Files that were passed."""
        return {file for file, _ in self.calls}

    @property
    def functions(self) -> set[tuple[str, str]]:
        """Functions that were passed."""
        return set(self.calls)

    @property
    def moves(self) -> list[tuple[str, str]]:
        """Pairs of files between two consecutive calls."""
        return [(a, b) for (a, _), (b, _) in pairwise(self.calls) if a != b]

    @property
    def first_moves(self) -> int:
        """Moves when only what begins is looked at, and not each coroutine that goes on."""
        files = [file for (file, _), first in zip(self.calls, self.first, strict=True) if first]
        return sum(a != b for a, b in pairwise(files))

    def without(self, tasks: Collection[str]) -> Trace:
        """Return what is left when some tasks are not looked at."""
        kept = [n for n, task in enumerate(self.tasks) if task not in tasks]
        return Trace([self.calls[n] for n in kept], [self.first[n] for n in kept], [self.tasks[n] for n in kept])

    def by_file(self) -> list[tuple[str, int, int]]:
        """For each file how many of its functions are passed, and how often one comes to it; the most first."""
        functions = Counter(file for file, _ in self.functions)
        visits = Counter(file for file, _ in groupby(file for file, _ in self.calls))
        return [(file, number, visits[file]) for file, number in functions.most_common()]

    def stretches(self) -> Iterator[str]:
        """Yield a line for each stretch of calls in one file."""
        for file, calls in groupby(self.calls, key=lambda call: call[0]):
            yield f"{file}: {', '.join(function for function, _ in groupby(function for _, function in calls))}"

    def longest_detour(self) -> list[str]:
        """The longest stretch between two calls of one file in which that file is not passed again."""
        way = [file for file, _ in groupby(file for file, _ in self.calls)]
        last: dict[str, int] = {}
        best: list[str] = []
        for number, file in enumerate(way):
            if file in last and number - last[file] > len(best):
                best = way[last[file] : number + 1]
            last[file] = number
        return best


class Recorder:
    """Notes calls of the package while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.calls: list[tuple[str, str]] = []
        self.first: list[bool] = []
        self.tasks: list[str] = []
        self._frames: set[FrameType] = set()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if self.on and event == "call" and code.co_filename.startswith(PACKAGE):
            file = code.co_filename.removeprefix(PACKAGE)
            if file == "run/bus.py" and code.co_name == "tell" and isinstance(frame.f_locals["event"], Verified):
                self.on = False  # its reader is woken a moment later, and the run goes on meanwhile
            if not file.startswith(LEFT_OUT):
                self.calls.append((file, code.co_qualname))
                self.tasks.append(_task())
                self.first.append(frame not in self._frames)
                self._frames.add(frame)  # alive as long as we are: no other frame is taken for it


def _task() -> str:
    """Return what the running task began with; for a thread what it is for."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return threading.current_thread().name.rstrip("0123456789- ")
    *_, owner, function = ("", "", *(task.get_name() if task is not None else "callbacks").split("."))
    return f"{owner}.{function}" if owner[:1].isupper() else function


async def trace(api: service.Api, folder: Path) -> Trace:
    """Fetch one file and return its way."""
    config = Config.from_dict(
        {
            "service": {"url": api.url},
            "search": {"dataset": "landsat_ot_c2_l2", "limit": 1},
            "select": {"type": "band", "bands": ["SR_B3"]},
            "download": {"directory": str(folder), "workers": 1, "min_free_bytes": "0 B"},
        }
    )
    recorder = Recorder()
    threading.setprofile(recorder)
    sys.setprofile(recorder)
    try:
        async with open_run(config, credentials=Credentials(api.username, api.token)) as run:
            async for event in run.events():
                if isinstance(event, Planned):
                    recorder.on = True
                elif isinstance(event, Verified):
                    break
            summary = await run.wait()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    assert summary.files_verified == 1, summary
    return Trace(recorder.calls, recorder.first, recorder.tasks)


def main() -> int:
    """Trace some runs and print the median one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--list", action="store_true", help="print every call of the median run")
    parser.add_argument("--way", action="store_true", help="print the way of the median run, a line for each move")
    given = parser.parse_args()
    traces = []
    for _ in range(given.runs):
        with tempfile.TemporaryDirectory() as folder, service.running(LOAD, "") as api:
            traces.append(anyio.run(trace, api, Path(folder)))
    traces.sort(key=lambda one: len(one.moves))
    middle = traces[len(traces) // 2]
    for what in ("files", "functions", "moves"):
        numbers = [len(getattr(one, what)) for one in traces]
        print(f"{what}: median {statistics.median(numbers):g}, from {min(numbers)} to {max(numbers)}")
    print(f"calls: {len(middle.calls)}, of which {sum(middle.first)} begin a function; moves between these: ", end="")
    print(middle.first_moves)
    alone = middle.without(BESIDE)
    print(f"without {', '.join(BESIDE)}, which go on beside it: ", end="")
    print(f"{len(alone.files)} files, {len(alone.functions)} functions, {len(alone.moves)} moves")
    inner = sum("<" in function.rpartition(".")[2] for _, function in middle.functions)
    print(f"of the functions {inner} are comprehensions and lambdas, which are functions of their own in Python 3.11")
    print("calls by task:", *(f"{number:4} {task}" for task, number in Counter(middle.tasks).most_common()), sep="\n  ")
    print("functions by file, and how often one comes to it:")
    print(*(f"  {functions:3} {visits:3} {file}" for file, functions, visits in middle.by_file()), sep="\n")
    print("moves by pair:", *(f"{n} {a} -> {b}" for (a, b), n in Counter(middle.moves).most_common(12)), sep="\n  ")
    print("longest detour:", *middle.longest_detour(), sep="\n  ")
    if given.way:
        print("the way:", *middle.stretches(), sep="\n  ")
    if given.list:
        print(*(f"{file}:{function}" for file, function in middle.calls), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
