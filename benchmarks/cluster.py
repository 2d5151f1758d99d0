"""What a dask cluster costs: the same files by a run alone and by a run over two processes of this machine.

    python -m benchmarks.cluster [--scenes 556] [--pairs 3]     9 files of 106 kB of each scene
    python -m benchmarks.cluster --large [--pairs 3]            16 files of 32 MiB

Prints a JSON line for each: files a second, CPU of the run a file (the scheduler is in its process), and whether both
have the same bytes; in the end what was worst. The service is a simulator in a process of its own, a new one each time.
Needs the extra `dask`.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import logging
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio.to_thread

from landsat_async import Config, Credentials, open_run
from landsat_async.events import Planned
from landsat_async.scale import DaskPool

LARGE_BYTES = 32 * 2**20


async def measure(service: dict[str, Any], root: Path, options: argparse.Namespace, pool: Any) -> dict[str, Any]:
    """Run once; return what it took."""
    bands = ["SR_B3"] if options.large else ["SR_B*", "ST_B10", "QA_PIXEL"]
    download = {"workers": options.workers, "poll_interval_s": 0.2, "min_free_bytes": "0 B"}
    config = Config.from_dict(
        {
            "service": {"url": service["service_url"]},
            "search": {"dataset": "landsat_ot_c2_l2", "limit": options.scenes},
            "select": {"type": "band", "bands": bands},
            "download": {"directory": str(root), **download},
        },
        base_dir=str(root.parent),
    )
    credentials = Credentials(service["username"], service["token"])
    before_s, cpu_s = 0.0, 0.0
    async with open_run(config, credentials=credentials, pool=pool) as run:
        async for event in run.events():
            if isinstance(event, Planned):
                before_s, cpu_s = time.monotonic(), time.process_time()
        took_s, cpu_s = time.monotonic() - before_s, time.process_time() - cpu_s
    files = run.summary.files_verified
    return {
        "pool": "here" if pool is None else "dask",
        "files": files,
        "exit_code": run.summary.exit_code,
        "seconds": round(took_s, 2),
        "files_s": round(files / took_s, 1),
        "cpu_ms_file": round(1000 * cpu_s / max(1, files), 2),
        "bytes": run.summary.bytes_received,
        "digest": digest(root),
    }


def digest(root: Path) -> str:
    """Return a digest of all files below a folder."""
    found = hashlib.sha256()
    for path in sorted(root.glob("*.TIF")):
        found.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()[:16]


async def serve(scenes: int, band_bytes: int | None) -> None:
    """Answer for an archive until nobody holds our standard input any more."""
    from landsat_async.sim.archive import Archive
    from landsat_async.sim.server import open_simulator

    archive = Archive.seeded(scenes) if band_bytes is None else Archive.seeded(scenes, band_bytes=band_bytes)
    async with open_simulator(archive) as simulator:
        names = ("service_url", "username", "token")
        print(json.dumps({name: getattr(simulator, name) for name in names}), flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)


@contextmanager
def service(scenes: int, *, large: bool) -> Iterator[dict[str, Any]]:
    """Run a fresh service in a process of its own: it has no quota used up."""
    command = [sys.executable, "-m", "benchmarks.cluster", "--serve", "--scenes", str(scenes), *["--large"] * large]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()


def one_pair(number: int, folder: Path, options: argparse.Namespace, client: Any) -> list[dict[str, Any]]:
    """Measure once here and once over the cluster, each against a fresh service; the other way round the next time."""
    results = []
    for pool in (None, DaskPool(client))[:: -1 if number % 2 else 1]:
        with service(options.scenes, large=options.large) as found:
            root = folder / f"{number}-{pool is None}"
            results.append(asyncio.run(measure(found, root, options, pool)))
            print(json.dumps(results[-1]), flush=True)
            shutil.rmtree(root)
    results.sort(key=lambda result: result["pool"] == "dask")
    here, there = results
    assert here["digest"] == there["digest"], "the same files"
    return results


def main() -> None:
    """Measure both, as often as asked for, and say what was worst."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scenes", type=int, help="120, or 16 with --large")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--large", action="store_true", help="one file of 32 MiB of each scene")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.scenes = options.scenes or (16 if options.large else 120)
    if options.serve:
        asyncio.run(serve(options.scenes, LARGE_BYTES if options.large else None))
        return
    from distributed import Client, LocalCluster

    cluster: Any = LocalCluster(
        n_workers=2, threads_per_worker=(options.workers + 1) // 2, dashboard_address=None, silence_logs=logging.ERROR
    )
    with tempfile.TemporaryDirectory() as folder, cluster, Client(cluster) as client:
        pairs = [one_pair(number, Path(folder), options, client) for number in range(options.pairs)]
    worst = {
        "slower_than_here": max(round(there["seconds"] / here["seconds"], 2) for here, there in pairs),
        "files_s": min(there["files_s"] for _, there in pairs),
        "cpu_ms_file": max(there["cpu_ms_file"] for _, there in pairs),
    }
    print(json.dumps({"worst_of": len(pairs), **worst}))


if __name__ == "__main__":
    main()
