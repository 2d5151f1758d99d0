"""`python -m benchmarks.window_memory`: memory of a window of 60 km, by ranges, from a whole band, from a bundle.

The simulator serves files of real size from a process of its own. A process of ours cuts a window of 1 km of one scene
first, in the same way, so that everything is loaded and every buffer made once; then the peak is set back, and the
window of 60 km of another scene is cut. Printed is the peak above the memory just before it, and above that of the
process when it had loaded its modules and done nothing. The bound: the pixels of the window, a row of tiles, and 4 MiB.
Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import Any

from landsat_async import Config, Credentials, download
from landsat_async.sim import RealRasters, Script
from landsat_async.sim.archive import Archive
from landsat_async.sim.server import open_simulator

MIB = 2**20
BAND = "SR_B4"
WAYS: dict[str, dict[str, Any]] = {"ranges": {}, "whole": {}, "bundles": {"type": "bundle"}}
MIDDLE = -67.75, 10.19
SCENES = "LC80040532024187LGN00", "LC80040532024203LGN00"


def _status(key: str) -> int:
    text = Path("/proc/self/status").read_text()
    return int(text.partition(f"{key}:")[2].split()[0]) * 1024


def config_of(url: str, folder: Path, scene: str, side_km: float, select: dict[str, Any]) -> Config:
    """Return the config of a run that cuts one window."""
    half_deg = side_km / 2 / 111.32
    west, south, east, north = (
        MIDDLE[0] - half_deg, MIDDLE[1] - half_deg, MIDDLE[0] + half_deg, MIDDLE[1] + half_deg,
    )  # fmt: skip
    return Config.from_dict(
        {
            "service": {"url": url},
            "search": {"scenes": [scene], "dataset": "landsat_ot_c2_l2", "bbox": [west, south, east, north]},
            "select": {"bands": [BAND], "window": "pixels", **select},
            "download": {"directory": str(folder), "workers": 1, "poll_interval_s": 1, "min_free_bytes": "0 B"},
        }
    )


async def cut(config: Config, credentials: Credentials) -> tuple[int, int]:
    """Run; returns the bytes of the window's pixels, and of a row of the tiles that it was cut from."""
    summary = await download(config, credentials=credentials)
    assert summary.exit_code == 0, summary
    with closing(connect(Path(config.download.directory) / ".landsat_async" / "ledger.sqlite3")) as ledger:
        ((box, tiles),) = ledger.execute("SELECT box, tiles FROM window").fetchall()
    _, _, width, height = map(int, box.split(","))
    across = -(-width // 256) + 1
    assert tiles <= across * (-(-height // 256) + 1)
    return width * height * 2, across * 256 * 256 * 2


def child(way: str, url: str, credentials: Credentials, folder: Path) -> None:
    """Be the process that is measured."""
    loaded = _status("VmRSS")
    asyncio.run(cut(config_of(url, folder / "small", SCENES[0], 1.0, WAYS[way]), credentials))
    small, before = _status("VmHWM"), _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    window, row = asyncio.run(cut(config_of(url, folder / "large", SCENES[1], 60.0, WAYS[way]), credentials))
    peak = _status("VmHWM")
    print(
        f"{way}: {window / MIB:.1f} MiB of pixels, a row of tiles {row / MIB:.1f} MiB; peak {peak / MIB:.0f} MiB,"
        f" {(peak - before) / MIB:.1f} MiB above the idle process ({before / MIB:.0f} MiB,"
        f" after a window of 1 km, whose peak was {small / MIB:.0f};"
        f" {loaded / MIB:.0f} MiB when its modules had been loaded); bound {(window + row) / MIB + 4:.1f} MiB",
        flush=True,
    )


async def serve(*, ranges: bool) -> None:
    """Be the simulator."""
    async with open_simulator(Archive.demo(raster=RealRasters()), Script(ranges=ranges)) as sim:
        print(json.dumps([sim.service_url, sim.username, sim.token]), flush=True)
        await asyncio.sleep(3600)


def measure(way: str, repeat: int) -> None:
    """Start a simulator and so many processes."""
    serving = [sys.executable, "-m", "benchmarks.window_memory", "--serve", "--way", way]
    with subprocess.Popen(serving, stdout=subprocess.PIPE, text=True) as sim:
        try:
            assert sim.stdout is not None
            answer = sim.stdout.readline().strip()
            for _ in range(repeat):
                with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
                    own = [sys.executable, "-m", "benchmarks.window_memory", "--way", way, "--child", answer, folder]
                    subprocess.run(own, check=True)
        finally:
            sim.kill()


def main() -> None:
    """Measure each way, or be one of the children."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--way", choices=WAYS)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help="be the simulator")
    parser.add_argument("--child", nargs=2, metavar=("SIMULATOR", "FOLDER"), help="be the process that is measured")
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve(ranges=given.way == "ranges"))
    elif given.child:
        url, username, token = json.loads(given.child[0])
        child(given.way, url, Credentials(username, token), Path(given.child[1]))
    else:
        for way in [given.way] if given.way else WAYS:
            measure(way, given.repeat)


if __name__ == "__main__":
    main()
