"""`python -m benchmarks.planning`: start-up, and planning at scale; the simulator runs in a process of its own.

    help         --help against `python -c pass`
    decode       a scene-search answer of 50,000 scenes
    coverage     the share of an area that each of 50,000 footprints covers
    plan         a plan of 20,000 scenes with 60,000 files
    finished     `run` over a finished folder of 20,000 files

Each part runs in a process of its own, so that its memory and processor time are its alone. CPU is that of the client.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec

from benchmarks.probe import probing, rss_bytes
from landsat_async import Config, Credentials, download, plan
from landsat_async.m2m import payloads
from landsat_async.m2m.response import understand
from landsat_async.m2m.transport import ApiReply
from landsat_async.rules.aoi import aoi_from_bbox, coverages
from landsat_async.sim.archive import Archive
from landsat_async.sim.log import Log
from landsat_async.sim.script import Script
from landsat_async.sim.search import scene
from landsat_async.sim.service import Account, Service
from tests.whole.apart import simulator_apart

BANDS = ("SR_B2", "SR_B3", "SR_B4")
SELECT = {"type": "band", "bands": list(BANDS)}
DATASET = "landsat_ot_c2_l2"
PARTS = ("help", "decode", "coverage", "plan", "finished")
_STARTS = 15
_RUNS = 3


def main() -> int:
    """Run the parts that were asked for, each in a child; or be the child."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help="which parts; all when none is named")
    parser.add_argument("--scale", type=float, default=1.0, help="this share of the scenes")
    parser.add_argument("--directory", default=tempfile.gettempdir())
    parser.add_argument("--here", action="store_true", help="in this process")
    given = parser.parse_args()
    if not given.here:
        return max([_in_child(part, given.scale, given.directory) for part in given.parts or PARTS])
    with tempfile.TemporaryDirectory(prefix="planning-", dir=given.directory) as folder:
        (part,) = given.parts
        show(part, given.scale, Path(folder))
    return 0


def _in_child(part: str, scale: float, directory: str) -> int:
    command = [sys.executable, "-m", "benchmarks.planning", part, "--here"]
    return subprocess.run([*command, "--scale", f"{scale}", "--directory", directory], check=False).returncode


def show(part: str, scale: float, folder: Path) -> None:
    """Measure one part at a share of its full size and print it."""
    if part == "help":
        _show_help()
    elif part == "decode":
        _show_decode(round(50_000 * scale))
    elif part == "coverage":
        _show_coverage(round(50_000 * scale))
    elif part == "plan":
        anyio.run(_show_plan, round(20_000 * scale), folder)
    else:
        anyio.run(_show_finished, round(20_000 * scale / len(BANDS)) + 1, folder)


def _show_help() -> None:
    bare, ours = [sys.executable, "-c", "pass"], [sys.executable, "-m", "landsat_async", "--help"]
    seconds: dict[str, list[float]] = {"bare": [], "ours": []}
    for _ in range(_STARTS):  # in turn, because a machine is not the same from one second to the next
        for name, command in (("bare", bare), ("ours", ours)):
            began_s = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - began_s)
    most = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"help: {most['ours']:.3f} s, bare Python {most['bare']:.3f} s: {most['ours'] - most['bare']:.3f} s more")


def _show_decode(count: int) -> None:
    body = bytearray(_answer(count))
    call = payloads.scene_search(DATASET, None, start=1, page_size=count, metadata_type=None, limit_s=None)
    reply = ApiReply(200, "application/json", body, None, None)
    before_bytes, began_s = rss_bytes(), time.process_time()
    page, unusable = understand(call, reply, ())
    took_s = time.process_time() - began_s
    assert len(page.scenes) == count
    assert not unusable
    grown = (rss_bytes() - before_bytes) / 2**20
    print(f"decode: {count:,} scenes, {len(body) / 2**20:.0f} MiB: {took_s:.2f} s CPU, memory grew by {grown:.0f} MiB")


def _show_coverage(count: int) -> None:
    area = aoi_from_bbox((-80.0, -60.0, 80.0, 70.0))
    texts = [msgspec.json.encode(row["spatialCoverage"]).decode() for row in _scenes(count)]
    began_s = time.process_time()
    shares = coverages(area, texts)
    took_s = time.process_time() - began_s
    met = sum(share is not None and share > 0 for share in shares)
    print(f"coverage: {count:,} footprints, {met:,} of them in the area: {took_s:.2f} s CPU")


async def _show_plan(scenes: int, folder: Path) -> None:
    async with simulator_apart(scenes=scenes, pixels=16) as (config_of, credentials):
        config = config_of(folder / "data", select=SELECT)
        async with probing() as probe:
            found = await plan(config, credentials=credentials)
    assert len(found.scenes) == scenes
    print(f"plan: {scenes:,} scenes, {len(found.files):,} files: {probe}")


async def _show_finished(scenes: int, folder: Path) -> None:
    """The folder is filled from the archive, and a first run proves and adopts it; the next ones find it finished."""
    await anyio.to_thread.run_sync(_fill, folder / "data", scenes)
    async with simulator_apart(scenes=scenes, pixels=16) as (config_of, credentials):
        config = config_of(folder / "data", select=SELECT)
        summary = await download(config, credentials=credentials)
        files = summary.files_skipped
        assert files == summary.files_total == scenes * len(BANDS)
        command = _command(config, credentials, folder)
        for _ in range(_RUNS):
            wall_s, cpu_s = await anyio.to_thread.run_sync(_timed, command)
            print(f"finished: {files:,} files of {scenes:,} scenes: {wall_s:.2f} s wall, {cpu_s:.2f} s CPU")


def _fill(folder: Path, scenes: int) -> None:
    folder.mkdir()
    archive = Archive.seeded(scenes, pixels=16, tile=16, dds_share=0.2)
    for product in archive:
        if product.dataset.alias == DATASET:
            for band in BANDS:
                name = product.file_name(f"{band}.TIF")
                content = archive.file(name)
                assert content is not None
                (folder / name).write_bytes(content.read(0, content.size))


def _command(config: Config, credentials: Credentials, folder: Path) -> list[str]:
    (folder / "credentials.txt").touch(0o600)
    (folder / "credentials.txt").write_text(f"username:{credentials.username}\ntoken:{credentials.token}\n")
    (folder / "config.toml").write_text(f"""
[service]
url = "{config.service.url}"
credentials_file = "credentials.txt"
[search]
dataset = "{DATASET}"
[select]
type = "band"
bands = {list(BANDS)}
[download]
directory = "data"
min_free_bytes = "0 B"
""")
    return [sys.executable, "-m", "landsat_async", "run", str(folder / "config.toml")]


def _timed(command: list[str]) -> tuple[float, float]:
    """Wall and CPU time of a program from its start to its end."""
    began_s = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - began_s
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, process.returncode
    return wall_s, used.ru_utime + used.ru_stime


def _scenes(count: int) -> Iterator[dict[str, object]]:
    """Rows of a search, as the simulator answers them."""
    archive = Archive.seeded(count, pixels=16, tile=16)
    service = Service(archive, Script(), Log(), Account("", ""), {"landsatlook": "https://example.org"})
    products = (product for product in archive if product.dataset.alias == DATASET)
    return (scene(service, product) for product in islice(products, count))


def _answer(count: int) -> bytes:
    rows = b",".join(msgspec.json.encode(row) for row in _scenes(count))
    head = b'{"requestId":1,"version":"stable","data":{"results":['
    return head + rows + b'],"totalHits":%d},"errorCode":null,"errorMessage":null}' % count


if __name__ == "__main__":
    sys.exit(main())
