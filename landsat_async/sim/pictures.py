"""What the pixels of large bands are: functions of place, so that any block of them can be made alone.

Clouds and gaps are shapes with edges in metres, which a test can hold against its own area: a pixel belongs to a shape
when its centre lies inside it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from landsat_async.sim.tiff import Grid, Pixels

Array = npt.NDArray[Any]
PatchKind = Literal["cloud", "dilated", "cirrus", "shadow", "snow", "water", "gap"]
VARIES = -1
"""In place of a value: the pixels of a block are not all the same."""

_FLAG = {"dilated": 1, "cirrus": 2, "cloud": 3, "shadow": 4, "snow": 5, "water": 7}
_CONFIDENCE = {"cloud": 8, "shadow": 10, "snow": 12, "cirrus": 14}
_KINDS_OF = {
    "OLI": ("dilated", "cirrus", "cloud", "shadow", "snow", "water"),
    "OLI_TIRS": ("dilated", "cirrus", "cloud", "shadow", "snow", "water"),
    "TIRS": ("dilated", "cloud", "shadow", "snow", "water"),
    "ETM": ("dilated", "cloud", "shadow", "snow", "water"),
    "TM": ("dilated", "cloud", "shadow", "snow", "water"),
    "MSS": ("cloud",),
}
_CLEAR = 1 << 6
_HIDES_CLEAR = {
    **dict.fromkeys(("OLI", "OLI_TIRS", "TIRS"), 1 << _FLAG["cloud"] | 1 << _FLAG["dilated"]),
    **dict.fromkeys(("TM", "ETM"), 1 << _FLAG["cloud"] | 1 << _FLAG["shadow"] | 1 << _FLAG["water"]),
}
"""Flags that the clear bit does not stand beside. On Landsat 4 to 7 it stands for clear land: the guide has 5440 for
land, 5504 for water, 7440 for shadow, and 5442 for land beside a cloud. MSS has no such bit."""


@dataclass(frozen=True, slots=True)
class Patch:
    """A box, or the ellipse inside it, of one kind; edges in metres of the raster's CRS. A gap is fill in all bands."""

    kind: PatchKind
    west_m: float
    south_m: float
    east_m: float
    north_m: float
    is_round: bool = False

    def covers(self, east_m: Array, north_m: Array) -> Array:
        """Tell of each centre whether it lies inside."""
        if not self.is_round:
            across = (east_m >= self.west_m) & (east_m < self.east_m)
            return across & (north_m >= self.south_m) & (north_m < self.north_m)
        middle = (self.west_m + self.east_m) / 2, (self.south_m + self.north_m) / 2
        half = (self.east_m - self.west_m) / 2, (self.north_m - self.south_m) / 2
        return ((east_m - middle[0]) / half[0]) ** 2 + ((north_m - middle[1]) / half[1]) ** 2 < 1

    def touches(self, blocks: Blocks) -> Array:
        """Tell of each block whether it may have a pixel inside."""
        across = (blocks.east_m >= self.west_m) & (blocks.west_m <= self.east_m)
        return across & (blocks.north_m >= self.south_m) & (blocks.south_m <= self.north_m)


@dataclass(frozen=True, slots=True)
class Blocks:
    """The edges of many blocks of pixels, by the centres of their outermost pixels."""

    west_m: Array
    south_m: Array
    east_m: Array
    north_m: Array


class Picture(Protocol):
    """The pixels of one raster."""

    grid: Grid
    pixels: Pixels

    def block(self, x: range, y: range) -> Array:
        """Return the pixels of these columns and rows (of the full resolution)."""

    def constants(self, blocks: Blocks) -> Array:
        """Return the one value that all pixels of a block have, or VARIES, for each of them."""


def centres(grid: Grid, x: range, y: range) -> tuple[Array, Array]:
    """Return east (a row) and north (a column) of the centres of some pixels, in metres."""
    east = grid.west_m + (np.arange(x.start, x.stop, x.step) + 0.5) * grid.pixel_m
    north = grid.north_m - (np.arange(y.start, y.stop, y.step)[:, None] + 0.5) * grid.pixel_m
    return east, north


def _edges(grid: Grid) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    return list(zip(grid.ring_m, (*grid.ring_m[1:], *grid.ring_m[:1]), strict=True))


def imaged(grid: Grid, gaps: Sequence[Patch], x: range, y: range) -> Array:
    """Mark the pixels that have data: their centre lies inside the (clockwise, convex) ring and in no gap."""
    east, north = centres(grid, x, y)
    mask = np.ones((len(y), len(x)), dtype=np.bool_)
    for (ax, ay), (bx, by) in _edges(grid):
        mask &= (bx - ax) * (north - ay) - (by - ay) * (east - ax) <= 0
    for gap in gaps:
        mask &= ~gap.covers(east, north)
    return mask


def _outside_and_inside(grid: Grid, gaps: Sequence[Patch], blocks: Blocks) -> tuple[Array, Array]:
    """Tell of each block whether it surely has no data, and whether it surely has data everywhere."""
    corners = [(e, n) for e in (blocks.west_m, blocks.east_m) for n in (blocks.south_m, blocks.north_m)]
    outside = np.zeros(blocks.west_m.shape, dtype=np.bool_)
    inside = ~outside
    for (ax, ay), (bx, by) in _edges(grid):
        beyond = [(bx - ax) * (north - ay) - (by - ay) * (east - ax) > 0 for east, north in corners]
        outside |= np.logical_and.reduce(beyond)
        inside &= ~np.logical_or.reduce(beyond)
    for gap in gaps:
        inside &= ~gap.touches(blocks)
    return outside, inside


class BandPicture:
    """Relief of a few waves plus noise; fill outside the footprint and in gaps."""

    def __init__(self, grid: Grid, pixels: Pixels, seed: int, gaps: Sequence[Patch] = ()) -> None:
        self.grid, self.pixels = grid, pixels
        self._gaps = gaps
        chance = random.Random(seed)
        self._seed = np.uint32(chance.getrandbits(32))
        self._waves = [2 * math.pi / (chance.uniform(3_000, 40_000) / grid.pixel_m) for _ in range(4)]

    def block(self, x: range, y: range) -> Array:
        """Return the pixels of these columns and rows."""
        columns = np.arange(x.start, x.stop, x.step, dtype=np.uint32)
        rows = np.arange(y.start, y.stop, y.step, dtype=np.uint32)[:, None]
        a, b, c, d = self._waves
        span = self.pixels.high - self.pixels.low
        relief = 0.3 * np.sin(a * columns) * np.cos(b * rows) + 0.1 * np.sin(c * columns + d * rows)
        noise = (columns * np.uint32(0x9E3779B1)) ^ (rows * np.uint32(0x85EBCA6B)) ^ self._seed
        noise = (noise ^ (noise >> np.uint32(15))) * np.uint32(0x2C1B3C6D)
        noise = (noise ^ (noise >> np.uint32(12))) % np.uint32(max(2, span // 48))
        values = self.pixels.low + ((0.45 + relief) * span).astype(np.int32) + noise.astype(np.int32)
        mask = imaged(self.grid, self._gaps, x, y)
        return np.where(mask, values, self.pixels.nodata).astype(dtype_of(self.pixels))

    def constants(self, blocks: Blocks) -> Array:
        """Return the fill value for blocks outside, else VARIES."""
        outside, _ = _outside_and_inside(self.grid, self._gaps, blocks)
        return np.where(outside, self.pixels.nodata, VARIES)


def qa_value(sensor_id: str, *kinds: str) -> int:
    """Return QA_PIXEL where there is what `kinds` name, as far as the sensor can know it; without any, clear land."""
    known = _KINDS_OF[sensor_id]
    value = sum(1 << bit for kind, bit in _CONFIDENCE.items() if kind in known)
    for kind in kinds:
        if kind in known:
            value |= 1 << _FLAG[kind] | 3 << _CONFIDENCE.get(kind, 16) & 0xFFFF
    return value | (0 if value & _HIDES_CLEAR.get(sensor_id, 0xFFFF) else _CLEAR)


def usual_qa_values(sensor_id: str) -> tuple[int, ...]:
    """Return values of QA_PIXEL for a landscape by rising relief: a lake, land, and clouds on the heights."""
    clear = qa_value(sensor_id)
    heights = (qa_value(sensor_id, kind) for kind in ("shadow", "dilated", "cloud"))
    return (qa_value(sensor_id, "water"), *(clear,) * 4, *heights)


class QaPicture:
    """QA_PIXEL in the bits of Collection 2, as far as the sensor can know them."""

    def __init__(self, grid: Grid, sensor_id: str, patches: Sequence[Patch]) -> None:
        self.grid, self.pixels = grid, Pixels(16, nodata=1)
        self._gaps = [patch for patch in patches if patch.kind == "gap"]
        known = _KINDS_OF[sensor_id]
        self._patches = [patch for patch in patches if patch.kind in known]
        self._confidences = {kind: bit for kind, bit in _CONFIDENCE.items() if kind in known}
        self._bits = {kind: 1 << _FLAG[kind] | 3 << self._confidences.get(kind, 16) & 0xFFFF for kind in known}
        self._hides_clear = _HIDES_CLEAR.get(sensor_id, 0)
        self._clear = qa_value(sensor_id)

    def block(self, x: range, y: range) -> Array:
        """Return the pixels of these columns and rows."""
        east, north = centres(self.grid, x, y)
        values = np.full((len(y), len(x)), self._clear, dtype=np.uint16)
        west, right, top, south = float(east[0]), float(east[-1]), float(north[0, 0]), float(north[-1, 0])
        for patch in self._patches:
            if patch.east_m < west or patch.west_m > right or patch.north_m < south or patch.south_m > top:
                continue
            columns = slice(*np.searchsorted(east, (patch.west_m, patch.east_m)))
            rows = slice(*np.searchsorted(-north[:, 0], (-patch.north_m, -patch.south_m), side="right"))
            part = values[rows, columns]
            if part.size:
                part[patch.covers(east[columns], north[rows])] |= self._bits[patch.kind]
        values[values & self._hides_clear != 0] &= 0xFFFF ^ _CLEAR
        return np.where(imaged(self.grid, self._gaps, x, y), values, 1).astype(np.uint16)

    def constants(self, blocks: Blocks) -> Array:
        """Return fill outside, the value of clear land where no patch is near, else VARIES."""
        outside, inside = _outside_and_inside(self.grid, self._gaps, blocks)
        for patch in self._patches:
            inside &= ~patch.touches(blocks)
        return np.where(outside, 1, np.where(inside, self._clear, VARIES))


def dtype_of(pixels: Pixels) -> np.dtype[Any]:
    """Return the numpy type of the pixels."""
    return np.dtype(f"{'i' if pixels.signed else 'u'}{pixels.bits // 8}")


def scattered_clouds(grid: Grid, percent: float, seed: int) -> list[Patch]:
    """Scatter round clouds with rims and shadows over a raster, so that about `percent` of it is cloud."""
    chance = random.Random(seed)
    width, height = grid.columns * grid.pixel_m, grid.rows * grid.pixel_m
    left_m2 = width * height * percent / 100
    patches: list[Patch] = []
    while left_m2 > 0:
        across, along = chance.uniform(4_000, 24_000), chance.uniform(4_000, 24_000)
        east = grid.west_m + chance.uniform(0, width)
        north = grid.north_m - chance.uniform(0, height)
        rim = 600.0
        for kind, shift, grow in (("shadow", 1_500.0, 0.0), ("dilated", 0.0, rim), ("cloud", 0.0, 0.0)):
            half = across / 2 + grow, along / 2 + grow
            middle = east - shift, north + shift
            box = middle[0] - half[0], middle[1] - half[1], middle[0] + half[0], middle[1] + half[1]
            patches.append(Patch(kind, *box, is_round=True))  # type: ignore[arg-type]
        left_m2 -= math.pi * across * along / 4
    return patches
