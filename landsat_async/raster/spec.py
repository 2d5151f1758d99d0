"""What the user wants of each band: an area, a margin around it, and how it is cut."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import shapely

from landsat_async.raster.grid import GeoKeys, GroundBox
from landsat_async.raster.plane_area import plane_area
from landsat_async.raster.projection import Projection, projection_of
from landsat_async.raster.window import WindowMode


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """Plain values: it goes along with a job to wherever that is done."""

    mode: WindowMode
    area_wkb: bytes
    """The area, degrees; shapely reads it."""
    buffer_m: float
    key: str
    """Eight hexadecimal digits of all that: windows of another area have another name."""

    @classmethod
    def of(cls, geometry: Any, mode: WindowMode, buffer_m: float = 0.0) -> Self:
        """Make it from an area (shapely; degrees, -180..180). How its rings are written down does not matter."""
        plain = shapely.to_geojson(shapely.normalize(geometry))
        text = json.dumps(
            [mode.value, float(buffer_m), json.loads(plain, parse_float=lambda digits: round(float(digits), 9))]
        )
        key = hashlib.sha256(text.encode()).hexdigest()[:8]
        return cls(mode, shapely.to_wkb(geometry), float(buffer_m), key)

    def ground(self, keys: GeoKeys) -> GroundBox | None:
        """Return the box of the area in the coordinates of a raster; None when they do not reach that far.

        Raises:
            UnsupportedRaster: it is in coordinates that no Landsat band has.
        """
        box = _box_of(self.area_wkb, projection_of(keys))
        return None if box is None else box.grown(self.buffer_m)

    @property
    def is_simple(self) -> bool:
        """The area has few corners and no long edges: to find it in a raster takes a millisecond or two, not more."""
        return _is_simple(self.area_wkb)


_FEW_CORNERS = 200
_SHORT_DEG = 5.0


@lru_cache(maxsize=4)
def _is_simple(area_wkb: bytes) -> bool:
    area = shapely.from_wkb(area_wkb)
    west, south, east, north = area.bounds
    return bool(shapely.get_num_coordinates(area) <= _FEW_CORNERS and max(east - west, north - south) <= _SHORT_DEG)


@lru_cache(maxsize=32)
def _box_of(area_wkb: bytes, projection: Projection) -> GroundBox | None:
    """Return the box of an area in a plane; thousands of windows share an area and some planes."""
    return plane_area(shapely.from_wkb(area_wkb), projection).box
