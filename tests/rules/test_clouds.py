"""Figures of clouds as values; the bits behind them are tested in tests/raster/test_qa_pixel.py."""

from __future__ import annotations

from landsat_async.rules.clouds import CloudCount, Flag, unknown_flags


def test_parts_of_a_scene_add_up():
    whole = CloudCount(100, 0, 0, None, None).plus(CloudCount(0, 40, 10, 3, None)).plus(CloudCount(0, 20, 5, 2, None))
    assert whole == CloudCount(100, 60, 15, 5, None)


def test_shares_and_percentages_without_a_denominator():
    assert CloudCount(0, 0, 0, None, None).valid_share == 0.0
    assert CloudCount(5, 0, 0, None, None).cloud_percent is None
    assert CloudCount(5, 5, 1, None, None).percent(None) is None


def test_a_sensor_is_known_by_its_letters():
    assert unknown_flags("lc09", tuple(Flag)) == ()
    assert unknown_flags("LM01", (Flag.CLOUD,)) == ()
