"""`python -m benchmarks.user_windows`: a field of 10 km, four bands of some scenes, over a line of 50 Mbit/s.

The simulator serves bands of real size from a process of its own; a relay before its file host lets 50 Mbit/s through
for all connections together, and adds 30 ms to each request and each connection. Measured are windows by this program,
whole bands by this program (of one scene, computed for all), GDAL's /vsicurl over the same links, four at a time, and
the loop of the notebook that this program stands for: whole bands, one thread a file, five at a time. The loop fetches
the bands of one scene after the other, which are removed after each.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import Any

from landsat_async import Config, Credentials, download
from landsat_async.sim import RealRasters, Script
from landsat_async.sim.archive import Archive
from landsat_async.sim.server import open_simulator
from landsat_async.transfer.pool import LocalPool

RATE_BYTES_S = 50_000_000 / 8
ROUND_TRIP_S = 0.03
FIELD = [-67.80, 10.14, -67.709, 10.23]
BANDS = ["SR_B2", "SR_B3", "SR_B4", "SR_B5"]
WORKERS = 4


class Line:
    """What all connections of the relay share."""

    def __init__(self) -> None:
        self.free_at_s = 0.0

    async def pass_on(self, size: int) -> None:
        """Wait until so many bytes have gone through."""
        now_s = time.monotonic()
        self.free_at_s = max(self.free_at_s, now_s) + size / RATE_BYTES_S
        if self.free_at_s - now_s > 0.005:
            await asyncio.sleep(self.free_at_s - now_s)


async def relay(port: int) -> int:
    """Stand before a port; returns that of the relay."""
    line = Line()

    async def up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await asyncio.sleep(ROUND_TRIP_S)
            writer.write(data)
        writer.close()

    async def down(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(16384):
            await line.pass_on(len(data))
            writer.write(data)
            await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(ROUND_TRIP_S)
        there, back = await asyncio.open_connection("127.0.0.1", port, limit=65536)
        await asyncio.gather(up(reader, back), down(there, writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=65536)
    found: int = server.sockets[0].getsockname()[1]
    return found


async def serve() -> None:
    """Be the child: simulator and relay."""
    async with open_simulator(Archive.demo(raster=RealRasters()), Script()) as sim:
        for name in ("landsatlook", "dds"):
            port = int(sim.hosts[name].rpartition(":")[2])
            sim._service.base_urls[name] = f"http://127.0.0.1:{await relay(port)}"
        print(json.dumps([sim.service_url, sim.username, sim.token]), flush=True)
        await asyncio.sleep(3600)


def config_of(url: str, folder: Path, scenes: int, **select: Any) -> Config:
    """Return the config of a run."""
    return Config.from_dict(
        {
            "service": {"url": url},
            "search": {"dataset": "landsat_ot_c2_l2", "bbox": FIELD, "limit": scenes, "start": "2024-01-01"},
            "select": {"bands": BANDS, **select},
            "download": {"directory": str(folder), "workers": WORKERS, "poll_interval_s": 1, "min_free_bytes": "0 B"},
        }
    )


def by_vsicurl(links: list[tuple[str, tuple[int, int, int, int]]]) -> float:
    """Read the same boxes with GDAL; returns the seconds."""
    import rasterio
    from rasterio.windows import Window

    options = {
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "CPL_VSIL_CURL_USE_HEAD": "NO",
        "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    }

    def read(link: tuple[str, tuple[int, int, int, int]]) -> int:
        url, box = link
        with rasterio.Env(**options), rasterio.open(f"/vsicurl/{url}") as band:
            return int(band.read(1, window=Window(*box)).size)

    began = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(read, links))
    return time.monotonic() - began


async def by_notebook(links: list[str], folder: Path) -> tuple[float, int]:
    """Fetch the bands of a scene as the notebook does; returns seconds and bytes."""
    folder.mkdir()
    (folder / "urls").write_text("\n".join(links))
    began = time.monotonic()
    loop = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.with_notebook_loop", "--urls", str(folder / "urls"), "--out", str(folder)
    )
    if await loop.wait():
        raise SystemExit("the notebook's loop has failed")
    took_s = time.monotonic() - began
    (folder / "urls").unlink()
    size = sum(path.stat().st_size for path in folder.iterdir())
    shutil.rmtree(folder)
    return took_s, size


async def measure(url: str, credentials: Credentials, scenes: int, base: Path) -> None:
    """Measure all and print it."""
    links: dict[str, str] = {}
    fetch = LocalPool.fetch

    def remember(self: LocalPool, job: Any, hooks: Any) -> Any:
        links[job.relpath] = job.url.reveal()
        return fetch(self, job, hooks)

    LocalPool.fetch = remember  # type: ignore[method-assign]
    began = time.monotonic()
    summary = await download(config_of(url, base / "windows", scenes, window="pixels"), credentials=credentials)
    ours_s = time.monotonic() - began
    files = summary.files_verified
    print(f"windows: {files} files, {summary.bytes_received / 1e6:.1f} MB, {ours_s:.1f} s, exit {summary.exit_code}")
    with closing(connect(base / "windows" / ".landsat_async" / "ledger.sqlite3")) as ledger:
        rows = ledger.execute(
            "SELECT relpath, box, source_bytes, transport FROM window JOIN item USING(item_id)"
        ).fetchall()
    mean = sum(row[2] for row in rows) / len(rows)
    share = summary.bytes_received / files / mean
    print(
        f"  a band has {mean / 1e6:.1f} MB, a window took {share:.2%} of it; transports { ({row[3] for row in rows}) }"
    )
    wanted = [(links[name], tuple(map(int, box.split(",")))) for name, box, *_ in rows]
    print(f"/vsicurl: {await asyncio.to_thread(by_vsicurl, wanted):.1f} s for the same boxes and links")  # type: ignore[arg-type]
    LocalPool.fetch = fetch  # type: ignore[method-assign]
    by_scene: dict[str, list[str]] = {}
    for name, link in links.items():
        by_scene.setdefault(name[:40], []).append(link)
    loops = [await by_notebook(own, base / "notebook") for own in by_scene.values()]
    loop_s, loop_bytes = (sum(column) for column in zip(*loops, strict=True))
    print(
        f"the notebook's loop: {len(loops)} scenes, {len(links)} files, {loop_bytes / 1e6:.0f} MB, {loop_s:.1f} s,"
        f" {loop_s / ours_s:.0f} times as long; for 200 scenes {loop_s * 200 / len(loops) / 3600:.1f} h",
        flush=True,
    )
    began = time.monotonic()
    whole = await download(config_of(url, base / "whole", 1), credentials=credentials)
    whole_s = (time.monotonic() - began) * files / whole.files_verified
    print(
        f"whole bands: {whole.files_verified} files, {whole.bytes_received / 1e6:.0f} MB; computed for {files}:"
        f" {whole_s:.0f} s, {whole_s / ours_s:.0f} times as long; for 200 scenes: windows"
        f" {ours_s * 200 * len(BANDS) / files:.0f} s, whole {whole_s * 200 * len(BANDS) / files / 3600:.1f} h"
    )


async def main(scenes: int) -> None:
    """Start the child, and measure."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.user_windows", "--serve", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        url, username, token = json.loads(await child.stdout.readline())
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name:
            await measure(url, Credentials(username, token), scenes, Path(name))
    finally:
        child.kill()
        await child.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=8)
    parser.add_argument("--serve", action="store_true", help="be the simulator")
    given = parser.parse_args()
    asyncio.run(serve() if given.serve else main(given.scenes))
