"""Boxes of pixels, where they lie on the ground, and what a GeoTIFF says of its coordinates.

All boxes are half-open. Rows count downwards, coordinates of the ground upwards, as in every north-up raster.
"""

from __future__ import annotations

import math

import msgspec

MODEL_TYPE, RASTER_TYPE, GEOGRAPHIC_TYPE, PROJECTED_TYPE = 1024, 1025, 2048, 3072
"""Keys of a GeoKeyDirectory; 32767 as a value stands for "defined by further keys"."""
USER_DEFINED = 32767
_PIXEL_IS_POINT = 2
_SNAP = 1e-6
"""A part of a pixel: edges of the ground that miss an edge of the grid by less lie on it."""


class BrokenRaster(Exception):
    """The bytes contradict themselves, so they are not the file; the text is safe to print."""


class UnsupportedRaster(Exception):
    """No window can be cut from such a file; the text says what it has, and is safe to print."""


class GeoKeys(msgspec.Struct, frozen=True):
    """The coordinate reference system of a GeoTIFF, as it is written in it."""

    directory: tuple[int, ...]
    """Tag 34735 whole: version, revision, minor, number of keys, then four numbers a key."""
    doubles: tuple[float, ...] = ()
    """Tag 34736."""
    ascii: bytes = b""
    """Tag 34737."""

    def short(self, key: int) -> int | None:
        """Return the number of a key that is written in the directory itself; None where it has none."""
        for at in range(4, len(self.directory) - 3, 4):
            if self.directory[at] == key and self.directory[at + 1] == 0:
                return self.directory[at + 3]
        return None

    def double(self, key: int) -> float | None:
        """Return the first number of a key that is kept among the doubles; None where it has none."""
        for at in range(4, len(self.directory) - 3, 4):
            number, tag, count, index = self.directory[at : at + 4]
            if number == key and tag == 34736 and count and index < len(self.doubles):
                return self.doubles[index]
        return None

    @property
    def epsg(self) -> int | None:
        """EPSG code of the projected system; None when it is defined by further keys, or is not projected."""
        code = self.short(PROJECTED_TYPE)
        return None if code in (None, 0, USER_DEFINED) else code

    @property
    def pixel_is_point(self) -> bool:
        """The tie point is the centre of a pixel, not its corner."""
        return self.short(RASTER_TYPE) == _PIXEL_IS_POINT


class GroundBox(msgspec.Struct, frozen=True):
    """A box in the coordinates of a raster, metres."""

    west_m: float
    south_m: float
    east_m: float
    north_m: float

    def grown(self, buffer_m: float) -> GroundBox:
        """Return the box with so many metres more on each side."""
        return GroundBox(self.west_m - buffer_m, self.south_m - buffer_m, self.east_m + buffer_m,
                         self.north_m + buffer_m)  # fmt: skip


class GridBox(msgspec.Struct, frozen=True):
    """A box of pixels; column and row may be negative where it begins outside the image."""

    column: int
    row: int
    width: int
    height: int

    @property
    def column_end(self) -> int:
        """First column that is not in it."""
        return self.column + self.width

    @property
    def row_end(self) -> int:
        """First row that is not in it."""
        return self.row + self.height

    def within(self, other: GridBox) -> GridBox | None:
        """Return what of it lies in another box; None when nothing does."""
        column, row = max(self.column, other.column), max(self.row, other.row)
        # Not by the properties: a cut comes here for each tile and strip, and a call of Python costs more than a sum.
        width = min(self.column + self.width, other.column + other.width) - column
        height = min(self.row + self.height, other.row + other.height) - row
        return GridBox(column, row, width, height) if width > 0 and height > 0 else None


class Transform(msgspec.Struct, frozen=True):
    """Where a north-up grid lies: the outer corner of its first pixel, and the size of its pixels."""

    west_m: float
    north_m: float
    pixel_width_m: float
    pixel_height_m: float
    """Positive."""

    def shifted(self, column: int, row: int) -> Transform:
        """Return the transform of a grid whose first pixel is this column and row."""
        return Transform(self.west_m + column * self.pixel_width_m, self.north_m - row * self.pixel_height_m,
                         self.pixel_width_m, self.pixel_height_m)  # fmt: skip

    def box_around(self, ground: GroundBox) -> GridBox:
        """Return the smallest box of whole pixels that holds the ground; it may lie outside the image.

        Landsat grids of one coordinate system are aligned, so this is the same ground for every date.
        """
        column = math.floor((ground.west_m - self.west_m) / self.pixel_width_m + _SNAP)
        column_end = math.ceil((ground.east_m - self.west_m) / self.pixel_width_m - _SNAP)
        row = math.floor((self.north_m - ground.north_m) / self.pixel_height_m + _SNAP)
        row_end = math.ceil((self.north_m - ground.south_m) / self.pixel_height_m - _SNAP)
        return GridBox(column, row, max(column_end - column, 1), max(row_end - row, 1))

    def ground_of(self, box: GridBox) -> GroundBox:
        """Return the ground that a box of pixels covers."""
        west_m = self.west_m + box.column * self.pixel_width_m
        north_m = self.north_m - box.row * self.pixel_height_m
        return GroundBox(west_m, north_m - box.height * self.pixel_height_m,
                         west_m + box.width * self.pixel_width_m, north_m)  # fmt: skip
