"""Which tiles a box touches, and which bytes of the file those are: few requests, few bytes beside.

The tiles of one row stand one behind the other in every file that was written in order, so a box needs one range for
each row of tiles that it touches. Ranges that almost touch are one: a request costs as much time as some KiB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from landsat_async.raster.cog import CogLayout
from landsat_async.raster.grid import GridBox
from landsat_async.rules.joins import is_told_by_length

NEAR_BYTES = 16 * 1024
"""So far apart, two ranges are asked for as one."""
NEAR_SHARE = 1 / 1000
"""Of the file, if that is less: a QA_PIXEL deflates to a megabyte, and 16 KiB are a row of its tiles."""
MOST_RANGES = 9
"""More only where the box touches more rows of tiles; nearest neighbours become one until then."""
FRAME_BYTES = 4


@dataclass(frozen=True, slots=True)
class TileSpan:
    """A box of tiles; in columns and rows of tiles."""

    column: int
    row: int
    width: int
    height: int

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield column and row of each tile, row by row."""
        for row in range(self.row, self.row + self.height):
            for column in range(self.column, self.column + self.width):
                yield column, row

    @property
    def count(self) -> int:
        """How many tiles."""
        return self.width * self.height


def tiles_of(layout: CogLayout, box: GridBox) -> TileSpan | None:
    """Return the tiles that a box of pixels touches; None when it lies outside the image."""
    inside = box.within(layout.image)
    if inside is None:
        return None
    column, row = inside.column // layout.tile_width, inside.row // layout.tile_length
    width = -(-inside.column_end // layout.tile_width) - column
    height = -(-inside.row_end // layout.tile_length) - row
    return TileSpan(column, row, width, height)


def box_of_tiles(layout: CogLayout, span: TileSpan) -> GridBox:
    """Return the pixels of some tiles, as far as they lie in the image."""
    column, row = span.column * layout.tile_width, span.row * layout.tile_length
    inside = GridBox(column, row, span.width * layout.tile_width, span.height * layout.tile_length).within(layout.image)
    assert inside is not None
    return inside


def stretch_of(layout: CogLayout, column: int, row: int) -> tuple[int, int] | None:
    """Return the first byte of a tile and the first behind it, with its frame; None when it is not stored."""
    index = row * layout.across + column
    at, count = int(layout.offsets[index]), int(layout.counts[index])
    frame = FRAME_BYTES if layout.has_frames else 0
    return (at - frame, at + count + frame) if count else None


def is_tied(layout: CogLayout, column: int, row: int) -> bool:
    """Tell whether the index tells a tile from that of another version, see `rules.joins`."""
    plain_bytes = layout.tile_width * layout.rows_of(row) * layout.pixel_bytes
    return is_told_by_length(int(layout.counts[row * layout.across + column]), plain_bytes)


def ranges_of(layout: CogLayout, span: TileSpan, held: Sequence[tuple[int, int]] = ()) -> list[tuple[int, int]]:
    """Return the ranges of bytes to ask for, in the order of the file; ends are not contained.

    Args:
        layout: Of the file.
        span: The tiles that are wanted.
        held: Ranges that are here already; tiles in one of them are not asked for.
    """
    wanted = sorted({stretch for tile in span if (stretch := stretch_of(layout, *tile)) is not None})
    wanted = [(start, end) for start, end in wanted if not any(a <= start and end <= b for a, b in held)]
    near = min(NEAR_BYTES, int(layout.total * NEAR_SHARE))
    merged: list[tuple[int, int]] = []
    for start, end in wanted:
        if merged and start <= merged[-1][1] + near:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    most = max(MOST_RANGES, span.height)
    while len(merged) > most:
        nearest = min(range(1, len(merged)), key=lambda at: merged[at][0] - merged[at - 1][1])
        merged[nearest - 1 : nearest + 1] = [(merged[nearest - 1][0], merged[nearest][1])]
    return merged
