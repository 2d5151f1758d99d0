"""`python -m benchmarks.pairs --count 500 --seed 1`: two runs on one folder, with the lock and with a lock that lies.

A lying lock is what some network file systems have: both runs get it. Files change at the service meanwhile, answers
are broken off. At the end nothing may be wrong, and nothing missing.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.counting import Counts, read_counts
from tests.support.kill_lab import KIB, MIB, Broken, Lab, MemoryArchive, Script, open_lab, run_pair

FILES = {"bands": ["SR_B3", "SR_B4", "ANG"], "limit": 4}
POLICY = {"block_bytes": 128 * KIB, "checkpoint_bytes": 512 * KIB, "backoff_cap_s": 0.2}
PAIRS_OF_ONE_LAB = 50


async def main() -> int:
    """Run it; the exit code is 1 when a promise was broken."""
    given, began = read_counts(__doc__, count=500), time.monotonic()
    try:
        for lying in (False, True):
            await _pairs(given, lying=lying)
    except Broken as broken:
        print(f"BROKEN: {broken}")
        return 1
    print(f"0 wrong, 0 missing; seed {given.seed}, {time.monotonic() - began:.0f} s")
    return 0


async def _pairs(given: Counts, *, lying: bool) -> None:
    rng, codes, shares = random.Random(given.seed), Counter[tuple[int, int]](), []
    for start in range(0, given.count, PAIRS_OF_ONE_LAB):
        script = Script(seed=rng.randrange(10**6), rate_bytes_s=20 * MIB, overlap="allow")
        script.fault_file("*.TIF", "cut", probability=0.1, times=None, fraction=0.7)
        script.fault_file("*.TIF", "new-version", probability=0.03, times=None)
        with tempfile.TemporaryDirectory(dir=given.directory) as folder:
            async with open_lab(Path(folder), MemoryArchive.demo(band_bytes=2 * MIB), script) as lab:
                cycle = await lab.run(lab.place(**FILES), policy=POLICY)
                for _ in range(min(PAIRS_OF_ONE_LAB, given.count - start)):
                    shares.append(await _pair(lab, rng.uniform(0, cycle.seconds), codes, lying=lying))
    what = "a lock that lies" if lying else "the lock"
    told = ", ".join(f"{first} and {second}: {number}" for (first, second), number in codes.most_common())
    mean = sum(shares) / len(shares)
    print(f"{given.count} pairs with {what}; exit codes {told}")
    print(f"bytes served by bytes needed: mean {mean:.2f}, most {max(shares):.2f}")


async def _pair(lab: Lab, delay_s: float, codes: Counter[tuple[int, int]], *, lying: bool) -> float:
    """Run a pair; returns the bytes served by those needed."""
    place, before = lab.place(**FILES), sum(lab.sim.log.file_bytes.values())
    codes[await run_pair(lab, place, delay_s, lying=lying, policy=POLICY)] += 1
    served = sum(lab.sim.log.file_bytes.values()) - before
    share = served / sum(path.stat().st_size for path in place.finals().values())
    shutil.rmtree(place.base)
    return share


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
