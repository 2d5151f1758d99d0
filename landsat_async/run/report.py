"""What a folder holds, scene by scene, with a quicklook of each: for `report`. Offline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import anyio.to_thread

from landsat_async.config import Config
from landsat_async.disk.inspect import OpenFile
from landsat_async.disk.ledger_catalog import FileHere, scenes_here
from landsat_async.disk.ledger_reader import FileStatus, LedgerReader
from landsat_async.disk.target import Target
from landsat_async.page.picture import quicklook
from landsat_async.proof.byte_view import ByteView, Damage
from landsat_async.proof.tar import walk_tar
from landsat_async.raster.grid import BrokenRaster, UnsupportedRaster
from landsat_async.raster.held_bytes import HeldBytes, Needs
from landsat_async.raster.overviews import read_overviews, read_pixels, smallest_of
from landsat_async.raster.tile_codec import Pixels
from landsat_async.rules.bands import band_of_file
from landsat_async.run.choose_target import target_for

QUICKLOOK_SIDE = 192
PIXELS_MAX = 16_000_000
"""A band without overviews is read whole up to this size."""
_COLOURS = (("red", "green", "blue"), ("swir16", "nir08", "red"), ("nir08", "red", "green"))
"""Three bands that make a picture, the most natural first."""
_NO_PICTURES = ("QA", "SR_QA", "ST_QA", "VAA", "VZA", "SAA", "SZA", "SR_CLOUD")
Read = Callable[[int, int], bytes]


@dataclass
class ReportScene:
    """One scene of a folder."""

    display_id: str
    acquired: str | None = None
    cloud_cover: float | None = None
    """Percent."""
    footprint: str | None = None
    """GeoJSON."""
    files: Counter[str] = field(default_factory=Counter)
    """How many files are in which state."""
    picture: bytes | None = field(default=None, repr=False)


@dataclass
class Report:
    """All scenes of a folder."""

    scenes: list[ReportScene] = field(default_factory=list)
    ledger: bool = True
    """False: nothing is known of this folder."""


async def report(config: Config, *, pictures: bool = True) -> Report:
    """Return what the output folder of a config holds.

    Raises:
        LedgerError: its state cannot be read.
    """
    target = target_for(config)
    reader = LedgerReader(target.folder)
    if not await reader.exists():
        return Report(ledger=False)
    status = await reader.status(config.download.directory)
    return await anyio.to_thread.run_sync(partial(_report, target, status.files, pictures), abandon_on_cancel=True)


def _report(target: Target, files: Sequence[FileStatus], pictures: bool) -> Report:
    scenes: dict[str, ReportScene] = {}
    with scenes_here(target.folder.ledger) as here:
        for scene in here:
            found = ReportScene(scene.display_id, scene.acquired, scene.cloud_cover, scene.footprint)
            found.files["done"] = len(scene.files)
            if pictures:
                found.picture = scene_picture(target, scene.display_id, scene.files)
            scenes[scene.display_id] = found
    for file in files:
        if file.state != "done":
            scenes.setdefault(file.scene, ReportScene(file.scene)).files[file.state] += 1
    return Report(list(scenes.values()))


def scene_picture(target: Target, display_id: str, files: Sequence[FileHere]) -> bytes | None:
    """Return a quicklook of a scene from bands that are here, also inside its bundle; None where there is none."""
    for names in _choices(display_id, [file.name for file in files]):
        with suppress(OSError, BrokenRaster, UnsupportedRaster, Needs):
            if picture := quicklook([_band(target, next(f for f in files if f.name == name)) for name in names]):
                return picture
    for file in files:
        if file.name.endswith(".tar"):
            with suppress(OSError, BrokenRaster, UnsupportedRaster, Needs, Damage):
                return _bundle_picture(target, display_id, file)
    return None


def _choices(display_id: str, names: Sequence[str]) -> list[list[str]]:
    """Return bands to make a picture of, the best first: three as colours, else any one."""
    by_common: dict[str, str] = {}
    single: list[list[str]] = []
    for name in names:
        if name.upper().endswith(".TIF"):
            whole, is_window, _ = name.rpartition(".")[0].partition(".w")
            band = band_of_file(display_id, f"{whole}.TIF" if is_window else name)
            for common in band.names if band is not None else ():
                by_common.setdefault(common, name)
            stem = name.removeprefix(f"{display_id}_") if band is None else band.stem
            if not stem.startswith(_NO_PICTURES):
                single.append([name])
    colours = [[by_common[one] for one in three] for three in _COLOURS if all(one in by_common for one in three)]
    return [*colours, *single]


def _band(target: Target, file: FileHere) -> tuple[Pixels, float]:
    with target.read(file.relpath) as opened:
        return pixels_of(lambda start, size: opened.read(size, start), opened.size_bytes)


def _bundle_picture(target: Target, display_id: str, file: FileHere) -> bytes | None:
    with target.read(file.relpath) as opened:
        members = walk_tar(ByteView(opened.read, 0, opened.size_bytes, lambda: False))
        where = {member.name.rpartition("/")[2]: member for member in members}
        for names in _choices(display_id, list(where)):
            members_read = [(partial(_inside, opened, where[name].offset), where[name].size) for name in names]
            if picture := quicklook([pixels_of(read, size) for read, size in members_read]):
                return picture
    return None


def _inside(opened: OpenFile, offset: int, start: int, size: int) -> bytes:
    return opened.read(size, offset + start)


def pixels_of(read: Read, size_bytes: int) -> tuple[Pixels, float]:
    """Return the pixels of the smallest version of a band that is large enough, and its value for no data.

    Raises:
        BrokenRaster, UnsupportedRaster: it cannot be read, or has no version that is small enough.
    """
    held = HeldBytes(size_bytes)
    while True:
        try:
            layouts = read_overviews(held)
            break
        except Needs as needs:
            held.add(needs.start, read(needs.start, needs.end - needs.start))
    layout = smallest_of(layouts, QUICKLOOK_SIDE)
    if layout.width * layout.length > PIXELS_MAX:
        raise UnsupportedRaster("it has no overviews")
    return read_pixels(layout, read), layout.fill()
