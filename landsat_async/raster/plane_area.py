"""The area of interest in the plane of a raster: rings and points in metres.

Edges of the area are straight in degrees, and bend in the plane: they are cut into short pieces, which stay within two
centimetres of the bent line. What a raster of that plane cannot reach is cut off first, and an area across the 180°
meridian comes together again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.affinity import translate

from landsat_async.raster.grid import GroundBox
from landsat_async.raster.projection import Projection

Points = npt.NDArray[np.float64]
"""One row a point: east and north in metres."""

_PIECE_DEG = 0.01


@dataclass(frozen=True, slots=True)
class PlaneArea:
    """An area (rings, inner ones too; a place is inside where it lies in an odd number of them) or some points."""

    rings: tuple[Points, ...]
    points: Points

    @property
    def box(self) -> GroundBox | None:
        """The smallest box that holds it; None when the plane does not reach it."""
        everything = np.concatenate([*self.rings, self.points])
        if not len(everything):
            return None
        west, south = everything.min(axis=0).tolist()
        east, north = everything.max(axis=0).tolist()
        return GroundBox(west, south, east, north)


def plane_area(geometry: Any, projection: Projection) -> PlaneArea:
    """Return an area (shapely; degrees, -180..180) in the plane of a projection."""
    parts = list(_parts_in_reach(geometry, projection.reach_deg))
    polygons = [part for part in parts if part.geom_type == "Polygon"]
    cut = shapely.segmentize(np.array(polygons, dtype=object), _PIECE_DEG)
    rings = tuple(_projected(shapely.get_coordinates(ring), projection) for ring in shapely.get_rings(cut))
    points = [part for part in parts if part.geom_type == "Point"]
    return PlaneArea(rings, _projected(shapely.get_coordinates(points), projection))


def _parts_in_reach(geometry: Any, reach_deg: Sequence[float]) -> Iterator[Any]:
    window = shapely.box(*reach_deg)
    wanted = shapely.get_dimensions(geometry)
    for turn_deg in (-360.0, 0.0, 360.0):
        if reach_deg[0] >= -180 + turn_deg + 360 or reach_deg[2] <= -180 + turn_deg:
            continue
        moved = translate(geometry, turn_deg) if turn_deg else geometry
        inside = moved if window.contains(moved) else moved.intersection(window)
        for part in shapely.get_parts(inside):
            if not part.is_empty and shapely.get_dimensions(part) == wanted:  # a touch of the edge is no area
                yield part


def _projected(degrees: npt.NDArray[np.float64], projection: Projection) -> Points:
    east_m, north_m = projection.project(degrees[:, 0], degrees[:, 1])
    return np.column_stack([east_m, north_m])
