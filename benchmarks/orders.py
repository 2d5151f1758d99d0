"""`python -m benchmarks.orders`: many random schedules of requester, poller and workers, in virtual time.

Each schedule has a random service, random faults, and processes that are killed in the midst of ledger commits; see
tests/orders/lab.py. Every schedule must keep its promises; the seeds of those that do not are printed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.orders.lab import Played, run_schedule


SHOWN = 20


def main() -> int:
    """Run the schedules and print what came out."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.orders", description=__doc__)
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.schedules)
    began = time.monotonic()
    bad: dict[int, str] = {}
    ends: Counter[str] = Counter()
    files: Counter[str] = Counter()
    requests = calls = 0
    virtual_s = 0.0
    with ProcessPoolExecutor(given.processes) as pool:
        for seed, played in zip(seeds, pool.map(_one, seeds, chunksize=50), strict=True):
            if isinstance(played, str):
                bad[seed] = played
                continue
            ends.update(life if life in ("by itself", "killed", "stopped") else "ended early" for life in played.lives)
            files.update(played.states)
            requests += played.requests
            calls += played.calls
            virtual_s += played.virtual_s
    print(f"{len(seeds)} schedules in {time.monotonic() - began:.0f} s, {virtual_s / 86400:.0f} days of virtual time")
    print(f"processes: {dict(ends)}; files at the end: {dict(files)}; {requests} requests in {calls} calls")
    for seed, text in list(bad.items())[:SHOWN]:
        print(f"seed {seed}: {text}")
    print(f"{len(bad)} schedules broke a promise")
    return 1 if bad else 0


def _one(seed: int) -> Played | str:
    with tempfile.TemporaryDirectory(prefix="schedule-") as folder:
        try:
            return run_schedule(seed, Path(folder))
        except Exception as error:
            return f"{type(error).__name__}: {str(error)[:200]}"


if __name__ == "__main__":
    sys.exit(main())
