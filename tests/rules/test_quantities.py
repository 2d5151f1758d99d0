from __future__ import annotations

import pytest

from landsat_async.rules.quantities import (
    about_text,
    count_text,
    part_of_size_text,
    rate_text,
    size_text,
    span_text,
    stopwatch_text,
)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (907 * 1024**2, "907 MiB"),
        (1.2 * 1024**3, "1.2 GiB"),
        (3 * 1024**4, "3.0 TiB"),
        (None, "?"),
        (float("nan"), "?"),
        (-5, "0 B"),
    ],
)
def test_sizes_have_three_figures_at_most(size_bytes, text):
    assert size_text(size_bytes) == text


@pytest.mark.parametrize(
    ("span_s", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1:00 min"), (125, "2:05 min"), (12000, "3:20 h"), (187200, "2 d 4 h")]
    + [(None, "?"), (float("inf"), "?"), (-3, "0 s")],
)
def test_spans_never_show_more_than_two_units(span_s, text):
    assert span_text(span_s) == text


@pytest.mark.parametrize(
    ("span_s", "text"),
    [(0, "0 s"), (39.2, "40 s"), (840, "14 min"), (5999, "100 min"), (86400, "24 h"), (30 * 86400, "30 days")],
)
def test_estimates_and_limits_have_one_unit(span_s, text):
    assert about_text(span_s) == text


@pytest.mark.parametrize(("span_s", "text"), [(0.9, "0:00"), (32, "0:32"), (130, "2:10"), (3730, "1:02:10")])
def test_a_stopwatch_shows_each_second(span_s, text):
    assert stopwatch_text(span_s) == text


def test_counts_agree_with_their_noun():
    assert [count_text(n, "file") for n in (0, 1, 1960)] == ["0 files", "1 file", "1,960 files"]


def test_a_share_of_a_size_names_the_unit_once():
    assert part_of_size_text(12 * 1024**3, 19 * 1024**3) == "12.0 of about 19.0 GiB"
    assert part_of_size_text(12 * 1024**2, 19 * 1024**3) == "12.0 MiB of about 19.0 GiB"


def test_speeds_are_sizes_a_second():
    assert rate_text(2048) == "2.0 KiB/s"
