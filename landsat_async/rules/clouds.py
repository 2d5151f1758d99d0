"""Clouds in an area: what may count as one, what each sensor can know, and the figures of a scene.

The flags are those of QA_PIXEL. Not every sensor can know each of them, and a bit that it never sets is no "no": such a
rule is named as unknown in place of counted as zero.
"""

from __future__ import annotations

import enum
from collections.abc import Collection

import msgspec

QA_SUFFIX = "QA_PIXEL.TIF"
QA_FOLDER = ".landsat_async/qa"
"""Under this the ledger knows a QA_PIXEL that is fetched for its figure alone: never a place of a finished file."""


class Flag(enum.StrEnum):
    """What may count as cloud; the words of `[search] aoi_cloud_counts`."""

    CLOUD = "cloud"
    DILATED = "dilated"
    SHADOW = "shadow"
    CIRRUS = "cirrus"
    SNOW = "snow"


_WITHOUT_CIRRUS = frozenset(Flag) - {Flag.CIRRUS}
KNOWN_FLAGS = {
    "LC": frozenset(Flag),
    "LO": frozenset(Flag),
    "LT": _WITHOUT_CIRRUS,  # TM; and TIRS alone, which has no band for cirrus either
    "LE": _WITHOUT_CIRRUS,
    "LM": frozenset({Flag.CLOUD}),
}
"""First two letters of a sensor -> what its QA_PIXEL has."""


class CloudCount(msgspec.Struct, frozen=True):
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

    def plus(self, other: CloudCount) -> CloudCount:
        """Return this with what was counted in another part of the same scene."""
        return CloudCount(
            self.pixels + other.pixels,
            self.valid + other.valid,
            self.cloud + other.cloud,
            _plus(self.shadow, other.shadow),
            _plus(self.snow, other.snow),
        )

    @property
    def cloud_percent(self) -> float | None:
        """Percent of the pixels with data that count as cloud; None where none has data."""
        return self.percent(self.cloud)


def _plus(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


def unknown_flags(sensor: str, counts: Collection[Flag]) -> tuple[Flag, ...]:
    """Return which of the flags a sensor (LC08, LE07 ...) cannot know, in the order of their definition."""
    known = KNOWN_FLAGS.get(sensor[:2].upper(), frozenset())
    return tuple(flag for flag in Flag if flag in counts and flag not in known)


class MeasureSpec(msgspec.Struct, frozen=True):
    """What to count; plain values, so that it goes along with a job."""

    area_wkb: bytes
    """The area, degrees -180..180; shapely reads it."""
    sensor: str
    """LC08, LE07 ..."""
    counts: tuple[Flag, ...]
    """What counts as cloud."""


def measured_file(scene_display_id: str) -> str:
    """Return what events call the QA_PIXEL of a scene that is fetched for its figure alone."""
    return f"{QA_FOLDER}/{scene_display_id}_{QA_SUFFIX}"
