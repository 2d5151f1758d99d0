"""What a dask cluster costs: the same files by a run alone and by a run over two processes of this machine.

    python benchmarks/cluster.py [--scenes 100] [--workers 8]

Prints a JSON line for each: files a second, CPU of the run a file (scheduler included), and whether both have the same
bytes. The service is a simulator in a process of its own. Needs the extra `dask`.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import logging
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from landsat_async import Config, Credentials, open_run
from landsat_async.events import Planned
from landsat_async.scale import DaskPool


async def measure(service: dict[str, Any], root: Path, workers: int, scenes: int, pool: Any) -> dict[str, Any]:
    """Run once; return what it took."""
    config = Config.from_dict(
        {
            "service": {"url": service["service_url"]},
            "search": {"dataset": "landsat_ot_c2_l2", "limit": scenes},
            "select": {"type": "band", "bands": ["SR_B*", "ST_B10", "QA_PIXEL"]},
            "download": {"directory": str(root), "workers": workers, "poll_interval_s": 0.2, "min_free_bytes": "0 B"},
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


def main() -> None:
    """Measure both."""
    from distributed import Client, LocalCluster

    parser = argparse.ArgumentParser()
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--workers", type=int, default=8)
    options = parser.parse_args()
    simulate = [sys.executable, "-m", "landsat_async", "simulate", "--scenes", str(options.scenes)]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(simulate, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server,
    ):
        try:
            assert server.stdout is not None
            service = json.loads(server.stdout.readline())
            here = asyncio.run(measure(service, Path(folder, "here"), options.workers, options.scenes, None))
            print(json.dumps(here), flush=True)
            with (
                LocalCluster(
                    n_workers=2, threads_per_worker=(options.workers + 1) // 2, dashboard_address=None,
                    silence_logs=logging.ERROR,
                ) as cluster,
                Client(cluster) as client,
            ):  # fmt: skip
                pool = DaskPool(client)
                there = asyncio.run(measure(service, Path(folder, "there"), options.workers, options.scenes, pool))
            print(json.dumps(there), flush=True)
            assert here["digest"] == there["digest"], "the same files"
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
