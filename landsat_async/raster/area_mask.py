"""Which pixels belong to an area: those whose centre lies inside. A scanline rasteriser in numpy.

The rules for centres that lie on an edge are those that GDAL's polygon filler shows (a left edge is outside, the
right, the upper and the lower one are inside; along a hole the left and the lower edge are), so that a mask is the one
that users of rasterio get from `geometry_mask`. An area without any centre inside, or a point, is the pixels that it
lies in.

Work and memory go with the number of crossings of edges and lines, and with the pixels of the box that is asked for;
counting needs no pixels at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from landsat_async.raster.grid import GridBox, Transform
from landsat_async.raster.plane_area import PlaneArea, Points

Mask = npt.NDArray[np.bool_]
_Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Spans:
    """Stretches of pixels in lines of a grid; ends are not contained."""

    row: _Integers
    start: _Integers
    end: _Integers

    @property
    def count(self) -> int:
        """How many pixels they hold, where none overlaps another."""
        return int((self.end - self.start).sum())

    def within(self, box: GridBox) -> Spans:
        """Return what of them lies in a box."""
        start, end = np.maximum(self.start, box.column), np.minimum(self.end, box.column_end)
        kept = (self.row >= box.row) & (self.row < box.row_end) & (start < end)
        return Spans(self.row[kept], start[kept], end[kept])


def spans_of(area: PlaneArea, transform: Transform) -> Spans:
    """Return the pixels of an area on a grid; columns and rows are of the grid, also where it has no pixels."""
    rings = [_turned(_grid_points(ring, transform)) for ring in area.rings]
    inside = _joined(_filled(rings)) if rings else _EMPTY
    if inside.count:
        return inside
    places = np.concatenate([*rings, _grid_points(area.points, transform)])
    if rings:
        middle = (places.min(axis=0) + places.max(axis=0)) / 2
        places = middle[None, :]
    pixels = np.unique(np.floor(places).astype(np.int64), axis=0)
    return Spans(pixels[:, 1], pixels[:, 0], pixels[:, 0] + 1)


def mask_of(spans: Spans, box: GridBox) -> Mask:
    """Return the pixels of a box that some spans hold."""
    inside = spans.within(box)
    steps = np.zeros((box.height, box.width + 1), dtype=np.int32)
    np.add.at(steps, (inside.row - box.row, inside.start - box.column), 1)
    np.add.at(steps, (inside.row - box.row, inside.end - box.column), -1)
    np.cumsum(steps, axis=1, out=steps)
    return steps[:, :-1] > 0


_NONE: _Integers = np.zeros(0, dtype=np.int64)
_EMPTY = Spans(_NONE, _NONE, _NONE)


def _grid_points(points: Points, transform: Transform) -> Points:
    """Return points in columns and rows, by the same two steps as GDAL, so that roundings agree."""
    width_m, height_m = transform.pixel_width_m, transform.pixel_height_m
    column = -transform.west_m / width_m + points[:, 0] * (1 / width_m)
    row = transform.north_m / height_m + points[:, 1] * (-1 / height_m)
    return np.column_stack([column, row])


def _turned(ring: Points) -> Points:
    """Return a ring that runs to the left at its lower edge, whichever way it ran."""
    x, y = (ring - ring[0]).T
    return ring if (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() >= 0 else ring[::-1]


def _filled(rings: list[Points]) -> Spans:
    begin = np.concatenate([ring[:-1] for ring in rings])
    finish = np.concatenate([ring[1:] for ring in rings])
    upper, lower = np.where(begin[:, 1] <= finish[:, 1], (begin.T, finish.T), (finish.T, begin.T))
    # A line of pixels is crossed by the edges that begin on it or above, and end below it.
    first = np.ceil(upper[1] - 0.5).astype(np.int64)
    last = np.ceil(lower[1] - 0.5).astype(np.int64)
    times = last - first
    edge = np.repeat(np.arange(len(times)), times)
    nth = np.arange(len(edge)) - np.repeat(np.cumsum(times) - times, times)
    row = first[edge] + nth
    x1, y1, x2, y2 = upper[0][edge], upper[1][edge], lower[0][edge], lower[1][edge]
    x = (row + 0.5 - y1) * (x2 - x1) / (y2 - y1) + x1
    order = np.lexsort((x, row))
    row, column = row[order], np.floor(x[order] + 0.5).astype(np.int64)
    flat = _horizontal(begin, finish)
    return Spans(
        np.concatenate([row[::2], flat.row]),
        np.concatenate([column[::2], flat.start]),
        np.concatenate([column[1::2], flat.end]),
    )


def _horizontal(begin: Points, finish: Points) -> Spans:
    """Return what lower edges along the centres of a line of pixels fill."""
    row = begin[:, 1] - 0.5
    on_centres = (begin[:, 1] == finish[:, 1]) & (row == np.floor(row)) & (begin[:, 0] > finish[:, 0])
    start = np.floor(finish[on_centres, 0] + 0.5).astype(np.int64)
    end = np.floor(begin[on_centres, 0] + 0.5).astype(np.int64)
    return Spans(row[on_centres].astype(np.int64), start, end)


def _joined(spans: Spans) -> Spans:
    """Return spans of which none is empty, and none overlaps another."""
    kept = spans.start < spans.end
    row, start, end = spans.row[kept], spans.start[kept], spans.end[kept]
    order = np.lexsort((start, row))
    row, start, end = row[order], start[order], end[order]
    if not len(row):
        return _EMPTY
    # What reaches furthest so far in the same line; lines are kept apart by a distance that no column has.
    apart = (row - row[0]) * (1 << 40)
    reach = np.maximum.accumulate(end + apart)
    start = np.maximum(start + apart, np.concatenate([[start[0] - 1], reach[:-1]])) - apart
    kept = start < end
    return Spans(row[kept], start[kept], end[kept])
