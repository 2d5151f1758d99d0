"""Kills of runs that cut windows: by ranges, from whole files, from bundles. For tests in small, and a benchmark."""

from __future__ import annotations

import random
from pathlib import Path

import shapely

from landsat_async.raster.spec import WindowSpec
from landsat_async.raster.window import WindowMode
from landsat_async.sim import SMALL_RASTERS, Script
from tests.support.kill_lab import Lab, MemoryArchive, Place, RunCounts, kill_until_done, open_lab

FIELD = (-67.90, 10.05, -67.60, 10.30)


def place_of(lab: Lab, *, bundles: bool = False) -> Place:
    """Return a new folder whose config asks for windows."""
    search = {"bbox": list(FIELD)} | ({"limit": 2} if bundles else {})  # as many bands as the simulator keeps
    place = lab.place(bands=["SR_B3", "SR_B5", "QA_PIXEL"], search=search)
    place.config["select"]["window"] = "pixels"
    if bundles:
        place.config["select"]["type"] = "bundle"
    return place


async def kill(base: Path, kills: int, seed: int, *, ranges: bool = True, bundles: bool = False) -> RunCounts:
    """Kill runs until so many kills have fallen; each folder must be whole at its end. Raises Broken."""
    chance, counts = random.Random(seed), RunCounts()
    archive = MemoryArchive.demo(raster=SMALL_RASTERS)
    async with open_lab(base, archive, Script(ranges=ranges)) as lab:
        lab.window = WindowSpec.of(shapely.box(*FIELD), WindowMode.PIXELS)
        first = place_of(lab, bundles=bundles)
        cycle = await lab.run(first)
        first.check_finished()
        while counts.kills < kills:
            await kill_until_done(lab, place_of(lab, bundles=bundles), chance, cycle, counts, most=8)
    return counts
