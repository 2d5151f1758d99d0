"""Writes a window: a GeoTIFF with its index first, its tiles behind it, and what it is a window of.

Classic TIFF of one band. The order of everything is fixed, so the same pixels always give the same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from landsat_async.raster import tag
from landsat_async.raster.cog import CogLayout
from landsat_async.raster.grid import Transform

_FORMATS = {"u": 1, "i": 2, "f": 3}
_SHORT, _LONG, _DOUBLE, _ASCII = 3, 4, 12, 2
_CODES = {_SHORT: "H", _LONG: "I", _DOUBLE: "d"}
_ALIGN = 8


@dataclass(frozen=True, slots=True)
class WindowImage:
    """What a file shall hold."""

    width: int
    length: int
    tile_width: int
    tile_length: int
    is_tiled: bool
    byte_order: str
    compression: int
    predictor: int
    transform: Transform
    description: str
    """ASCII."""
    counts: Sequence[int]
    """Stored bytes of each tile; 0 = not stored."""


def header(image: WindowImage, source: CogLayout) -> bytes:
    """Return the bytes that come before the tiles, which follow one behind the other.

    Pixel type, photometric interpretation, coordinate system and nodata are those of the file that it is cut from.
    """
    tags = _tags(image, source)
    size = 8 + 2 + 12 * len(tags) + 4
    for kind, values in tags.values():
        stored = _stored_bytes(kind, values)
        size += (stored + -stored % _ALIGN) if stored > 4 else 0
    start = size + -size % _ALIGN
    offsets, at = [], start
    for count in image.counts:
        offsets.append(at if count else 0)
        at += count
    tags[tag.TILE_OFFSETS if image.is_tiled else tag.STRIP_OFFSETS] = (_LONG, offsets)
    return _written(tags, image.byte_order).ljust(start, b"\0")


def _tags(image: WindowImage, source: CogLayout) -> dict[int, tuple[int, Sequence[int] | Sequence[float] | bytes]]:
    corner = 0.5 if source.keys.pixel_is_point else 0.0
    grid = image.transform
    tie = (0.0, 0.0, 0.0, grid.west_m + corner * grid.pixel_width_m, grid.north_m - corner * grid.pixel_height_m, 0.0)
    tags: dict[int, tuple[int, Sequence[int] | Sequence[float] | bytes]] = {
        tag.WIDTH: (_LONG, [image.width]),
        tag.LENGTH: (_LONG, [image.length]),
        tag.BITS: (_SHORT, [8 * source.pixel_bytes]),
        tag.COMPRESSION: (_SHORT, [image.compression]),
        tag.PHOTOMETRIC: (_SHORT, [source.photometric]),
        tag.DESCRIPTION: (_ASCII, image.description.encode("ascii") + b"\0"),
        tag.SAMPLES: (_SHORT, [1]),
        tag.PLANAR: (_SHORT, [1]),
        tag.PREDICTOR: (_SHORT, [image.predictor]),
        tag.SAMPLE_FORMAT: (_SHORT, [_FORMATS[source.pixel_type[0]]]),
        tag.PIXEL_SCALE: (_DOUBLE, [grid.pixel_width_m, grid.pixel_height_m, 0.0]),
        tag.TIE_POINT: (_DOUBLE, tie),
        tag.GEO_DIRECTORY: (_SHORT, source.keys.directory),
    }
    if image.is_tiled:
        tags[tag.TILE_WIDTH], tags[tag.TILE_LENGTH] = (_LONG, [image.tile_width]), (_LONG, [image.tile_length])
    else:
        tags[tag.ROWS_PER_STRIP] = (_LONG, [image.tile_length])
    tags[tag.TILE_OFFSETS if image.is_tiled else tag.STRIP_OFFSETS] = (_LONG, image.counts)
    tags[tag.TILE_COUNTS if image.is_tiled else tag.STRIP_COUNTS] = (_LONG, image.counts)
    if source.keys.doubles:
        tags[tag.GEO_DOUBLES] = (_DOUBLE, source.keys.doubles)
    if source.keys.ascii:
        tags[tag.GEO_ASCII] = (_ASCII, source.keys.ascii)
    if source.nodata:
        tags[tag.NODATA] = (_ASCII, source.nodata + b"\0")
    return dict(sorted(tags.items()))


def _stored_bytes(kind: int, values: Sequence[int] | Sequence[float] | bytes) -> int:
    return len(values) * (1 if isinstance(values, bytes) else struct.calcsize(_CODES[kind]))


def _written(tags: dict[int, tuple[int, Sequence[int] | Sequence[float] | bytes]], order: str) -> bytes:
    head = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 8)
    directory = struct.pack(order + "H", len(tags))
    arrays = b""
    first = len(head) + 2 + 12 * len(tags) + 4
    for number, (kind, values) in tags.items():
        data = values if isinstance(values, bytes) else struct.pack(f"{order}{len(values)}{_CODES[kind]}", *values)
        entry = struct.pack(order + "HHI", number, kind, len(values))
        if len(data) <= 4:
            directory += entry + data.ljust(4, b"\0")
        else:
            directory += entry + struct.pack(order + "I", first + len(arrays))
            arrays += data.ljust(len(data) + -len(data) % _ALIGN, b"\0")
    return head + directory + struct.pack(order + "I", 0) + arrays
