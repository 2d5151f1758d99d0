"""Counting the bits of QA_PIXEL of Collection 2.

They are those of USGS's product guides: 0 fill, 1 dilated cloud, 2 cirrus, 3 cloud, 4 cloud shadow, 5 snow, 6 clear,
7 water, then confidences. Bright sand and ice are known to be taken for cloud. Clear is not asked: on Landsat 4 to 7 it
is set for land alone (5440, and 5504 for water), on 8 and 9 for water too (21824 and 21952).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from landsat_async.rules.clouds import KNOWN_FLAGS, CloudCount, Flag

_BITS = {Flag.DILATED: 1, Flag.CIRRUS: 2, Flag.CLOUD: 3, Flag.SHADOW: 4, Flag.SNOW: 5}
_FILL = 1


def count_clouds(
    values: npt.NDArray[np.uint16], mask: npt.NDArray[np.bool_], pixels: int, sensor: str, counts: Sequence[Flag]
) -> CloudCount:
    """Count what lies in an area.

    Args:
        values: QA_PIXEL, of the part of the area that the scene's raster holds.
        mask: Which of those belong to the area.
        pixels: Of the whole area, those outside the raster too.
        sensor: LC08, LE07 ...
        counts: What counts as cloud; flags that the sensor cannot know count nothing.
    """
    inside = values[mask]
    seen = inside[inside & _FILL == 0]
    known = KNOWN_FLAGS.get(sensor[:2].upper(), frozenset())
    wanted = sum(1 << _BITS[flag] for flag in set(counts) & known)

    def having(bits: int) -> int:
        return int(np.count_nonzero(seen & np.uint16(bits)))

    others = [having(1 << _BITS[flag]) if flag in known else None for flag in (Flag.SHADOW, Flag.SNOW)]
    return CloudCount(pixels, len(seen), having(wanted), *others)
