"""`python -m benchmarks`: our transfers beside other programs, against nginx on loopback.

Installs nothing and looks for nothing outside this machine: it says which programs are there and measures those.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import delay, nginx
from benchmarks.bench_transfer import bench
from benchmarks.peers import PEERS, Peer
from benchmarks.table import as_json, render
from benchmarks.workload import WORKLOADS, Served, Workload, make_files

QUICK = 1 / 16


def main() -> int:
    """Measure what was asked for and print it."""
    given = _arguments()
    relay_ms = delay.go_far_away(given.delay_ms)
    here = _report_peers(given.peers)
    if not nginx.is_there():
        print("nginx and openssl are needed; on Debian: apt-get install nginx-light openssl")
        return 2
    print(
        f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, files in {given.directory}"
    )
    objects: list[dict[str, object]] = []
    for load in _workloads(given):
        with tempfile.TemporaryDirectory(prefix="benchmark-", dir=given.directory) as name:
            folder = Path(name)
            folder.chmod(0o755)  # started by root, nginx gives up root's rights
            _check_room(folder, load)
            served = make_files(load, folder / "served")
            for protocol in given.protocols:
                results = bench(
                    served,
                    here,
                    given.rounds,
                    folder,
                    tls=protocol == "tls",
                    relay_ms=relay_ms,
                    own_core=given.own_core,
                )
                print(f"\n{_headline(served, protocol, given.rounds)}\n{render(served, results)}", flush=True)
                objects += as_json(served, protocol, results)
    if given.json:
        Path(given.json).write_text(json.dumps(objects, indent=1))
    return 1 if any("failed" in one for one in objects) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--workloads", nargs="+", choices=[load.name for load in WORKLOADS], help="default: all")
    parser.add_argument("--protocols", nargs="+", choices=["plain", "tls"], default=["plain", "tls"])
    parser.add_argument("--peers", nargs="+", choices=[peer.name for peer in PEERS], help="default: all that are here")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the files")
    parser.add_argument("--quick", action="store_true", help=f"one round at scale {QUICK}")
    parser.add_argument("--delay-ms", type=float, default=0.0, help="round trip, by netem or a relay")
    parser.add_argument("--own-core", action="store_true", help="the server has a core of its own (Linux)")
    parser.add_argument("--directory", default=tempfile.gettempdir(), help="where files are served from and written to")
    parser.add_argument("--json", metavar="PATH", help="write every run there")
    given = parser.parse_args()
    if given.own_core and len(os.sched_getaffinity(0)) < 2:
        parser.error("--own-core: there is one core only")
    if given.quick:
        given.rounds, given.scale = 1, QUICK
    return given


def _report_peers(names: Sequence[str] | None) -> list[Peer]:
    here = []
    for peer in PEERS:
        if names and peer.name not in names:
            continue
        version = peer.version()
        print(f"{peer.name:10} {version or 'not here'}")
        if version:
            here.append(peer)
    return here


def _workloads(given: argparse.Namespace) -> list[Workload]:
    return [load.scaled(given.scale) for load in WORKLOADS if not given.workloads or load.name in given.workloads]


def _headline(served: Served, protocol: str, rounds: int) -> str:
    load, count = served.workload, len(served.sums)
    limited = f", {load.limit_rate} bytes/s a connection, {load.splits} of them a file" if load.limit_rate else ""
    return (
        f"{load.name}: {count} files of {served.total_bytes / count / 2**20:.2f} MiB, {load.connections} connections, "
        f"{protocol}{limited}, median of {rounds}"
    )


def _check_room(folder: Path, load: Workload) -> None:
    needed = 2.2 * load.scenes * load.bands * (load.band_bytes or 2**17) + 2**28
    if shutil.disk_usage(folder).free < needed:
        sys.exit(f"{load.name} needs {needed / 2**30:.1f} GiB in {folder}: use --scale or --directory")


if __name__ == "__main__":
    sys.exit(main())
