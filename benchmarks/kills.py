"""`python -m benchmarks.kills --count 2000 --seed 1`: SIGKILL at random times, and at every call of one run.

Runs of 6 to 20 files of 8 to 64 MiB with 4 workers, 5 % of the answers broken off. After each kill every final name,
the ledger and the checkpoints are checked; after some kills a run goes on to the end, and everything must be there.
Then a small run is killed at each of its file and ledger calls, its successor somewhere in its recovery. What has been
hit less than HITS_OF_A_PHASE times then is aimed at. A part of the runs fetches each file over several connections.
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
from typing import Any

from benchmarks.counting import Counts, read_counts
from tests.support.kill_lab import (
    KIB,
    MIB,
    Broken,
    MemoryArchive,
    RunCounts,
    Script,
    kill_at_call,
    kill_in_phase,
    kill_until_done,
    open_lab,
)

BANDS = ("SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7")
KILLS_OF_ONE_FOLDER = 25
SAID_EVERY_S = 30.0
HITS_OF_A_PHASE = 50
RARE_PHASES = ("request", "headers", "link", "dir sync", "discard", "end", "proof", "checkpoint", "recovery", "plan")
SEVERAL = 4
POLICY: dict[str, Any] = {"backoff_cap_s": 0.5, "span_bytes": 2 * MIB}
SMALL: dict[str, Any] = {"block_bytes": 256 * KIB, "checkpoint_bytes": 512 * KIB, "backoff_cap_s": 0.1}


async def main() -> int:
    """Run it; the exit code is 1 when a promise was broken."""
    given, began = read_counts(__doc__, count=2000), time.monotonic()
    try:
        await _each_phase(given, await _random_kills(given) + await _every_call(given))
    except Broken as broken:
        print(f"BROKEN: {broken}")
        return 1
    print(f"0 wrong finals, 0 wrong ledger rows, all finished; seed {given.seed}, {time.monotonic() - began:.0f} s")
    return 0


async def _random_kills(given: Counts) -> Counter[str]:
    rng, said = random.Random(given.seed), time.monotonic()
    tallies = {connections: RunCounts() for connections in (1, SEVERAL)}
    while (kills := sum(tally.kills for tally in tallies.values())) < given.count:
        connections = rng.choice((1, 1, SEVERAL))
        size = rng.choice((8, 8, 8, 16, 16, 32, 64))
        script = Script(seed=rng.randrange(10**6), rate_bytes_s=rng.choice((60, 100, 200)) * MIB)
        for kind in ("cut", "cut-rst", "close", "stall"):
            script.fault_file("*", kind, probability=0.0125, times=None, fraction=rng.random(), seconds=0.2)
        with tempfile.TemporaryDirectory(dir=given.directory) as folder:
            async with open_lab(Path(folder), MemoryArchive.demo(band_bytes=size * MIB), script) as lab:
                files: dict[str, Any] = {
                    "bands": list(rng.sample(BANDS, rng.randint(2, 4))), "limit": rng.randint(3, 5),
                    "connections_per_file": connections,
                }  # fmt: skip
                cycle = await lab.run(lab.place(**files))
                for _ in range(4):
                    place = lab.place(**files)
                    tally = tallies[connections]
                    await kill_until_done(lab, place, rng, cycle, tally, most=KILLS_OF_ONE_FOLDER, policy=POLICY)
                    shutil.rmtree(place.base)
        if time.monotonic() - said > SAID_EVERY_S:
            said = time.monotonic()
            print(f"{kills} kills", flush=True)
    for connections, tally in tallies.items():
        print(f"{connections} connection(s) a file: {tally}")
        limit = 4 * (16 * MIB + 64 * KIB + (connections > 1) * connections * POLICY["span_bytes"])
        over = sum(lost > limit + 16 * MIB for lost in tally.lost_bytes)
        print(f"kills that cost more than {limit / MIB:.0f} MiB and 16 MiB in buffers of the system: {over}")
    return tallies[1].phases + tallies[SEVERAL].phases


async def _every_call(given: Counts) -> Counter[str]:
    rng, tally = random.Random(given.seed), RunCounts()
    with tempfile.TemporaryDirectory(dir=given.directory) as folder:
        async with open_lab(Path(folder), MemoryArchive.demo(band_bytes=1 * MIB), Script(seed=given.seed)) as lab:
            number, more = 1, True
            while more:
                place = lab.place(bands=["SR_B3", "SR_B5", "ANG"], limit=2)
                more = await kill_at_call(lab, place, number, rng, tally, policy=SMALL)
                shutil.rmtree(place.base)
                number += 1
    print(f"at each of {number - 2} calls of one run, and again in the recovery: {tally}")
    return tally.phases


async def _each_phase(given: Counts, hits: Counter[str]) -> None:
    rng, tally = random.Random(given.seed), RunCounts()
    with tempfile.TemporaryDirectory(dir=given.directory) as folder:
        async with open_lab(Path(folder), MemoryArchive.demo(band_bytes=1 * MIB), Script(seed=given.seed)) as lab:
            for phase in RARE_PHASES:
                most = 12
                while hits[phase] + tally.phases[phase] < HITS_OF_A_PHASE:
                    place, nth = lab.place(bands=["SR_B3", "SR_B5", "ANG"], limit=2), rng.randint(1, most)
                    if not await kill_in_phase(lab, place, phase, nth, rng, tally, policy=SMALL):
                        most = nth - 1
                    shutil.rmtree(place.base)
    print(f"at the beginning of rare phases: {tally}")
    hits += tally.phases
    print("all together: " + ", ".join(f"{phase} {number}" for phase, number in hits.most_common()))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
