"""Small and large georeferenced bands: tiled GeoTIFFs in the manner of Collection 2's cloud-optimised ones.

Small bands hold a picture (smooth relief, fill outside the footprint) and compress well. Large ones hold
incompressible tiles inside stored deflate blocks, so the place of every byte is known before it is made.
"""

from __future__ import annotations

import functools
import random
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from landsat_async.sim.content import Concatenated, Content, Literal

_ASCII, _SHORT, _LONG, _DOUBLE = 2, 3, 4, 12
_FORMATS = {_SHORT: "H", _LONG: "I", _DOUBLE: "d"}
_STORED_BLOCK_BYTES = 65_535
_POOL_BYTES = 1 << 21


@dataclass(frozen=True, slots=True)
class Grid:
    """A raster's place and size. Pixels are square."""

    zone: int
    west_m: float
    north_m: float
    pixel_m: float
    columns: int
    rows: int
    ring_m: tuple[tuple[float, float], ...] = ()
    """Corners of the imaged area inside the raster; pixels outside are fill. Empty: all imaged."""
    south_pole: bool = False
    """In Antarctica's polar stereographic projection, in place of a UTM zone."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """What the values are."""

    bits: int = 16
    signed: bool = False
    nodata: int = 0
    low: int = 5_000
    high: int = 30_000
    values: tuple[int, ...] = ()
    """Of flags: what there is in place of all numbers between, by rising relief."""


def small_band(grid: Grid, pixels: Pixels, seed: int, *, tile: int, compress: bool = True) -> bytes:
    """Make a whole band with one overview, deflate-compressed (or stored: the size then ignores the seed)."""
    full = _picture(grid, pixels, seed)
    levels = [full] if max(grid.columns, grid.rows) <= tile else [full, full[::2, ::2]]
    level = 1 if compress else 0
    encoded = [[zlib.compress(data, level) for data in _tiles(array, tile)] for array in levels]
    heads = []
    for index, (array, tiles) in enumerate(zip(levels, encoded, strict=True)):
        sizes = [len(data) for data in tiles]
        heads.append(_Directory(grid, pixels, array.shape[1], array.shape[0], tile, sizes, index > 0))
    return _head(heads) + b"".join(data for tiles in encoded for data in tiles)


def large_band(grid: Grid, pixels: Pixels, seed: int, *, tile: int) -> Content:
    """Describe a band of any size; tiles are made when they are read."""
    across, down = -(-grid.columns // tile), -(-grid.rows // tile)
    stored = StoredTile.encoded_bytes(tile * tile * pixels.bits // 8)
    head = _head([_Directory(grid, pixels, grid.columns, grid.rows, tile, [stored] * (across * down), False)])
    return Concatenated([Literal(head), _StoredTiles(across * down, tile * tile * pixels.bits // 8, seed)])


def _picture(grid: Grid, pixels: Pixels, seed: int) -> npt.NDArray[np.generic]:
    """Relief of a few waves plus noise, with fill outside the footprint."""
    rng = np.random.default_rng(seed)
    fx, fy, px, py = rng.uniform(1, 6, 4)
    x = np.arange(grid.columns, dtype=np.float32) / grid.columns
    y = np.arange(grid.rows, dtype=np.float32)[:, None] / grid.rows
    relief = 2 + np.sin(6.28 * fx * x + px) * np.cos(6.28 * fy * y + py) + np.sin(9 * (x + y) + px)
    if pixels.values:
        values = np.take(pixels.values, (relief * len(pixels.values) / 4).astype(np.intp), mode="clip")
    else:
        span = pixels.high - pixels.low
        values = pixels.low + relief * (0.24 * span) + rng.integers(0, max(2, span // 64), relief.shape)
    dtype = np.dtype(f"{'i' if pixels.signed else 'u'}{pixels.bits // 8}")
    image: npt.NDArray[np.generic] = values.astype(dtype)
    if grid.ring_m:
        image[~_inside(grid)] = pixels.nodata
    return image


def _inside(grid: Grid) -> npt.NDArray[np.bool_]:
    """Mark the pixels whose centre lies inside the (clockwise, convex) ring."""
    east = grid.west_m + (np.arange(grid.columns) + 0.5) * grid.pixel_m
    north = grid.north_m - (np.arange(grid.rows)[:, None] + 0.5) * grid.pixel_m
    mask = np.ones((grid.rows, grid.columns), dtype=np.bool_)
    for (ax, ay), (bx, by) in zip(grid.ring_m, (*grid.ring_m[1:], grid.ring_m[0]), strict=True):
        mask &= (bx - ax) * (north - ay) - (by - ay) * (east - ax) <= 0
    return mask


def _tiles(array: npt.NDArray[np.generic], tile: int) -> list[bytes]:
    rows, columns = array.shape
    padded = np.pad(array, ((0, -rows % tile), (0, -columns % tile)))
    return [
        padded[y : y + tile, x : x + tile].tobytes()
        for y in range(0, padded.shape[0], tile)
        for x in range(0, padded.shape[1], tile)
    ]


@dataclass(frozen=True, slots=True)
class _Directory:
    grid: Grid
    pixels: Pixels
    columns: int
    rows: int
    tile: int
    sizes: Sequence[int]
    overview: bool

    def entries(self, offsets: Sequence[int]) -> list[tuple[int, int, Sequence[float] | bytes]]:
        grid, pixels = self.grid, self.pixels
        scale = grid.pixel_m * grid.columns / self.columns
        entries: list[tuple[int, int, Sequence[float] | bytes]] = [
            (254, _LONG, [int(self.overview)]),
            (256, _LONG, [self.columns]),
            (257, _LONG, [self.rows]),
            (258, _SHORT, [pixels.bits]),
            (259, _SHORT, [8]),  # deflate, as Collection 2 uses
            (262, _SHORT, [1]),
            (277, _SHORT, [1]),
            (284, _SHORT, [1]),
            (322, _SHORT, [self.tile]),
            (323, _SHORT, [self.tile]),
            (324, _LONG, list(offsets)),
            (325, _LONG, list(self.sizes)),
            (339, _SHORT, [2 if pixels.signed else 1]),
        ]
        if not self.overview:
            entries += [
                (33550, _DOUBLE, [scale, scale, 0.0]),
                (33922, _DOUBLE, [0.0, 0.0, 0.0, grid.west_m, grid.north_m, 0.0]),
                (34735, _SHORT, _geo_keys(grid.zone)),
                (34737, _ASCII, _citation(grid.zone)),
            ]
        return [*entries, (42113, _ASCII, f"{pixels.nodata}\0".encode())]


def _citation(zone: int) -> bytes:
    return f"WGS 84 / UTM zone {zone}N|WGS 84|\0".encode()


def _geo_keys(zone: int) -> list[int]:
    first = len(f"WGS 84 / UTM zone {zone}N|")
    keys = [
        (1024, 0, 1, 1),  # projected
        (1025, 0, 1, 1),  # pixel is area
        (1026, 34737, first, 0),
        (2049, 34737, 7, first),
        (2054, 0, 1, 9102),  # degrees
        (3072, 0, 1, 32600 + zone),
        (3076, 0, 1, 9001),  # metres
    ]
    return [1, 1, 0, len(keys), *(value for key in keys for value in key)]


def _head(directories: Sequence[_Directory]) -> bytes:
    """Header and all directories; the tiles of each follow in order, so all offsets are known."""
    blank = [_pack(d, [0] * len(d.sizes), 0, 0) for d in directories]
    tile_at = 8 + sum(len(block) for block in blank)
    at = 8
    packed = []
    for index, directory in enumerate(directories):
        offsets = []
        for size in directory.sizes:
            offsets.append(tile_at)
            tile_at += size
        following = at + len(blank[index]) if index + 1 < len(directories) else 0
        packed.append(_pack(directory, offsets, at, following))
        at += len(blank[index])
    return b"II*\0" + struct.pack("<I", 8) + b"".join(packed)


def _pack(directory: _Directory, offsets: Sequence[int], at: int, following: int) -> bytes:
    entries = directory.entries(offsets)
    outside_at = at + 2 + 12 * len(entries) + 4
    table, outside = struct.pack("<H", len(entries)), b""
    for tag, kind, values in entries:
        data = values if isinstance(values, bytes) else struct.pack(f"<{len(values)}{_FORMATS[kind]}", *values)
        count = len(values)
        if len(data) > 4:
            place = struct.pack("<I", outside_at + len(outside))
            outside += data + b"\0" * (len(data) % 2)
        else:
            place = data.ljust(4, b"\0")
        table += struct.pack("<HHI", tag, kind, count) + place
    return table + struct.pack("<I", following) + outside


@functools.lru_cache(maxsize=1)
def _pool() -> bytes:
    """Incompressible bytes that all large tiles are cut from."""
    return random.Random("landsat").randbytes(_POOL_BYTES)


class StoredTile:
    """Bytes of one deflate stream made of stored blocks."""

    @staticmethod
    def encoded_bytes(raw_bytes: int) -> int:
        """Return how long the stream of so many bytes is."""
        return 2 + 5 * -(-raw_bytes // _STORED_BLOCK_BYTES) + raw_bytes + 4

    @staticmethod
    def encode(raw: bytes) -> bytes:
        """Return the stream of some bytes."""
        parts = [b"\x78\x01"]
        for start in range(0, len(raw), _STORED_BLOCK_BYTES):
            block = raw[start : start + _STORED_BLOCK_BYTES]
            last = start + _STORED_BLOCK_BYTES >= len(raw)
            parts += [struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF), block]
        parts.append(struct.pack(">I", zlib.adler32(raw)))
        return b"".join(parts)


class _StoredTiles:
    """All tiles of a large band, one after the other."""

    def __init__(self, count: int, raw_bytes: int, seed: int) -> None:
        self._raw_bytes = raw_bytes
        self._each = StoredTile.encoded_bytes(raw_bytes)
        self._seed = seed
        self.size = self._each * count

    def read(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self.size)
        pieces = []
        while offset < end:
            index, inside = divmod(offset, self._each)
            piece = _tile_at(self._seed, index, self._raw_bytes)[inside : inside + end - offset]
            pieces.append(piece)
            offset += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


@functools.lru_cache(maxsize=64)
def _tile_at(seed: int, index: int, raw_bytes: int) -> bytes:
    pool = _pool()
    start = (seed * 2_654_435_761 + index * 40_503) % (len(pool) - raw_bytes)
    return StoredTile.encode(pool[start : start + raw_bytes])


def empty_image(side: int = 7000) -> bytes:
    """Make a TIFF whose only strip is absent: a legal image, and none."""
    tags = ((256, side), (257, side), (258, 16), (259, 8), (262, 1), (273, 0), (277, 1), (278, side), (279, 0))
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + rows + bytes(4)
