"""Tiles to pixels and back: deflate, and the predictor that stores differences."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

from landsat_async.raster import tag
from landsat_async.raster.cog import CogLayout
from landsat_async.raster.grid import BrokenRaster
from landsat_async.raster.ranges import FRAME_BYTES

Pixels = npt.NDArray[np.generic]

_LEVEL = 1
"""Of deflate. Level 6 takes three times as long for pixels with noise, and saves one byte in a hundred."""
_DIFFERENCES = {1: np.uint8, 2: np.uint16, 4: np.uint32}


def unframed(layout: CogLayout, stretch: bytes) -> bytes:
    """Return the stored bytes of a tile without its frame. Raises BrokenRaster when it stands in the wrong one."""
    if not layout.has_frames:
        return stretch
    stored, size = stretch[FRAME_BYTES:-FRAME_BYTES], int.from_bytes(stretch[:FRAME_BYTES], "little")
    if size != len(stored) or not (stored[-FRAME_BYTES:] == stretch[-FRAME_BYTES:][-len(stored) :]):
        raise BrokenRaster("a tile is not framed by its size and its last bytes")
    return stored


def inflate(layout: CogLayout, stored: bytes, tile_row: int) -> bytes:
    """Return the bytes of a tile as they were before they were compressed.

    Raises:
        BrokenRaster: it does not decode to just the right size, or its checksum (Adler-32) is not that of its pixels.
    """
    size = layout.tile_width * layout.rows_of(tile_row) * layout.pixel_bytes
    whole = layout.tile_width * layout.tile_length * layout.pixel_bytes
    if layout.compression == tag.UNCOMPRESSED:
        data = stored
    else:
        inflater = zlib.decompressobj()
        try:
            data = inflater.decompress(stored, whole + 1)
        except zlib.error:
            raise BrokenRaster("a tile does not decode") from None
        if not inflater.eof or inflater.unused_data:
            raise BrokenRaster("a tile does not end where its index says")
    if len(data) not in (size, whole):
        raise BrokenRaster(f"a tile decodes to {len(data):,} bytes in place of {size:,}")
    return data[:size]


def decode(layout: CogLayout, stored: bytes, tile_row: int) -> Pixels:
    """Return the pixels of a tile, in the byte order of this machine. Raises BrokenRaster, see `inflate`."""
    kind = np.dtype(layout.byte_order + layout.pixel_type)
    pixels = np.frombuffer(inflate(layout, stored, tile_row), kind).reshape(-1, layout.tile_width)
    pixels = pixels.astype(kind.newbyteorder("="))
    if layout.predictor == 2:
        plain = pixels.view(_DIFFERENCES[pixels.itemsize])
        np.cumsum(plain, axis=1, dtype=plain.dtype, out=plain)
    return pixels


def encode(pixels: Pixels, predictor: int) -> bytes:
    """Return pixels compressed, in little-endian order, as a tile of predictor 1 or 2."""
    plain = np.ascontiguousarray(pixels).view(_DIFFERENCES[pixels.itemsize])
    if predictor == 2:
        plain = plain.copy()
        plain[:, 1:] -= plain[:, :-1].copy()
    return zlib.compress(plain.astype(plain.dtype.newbyteorder("<")).tobytes(), _LEVEL)
