"""`python -m benchmarks.power_cuts --count 60 --seed 1`: every power cut of so many recorded runs.

For each run all states after each of its steps are checked against the promise (see tests/support/power_cut.py), with
and without the digest of the prefix, and from a few of them a real run goes on. At the end the mistakes of
tests/crash/mistakes.py are put into the program; each must be caught.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.counting import read_counts
from tests.crash.mistakes import MISTAKES
from tests.support.power_cut import by_digest, by_length, violations
from tests.support.recorded_runs import LYING_SERVERS, SCENARIOS, record, recover
from tests.support.recorded_sync import broken_promises, record_sync, recover_sync
from tests.support.tape import RecordingExFat, RecordingFs

RECOVERIES = 3


async def main() -> int:
    """Run it; the exit code is 1 when a promise was broken or a mistake was missed."""
    given = read_counts(__doc__, count=60)
    began, rng = time.monotonic(), random.Random(given.seed)
    total: Counter[str] = Counter()
    for number in range(given.count):
        scenario = SCENARIOS[number % len(SCENARIOS)]
        with tempfile.TemporaryDirectory(dir=given.directory) as folder:
            base = Path(folder)
            recording = await record(base, scenario, given.seed * 1_000_000 + number)
            total.update(runs=1, transfers=recording.transfers, events=len(recording.tape.events))
            for belief in (by_digest, by_length):
                honest = scenario not in LYING_SERVERS
                findings = violations(recording.tape, recording.truth, belief=belief, honest=honest, seed=number)
                total.update(points=findings.points, states=findings.states, violations=len(findings.violations))
                for violation in findings.violations[:3]:
                    print(f"{scenario} {number}: {violation}", flush=True)
            for again in range(RECOVERIES):
                cut = base / f"cut{again}"
                cut.mkdir()
                await recover(recording, rng.randrange(1, len(recording.tape.events)), cut, rng)
                total.update(recoveries=1)
    for number in range(given.count // 3):
        total.update(await _syncs(number, given.directory, rng))
    caught = [await _is_caught(mistake, given.seed, given.directory) for mistake in MISTAKES]
    print(", ".join(f"{name} {number}" for name, number in total.items()))
    print(f"mistakes caught: {sum(caught)} of {len(MISTAKES)}; seed {given.seed}, {time.monotonic() - began:.0f} s")
    return int(bool(total["violations"]) or not all(caught))


async def _syncs(number: int, directory: str, rng: random.Random) -> Counter[str]:
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        base = Path(folder)
        fs = RecordingExFat if number % 4 == 3 else RecordingFs
        recording = await record_sync(base, layout=("{year}", "", "{display_id}")[number % 3], fs=fs)
        broken, states = broken_promises(recording, seed=number)
        for one in broken[:3]:
            print(f"synchronisation {number}: {one}", flush=True)
        for again in range(RECOVERIES):
            await recover_sync(recording, rng.randrange(1, len(recording.tape.events)), base / f"cut{again}", rng)
        points = len(recording.tape.events)
        return Counter(syncs=1, points=points, states=states, violations=len(broken), recoveries=RECOVERIES)


async def _is_caught(mistake, seed: int, directory: str) -> bool:
    for attempt in range(3):
        with tempfile.TemporaryDirectory(dir=directory) as folder:
            recording = await record(
                Path(folder), mistake.scenario, seed + attempt, fs=mistake.fs, mistakes=mistake.patches
            )
        if violations(recording.tape, recording.truth, belief=mistake.belief, most=64).violations:
            return True
    print(f"not caught: {mistake.name}")
    return False


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
