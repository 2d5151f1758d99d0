"""`python -m benchmarks.orders`: requester, poller and workers in virtual time, at length and at full size.

    --schedules N   so many random schedules (default 10,000)
    --staged N      fetch N staged files of which 1 % of each label gets ready at each poll
    --return N      let N files wait while everything is away for two hours

Each schedule has a random service, random faults, and processes that are killed in the midst of ledger commits; see
tests/orders/lab.py. Every schedule must keep its promises; the seeds of those that do not are printed.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.orders.lab import Played, run_schedule
from tests.orders.scale import come_back, fetch_staged

SHOWN = 20


def main() -> int:
    """Do what was asked for and print what came out."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.orders", description=__doc__)
    parser.add_argument("--schedules", type=int)
    parser.add_argument("--staged", type=int, default=0)
    parser.add_argument("--return", type=int, default=0, dest="waiting")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="orders-") as folder:
        if given.staged:
            _show_staged(given.staged, Path(folder) / "staged")
        if given.waiting:
            _show_return(given.waiting, Path(folder) / "return")
    if given.schedules is None and (given.staged or given.waiting):
        return 0
    return _play(range(given.first, given.first + (given.schedules or 10_000)), given.processes)


def _play(seeds: range, processes: int) -> int:
    began = time.monotonic()
    bad: dict[int, str] = {}
    ends: Counter[str] = Counter()
    files: Counter[str] = Counter()
    requests = calls = given_up = 0
    virtual_s = 0.0
    with ProcessPoolExecutor(processes) as pool:
        for seed, played in zip(seeds, pool.map(_one, seeds, chunksize=50), strict=True):
            if isinstance(played, str):
                bad[seed] = played
                continue
            ends.update(life if life in ("by itself", "killed", "stopped") else "ended early" for life in played.lives)
            files.update(played.states)
            requests += played.requests
            calls += played.calls
            given_up += played.given_up
            virtual_s += played.virtual_s
    print(f"{len(seeds)} schedules in {time.monotonic() - began:.0f} s, {virtual_s / 86400:.0f} days of virtual time")
    print(
        f"processes: {dict(ends)}; files at the end: {dict(files)}; {requests} requests in {calls} calls;"
        f" {given_up} bundles came as single files"
    )
    for seed, text in list(bad.items())[:SHOWN]:
        print(f"seed {seed}: {text}")
    print(f"{len(bad)} schedules broke a promise")
    return 1 if bad else 0


def _show_staged(count: int, folder: Path) -> None:
    began = time.monotonic()
    staged = fetch_staged(count, folder)
    print(
        f"{count} staged files, 1 % of each label ready per poll: {dict(staged.states)}, each fetched"
        f" {set(staged.fetched.values())} times, {staged.downloads_asked} asked in {staged.requests} requests (at most"
        f" {staged.most_asked_in_a_window} in 15 min); {staged.retrieves} polls in {staged.rounds} rounds over"
        f" {staged.virtual_s / 3600:.1f} h of virtual time; at most {staged.most_in_stream} links in the stream;"
        f" RSS grew by {staged.rss_growth_bytes / 2**20:.0f} MiB (service and ledger in memory included);"
        f" {time.monotonic() - began:.0f} s",
        flush=True,
    )


def _show_return(count: int, folder: Path) -> None:
    began = time.monotonic()
    returned = come_back(count, folder)
    gaps = [later - earlier for earlier, later in itertools.pairwise(returned.requests)]
    print(
        f"{returned.waiting} files waited while everything was away for 2 h: first call {returned.first_call_s:.1f} s"
        f" and first transfer {returned.first_byte_s:.1f} s after its return, {len(returned.requests)} requests in the"
        f" first minute, never less than {min(gaps):.2f} s apart; {dict(returned.states)};"
        f" {time.monotonic() - began:.0f} s",
        flush=True,
    )


def _one(seed: int) -> Played | str:
    with tempfile.TemporaryDirectory(prefix="schedule-") as folder:
        try:
            return run_schedule(seed, Path(folder))
        except Exception as error:
            return f"{type(error).__name__}: {str(error)[:200]}"


if __name__ == "__main__":
    sys.exit(main())
