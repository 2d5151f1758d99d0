"""Bands in all the layouts that a reader must know, written by GDAL, and GDAL's word on the windows that we cut."""

from __future__ import annotations

import json
import random
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from landsat_async.raster.cog import CogLayout
from landsat_async.raster.grid import BrokenRaster, GridBox, GroundBox
from landsat_async.raster.ranges import ranges_of
from landsat_async.raster.window import FillOnly, Origin, RasterWindow, WindowMode, cut, layout_of, window_of

KEY = "1a2b3c4d"
NAME = "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF"
SYSTEMS = ("EPSG:32619", "EPSG:32719", "EPSG:3031")
TYPES = ("uint8", "uint16", "int16")


@dataclass(frozen=True)
class Recipe:
    """How a band is written."""

    seed: int
    kind: str
    width: int
    height: int
    system: str
    driver: str
    options: dict[str, str]
    nodata: int | None
    is_point: bool
    holes: bool
    """Large parts of it are fill."""

    def __str__(self) -> str:
        return json.dumps({"seed": self.seed, "kind": self.kind, "size": [self.width, self.height], **self.options})


def recipe(seed: int) -> Recipe:
    """Return one of all recipes, by chance."""
    chance = random.Random(seed)
    width, height = chance.randint(20, 900), chance.randint(20, 900)
    predictor = chance.choice(("1", "2"))
    if chance.random() < 0.3:
        options = {
            "COMPRESS": "DEFLATE",
            "PREDICTOR": "YES" if predictor == "2" else "NO",
            "BLOCKSIZE": chance.choice(("128", "256", "512")),
            "BIGTIFF": chance.choice(("YES", "NO")),
            "OVERVIEWS": chance.choice(("AUTO", "NONE")),
        }
        driver = "COG"
    else:
        driver = "GTiff"
        options = {
            "BIGTIFF": chance.choice(("YES", "NO")),
            "ENDIANNESS": chance.choice(("LITTLE", "BIG")),
            "COMPRESS": chance.choice(("DEFLATE", "DEFLATE", "DEFLATE", "NONE")),
            "SPARSE_OK": chance.choice(("TRUE", "FALSE")),
        }
        if options["COMPRESS"] == "DEFLATE":
            options["PREDICTOR"] = predictor
        if chance.random() < 0.6:
            options |= {"TILED": "YES"}
            options |= {side: chance.choice(("16", "64", "256", "512")) for side in ("BLOCKXSIZE", "BLOCKYSIZE")}
        else:
            options |= {"TILED": "NO", "BLOCKYSIZE": chance.choice(("1", "7", "16", "64", "1000"))}
    return Recipe(
        seed, chance.choice(TYPES), width, height, chance.choice(SYSTEMS), driver, options,
        chance.choice((0, None, 1)), chance.random() < 0.5, chance.random() < 0.5,
    )  # fmt: skip


def write(path: Path, how: Recipe) -> None:
    """Write a band with GDAL."""
    import rasterio

    numbers = np.random.default_rng(how.seed)
    limits = np.iinfo(how.kind)
    pixels = numbers.integers(limits.min, limits.max, (how.height, how.width), dtype=how.kind, endpoint=True)
    if how.holes:
        fill = 0 if how.nodata is None else how.nodata
        pixels[: how.height // 2, how.width // 3 :] = fill
        pixels[how.height // 2 :, : how.width // 2] = fill
    pixel_m = float(numbers.choice([15.0, 30.0, 60.0]))
    transform = rasterio.Affine(pixel_m, 0, 484_785.0, 0, -pixel_m, 1_160_715.0)
    shape = {"count": 1, "dtype": how.kind, "width": how.width, "height": how.height}
    place = {"crs": how.system, "transform": transform, "nodata": how.nodata}
    with (
        rasterio.Env(GDAL_NUM_THREADS="1"),
        rasterio.open(path, "w", driver=how.driver, **shape, **place, **how.options) as band,
    ):
        if how.is_point:
            band.update_tags(AREA_OR_POINT="Point")
        band.write(pixels, 1)


def layout_at(path: Path) -> CogLayout:
    """Read the layout of a file."""
    data = path.read_bytes()
    return layout_of(lambda size, at: data[at : at + size], len(data))


def random_box(chance: random.Random, layout: CogLayout) -> GridBox:
    """Return a box in or around an image."""
    width, height = chance.randint(1, layout.width + 20), chance.randint(1, layout.length + 20)
    return GridBox(chance.randint(-20, layout.width), chance.randint(-20, layout.length), width, height)


def cut_by_ranges(data: bytes, layout: CogLayout, window: RasterWindow) -> bytes:
    """Cut a window, given nothing but the ranges that it asks for. Raises FillOnly, BrokenRaster."""
    held = ranges_of(layout, window.tiles) if window.tiles else []

    def read(size: int, at: int) -> bytes:
        assert any(start <= at and at + size <= end for start, end in held), "bytes that were not asked for"
        return data[at : at + size]

    return b"".join(cut(layout, window, read, Origin(NAME, len(data), KEY)))


def ground_of(layout: CogLayout, box: GridBox, inset: float = 0.25) -> GroundBox:
    """Return ground whose smallest box of pixels is this one."""
    outer = layout.transform.ground_of(box)
    dx, dy = inset * layout.transform.pixel_width_m, inset * layout.transform.pixel_height_m
    return GroundBox(outer.west_m + dx, outer.south_m + dy, outer.east_m - dx, outer.north_m - dy)


def judge(path: Path, box: GridBox, mode: WindowMode, target: Path) -> str:
    """Cut a window, have GDAL compare it with its own of the whole band, and return what is wrong; "" = nothing."""
    import rasterio
    from rasterio.windows import Window as GdalWindow

    data, layout = path.read_bytes(), layout_at(path)
    window = window_of(layout, ground_of(layout, box), mode)
    if mode is WindowMode.PIXELS and window.box != box:
        return f"the box is {window.box}, not {box}"
    with rasterio.open(path) as whole:
        fill = 0 if whole.nodata is None else whole.nodata
        shape = GdalWindow(window.box.column, window.box.row, window.box.width, window.box.height)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PendingDeprecationWarning)  # of rasterio's own use of affine
            wanted = whole.read(1, window=shape, boundless=True, fill_value=fill)
        try:
            target.write_bytes(cut_by_ranges(data, layout, window))
        except FillOnly:
            return "" if (wanted == fill).all() else "said to be empty"
        except BrokenRaster as broken:
            return f"refused: {broken}"
        with rasterio.open(target) as ours:
            got = ours.read(1)
            return _differences(wanted, got, whole, ours, window_transform(whole, window.box))


def window_transform(whole, box: GridBox):
    """Return where GDAL says that the first pixel of a box lies."""
    import rasterio

    grid = whole.transform
    return rasterio.Affine(grid.a, 0, grid.c + box.column * grid.a, 0, grid.e, grid.f + box.row * grid.e)


def _differences(wanted, got, whole, ours, transform) -> str:
    wrong = []
    if got.shape != wanted.shape or (got != wanted).any():
        wrong.append(f"{(got != wanted).sum() if got.shape == wanted.shape else 'all'} pixels differ")
    if (ours.crs, ours.nodata, ours.dtypes) != (whole.crs, whole.nodata, whole.dtypes):
        wrong.append(f"{ours.crs}, {ours.nodata}, {ours.dtypes} in place of {whole.crs}, {whole.nodata}")
    if not ours.transform.almost_equals(transform, precision=1e-9):
        wrong.append(f"shifted: {ours.transform} in place of {transform}")
    return "; ".join(wrong)
