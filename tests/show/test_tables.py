from __future__ import annotations

import pytest

from landsat_async import events as e
from landsat_async.show.output import SafeStream
from landsat_async.show.run_summary import KEPT, RunOverview
from landsat_async.show.tables import UNNAMED, columns, failed_lines, proven_lines, totals_line, width_of
from tests.show.fake_run import SHA, finished

NAME = "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF"


def test_columns_line_up_and_figures_are_flush_right():
    lines = columns(("file", "size"), [("a", "1 B"), ("long", "100 B")], 80, right=(1,))
    assert lines == ["file   size", "a       1 B", "long  100 B"]


@pytest.mark.faults("M03")
def test_M03_on_twenty_columns_names_stay_whole_and_rows_are_stacked():
    lines = proven_lines([e.Verified(NAME, 1024, SHA, "structure")], 1, 20)
    assert lines[0] == NAME
    assert lines[1] == "  1.0 KiB  structure"


def test_on_eighty_columns_the_sums_give_way_to_one_row_a_file():
    lines = proven_lines([e.Verified(NAME, 1024, SHA, "structure")], 1, 80)
    assert [line.split() for line in lines[:2]] == [["file", "size", "proof"], [NAME, "1.0", "KiB", "structure"]]


@pytest.mark.faults("M07")
def test_M07_each_file_is_told_with_its_own_level_of_proof():
    files = [e.Verified("a.TIF", 1, SHA, "content", "named"), e.Verified("b.txt", 1, SHA, "length")]
    lines = proven_lines(files, 2, 200)
    assert lines[1].split() == ["a.TIF", "1", "B", "content", "abababababab", "named"]
    assert lines[2].split() == ["b.txt", "1", "B", "length", "abababababab", "none"]
    assert lines[3:] == [
        "length: the byte count is what the server announced",
        "content: all image tiles decode, with matching Adler-32",
        UNNAMED,
    ]


@pytest.mark.faults("M01")
def test_M01_failed_files_are_listed_with_reason_and_next_step():
    overview = RunOverview()
    overview.note(e.Failed("LC08.tar", "the service has no bundle for it", "choose type = band"))
    assert failed_lines(overview.failures, overview, 200)[1] == (
        "LC08.tar  the service has no bundle for it  choose type = band"
    )


def test_tables_of_huge_runs_are_cut_and_counted():
    overview = RunOverview()
    for i in range(2000):
        overview.note(e.Verified(f"{i}.tar", 1, SHA, "structure"))
        overview.note(e.Failed(f"{i}.TIF", f"cut at {i} bytes three times", ""))
    assert len(overview.verified) == len(overview.failures) == KEPT
    assert "... and 1,960 more files" in proven_lines(overview.verified, overview.verified_count, 200)
    lines = failed_lines(overview.failures, overview, 200)
    assert lines[-2:] == ["... and 1,960 more files", "  2,000 x cut at # bytes three times"]


def test_the_last_line_adds_up():
    end = finished(4, verified=37, skipped=3, failed=2, pending=18, received=1024**3)
    assert totals_line(end) == (
        "60 files: 37 fetched and proven, 3 here already, 2 failed, 18 left; 1.0 GiB received in 2 s"
    )


def test_files_and_pipes_have_no_width_unless_columns_says_so(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert width_of(SafeStream(None)) == 1000
    monkeypatch.setenv("COLUMNS", "44")
    assert width_of(SafeStream(None)) == 44
