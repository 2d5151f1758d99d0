"""QA_PIXEL of Collection 2: which pixels of an area have data, and which of those are cloud.

The bits are those of USGS's product guides: 0 fill, 1 dilated cloud, 2 cirrus, 3 cloud, 4 cloud shadow, 5 snow,
6 clear, 7 water, then confidences. Not every sensor can know each of them, and a bit that it never sets is no "no":
such a rule is named as unknown in place of counted as zero. Bright sand and ice are known to be taken for cloud.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


class Flag(enum.StrEnum):
    """What may count as cloud; the words of `[search] aoi_cloud_counts`."""

    CLOUD = "cloud"
    DILATED = "dilated"
    SHADOW = "shadow"
    CIRRUS = "cirrus"
    SNOW = "snow"


USUAL_FLAGS = (Flag.CLOUD, Flag.DILATED, Flag.SHADOW, Flag.CIRRUS)
_BITS = {Flag.DILATED: 1, Flag.CIRRUS: 2, Flag.CLOUD: 3, Flag.SHADOW: 4, Flag.SNOW: 5}
_FILL = 1
_WITHOUT_CIRRUS = frozenset(Flag) - {Flag.CIRRUS}
_KNOWN = {
    "LC": frozenset(Flag),
    "LO": frozenset(Flag),
    "LT": _WITHOUT_CIRRUS,  # TM; and TIRS alone, which has no band for cirrus either
    "LE": _WITHOUT_CIRRUS,
    "LM": frozenset({Flag.CLOUD}),
}


@dataclass(frozen=True, slots=True)
class CloudCount:
    """Pixels of an area in one scene."""

    pixels: int
    """Of the area, whether the scene has them or not."""
    valid: int
    """Of those, how many have data."""
    cloud: int
    """Of those with data, how many have one of the flags that count; each once."""
    shadow: int | None
    snow: int | None
    """Of those with data; None where the sensor cannot know."""

    @property
    def valid_share(self) -> float:
        """Share of the area with data, 0..1."""
        return self.valid / self.pixels if self.pixels else 0.0

    def percent(self, pixels: int | None) -> float | None:
        """Return so many pixels in percent of those with data; None where there are none, or it is not known."""
        return None if pixels is None or not self.valid else 100 * pixels / self.valid

    @property
    def cloud_percent(self) -> float | None:
        """Percent of the pixels with data that count as cloud; None where none has data."""
        return self.percent(self.cloud)


def unknown_flags(sensor: str, counts: Collection[Flag]) -> tuple[Flag, ...]:
    """Return which of the flags a sensor (LC08, LE07 ...) cannot know, in the order of their definition."""
    known = _KNOWN.get(sensor[:2].upper(), frozenset())
    return tuple(flag for flag in Flag if flag in counts and flag not in known)


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
    known = _KNOWN.get(sensor[:2].upper(), frozenset())
    wanted = sum(1 << _BITS[flag] for flag in set(counts) & known)

    def having(bits: int) -> int:
        return int(np.count_nonzero(seen & np.uint16(bits)))

    others = [having(1 << _BITS[flag]) if flag in known else None for flag in (Flag.SHADOW, Flag.SNOW)]
    return CloudCount(pixels, len(seen), having(wanted), *others)
