"""`python -m benchmarks.stac_items --scenes 10000`: how long items, VRTs and tables take, and how much memory.

A folder of made-up scenes: each with MTL.txt and seven rasters (names of one small GeoTIFF), all in a ledger. What is
measured is what a run does at its end: read ledger, metadata files and heads of rasters, make the documents, write each
whole. Then the same again with nothing new, and with everything made anew. `--table parquet` (needs pyarrow) also
writes all items as one file.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import anyio

from benchmarks.probe import rss_bytes
from landsat_async.config_tables import OutputConfig
from landsat_async.disk.folder import OutputFolder
from landsat_async.disk.ledger import Ledger
from landsat_async.disk.local_target import LocalTarget
from landsat_async.model import Route, Scene, WantedFile
from landsat_async.run.outputs import write_outputs
from landsat_async.stac.assets import LocalFile, asset_of
from landsat_async.stac.item import SceneFacts, item_of
from landsat_async.stac.mtl import read_mtl
from landsat_async.stac.pixel_grid import raster_of_tiff
from tests.stac.mtl_texts import L2, as_text, groups
from tests.stac.test_pixel_grid import tiff

STEMS = ("SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "ST_B10", "QA_PIXEL")
FOOTPRINT = '{"type":"Polygon","coordinates":[[[-68,9],[-66,9.1],[-66.2,11],[-68.1,10.9],[-68,9]]]}'
_ITEMS = 300
SELECTED_TOGETHER = 1000


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=10_000)
    parser.add_argument("--table", choices=("geojson", "csv", "parquet"), default="geojson")
    parser.add_argument("--directory", default=tempfile.gettempdir())
    given = parser.parse_args()
    print(f"one item of {len(STEMS) + 1} files: {1000 * one_item():.2f} ms (median of {_ITEMS}; limit 5 ms)")
    with tempfile.TemporaryDirectory(prefix="stac-", dir=given.directory) as name:
        target = LocalTarget(Path(name))
        await fill(target.folder, given.scenes)
        wanted = OutputConfig(stac=True, vrt=True, table=given.table)
        for what, anew in (("new", False), ("nothing new", False), ("all anew, nothing changed", True)):
            before, began = rss_bytes(), time.monotonic()
            made = await write_outputs(target, wanted, anew=anew)
            took, grown = time.monotonic() - began, (rss_bytes() - before) / 2**20
            print(f"{given.scenes:,} scenes, {what}: {took:.1f} s, {made.changed:,} files written, {grown:+.0f} MiB")
    return 0


def one_item() -> float:
    """Return the median seconds that one item takes, from the bytes of its files."""
    text, head = as_text(groups()), tiff()
    names = [f"{L2}_{stem}.TIF" for stem in STEMS]
    took = []
    for _ in range(_ITEMS):
        began = time.perf_counter()
        mtl = read_mtl(text, "MTL.txt")
        files = [LocalFile(name, name, 1, "ab" * 32, raster_of_tiff(head)) for name in names]
        item_of(SceneFacts(L2, "E", footprint=FOOTPRINT), mtl, [asset_of(L2, file, mtl) for file in files])
        took.append(time.perf_counter() - began)
    return statistics.median(took)


async def fill(folder: OutputFolder, scenes: int) -> None:
    """Make the files and the ledger that a run over so many scenes leaves behind."""
    folder.parts.mkdir(parents=True)
    body = tiff()
    ledger = await Ledger.open(folder.ledger)
    await ledger.begin_run("run", 1.0)
    seen, files = [], []
    for number in range(scenes):
        day = date(2013, 4, 1) + timedelta(days=number % 4000)
        path, row = 1 + number // 4000, 1 + number % 200
        display_id = f"LC08_L2SP_{path:03}{row:03}_{day:%Y%m%d}_20240714_02_T1"
        seen.append(Scene(f"E{number}", display_id, day.isoformat(), 5.0, FOOTPRINT, dataset="landsat_ot_c2_l2"))
        changed = groups(PRODUCT_CONTENTS={"LANDSAT_PRODUCT_ID": display_id})
        (folder.root / f"{display_id}_MTL.txt").write_bytes(as_text(changed))
        first = folder.root / f"{display_id}_{STEMS[0]}.TIF"
        first.write_bytes(body)
        for stem in STEMS[1:]:
            os.link(first, folder.root / f"{display_id}_{stem}.TIF")
        names = [f"{display_id}_MTL.txt", *(f"{display_id}_{stem}.TIF" for stem in STEMS)]
        files += [WantedFile(name, f"E{number}", display_id, "file", (Route("e", "p", "s"),), 1) for name in names]
        if len(files) >= SELECTED_TOGETHER or number == scenes - 1:
            await ledger.scenes.remember(seen, 1.0)
            await ledger.select(files, "run", 1.0)
            seen, files = [], []
    await ledger.writer.call(_all_done)
    await ledger.aclose()


def _all_done(connection: sqlite3.Connection) -> None:
    connection.execute(
        "INSERT INTO file SELECT item_id, 100, lower(hex(zeroblob(32))), 'structure', 1, 1.0, 0, NULL FROM item"
    )
    connection.execute("UPDATE item SET state='done'")


if __name__ == "__main__":
    raise SystemExit(anyio.run(main))
