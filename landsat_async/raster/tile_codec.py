"""Tiles to pixels and back: deflate, and the predictor that stores differences.

Most of the work of a window is done here. Where `isal` is installed, that inflates what is deflated anew, in half of
the time, and deflates noise, in a quarter of it. Tiles that are kept as they are, and windows when they are proven,
have to pass zlib, which other readers have. What repeats itself is deflated by zlib alone: isal now and then gives
other bytes for it (one constant tile of 300 in 24,000 calls of six threads; never for noise, in 85,000).
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from landsat_async.raster import tag
from landsat_async.raster.cog import CogLayout
from landsat_async.raster.grid import BrokenRaster
from landsat_async.raster.ranges import FRAME_BYTES

isal: Any
try:
    from isal import isal_zlib as isal
except ImportError:  # it is no part of a plain installation
    isal = None

Pixels = npt.NDArray[np.generic]

_LEVEL = 1
"""Of deflate. Level 6 takes three times as long for pixels with noise, and saves one byte in a hundred."""
_WORTH = 0.9
_SAMPLE_BYTES = 2048
"""At two places of a tile it is tried what repetitions are worth."""
_DIFFERENCES = {1: np.uint8, 2: np.uint16, 4: np.uint32}


def unframed(layout: CogLayout, stretch: bytes) -> bytes:
    """Return the stored bytes of a tile without its frame. Raises BrokenRaster when it stands in the wrong one."""
    if not layout.has_frames:
        return stretch
    stored, size = stretch[FRAME_BYTES:-FRAME_BYTES], int.from_bytes(stretch[:FRAME_BYTES], "little")
    if size != len(stored) or not (stored[-FRAME_BYTES:] == stretch[-FRAME_BYTES:][-len(stored) :]):
        raise BrokenRaster("a tile is not framed by its size and its last bytes")
    return stored


def _quickest() -> Any:
    return isal or zlib


def inflate(layout: CogLayout, stored: bytes, tile_row: int, library: Any = None) -> bytes:
    """Return the bytes of a tile as they were before they were compressed; `library` inflates, None = the quickest.

    Raises:
        BrokenRaster: it does not decode to just the right size, or its checksum (Adler-32) is not that of its pixels.
    """
    size = layout.tile_width * layout.rows_of(tile_row) * layout.pixel_bytes
    whole = layout.tile_width * layout.tile_length * layout.pixel_bytes
    if layout.compression == tag.UNCOMPRESSED:
        data = stored
    else:
        library = library or _quickest()
        inflater = library.decompressobj()
        try:
            data = inflater.decompress(stored, whole + 1)
        except (zlib.error, library.error):
            raise BrokenRaster("a tile does not decode") from None
        if not inflater.eof or inflater.unused_data.strip(b"\0"):  # as the proof of a whole file takes it
            raise BrokenRaster("a tile does not end where its index says")
    if len(data) not in (size, whole):
        raise BrokenRaster(f"a tile decodes to {len(data):,} bytes in place of {size:,}")
    return data[:size]


def decode(layout: CogLayout, stored: bytes, tile_row: int, library: Any = None) -> Pixels:
    """Return the pixels of a tile, in the byte order of this machine, and not to be written to.

    Raises BrokenRaster, see `inflate`.
    """
    kind = np.dtype(layout.byte_order + layout.pixel_type)
    pixels = np.frombuffer(inflate(layout, stored, tile_row, library), kind).reshape(-1, layout.tile_width)
    own = kind.newbyteorder("=")
    if layout.predictor == 2:
        unsigned = np.dtype(_DIFFERENCES[kind.itemsize])
        return np.cumsum(pixels.view(layout.byte_order + unsigned.str[1:]), axis=1, dtype=unsigned).view(own)
    return pixels.astype(own, copy=False)


def encode(pixels: Pixels, predictor: int) -> bytes:
    """Return pixels compressed, in little-endian order, as a tile of predictor 1 or 2."""
    unsigned = np.dtype(_DIFFERENCES[pixels.itemsize])
    plain = pixels.view(unsigned)
    stored = np.empty(plain.shape, unsigned.newbyteorder("<"))
    if predictor == 2:
        stored[:, :1] = plain[:, :1]
        np.subtract(plain[:, 1:], plain[:, :-1], out=stored[:, 1:])
    else:
        stored[...] = plain
    return deflate(stored.tobytes())


def deflate(data: bytes) -> bytes:
    """Return bytes deflated; noise by what is quickest for it, with nothing lost in size.

    That is isal, or zlib without a search for repetitions, which takes half the time of one with it. Fill and classes
    do repeat themselves, and are searched.
    """
    if not _is_noise(data):
        return zlib.compress(data, _LEVEL)
    if isal:
        coded: bytes = isal.compress(data, _LEVEL)
        return coded
    deflater = zlib.compressobj(_LEVEL, strategy=zlib.Z_HUFFMAN_ONLY)
    return deflater.compress(data) + deflater.flush()


def _is_noise(data: bytes) -> bool:
    """Tell whether a search for repetitions would save less than a tenth; two samples tell."""
    first, second = len(data) // 4, len(data) * 3 // 4
    sample = data[first : first + _SAMPLE_BYTES] + data[second : second + _SAMPLE_BYTES]
    searched: bytes = _quickest().compress(sample, _LEVEL)
    return _coded_bytes(sample) * _WORTH <= len(searched)


def _coded_bytes(data: bytes) -> float:
    """Return about what codes of whole bits for single bytes take: by their entropy (Shannon), and a bit for each."""
    counts = np.bincount(np.frombuffer(data, np.uint8))
    counts = counts[counts > 0]
    entropy_bits = np.log2(len(data)) - counts @ np.log2(counts) / len(data) if data else 0.0
    return float(max(entropy_bits, 1.0)) * len(data) / 8
