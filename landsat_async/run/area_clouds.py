"""Which scenes are clear enough where it matters: the figures of `[search] aoi_cloud` and `aoi_valid`, judged.

A figure is kept in the ledger for product, area and rule, so that it is measured once. `Rule` is all of what a figure
depends on and what is asked of it; the limits can change without a new measurement.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from landsat_async.config_tables import SearchConfig
from landsat_async.events import Measured
from landsat_async.model import Scene
from landsat_async.rules.clouds import CloudCount, Flag, MeasureSpec, unknown_flags

if TYPE_CHECKING:  # loads shapely, see run/scene_filter
    from landsat_async.rules.aoi import Aoi


@dataclass(frozen=True, slots=True)
class Rule:
    """What is measured, and what is asked of it."""

    area_wkb: bytes
    """The area, degrees; shapely reads it."""
    area: str
    """Names the area: the same for the same place, however its rings are written."""
    flags: tuple[Flag, ...]
    cloud: tuple[float, float]
    """Percent of the valid pixels, inclusive."""
    least_valid: float
    """Share of the area that must have data, 0..1."""

    @classmethod
    def of(cls, search: SearchConfig, aoi: Aoi | None) -> Rule | None:
        """Return what a search asks for; None when it measures nothing."""
        if aoi is None or not search.measures:
            return None
        import shapely

        plain = shapely.to_geojson(shapely.normalize(aoi.geometry))
        text = json.dumps(json.loads(plain, parse_float=lambda digits: round(float(digits), 9)))
        area = hashlib.sha256(text.encode()).hexdigest()[:16]
        flags = tuple(flag for flag in Flag if flag in search.aoi_cloud_counts)
        cloud = search.aoi_cloud or (0.0, 100.0)
        return cls(shapely.to_wkb(aoi.geometry), area, flags, cloud, search.aoi_valid)

    @property
    def counts(self) -> str:
        """The flags that count, as the ledger keeps them."""
        return ",".join(self.flags)

    def refusal(self, count: CloudCount) -> str | None:
        """Return why a scene is left out, with its figure; None when it is kept."""
        if not count.valid:
            return "no data in the area"
        if count.valid_share < self.least_valid:
            return (
                f"data in {_share(count.valid_share, self.least_valid)} of the area (aoi_valid = {self.least_valid:g})"
            )
        percent, (low, high) = count.cloud_percent or 0.0, self.cloud
        if low <= percent <= high:
            return None
        return f"{_percent(percent, low, high)} cloud in the area (aoi_cloud = [{low:g}, {high:g}])"

    def spec(self, scene_display_id: str) -> MeasureSpec:
        """Return what to count in a scene."""
        return MeasureSpec(self.area_wkb, scene_display_id[:4], self.flags)

    def unknown(self, scene_display_id: str) -> tuple[Flag, ...]:
        """Return which of the flags that count the sensor of a scene cannot know."""
        return unknown_flags(scene_display_id, self.flags)


def _share(value: float, limit: float) -> str:
    """Write a share in percent, with as many digits as tell it from the limit."""
    return next(text for digits in range(1, 12) if float(text := f"{100 * value:.{digits}f}") < 100 * limit) + " %"


def _percent(value: float, low: float, high: float) -> str:
    texts = (f"{value:.{digits}f}" for digits in range(1, 12))
    return next((text for text in texts if not low <= float(text) <= high), f"{value}") + " %"


@dataclass(frozen=True, slots=True)
class Judged:
    """The scenes of a search, by what is known of the area in them."""

    kept: list[Scene]
    """To be fetched, or to be measured first."""
    refused: list[tuple[Scene, str]]
    """Left out, with the reason."""


def judge(scenes: Sequence[Scene], rule: Rule, known: Mapping[str, CloudCount]) -> Judged:
    """Split scenes by the figures that are known (by display id)."""
    judged = Judged([], [])
    for scene in scenes:
        count = known.get(scene.display_id)
        reason = None if count is None else rule.refusal(count)
        if reason is None:
            judged.kept.append(scene)
        else:
            judged.refused.append((scene, reason))
    return judged


def unknown_text(sensor: str, flags: Sequence[Flag]) -> str:
    """Say once for a sensor what its QA_PIXEL cannot tell."""
    names = ", ".join(flags)
    return f"QA_PIXEL of {sensor} does not know {names}: not counted in the area's cloud for its scenes"


def unknown_notes(scenes: Sequence[Scene], rule: Rule) -> list[str]:
    """Say for each sensor of some scenes what its QA_PIXEL cannot tell."""
    by_sensor = {scene.display_id[:4]: rule.unknown(scene.display_id) for scene in scenes}
    return [unknown_text(sensor, flags) for sensor, flags in sorted(by_sensor.items()) if flags]


def measured_event(scene: str, count: CloudCount) -> Measured:
    """Return what is told of a figure: shares as in the config, percent of the pixels with data."""
    return Measured(
        scene,
        round(count.valid_share, 6),
        _rounded(count.cloud_percent),
        _rounded(count.percent(count.shadow)),
        _rounded(count.percent(count.snow)),
        count.pixels,
    )


def _rounded(percent: float | None) -> float | None:
    return None if percent is None else round(percent, 4)
