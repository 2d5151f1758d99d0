"""Directories of TIFFs as bytes, and the tags that say where a raster lies."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from landsat_async.sim.tiff import Grid

ASCII, SHORT, LONG, DOUBLE, LONG8 = 2, 3, 4, 12, 16
_FORMATS = {SHORT: "H", LONG: "I", DOUBLE: "d", LONG8: "Q"}

Tag = tuple[int, int, Sequence[float] | bytes]
"""Number, type, values; text as bytes."""


def pack_directory(tags: Sequence[Tag], at: int, order: str, big: bool, last: bool) -> bytes:
    """Return a directory that stands at `at` with its values behind it; the next one follows at once, unless `last`."""
    counter, entry, word = ("Q", "HHQ", "Q") if big else ("H", "HHI", "I")
    room = struct.calcsize(f"={word}")
    outside_at = at + struct.calcsize(f"={counter}") + len(tags) * struct.calcsize(f"={entry}{word}") + room
    table, outside = struct.pack(order + counter, len(tags)), b""
    for number, kind, values in tags:
        data = values if isinstance(values, bytes) else struct.pack(f"{order}{len(values)}{_FORMATS[kind]}", *values)
        table += struct.pack(order + entry, number, kind, len(values))
        if len(data) > room:
            table += struct.pack(order + word, outside_at + len(outside))
            outside += data + bytes(-len(data) % room)
        else:
            table += data.ljust(room, b"\0")
    following = 0 if last else outside_at + len(outside)
    return table + struct.pack(order + word, following) + outside


def geo_tags(grid: Grid, pixel_is_point: bool, by_parameters: bool) -> list[Tag]:
    """Return scale, tie point and coordinate system."""
    half = grid.pixel_m / 2 if pixel_is_point else 0.0
    tie = [0.0, 0.0, 0.0, grid.west_m + half, grid.north_m - half, 0.0]
    keys, doubles, text = _geo_keys(grid, 2 if pixel_is_point else 1, by_parameters)
    tags: list[Tag] = [
        (33550, DOUBLE, [grid.pixel_m, grid.pixel_m, 0.0]),
        (33922, DOUBLE, tie),
        (34735, SHORT, keys),
        (34737, ASCII, text),
    ]
    return [*tags, (34736, DOUBLE, doubles)] if doubles else tags


def _geo_keys(grid: Grid, raster_type: int, by_parameters: bool) -> tuple[list[int], list[float], bytes]:
    name = "WGS 84 / Antarctic Polar Stereographic" if grid.south_pole else f"WGS 84 / UTM zone {grid.zone}N"
    first = len(name) + 1
    keys = [
        (1024, 0, 1, 1),
        (1025, 0, 1, raster_type),
        (1026, 34737, first, 0),
        (2049, 34737, 7, first),
        (2054, 0, 1, 9102),
    ]
    doubles: list[float] = []
    if grid.south_pole and by_parameters:
        # Latitude of true scale, longitude straight down, false easting and northing, as libgeotiff writes them.
        doubles = [-71.0, 0.0, 0.0, 0.0]
        keys[-1:] = [(2048, 0, 1, 4326), (2054, 0, 1, 9102)]
        keys += [(3072, 0, 1, 32767), (3074, 0, 1, 32767), (3075, 0, 1, 15), (3076, 0, 1, 9001)]
        keys += [(3081, 34736, 1, 0), (3082, 34736, 1, 2), (3083, 34736, 1, 3), (3095, 34736, 1, 1)]
    else:
        keys += [(3072, 0, 1, 3031 if grid.south_pole else 32600 + grid.zone), (3076, 0, 1, 9001)]
    keys.sort()
    return [1, 1, 0, len(keys), *(value for key in keys for value in key)], doubles, f"{name}|WGS 84|\0".encode()
