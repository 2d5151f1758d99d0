"""Which of two versions is the newer one, and what is told of what stays (tests/whole/test_leftovers.py: the runs)."""

from __future__ import annotations

import pytest

from landsat_async.disk.leftovers import Leftovers, is_newer_version

RT = "LC08_L1TP_004053_20240705_20240705_02_RT"
T1 = "LC08_L1TP_004053_20240705_20240712_02_T1"


@pytest.mark.faults("M36")
@pytest.mark.parametrize(
    ("new", "old", "newer"),
    [
        (T1, RT, True),
        (RT, T1, False),
        (T1, T1, False),
        (T1.replace("20240712", "20240705"), RT, True),
        (T1, T1.replace("20240712", "20240709"), True),
        (T1.replace("L1TP", "L2SP"), RT, False),
        (T1.replace("L1TP", "L2SR"), RT.replace("L1TP", "L2SP"), True),
        (T1.replace("004053", "004052"), RT, False),
        (T1, "no id", False),
    ],
)
def test_M36_a_newer_version_is_the_same_scene_and_level_processed_again(new, old, newer):
    assert is_newer_version(new, old) is newer


def test_nothing_left_behind_is_not_told():
    assert list(Leftovers().told()) == []
