"""`python -m benchmarks.stops --count 300 --seed 1`: SIGINT and SIGTERM while four transfers run.

Each signal comes at a random time after the fourth transfer has begun to receive; every fifth is followed by a second
one at once. After each stop the promise is checked, and the next run goes on in the same folder.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.counting import read_counts
from tests.support.kill_lab import KIB, MIB, Broken, Lab, MemoryArchive, Place, Script, open_lab

FILES = {"bands": ["SR_B3", "SR_B4", "SR_B5"], "limit": 4}
POLICY = {"block_bytes": 512 * KIB, "checkpoint_bytes": 2 * MIB, "backoff_cap_s": 0.2}
STOPS_OF_ONE_FOLDER = 8
STOPPED, STOPPED_AT_ONCE = 7, 130


async def main() -> int:
    """Run it; the exit code is 1 when a promise was broken."""
    given, began = read_counts(__doc__, count=300), time.monotonic()
    rng, codes, seconds = random.Random(given.seed), Counter[int](), dict[int, list[float]]()
    script = Script(seed=given.seed)
    with tempfile.TemporaryDirectory(dir=given.directory) as folder:
        async with open_lab(Path(folder), MemoryArchive.demo(band_bytes=8 * MIB), script) as lab:
            try:
                while codes.total() < given.count:
                    await _one_folder(lab, rng, codes, seconds)
            except Broken as broken:
                print(f"BROKEN: {broken}")
                return 1
    print(f"{codes.total()} stops, exit codes {dict(codes)}")
    for code, values in sorted(seconds.items()):
        values.sort()
        p50, p99 = values[len(values) // 2], values[int(len(values) * 0.99)]
        print(f"signal to exit {code}: p50 {p50 * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms, most {values[-1] * 1e3:.0f} ms")
    print(f"0 wrong, all went on to the end; seed {given.seed}, {time.monotonic() - began:.0f} s")
    return int(any(seconds_[-1] > 5 for seconds_ in seconds.values()))


async def _one_folder(lab: Lab, rng: random.Random, codes: Counter[int], seconds: dict[int, list[float]]) -> None:
    place = lab.place(**FILES)
    lab.sim.script.rate_bytes_s = 4 * MIB
    for _ in range(STOPS_OF_ONE_FOLDER):
        first = rng.choice((signal.SIGINT, signal.SIGTERM))
        signals = (first, signal.SIGINT) if rng.random() < 0.2 else (first,)
        code, took_s = await lab.stop(
            place, *signals, wait_s=rng.uniform(0, 0.5), gap_s=rng.uniform(0, 0.03), policy=POLICY
        )
        if code not in (STOPPED, STOPPED_AT_ONCE):
            raise Broken(f"exit code {code}: {place.said[-3000:]}")
        codes[code] += 1
        seconds.setdefault(code, []).append(took_s)
        place.check()
    await _go_on(lab, place)


async def _go_on(lab: Lab, place: Place) -> None:
    lab.sim.script.rate_bytes_s = None
    death = await lab.run(place, policy=POLICY)
    if death.code != 0:
        raise Broken(f"exit code {death.code}: {place.said[-3000:]}")
    place.check_finished(12)
    shutil.rmtree(place.base)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
