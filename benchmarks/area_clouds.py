"""How long it takes to count the clouds of an area of three million pixels, mask and all.

    python benchmarks/area_clouds.py

Prints seconds, the best and the worst of ten, for areas of few and of many corners.
"""

from __future__ import annotations

import time

import numpy as np
import shapely

from landsat_async.raster.area_mask import mask_of, spans_of
from landsat_async.raster.grid import Transform
from landsat_async.raster.plane_area import plane_area
from landsat_async.raster.projection import Utm
from landsat_async.raster.qa_pixel import count_clouds
from landsat_async.rules.clouds import Flag

GRID = Transform(399_885.0, 1_300_015.0, 30.0, 30.0)
COUNTS = (Flag.CLOUD, Flag.DILATED, Flag.SHADOW, Flag.CIRRUS)


def seconds(corners: int) -> tuple[int, float]:
    chance = np.random.default_rng(corners)
    angles, radii = np.sort(chance.uniform(0, 2 * np.pi, corners)), chance.uniform(0.22, 0.235, corners)
    area = shapely.Polygon(np.column_stack([-67.7 + radii * np.cos(angles), 10.2 + radii * np.sin(angles)]))
    box = GRID.box_around(plane_area(area, Utm(19)).box)
    values = chance.integers(0, 65_535, (box.height, box.width)).astype(np.uint16)
    began_s = time.perf_counter()
    spans = spans_of(plane_area(area, Utm(19)), GRID)
    count_clouds(values, mask_of(spans, box), spans.count, "LC08", COUNTS)
    return values.size, time.perf_counter() - began_s


if __name__ == "__main__":
    for corners in (12, 200, 20_000):
        runs = [seconds(corners) for _ in range(10)]
        times = sorted(took for _, took in runs)
        print(f"{corners:>6} corners, {runs[0][0]:>9,} pixels: {times[0]:.3f} to {times[-1]:.3f} s")
