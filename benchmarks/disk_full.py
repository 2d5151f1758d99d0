"""`python -m benchmarks.disk_full --count 200 --seed 1`: runs on a disk that gets full.

Half of them on a tmpfs of a random size (needs root), half with a call that fails with ENOSPC from a random one on:
writes, syncs, final names, commits of the ledger. Each must end with exit code 9 within 5 s, with nothing wrong on
disk or in the ledger, and go on to the end when there is room again.
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

from benchmarks.counting import read_counts
from tests.support.kill_lab import KIB, MIB, Broken, Lab, MemoryArchive, Script, open_lab
from tests.support.small_disk import small_disk

FILES = {"bands": ["SR_B3", "SR_B4", "ANG"], "limit": 4}
POLICY = {"block_bytes": 128 * KIB, "checkpoint_bytes": 512 * KIB, "backoff_cap_s": 0.2}
CALLS = ("pwrite", "fsync", "link", "commit", "open", "fsync_dir")
DISK_FULL = 9
NOT_REACHED = "call not reached"
LIMIT_S = 5.0


async def main() -> int:
    """Run it; the exit code is 1 when a promise was broken."""
    given, began = read_counts(__doc__, count=200), time.monotonic()
    rng, told, slowest = random.Random(given.seed), Counter[str](), 0.0
    script = Script(seed=given.seed, rate_bytes_s=60 * MIB)
    with tempfile.TemporaryDirectory(dir=given.directory) as folder:
        async with open_lab(Path(folder), MemoryArchive.demo(band_bytes=2 * MIB), script) as lab:
            while told.total() - told[NOT_REACHED] < given.count:
                try:
                    what, seconds = await (_small(lab, rng) if told.total() % 2 else _failing(lab, rng))
                except Broken as broken:
                    print(f"BROKEN: {broken}")
                    return 1
                told[what] += 1
                slowest = max(slowest, seconds)
    print(f"{given.count} full disks: {dict(told)}; slowest {slowest:.1f} s")
    print(f"0 wrong, all went on to the end; seed {given.seed}, {time.monotonic() - began:.0f} s")
    return 0


async def _small(lab: Lab, rng: random.Random) -> tuple[str, float]:
    place = lab.place(**FILES)
    size = rng.choice((rng.randrange(64 * KIB, 400 * KIB), rng.randrange(400 * KIB, 20 * MIB)))
    try:
        with small_disk(place.root, size) as disk:
            death = await lab.run(place, policy=POLICY)
            seconds = _judge(death.code, death.seconds, place.said)
            place.check()
            disk.resize(128 * MIB)
            await _go_on(lab, place)
    except PermissionError as refused:
        sys.exit(str(refused))
    shutil.rmtree(place.base)
    return f"small disk, exit code {death.code}", seconds


async def _failing(lab: Lab, rng: random.Random) -> tuple[str, float]:
    place, call = lab.place(**FILES), rng.choice(CALLS)
    death = await lab.run(place, fail={"call": call, "nth": rng.randrange(1, 25), "errno": "ENOSPC"}, policy=POLICY)
    if not death.made_to_fail:
        shutil.rmtree(place.base)
        return NOT_REACHED, 0.0
    seconds = _judge(death.code, death.seconds, place.said)
    place.check()
    await _go_on(lab, place)
    shutil.rmtree(place.base)
    return f"{call}, exit code {death.code}", seconds


def _judge(code: int, seconds: float, said: str) -> float:
    if code not in (0, DISK_FULL) or seconds > LIMIT_S:
        raise Broken(f"exit code {code} after {seconds:.1f} s: {said[-3000:]}")
    return seconds


async def _go_on(lab: Lab, place) -> None:
    death = await lab.run(place, policy=POLICY)
    if death.code != 0:
        raise Broken(f"exit code {death.code} with room again: {place.said[-3000:]}")
    place.check_finished()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
