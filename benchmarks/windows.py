"""`python -m benchmarks.windows boxes|lies|kills`: windows of bands in volume.

boxes: random boxes x types x layouts, both modes, judged by GDAL (rasterio): pixels, transform, system, nodata.
lies:  hosts that lie about ranges, see `tests.support.window_lies`.
kills: runs that cut windows are killed at random times: by ranges, from whole files and from bundles.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from landsat_async.raster.window import WindowMode
from tests.support.rasters import judge, layout_at, random_box, recipe, write
from tests.support.window_kills import kill
from tests.support.window_lies import play

COUNTS = {"boxes": 500, "lies": 2000, "kills": 500}
WAYS = {"ranges": {"ranges": True}, "whole": {"ranges": False}, "bundles": {"bundles": True}}


def boxes(count: int, seed: int, folder: Path) -> Counter[str]:
    """Cut windows out of so many bands."""
    found: Counter[str] = Counter()
    path = folder / "band.tif"
    for number in range(seed, seed + count):
        how = recipe(number)
        write(path, how)
        box = random_box(random.Random(number), layout_at(path))
        for mode in WindowMode:
            wrong = judge(path, box, mode, folder / "window.tif")
            found["WRONG" if wrong else "right"] += 1
            if wrong:
                print(f"WRONG: {mode} of {how}: {wrong}", flush=True)
    return found


async def lies(count: int, seed: int, folder: Path) -> Counter[str]:
    """Fetch windows from so many lying hosts."""
    found: Counter[str] = Counter()
    for number in range(seed, seed + count):
        ended = await play(number)
        found[ended.partition(":")[0]] += 1
        if "WRONG" in ended:
            print(f"seed {number}: {ended}", flush=True)
    return found


async def kills(count: int, seed: int, folder: Path, way: str | None = None) -> Counter[str]:
    """Kill so many runs: a third by ranges, a third from whole files, a third from bundles; or all in one way."""
    ways = WAYS if way is None else {way: WAYS[way]}
    for name, how in ways.items():
        base = folder / name
        base.mkdir()
        print(f"{name}: {await kill(base, -(-count // len(ways)), seed, **how)}", flush=True)
    return Counter(right=count)


def main() -> int:
    """Do what was asked for; the exit code is 1 when something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=COUNTS)
    parser.add_argument("--count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--way", choices=WAYS, help="of kills: of this kind of run alone")
    given = parser.parse_args()
    began, count = time.monotonic(), given.count or COUNTS[given.what]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.what == "boxes":
            found = boxes(count, given.seed, folder)
        elif given.what == "lies":
            found = asyncio.run(lies(count, given.seed, folder))
        else:
            found = asyncio.run(kills(count, given.seed, folder, given.way))
    print(f"{given.what}: {dict(found)}; seed {given.seed}, {time.monotonic() - began:.0f} s")
    return 1 if found["WRONG"] else 0


if __name__ == "__main__":
    sys.exit(main())
