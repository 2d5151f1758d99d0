from __future__ import annotations

import pytest

from landsat_async.show.formatting import (
    clean,
    clock_text,
    count_text,
    left_s,
    mask,
    preparing_text,
    rate_text,
    size_text,
    span_text,
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


def test_counts_agree_with_their_noun():
    assert [count_text(n, "file") for n in (0, 1, 1960)] == ["0 files", "1 file", "1,960 files"]


@pytest.mark.faults("K09")
def test_K09_control_characters_bidi_marks_and_line_breaks_are_taken_out():
    hostile = "a\x1b]0;owned\x07b\x9b31mc\r\nd\u202ee\u2028f"
    assert "\x1b" in hostile
    shown = clean(hostile)
    assert shown.isprintable()
    assert shown == "a ]0;owned b 31mc d e f"


@pytest.mark.faults("M04")
@pytest.mark.parametrize(("done", "total", "rate"), [(5, None, 1.0), (5, 5, 1.0), (9, 5, 1.0), (5, 9, 0.0)])
def test_M04_no_time_left_is_told_where_it_cannot_be_known(done, total, rate):
    assert left_s(done, total, rate) is None


def test_time_left_follows_from_rest_and_speed():
    assert left_s(10, 110, 50.0) == 2.0
    assert rate_text(2048) == "2.0 KiB/s"


def test_links_and_tokens_of_foreign_texts_are_masked():
    text = "400, url=URL('https://landsatlook.usgs.gov/gen-bundle?sig=SECRET') {'X-Auth-Token': 'KEY123'} token=T0K"
    assert mask(text) == "400, url=URL('https://landsatlook.usgs.gov/***') {'X-Auth-Token': '***'} token=***"


def test_times_are_local_times_of_day(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "UTC-2")
    time.tzset()
    try:
        assert clock_text(3600 * 10 + 62) == "12:01:02"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("eta_s", "expected"),
    [
        (None, "12,000 being prepared by USGS"),
        (0.0, "12,000 being prepared by USGS"),
        (5.0, "12,000 being prepared by USGS (about 1 min)"),
        (601.0, "12,000 being prepared by USGS (about 11 min)"),
        (12_000.0, "12,000 being prepared by USGS (about 3:20 h)"),
    ],
)
def test_staging_is_told_with_a_time_only_when_there_is_experience(eta_s, expected):
    assert preparing_text(12_000, eta_s) == expected
