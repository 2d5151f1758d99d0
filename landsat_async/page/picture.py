"""Quicklooks of scenes: the overviews of one or three bands, as a PNG of at most 12 kB. Pure, numpy and zlib alone."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from landsat_async.raster.tile_codec import Pixels

MOST_BYTES = 12_000
SIDES = (192, 160, 128, 104, 84, 68, 54)
"""Longer sides of pictures, the largest that is small enough is taken."""
_DARKEST, _BRIGHTEST = 2.0, 98.0
"""Percentiles of the pixels with data that become black and white."""


def quicklook(bands: Sequence[tuple[Pixels, float]]) -> bytes | None:
    """Return a PNG of bands with their values for "no data"; None where there is no pixel with data.

    Three bands become red, green and blue, any other number the grey of the first. Bands may differ in size.
    """
    chosen = list(bands[:3] if len(bands) >= 3 else bands[:1])
    if not chosen or all((pixels == fill).all() for pixels, fill in chosen):
        return None
    for side in SIDES:
        picture = png(np.stack([_stretched(_shrunk(pixels, side), fill) for pixels, fill in _alike(chosen)], axis=-1))
        if len(picture) <= MOST_BYTES:
            break
    return picture


def _alike(bands: Sequence[tuple[Pixels, float]]) -> list[tuple[Pixels, float]]:
    """Return the bands in the size of the smallest one: a panchromatic band has four times the pixels."""
    rows, columns = min((pixels.shape for pixels, _ in bands), key=lambda shape: shape[0] * shape[1])
    return [(_sampled(pixels, rows, columns), fill) for pixels, fill in bands]


def _shrunk(pixels: Pixels, side: int) -> Pixels:
    factor = max(1.0, max(pixels.shape) / side)
    return _sampled(pixels, max(1, round(pixels.shape[0] / factor)), max(1, round(pixels.shape[1] / factor)))


def _sampled(pixels: Pixels, rows: int, columns: int) -> Pixels:
    """Return the nearest pixels: means would make values of "no data" and of data into others."""
    across = (np.arange(columns) + 0.5) * pixels.shape[1] / columns
    down = (np.arange(rows) + 0.5) * pixels.shape[0] / rows
    sampled: Pixels = pixels[down.astype(int)[:, None], across.astype(int)]
    return sampled


def _stretched(pixels: Pixels, fill: float) -> npt.NDArray[np.uint8]:
    """Return grey values of six bits, which are enough to look at and half as large; no data is black."""
    values = pixels.astype(np.float64)
    known = np.isfinite(values) & (values != fill)
    if not known.any():
        return np.zeros(pixels.shape, np.uint8)
    low, high = np.percentile(values[known], (_DARKEST, _BRIGHTEST))
    share = np.clip((values - low) / max(high - low, 1e-9), 0.0, 1.0)
    return np.where(known, 4 + 251 * share, 0).astype(np.uint8) & np.uint8(0xFC)


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return a PNG of rows x columns x 1 (grey) or 3 (red, green, blue) bytes."""
    rows, columns, samples = pixels.shape
    lines = pixels.reshape(rows, columns * samples).astype(np.int16)
    left = np.zeros_like(lines)
    left[:, samples:] = lines[:, :-samples]
    filtered = ((lines - left) & 0xFF).astype(np.uint8)  # each byte less its left neighbour: PNG's filter 1
    body = np.hstack([np.ones((rows, 1), np.uint8), filtered]).tobytes()
    head = struct.pack(">IIBBBBB", columns, rows, 8, 0 if samples == 1 else 2, 0, 0, 0)
    chunks = (_chunk(b"IHDR", head), _chunk(b"IDAT", zlib.compress(body, 9)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
