"""Bands of real size and place: the grid of each product on whole pixels, and which layout and clouds they have.

    archive = Archive(products, raster=RealRasters(layout=Layout(tile=512, big=True)))
    archive = Archive(products, raster=SMALL_RASTERS)  # the same places in a hundredth of the pixels, for quick tests

All sensors share one grid: the centre of the first pixel is a multiple of the pixel's size, and a panchromatic band has
its first centre where the others have it.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from landsat_async.sim.cog import Cog, Layout
from landsat_async.sim.pictures import BandPicture, Patch, QaPicture, scattered_clouds
from landsat_async.sim.scenes import Product
from landsat_async.sim.tiff import Grid, Pixels
from landsat_async.sim.wrs import polar_from_lonlat

_POLAR_BELOW_DEG = -63.0
"""USGS delivers scenes that lie further south in polar stereographic."""
_KEPT_FILES = 48
_USUAL = Layout()

Sky = Callable[[Product, Grid], Sequence[Patch]]


def usual_sky(product: Product, grid: Grid) -> Sequence[Patch]:
    """Return clouds over about the share that the product's metadata state."""
    return scattered_clouds(grid, product.cloud or 0.0, zlib.crc32(product.entity_id.encode()))


@dataclass(frozen=True, slots=True)
class RealRasters:
    """How large the bands of all products are, and what stands in them."""

    pixel_m: int = 30
    columns: int = 7_700
    rows: int = 7_800
    layout: Layout = _USUAL
    layouts: Callable[[str], Layout] | None = None
    """Layout of a file by its name, in place of one for all."""
    sky: Sky = usual_sky
    """Clouds, shadows and gaps of a product."""

    def grid(self, product: Product, suffix: str = "") -> Grid:
        """Return the raster of a file of a product; without a suffix that of most bands."""
        frame = product.frame
        polar = frame.centre_deg[1] < _POLAR_BELOW_DEG
        ring = tuple(polar_from_lonlat(*corner) for corner in frame.corners_deg) if polar else frame.corners_m
        east, north = [x for x, _ in ring], [y for _, y in ring]
        pixel, columns, rows = self._pixels(product, suffix)
        common = self.pixel_m * (2 if product.sensor_id == "MSS" else 1)
        first_x = round(((min(east) + max(east)) / 2 - self.columns * self.pixel_m / 2) / common) * common
        first_y = round(((min(north) + max(north)) / 2 + self.rows * self.pixel_m / 2) / common) * common
        west, top = first_x - pixel / 2, first_y + pixel / 2
        return Grid(0 if polar else frame.zone, west, top, pixel, columns, rows, ring, polar)

    def _pixels(self, product: Product, suffix: str) -> tuple[float, int, int]:
        if product.sensor_id == "MSS":
            return self.pixel_m * 2.0, self.columns // 2, self.rows // 2
        if suffix == "B8.TIF":
            return self.pixel_m / 2, 2 * self.columns - 1, 2 * self.rows - 1
        return float(self.pixel_m), self.columns, self.rows

    def band(self, product: Product, suffix: str, pixels: Pixels, seed: int) -> Cog:
        """Describe a band; its tiles are made when they are read."""
        grid, name = self.grid(product, suffix), product.file_name(suffix)
        patches = self.sky(product, grid)
        layout = self.layout if self.layouts is None else self.layouts(name)
        if suffix == "QA_PIXEL.TIF":
            # Flags deflate to a hundredth, and that share of a scene's bytes is what a measurement is held against.
            return Cog(QaPicture(grid, product.sensor_id, patches), replace(layout, packed=True))
        gaps = [patch for patch in patches if patch.kind == "gap"]
        return Cog(BandPicture(grid, pixels, seed, gaps), layout)


SMALL_RASTERS = RealRasters(pixel_m=300, columns=770, rows=780)
"""The same ground in a hundredth of the pixels."""


class KeptFiles:
    """The latest files that were described; each holds an index of some KiB, whatever its size."""

    def __init__(self) -> None:
        self._files: OrderedDict[str, Cog] = OrderedDict()

    def get(self, name: str, make: Callable[[], Cog]) -> Cog:
        """Return the file of a name; made when it is not there."""
        cog = self._files.pop(name, None) or make()
        self._files[name] = cog
        if len(self._files) > _KEPT_FILES:
            self._files.popitem(last=False)
        return cog

    def clear(self) -> None:
        """Forget all of them."""
        self._files.clear()
