"""`python -m benchmarks.lag`: how late the event loop of a run is, looked at from a task within it.

nginx serves the files and the simulator answers the API, each in a process of its own. Beside each run an idle loop in
a process of its own is looked at in the same way: what it shows is the machine's doing. The loop while a plan is made
and while a long queue is worked on: see benchmarks.planning and benchmarks.memory.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import anyio.to_thread

from benchmarks import nginx, service
from benchmarks.probe import probing
from benchmarks.workload import WORKLOADS, Served, make_files
from landsat_async import Config, Credentials, download

LOADS = ("64x32MiB", "5000x100KiB")


def main() -> int:
    """Measure each workload, each in a child; or be the child, or be idle."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("loads", nargs="*", default=LOADS, help=", ".join(LOADS))
    parser.add_argument("--scale", type=float, default=1.0, help="this share of the files")
    parser.add_argument("--directory", default=tempfile.gettempdir())
    parser.add_argument("--here", action="store_true", help="in this process")
    parser.add_argument("--idle", action="store_true", help="do nothing until standard input ends")
    given = parser.parse_args()
    if given.idle:
        anyio.run(_idle)
    elif given.here:
        with tempfile.TemporaryDirectory(prefix="lag-", dir=given.directory) as folder:
            _show(given.loads[0], given.scale, Path(folder))
    else:
        for load in given.loads:
            command = [sys.executable, "-m", "benchmarks.lag", load, "--here"]
            command += ["--scale", f"{given.scale}", "--directory", given.directory]
            subprocess.run(command, check=True)
    return 0


def _show(name: str, scale: float, folder: Path) -> None:
    load = next(load for load in WORKLOADS if load.name == name).scaled(scale)
    folder.chmod(0o755)  # nginx may run as somebody else
    served = make_files(load, folder / "served")
    with (
        nginx.serve(folder / "served", folder / "nginx", load, tls=False) as host,
        service.running(load, host.url) as api,
        _idle_beside(name),
    ):
        anyio.run(_run, served, api, folder / "out")


async def _run(served: Served, api: service.Api, out: Path) -> None:
    load = served.workload
    config = Config.from_dict(
        {
            "service": {"url": api.url},
            "search": {"dataset": "landsat_ot_c2_l2"},
            "select": {"type": "band", "bands": list(load.band_names)},
            "download": {"directory": str(out), "workers": load.connections, "min_free_bytes": "0 B"},
        }
    )
    async with probing() as probe:
        summary = await download(config, credentials=Credentials(api.username, api.token))
    assert summary.files_verified == len(served.sums), summary
    print(f"{load.name}: {summary.files_verified:,} files, {load.connections} workers: {probe}", flush=True)


@contextmanager
def _idle_beside(name: str) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.lag", "--idle"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield
        said, _ = process.communicate()
    print(f"{name}: an idle loop beside it: {said.strip()}", flush=True)


async def _idle() -> None:
    async with probing() as probe:
        await anyio.to_thread.run_sync(sys.stdin.read)
    print(probe)


if __name__ == "__main__":
    sys.exit(main())
