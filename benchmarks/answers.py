"""`python -m benchmarks.answers --count 1000 --seed 1`: answers that stand in the place of others, 0 wrong files.

A host answers twice, late, or with the answer before; see `tests.support.answers_lab`. A share of the same schedules
runs with the tests.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.counting import Counts, read_counts
from tests.support.answers_lab import Trust, play, seeded


async def main(given: Counts) -> int:
    """Play the schedules; the exit code is 1 when a file is wrong or missing."""
    began, bad = time.monotonic(), 0
    sums: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(dir=given.directory) as base:
        trust = Trust.make(Path(base))
        for seed in range(given.seed, given.seed + given.count):
            schedule = seeded(seed)
            with tempfile.TemporaryDirectory(dir=base) as folder:
                came = await play(schedule, Path(folder), trust)
            if came.wrong or came.missing:
                bad += 1
                print(f"BROKEN: {schedule}: wrong {came.wrong}, missing {came.missing}", flush=True)
            sums += came.displaced
            sums += Counter(
                files=len(schedule.files), wrong=len(came.wrong), missing=len(came.missing),
                requests=came.requests, connections=came.connections,
            )  # fmt: skip
    told = ", ".join(f"{name} {number}" for name, number in sums.items() if name)
    print(f"{given.count} schedules: {told}")
    print(f"{sums['wrong']} wrong, {sums['missing']} missing; seed {given.seed}, {time.monotonic() - began:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(read_counts(__doc__, count=1000))))
