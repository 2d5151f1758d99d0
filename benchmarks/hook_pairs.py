"""`python -m benchmarks.hook_pairs --pairs 20`: what hooks cost a run, by pairs of runs with and without them.

Both runs of a pair fetch seven bands of each scene from a simulator in a process of its own; one of them calls a
program for each scene and puts it into a queue of FORCE. Which one is first changes from pair to pair. Told are the
median of the ratios of wall time and of processor time (that of the client and of all hooks), between what values half
of the ratios lie, and what one hook costs: on a machine that does other things too, only many pairs say anything.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio

from landsat_async import Config, Credentials, open_run
from landsat_async.events import HookEnded
from tests.whole.apart import simulator_apart

BANDS = [f"SR_B{number}" for number in range(1, 8)]
HOOKS = {"on_scene": ["true", "{folder}"]}


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--scenes", type=int, default=10)
    parser.add_argument("--mib", type=int, default=40, help="size of a band; a real one has 40 to 90 MiB")
    parser.add_argument("--directory", default=tempfile.gettempdir())
    given = parser.parse_args()
    walls, cpus, costs = list[float](), list[float](), list[float]()
    async with simulator_apart(scenes=given.scenes, pixels=64, band_bytes=given.mib * 2**20) as (config, credentials):
        await one(config, credentials, given.directory, hooks=True)  # warms up both sides
        for number in range(given.pairs):
            took = {}
            for hooks in (True, False) if number % 2 else (False, True):
                took[hooks] = await one(config, credentials, given.directory, hooks=hooks)
            walls.append(took[True][0] / took[False][0])
            cpus.append(took[True][1] / took[False][1])
            costs.append((took[True][1] - took[False][1]) / given.scenes)
            print(f"{number + 1}: wall {walls[-1]:.3f}, processor {cpus[-1]:.3f} ({took[False][0]:.2f} s)", flush=True)
    for what, ratios in (("wall", walls), ("processor", cpus)):
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"{what}: {100 * (middle - 1):+.1f} % with hooks (half between {low:.3f} and {high:.3f})")
    print(f"a hook costs {1000 * statistics.median(costs):.1f} ms of processor time, its program included")
    return 0


async def one(
    config: Callable[..., Config], credentials: Credentials, directory: str, *, hooks: bool
) -> tuple[float, float]:
    """Fetch everything once; returns seconds of wall time and of processor time."""
    base = Path(tempfile.mkdtemp(prefix="hook-pair-", dir=directory))
    try:
        download = {"directory": str(base / "data"), "layout": "{display_id}", "min_free_bytes": "0 B"}
        tables: dict[str, Any] = {"select": {"bands": BANDS}, "download": download | {"poll_interval_s": 0.5}}
        if hooks:
            tables["hooks"] = HOOKS | {"force_queue": str(base / "queue.txt")}
        made = config(base / "data", **tables)
        before, began, ended = _cpu_s(), time.perf_counter(), 0
        async with open_run(made, credentials=credentials) as run:
            async for event in run.events():
                ended += isinstance(event, HookEnded)
        assert run.summary.exit_code == 0
        assert ended == (run.summary.scenes if hooks else 0)
        return time.perf_counter() - began, _cpu_s() - before
    finally:
        shutil.rmtree(base)


def _cpu_s() -> float:
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


if __name__ == "__main__":
    raise SystemExit(anyio.run(main))
