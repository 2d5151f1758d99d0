"""Windows of a run: what the config asks for, what the files are called, and about how much comes of each.

A window is one wanted file like any other, under a name of its own (`rules.naming`); what is no raster comes
whole. The size that is planned is an estimate: the bytes of the tiles that the area touches, as if they came by ranges.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import msgspec

from landsat_async.config_tables import SelectConfig
from landsat_async.model import WantedFile
from landsat_async.rules.naming import is_member, window_key, window_name
from landsat_async.run.selection import Selection

if TYPE_CHECKING:  # loads shapely, see run/scene_filter
    from landsat_async.raster.spec import WindowSpec
    from landsat_async.rules.aoi import Aoi

_PIXEL_M = 30.0
_TILE_PIXELS = 256
_SCENE_PIXELS = 7700 * 7800
_M_PER_DEG = 111_320.0


class RunWindows(msgspec.Struct, frozen=True):
    """What a run cuts out of each band."""

    spec: WindowSpec
    share: float
    """About this part of a band comes by ranges."""

    @classmethod
    def of(cls, select: SelectConfig, aoi: Aoi | None) -> Self | None:
        """Read the config; None where files come whole."""
        if select.window == "off" or aoi is None:
            return None
        from landsat_async.raster.spec import WindowSpec
        from landsat_async.raster.window import WindowMode

        spec = WindowSpec.of(aoi.geometry, WindowMode(select.window), select.window_buffer_m)
        return cls(spec, share_of(aoi, select))

    def of_file(self, name: str) -> WindowSpec | None:
        """Return what to cut for a wanted file; None for one that comes whole."""
        return self.spec if window_key(name) == self.spec.key else None


def share_of(aoi: Aoi | None, select: SelectConfig) -> float:
    """Return about which share of a band the tiles of an area are; 1.0 without one."""
    if aoi is None or select.window == "off":
        return 1.0
    west, south, east, north = aoi.bbox
    middle_rad = math.radians((south + north) / 2)
    width_m = ((east - west) % 360 or (360 if east != west else 0)) * _M_PER_DEG * math.cos(middle_rad)
    sides_m = (width_m + 2 * select.window_buffer_m, (north - south) * _M_PER_DEG + 2 * select.window_buffer_m)
    columns, rows = (side_m / _PIXEL_M + _TILE_PIXELS for side_m in sides_m)
    return min(1.0, columns * rows / _SCENE_PIXELS)


def with_windows(selection: Selection, windows: RunWindows | None) -> Selection:
    """Give the single files that are rasters the names of windows, and the size that is likely to come."""
    if windows is None:
        return selection
    key, share = windows.spec.key, windows.share
    files = tuple(_window_of(file, key, share) for file in selection.files)
    gaps = tuple(replace(gap, file=window_name(gap.file, key) or gap.file) for gap in selection.unavailable)
    return replace(selection, files=files, unavailable=gaps)


def _window_of(file: WantedFile, key: str, share: float) -> WantedFile:
    from_bundle = is_member(file.kind, file.name)
    name = window_name(file.name, key) if file.kind == "file" or from_bundle else None
    if name is None:
        return file
    if from_bundle:
        return replace(file, name=name)  # the bundle comes whole
    return replace(file, name=name, bytes_nominal=estimated_bytes(file.bytes_nominal, share),
                   bytes_whole=file.bytes_nominal)  # fmt: skip


def estimated_bytes(listed_bytes: int | None, share: float) -> int | None:
    """Return about how many bytes the window of a file takes; None where its size is not listed."""
    from landsat_async.raster.cog import HEAD_BYTES  # loads numpy, which runs without windows do not need

    return None if listed_bytes is None else min(listed_bytes, HEAD_BYTES + int(listed_bytes * share))
