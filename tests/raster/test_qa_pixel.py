"""Counting QA_PIXEL: each sensor by what it can know."""

from __future__ import annotations

import numpy as np
import pytest

from landsat_async.raster.qa_pixel import count_clouds
from landsat_async.rules.clouds import CloudCount, Flag, unknown_flags

CLEAR, CLOUD, DILATED, CIRRUS, SHADOW, SNOW, FILL = 21824, 22280, 21762, 54596, 23888, 30048, 1
ALL = tuple(Flag)
USUAL_FLAGS = (Flag.CLOUD, Flag.DILATED, Flag.SHADOW, Flag.CIRRUS)


def count(values, counts=USUAL_FLAGS, sensor="LC08", pixels=None):
    array = np.array(values, dtype=np.uint16)
    return count_clouds(array, np.ones(array.shape, dtype=bool), pixels or array.size, sensor, counts)


def test_a_pixel_counts_once_and_fill_never_in_the_denominator():
    both = CLOUD | SHADOW | DILATED | CIRRUS
    found = count([CLEAR, CLOUD, both, FILL, FILL, FILL])
    assert found == CloudCount(pixels=6, valid=3, cloud=2, shadow=1, snow=0)
    assert (found.valid_share, found.cloud_percent) == (0.5, pytest.approx(200 / 3))


@pytest.mark.parametrize(
    ("counts", "cloud"),
    [
        ((Flag.CLOUD,), 1),
        ((Flag.CLOUD, Flag.DILATED), 2),
        ((Flag.SHADOW,), 1),
        ((Flag.SNOW,), 1),
        (USUAL_FLAGS, 4),
        (ALL, 5),
        ((), 0),
    ],
)
def test_the_rule_decides_what_is_cloud(counts, cloud):
    assert count([CLEAR, CLOUD, DILATED, CIRRUS, SHADOW, SNOW], counts).cloud == cloud


@pytest.mark.faults("X33")
@pytest.mark.parametrize(
    ("sensor", "unknown"),
    [
        ("LC08", ()),
        ("LO09", ()),
        ("LE07", (Flag.CIRRUS,)),
        ("LT05", (Flag.CIRRUS,)),
        ("LT08", (Flag.CIRRUS,)),
        ("LM02", (Flag.DILATED, Flag.SHADOW, Flag.CIRRUS, Flag.SNOW)),
        ("XX99", ALL),
    ],
)
def test_what_a_sensor_cannot_know_is_named_and_not_counted(sensor, unknown):
    assert unknown_flags(sensor, ALL) == unknown
    found = count([0xFFFE], ALL, sensor)
    assert (found.shadow is None) == (Flag.SHADOW in unknown)
    assert (found.snow is None) == (Flag.SNOW in unknown)
    assert [count([0xFFFE], (flag,), sensor).cloud for flag in ALL] == [int(flag not in unknown) for flag in ALL]


def test_a_scene_without_data_in_the_area_has_no_percentage():
    found = count([FILL, FILL], pixels=10)
    assert (found.valid, found.valid_share, found.cloud_percent) == (0, 0.0, None)


def test_only_pixels_of_the_area_count():
    values = np.array([[CLOUD, CLEAR], [CLEAR, CLEAR]], dtype=np.uint16)
    mask = np.array([[False, True], [True, False]])
    assert count_clouds(values, mask, 8, "LC08", USUAL_FLAGS) == CloudCount(8, 2, 0, 0, 0)
