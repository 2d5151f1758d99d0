"""`python -m benchmarks.sync_days --count 500 --seed 1`: 60 days of an archive that changes, and kills while it does.

Each day scenes come, are processed anew (once or twice), go away, or have a file that cannot be had; the user changes a
file now and then; some days nobody synchronises. Each day the folder is compared with what a run from scratch leaves in
an empty one: they must be equal but for `superseded/`, for what the user has changed, and for scenes that have gone
without a successor. Then synchronisations that bring new versions are killed `count` times, at calls all over them:
never may both versions of a scene be missing, and the next one has to put everything right.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.counting import Counts, read_counts
from tests.support.kill_lab import KIB, Broken, MemoryArchive, RunCounts, open_lab
from tests.support.sync_lab import kill_one_sync, open_days

DAYS = 60
SAID_EVERY_S = 30.0
PLACES_OF_ONE_LAB = 25


async def main() -> int:
    """Run it; the exit code is 1 when a promise was broken."""
    given, began = read_counts(__doc__, count=500), time.monotonic()
    try:
        await _days(given)
        await _kills(given)
    except Broken as broken:
        print(f"BROKEN: {broken}")
        return 1
    print(f"nothing broken; seed {given.seed}, {time.monotonic() - began:.0f} s")
    return 0


async def _days(given: Counts) -> None:
    with tempfile.TemporaryDirectory(dir=given.directory) as folder:
        async with open_days(Path(folder), given.seed) as days:
            for _ in range(DAYS):
                await days.pass_one()
            print(f"{DAYS} days: " + ", ".join(f"{count} {what}" for what, count in sorted(days.tally.items())))


async def _kills(given: Counts) -> None:
    rng, tally, said = random.Random(given.seed), RunCounts(), time.monotonic()
    while tally.kills < given.count:
        with tempfile.TemporaryDirectory(dir=given.directory) as folder:
            async with open_lab(Path(folder), MemoryArchive.demo(band_bytes=64 * KIB)) as lab:
                calls = 0
                for number in range(PLACES_OF_ONE_LAB + 1):
                    place = lab.place(bands=["SR_B3", "SR_B5"], limit=3)
                    place.config["sync"] = {"superseded": rng.choice(("move", "move", "delete"))}
                    first = calls // 2 if rng.random() < 0.7 else 3  # versions are put away at the end
                    death = await kill_one_sync(lab, place, rng.randrange(first, calls) if number else None)
                    calls = calls or death.calls
                    tally.add(death, None)
                    shutil.rmtree(place.base)
                    if tally.kills >= given.count:
                        break
        if time.monotonic() - said > SAID_EVERY_S:
            said = time.monotonic()
            print(f"{tally.kills} kills", flush=True)
    print(tally)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
