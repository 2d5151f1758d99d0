from __future__ import annotations

import pytest

from landsat_async import events as e
from landsat_async.show.run_summary import KEPT, RunOverview
from landsat_async.show.safe_stream import SafeStream
from landsat_async.show.tables import FAILED_NAMED, columns, end_lines, failed_lines, width_of
from tests.show.fake_run import SHA, finished

NAME = "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF"


def overview_of(*events):
    overview = RunOverview()
    for event in events:
        overview.note(event)
    return overview


def test_columns_line_up_and_figures_are_flush_right():
    lines = columns(("file", "size"), [("a", "1 B"), ("long", "100 B")], 80, right=(1,))
    assert lines == ["file   size", "a       1 B", "long  100 B"]


@pytest.mark.faults("M03", "P31")
def test_M03_stacked_rows_keep_their_headings():
    lines = columns(("file", "size", "proof"), [(NAME, "1.0 KiB", "structure"), ("x", "2 B", "")], 40)
    assert lines == [NAME, "  size: 1.0 KiB", "  proof: structure", "x", "  size: 2 B"]


@pytest.mark.faults("M07")
def test_M07_the_end_counts_the_levels_of_proof():
    files = [e.Verified("a.TIF", 1, SHA, "content", "named"), e.Verified("b.txt", 1, SHA, "length")]
    overview = overview_of(*files, e.Verified("c.TIF", 1, SHA, "content"))
    end = finished(0, verified=3, received=3000)
    assert end_lines(end, overview, "data/") == [
        "3 new, 0 already here, 0 failed · 2.9 KiB in 2 s · in data/",
        "proof: 1 length, 2 content",
    ]


@pytest.mark.faults("M01", "P32")
def test_M01_failed_files_are_told_under_the_word_with_reason_and_next_step():
    overview = overview_of(e.Failed("LC08.tar", "the service has no bundle for it", "choose type = band"))
    assert failed_lines(overview, 200) == [
        "failed (1):",
        "  LC08.tar: the service has no bundle for it",
        "    -> choose type = band",
    ]
    assert all(len(line) <= 40 for line in failed_lines(overview, 40))


@pytest.mark.faults("P32")
def test_P32_of_many_failures_each_reason_is_told_once_with_its_number_and_an_example():
    overview = RunOverview()
    for i in range(2000):
        overview.note(e.Verified(f"{i}.tar", 1, SHA, "structure"))
        overview.note(e.Failed(f"{i}.TIF", f"cut at {i} bytes three times", "try later"))
    overview.note(e.Failed("odd.TIF", "the link is refused", ""))
    assert len(overview.verified) == len(overview.failures) == KEPT
    assert failed_lines(overview, 200) == [
        "failed (2,001):",
        "  2,000 x: cut at 0 bytes three times (for example 0.TIF)",
        "    -> try later",
        "  odd.TIF: the link is refused",
    ]


def test_reasons_are_bounded_at_the_end():
    overview = overview_of(*(e.Failed(f"{i}.TIF", "x" * (i + 1), "") for i in range(30)))
    lines = failed_lines(overview, 200)
    assert len(lines) == FAILED_NAMED + 2
    assert lines[-1] == f"  ... and {30 - FAILED_NAMED} more reasons"


def test_the_end_says_what_is_left_by_kind():
    overview = overview_of(e.Progress(40, 60, 1, 2, 0.0, files_preparing=7))
    end = finished(7, verified=37, skipped=3, failed=2, pending=18, received=1024**3)
    assert end_lines(end, overview, "data/") == [
        "37 new, 3 already here, 2 failed · 1.0 GiB in 2 s · in data/",
        "not here yet: 7 at USGS, 11 waiting",
    ]


def test_a_stop_after_the_last_file_says_what_is_left():
    told = end_lines(finished(7, verified=9), overview_of(), "data/")
    assert told[1].startswith("every file is here; left is what comes after the files: hooks")
    assert len(end_lines(finished(0, verified=9), overview_of(), "data/")) == 1


def test_files_and_pipes_have_no_width_unless_columns_says_so(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert width_of(SafeStream(None)) == 1000
    monkeypatch.setenv("COLUMNS", "44")
    assert width_of(SafeStream(None)) == 44
