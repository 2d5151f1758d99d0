"""Overviews of a GeoTIFF: smaller versions of its image, for a quick look without reading all of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from landsat_async.raster import tag
from landsat_async.raster.cog import CogLayout, IndexReader, with_surroundings
from landsat_async.raster.grid import BrokenRaster, Transform, UnsupportedRaster
from landsat_async.raster.held_bytes import HeldBytes, Needs
from landsat_async.raster.ranges import FRAME_BYTES
from landsat_async.raster.tile_codec import Pixels, decode, unframed

_MOST_OVERVIEWS = 16
_REDUCED = 1
"""NewSubfileType of a smaller version of the image."""


def read_overviews(held: HeldBytes) -> list[CogLayout]:
    """Return the layouts of the image and of its overviews, in the order of the file, the image first.

    What cannot be used as an overview ends the list: nobody depends on one.

    Raises:
        Needs, BrokenRaster, UnsupportedRaster: see `cog.read_layout`.
    """
    reader = IndexReader(held)
    try:
        image = reader.run()
        found, seen = [image], set[int]()
        while reader.next_directory and reader.next_directory not in seen and len(seen) < _MOST_OVERVIEWS:
            seen.add(reader.next_directory)
            try:
                overview = _overview(reader, image)
            except (BrokenRaster, UnsupportedRaster):
                break
            if overview is not None:
                found.append(overview)
    except Needs as needs:
        raise with_surroundings(needs, held) from None
    return found


def _overview(reader: IndexReader, image: CogLayout) -> CogLayout | None:
    """Read the next directory; None for a mask or another image."""
    reader.tags = reader.read_directory(reader.next_directory)
    width, length = reader.number(tag.WIDTH), reader.number(tag.LENGTH)
    if reader.number(tag.SUBFILE, 0) != _REDUCED or not (0 < width < image.width and 0 < length <= image.length):
        return None
    grid = image.transform
    scaled = Transform(
        grid.west_m,
        grid.north_m,
        grid.pixel_width_m * image.width / width,
        grid.pixel_height_m * image.length / length,
    )
    return replace(reader.read_image(), keys=image.keys, transform=scaled, nodata=image.nodata)


def smallest_of(layouts: Sequence[CogLayout], side: int) -> CogLayout:
    """Return the smallest version whose longer side has at least so many pixels; else the largest."""
    large = [layout for layout in layouts if max(layout.width, layout.length) >= side]
    return min(large or layouts, key=lambda layout: layout.width * layout.length * (1 if large else -1))


def read_pixels(layout: CogLayout, read: Callable[[int, int], bytes]) -> Pixels:
    """Return all pixels of a version of the image; `read(start, size)` gives bytes of the file.

    Raises:
        BrokenRaster: a tile does not decode.
    """
    pixels = np.full((layout.length, layout.width), layout.fill(), dtype=layout.pixel_type)
    frame = FRAME_BYTES if layout.has_frames else 0
    for number, (offset, count) in enumerate(zip(layout.offsets.tolist(), layout.counts.tolist(), strict=True)):
        if count == 0:
            continue  # not stored: all fill
        row, column = divmod(number, layout.across)
        stored = unframed(layout, read(offset - frame, count + 2 * frame))
        tile = decode(layout, stored, row)
        top, left = row * layout.tile_length, column * layout.tile_width
        part = pixels[top : top + layout.tile_length, left : left + layout.tile_width]
        part[:] = tile[: part.shape[0], : part.shape[1]]
    return pixels
