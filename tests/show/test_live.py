from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from landsat_async import events as e
from landsat_async.show.live import ROWS, LiveRenderer, fit
from tests.show.fake_run import SHA, finished

NOW_S = 1_700_000_000.0


@pytest.fixture
def screen(hear):
    """Return (renderer, function that gives the picture as lines) for a width and height."""

    def make(width=100, height=40, **output_options):
        console = Console(
            file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=None, markup=False
        )
        live = LiveRenderer(hear(**output_options).output, console=console, now=lambda: NOW_S)

        def picture():
            with console.capture() as capture:
                console.print(live.picture())
            return re.sub(r"\x1b\[[0-9;]*m", "", capture.get()).splitlines()

        return live, picture

    return make


def start(live, files, size_bytes=1000):
    for i in range(files):
        live.show(e.Started(f"folder/LC08_L2SP_004053_20240705_20240714_02_T1_SR_B{i}.TIF", 0, size_bytes))


def test_the_picture_has_totals_rows_preparing_workers_pauses_and_failures(screen):
    live, picture = screen()
    live.show(e.Planned(2, 60, 1 << 30))
    live.show(e.Progress(12, 60, 1 << 29, 1 << 30, 1 << 20, files_preparing=7, workers=5))
    start(live, 2)
    live.show(e.Transferred("folder/LC08_L2SP_004053_20240705_20240714_02_T1_SR_B1.TIF", 500, 1000))
    live.show(e.Retrying(None, "landsatlook.usgs.gov answers 502", 2, 60.0))
    live.show(e.Failed("x.tar", "the scene has no bundle", ""))
    lines = picture()
    assert "12/60 files  512 MiB of 1.0 GiB  1.0 MiB/s  8:32 min left" in lines[0]
    assert lines[1].strip() == "planned 60 files of 2 scenes, about 1.0 GiB  7 being prepared by USGS  5 workers"
    assert lines[2].startswith("landsatlook.usgs.gov answers 502; next try ")
    assert "SR_B0.TIF  0 B of 1.0 KiB" in lines[3]
    assert "SR_B1.TIF  500 B of 1.0 KiB" in lines[4]
    assert lines[5].strip() == "failed x.tar: the scene has no bundle"


@pytest.mark.faults("L14")
def test_L14_there_are_at_most_twenty_rows_however_many_files_go_on(screen):
    live, picture = screen(height=500)
    start(live, 5000)
    lines = picture()
    assert sum("SR_B" in line for line in lines) == ROWS
    assert "and 4,980 more" in [line.rstrip() for line in lines]


@pytest.mark.faults("M03")
@pytest.mark.parametrize(("width", "height"), [(20, 10), (20, 3), (1, 1), (69, 24), (300, 60)])
def test_M03_no_line_is_wider_than_the_screen(screen, width, height):
    live, picture = screen(width, height)
    live.show(e.Progress(12, 60, 1 << 29, 1 << 30, 1 << 20, files_preparing=7, workers=5))
    start(live, 8)
    live.show(e.Retrying("a.TIF", "connection reset", 2, 60.0))
    assert all(len(line.rstrip()) <= width for line in picture())


def test_on_twenty_columns_the_end_of_a_name_and_its_share_are_left(screen):
    live, picture = screen(20, 10)
    start(live, 1)
    live.show(e.Transferred("folder/LC08_L2SP_004053_20240705_20240714_02_T1_SR_B0.TIF", 250, 1000))
    assert "..2_T1_SR_B0.TIF 25%" in [line.rstrip() for line in picture()]


@pytest.mark.faults("M04")
def test_M04_without_sizes_there_are_bytes_but_no_shares(screen):
    live, picture = screen()
    live.show(e.Progress(0, 3, 5000, None, 100.0))
    start(live, 1, size_bytes=None)
    text = "\n".join(picture())
    assert "4.9 KiB" in text
    assert "%" not in text
    assert "left" not in text
    assert " of " not in text


@pytest.mark.faults("K09")
def test_K09_names_and_reasons_can_neither_steer_the_terminal_nor_break_the_markup(screen):
    live, picture = screen()
    live.show(e.Started("[red]\x1b]0;owned\x07.TIF", 0, None))
    live.show(e.Failed("[bold", "<title>[/b]\x1b[2J", ""))
    text = "\n".join(picture())
    assert "[red] ]0;owned" in text
    assert "failed [bold: <title>[/b]" in text
    assert "\x1b]" not in text
    assert "\x1b[2J" not in text


def test_rows_leave_when_files_end_and_retries_of_many_files_are_one_line(screen):
    live, picture = screen()
    start(live, 3)
    names = [f"folder/LC08_L2SP_004053_20240705_20240714_02_T1_SR_B{i}.TIF" for i in range(3)]
    live.show(e.Verified(names[0], 1, SHA, "structure"))
    live.show(e.Retrying(names[1], "connection reset at 4 MB", 1, 8.0))
    live.show(e.Retrying(names[2], "connection reset at 9 MB", 1, 8.0))
    lines = picture()
    assert not any("SR_B" in line for line in lines)
    assert any(line.startswith("2 x connection reset at 9 MB; next try ") for line in lines)
    live.show(finished(0, verified=1))
    assert len(picture()) <= 4


def test_talk_appears_above_the_picture_and_the_cursor_comes_back(hear):
    file = io.StringIO()
    heard = hear()
    live = LiveRenderer(heard.output, console=Console(file=file, force_terminal=True, width=80, height=20))
    live.open()
    heard.output.message("stopping")
    live.close()
    heard.output.message("after")
    assert "stopping" in file.getvalue()
    assert file.getvalue().rstrip().endswith("\x1b[?25h") or "\x1b[?25h" in file.getvalue()
    assert heard.err == "after\n"


def test_parts_that_do_not_fit_are_left_out():
    assert fit(["12/60 files", "512 MiB of 1.0 GiB", "1 MiB/s"], 22) == "12/60 files  1 MiB/s"
    assert fit(["much too long"], 3) == "much too long"
