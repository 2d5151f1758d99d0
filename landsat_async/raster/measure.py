"""The share of clouds in an area, from a QA_PIXEL file or a window of it that is here.

Tiles are decoded a row of them at a time, so memory does not grow with the area.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import shapely

from landsat_async.raster.area_mask import Spans, mask_of, spans_of
from landsat_async.raster.cog import CogLayout
from landsat_async.raster.grid import GridBox, UnsupportedRaster
from landsat_async.raster.plane_area import PlaneArea, plane_area
from landsat_async.raster.projection import Projection, projection_of
from landsat_async.raster.qa_pixel import count_clouds
from landsat_async.raster.ranges import TileSpan, stretch_of, tiles_of
from landsat_async.raster.tile_codec import decode, unframed
from landsat_async.raster.window import Read
from landsat_async.rules.clouds import CloudCount, MeasureSpec

_FILL = 1


def measure_clouds(read: Read, layout: CogLayout, spec: MeasureSpec) -> CloudCount:
    """Count the pixels of an area in a QA_PIXEL file.

    Args:
        read: Called with a size and an offset of the file.
        layout: Of the file.
        spec: What to count.

    Raises:
        BrokenRaster: the file is damaged.
        UnsupportedRaster: it is none in which the area can be found, or no QA_PIXEL.
    """
    if layout.pixel_type != "u2":
        raise UnsupportedRaster(
            f"its pixels are {layout.pixel_type}, and those of QA_PIXEL are whole numbers of 16 bits"
        )
    spans = spans_of(_area(spec.area_wkb, projection_of(layout.keys)), layout.transform)
    found = CloudCount(spans.count, 0, 0, None, None)
    box = _box_of(spans)
    tiles = None if box is None else tiles_of(layout, box)
    if tiles is None:
        return found
    for row in range(tiles.row, tiles.row + tiles.height):
        values, band = _row_of_tiles(layout, read, tiles, row)
        found = found.plus(count_clouds(values, mask_of(spans, band), 0, spec.sensor, spec.counts))
    return found


@lru_cache(maxsize=4)
def _area(area_wkb: bytes, projection: Projection) -> PlaneArea:
    """Return the area in the plane of a raster; most scenes of a run share one or two."""
    return plane_area(shapely.from_wkb(area_wkb), projection)


def _box_of(spans: Spans) -> GridBox | None:
    if not len(spans.row):
        return None
    column, row = int(spans.start.min()), int(spans.row.min())
    return GridBox(column, row, int(spans.end.max()) - column, int(spans.row.max()) + 1 - row)


def _row_of_tiles(layout: CogLayout, read: Read, tiles: TileSpan, row: int) -> tuple[npt.NDArray[np.uint16], GridBox]:
    """Return the pixels of a row of tiles, and where they lie."""
    height = layout.rows_of(row)
    values = np.full((height, tiles.width * layout.tile_width), _FILL, dtype=np.uint16)
    for number in range(tiles.width):
        stretch = stretch_of(layout, tiles.column + number, row)
        if stretch is not None:
            start, end = stretch
            pixels = decode(layout, unframed(layout, read(end - start, start)), row)
            values[:, number * layout.tile_width : (number + 1) * layout.tile_width] = pixels
    band = GridBox(tiles.column * layout.tile_width, row * layout.tile_length, values.shape[1], height)
    inside = band.within(layout.image)
    assert inside is not None
    return values[: inside.height, : inside.width], inside
