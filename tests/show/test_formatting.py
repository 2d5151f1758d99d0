from __future__ import annotations

import pytest

from landsat_async.show.formatting import clean, clock_text, flow, mask, scene_name, short_name, wrap


@pytest.mark.faults("K09")
def test_K09_control_characters_bidi_marks_and_line_breaks_are_taken_out():
    hostile = "a\x1b]0;owned\x07b\x9b31mc\r\nd\u202ee\u2028f"
    assert "\x1b" in hostile
    shown = clean(hostile)
    assert shown.isprintable()
    assert shown == "a ]0;owned b 31mc d e f"


def test_links_and_tokens_of_foreign_texts_are_masked():
    text = "400, url=URL('https://landsatlook.usgs.gov/gen-bundle?sig=SECRET') {'X-Auth-Token': 'KEY123'} token=T0K"
    assert mask(text) == "400, url=URL('https://landsatlook.usgs.gov/***') {'X-Auth-Token': '***'} token=***"


def test_times_are_local_times_of_day(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "UTC-2")
    time.tzset()
    try:
        assert clock_text(3600 * 10 + 62) == "12:01:02"
        assert clock_text(3600 * 10 + 62, 3600.0) == "12:01:02"
        assert clock_text(3600 * 23, 3600.0) == "1970-01-02 01:00:00"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("a/LC09_L2SP_004053_20240713_20240720_02_T1_SR_B4.TIF", "LC09 004/053 2024-07-13 SR_B4"),
        ("LC09_L2SP_004053_20240713_20240720_02_T1.tar", "LC09 004/053 2024-07-13 bundle"),
        ("LC09_L2SP_004053_20240713_20240720_02_T1_ANG.txt", "LC09 004/053 2024-07-13 ANG"),
        ("LC08_CU_008001_20231101_20231116_02_SR.tar", "LC08 CU008/001 2023-11-01 SR"),
        ("strange.tar", "strange.tar"),
        ("SR_B99", "SR_B99"),
    ],
)
def test_files_are_told_by_what_tells_them_apart(file, name):
    assert short_name(file) == name


def test_scenes_are_told_by_sensor_place_and_day():
    assert scene_name("LC09_L2SP_004053_20240713_20240720_02_T1") == "LC09 004/053 2024-07-13"
    assert scene_name("odd") == "odd"


@pytest.mark.parametrize("width", [10, 40, 60, 80, 200])
def test_parts_flow_onto_lines_and_nothing_is_cut(width):
    parts = ["63 %", "130/207 files", "12.1 of about 19 GiB", "", "a reason that is told in full, however long it is"]
    lines = flow(parts, width)
    assert all(len(line) <= width for line in lines)
    assert " ".join(" ".join(lines).split()) == " ".join(" ".join(parts).split())
    assert flow(parts[:3], 80) == ["63 %  130/207 files  12.1 of about 19 GiB"]
    assert wrap("", width) == [""]


def test_a_command_in_a_sentence_is_broken_neither_between_words_nor_at_hyphens():
    text = "Make a token with the scope M2M API. Then run `landsat-async login`, or set landsat-async-thing."
    for width in range(24, 100):
        lines = wrap(text, width)
        assert any("`landsat-async login`" in line for line in lines), width
        assert any("landsat-async-thing." in line for line in lines), width
        assert max(map(len, lines)) <= width
