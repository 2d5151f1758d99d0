"""`python -m benchmarks.many_windows`: 1,000 windows of 400 KB each, from a server that is 20 ms away.

A window takes three requests, each of which has to wait for what the one before has shown. So no program that has so
many connections can be done before requests x round trip / connections; printed is how much longer it took. The files
are one band under as many names, served by nginx behind a relay, in memory where `--directory` is. Before each round a
client that does nothing else asks for as many bytes: what that takes over the round trips is no program's.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import shapely

from benchmarks import bare_requests, delay, nginx
from benchmarks.workload import Workload
from landsat_async.disk.local_target import LocalTarget
from landsat_async.raster.spec import WindowSpec
from landsat_async.raster.window import WindowMode
from landsat_async.rules.links import AllowedHosts, SecretUrl
from landsat_async.rules.naming import window_name
from landsat_async.run.worker import CUT_BESIDE
from landsat_async.transfer.open_session import open_transfer_session
from landsat_async.transfer.pool import LocalPool, Slots
from landsat_async.transfer.session import TransferSession
from landsat_async.transfer.types import Done, MemoryStore, Outcome, TransferHooks, TransferJob, TransferPolicy
from tests.support.tiffs import band

SIDE = 1500
AREA = shapely.box(-75.05, 10.30, -74.95, 10.40)
POLICY = TransferPolicy(min_free_bytes=0)
RANGES = ((0, 16_383), (400_000, 579_999), (700_000, 879_999))
"""About as long as those of a window."""


class Counted:
    """The requests of a session."""

    requests = 0

    def __init__(self) -> None:
        inner = TransferSession._get_once

        async def get_once(session: TransferSession, *given: Any, **named: Any) -> Any:
            self.requests += 1
            return await inner(session, *given, **named)

        TransferSession._get_once = get_once  # type: ignore[method-assign]


def make_bands(folder: Path, count: int) -> list[str]:
    """Write one band, and give it so many names."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(1)
    ground = draw.normal(0, 3, (SIDE, SIDE)).cumsum(axis=0).cumsum(axis=1) / 10
    pixels = np.clip(ground + draw.normal(9000, 60, (SIDE, SIDE)), 1, 60_000).astype(np.uint16)
    first = folder / "band"
    first.write_bytes(band(pixels=pixels, side=256, framed=True))
    names = [f"LC08_L2SP_{1 + n % 233:03}{1 + n // 233:03}_20240705_20240714_02_T1_SR_B3.TIF" for n in range(count)]
    for name in names:
        (folder / name).hardlink_to(first)
    return names


async def fetch_all(url: str, names: list[str], out: Path, workers: int, beside: int) -> list[Outcome]:
    """Fetch a window of each band, with the slots of a run."""
    spec = WindowSpec.of(AREA, WindowMode.PIXELS)
    outcomes: list[Outcome] = []
    slots = Slots(workers, beside)

    async def work(pool: LocalPool, waiting: Iterator[str]) -> None:
        for name in waiting:
            job = TransferJob(
                SecretUrl(f"{url}/{name}"),
                name,
                f"{name}.part",
                window_name(name, spec.key),
                policy=POLICY,
                window=spec,
            )
            slot = await slots.take()
            hooks = TransferHooks(lambda event: None, MemoryStore(), slot=slot)
            outcomes.append(await pool.fetch(job, hooks))
            slot.close()

    target = LocalTarget(out)
    claim = target.prepare()
    hosts, waiting = AllowedHosts((), loopback=True), iter(names)
    async with open_transfer_session(hosts=hosts, target=target, workers=workers, trust_env=False) as session:
        pool = LocalPool(session, workers)
        async with anyio.create_task_group() as tasks:
            for _ in range(workers + beside):
                tasks.start_soon(work, pool, waiting)
    claim.release()
    return outcomes


def main() -> int:
    """Measure and print; the exit code is 1 when a window is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=8, help="each has a connection")
    parser.add_argument("--beside", type=int, default=CUT_BESIDE, help="windows that are cut beside them")
    parser.add_argument("--delay-ms", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--directory", default=tempfile.gettempdir())
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.directory) as name:
        folder = Path(name)
        folder.chmod(0o755)
        load = Workload("windows", 1, 1, given.workers, None)
        names = make_bands(folder / "served" / load.name, given.windows)
        counted, worst = Counted(), 0.0
        plain = nginx.serve(folder / "served", folder / "state", load, tls=False)
        with plain as near, delay.relayed(near, given.delay_ms) as host:
            for number in range(given.rounds):
                asked = [(f"/{load.name}/{name}", *ends) for name in names for ends in RANGES]
                bare_s = bare_requests.seconds_taken(host.url, asked, given.workers)
                out, before, cpu_s = folder / f"out{number}", counted.requests, _cpu_s()
                out.mkdir()
                began_s = time.perf_counter()
                outcomes = anyio.run(
                    partial(fetch_all, f"{host.url}/{load.name}", names, out, given.workers, given.beside)
                )
                wall_s, cpu_s = time.perf_counter() - began_s, _cpu_s() - cpu_s
                requests = counted.requests - before
                bound_s = requests * given.delay_ms / 1000 / given.workers
                done = [one for one in outcomes if isinstance(one, Done)]
                size = sum(one.size_bytes for one in done) / max(1, len(done))
                received = sum(one.bytes_received for one in done) / max(1, len(done))
                worst = max(worst, wall_s / bound_s)
                print(
                    f"{len(done)} windows of {size / 1000:.0f} KB, {received / 1000:.0f} KB received each, "
                    f"{requests / given.windows:.1f} requests each, {given.workers} connections: {wall_s:.2f} s, "
                    f"bound {bound_s:.2f} s, {wall_s / bound_s:.2f} of it (requests alone: {bare_s / bound_s:.2f}), "
                    f"{cpu_s / given.windows * 1e3:.1f} ms CPU a window",
                    flush=True,
                )
                if len(done) < given.windows:
                    print(next(one for one in outcomes if not isinstance(one, Done)))
                    return 1
        print(f"worst {worst:.2f}; {os.cpu_count()} CPUs")
    return 0


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
