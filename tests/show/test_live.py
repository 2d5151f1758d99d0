"""The live picture as lines of text, at the widths that people have; `snapshots/live.txt` holds all of them."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest

from landsat_async import events as e
from landsat_async.show.live import ROWS, LiveRenderer
from landsat_async.show.output import Output, OutputOptions
from landsat_async.show.safe_stream import fitting
from tests.show.fake_run import SHA, finished

NOW_S = 1_700_000_000.0
GIB, MIB = 1 << 30, 1 << 20
SNAPSHOTS = Path(__file__).parent / "snapshots"
NAME = "folder/LC08_L2SP_004053_20240705_20240714_02_T1_SR_B{}.TIF"
FLOWING = e.Progress(
    130, 207, 12 * GIB, 19 * GIB, 41.0 * MIB, files_preparing=15, files_running=2, files_failed=2,
    staging_for_s=32.0, staging_limit_s=86400.0, next_look_s=7.0,
)  # fmt: skip
STILL = e.Progress(
    43, 44, 9 * MIB, 10 * MIB, 0.0, files_preparing=1, staging_for_s=32.0, staging_limit_s=86400.0, next_look_s=7.0
)
QUOTA = e.Progress(64, 207, 12 * GIB, 40 * GIB, 0.0, quota_s=840.0)
OUTAGE = e.Retrying(None, "M2M does not answer: HTTP 503 at download-retrieve (maintenance)", 4, 95.0)


class Clock:
    def __init__(self):
        self.now_s = NOW_S

    def __call__(self):
        return self.now_s


@pytest.fixture(autouse=True)
def _utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def screen(hear):
    """Return (renderer, function that gives the picture as lines) for a width and height."""

    def make(width=100, height=40, clock=None, **output_options):
        live = LiveRenderer(hear(**output_options).output, now=clock or Clock(), folder="data/")
        live._now_for_test = clock

        def picture():
            text = live.screen.text_of(live.picture(width, height), width)
            return [line.rstrip() for line in text.splitlines()]

        return live, picture

    return make


def start(live, files, size_bytes=1000):
    for i in range(files):
        live.show(e.Started(NAME.format(i), 0, size_bytes))


def flowing(live, clock):
    live.show(e.Planned(18, 207, 19 * GIB))
    live.show(FLOWING)
    start(live, 2, 80 * MIB)
    clock.now_s += 10
    live.show(e.Transferred(NAME.format(1), 40 * MIB, 80 * MIB))
    live.show(e.Failed("LC08_L2SP_004053_20240705_20240714_02_T1.tar", "the scene has no bundle", ""))
    clock.now_s += 2


def conditions():
    """Name -> what to show: (renderer, clock) -> None."""

    def searching(live, clock):
        live.show(e.Searching(3, 2431))
        clock.now_s += 24

    def choosing(live, clock):
        live.show(e.Searching(3, 2431, choosing=True))

    def staging(live, clock):
        live.show(STILL)
        clock.now_s += 3

    def quota(live, clock):
        live.show(QUOTA)
        clock.now_s += 60

    def outage(live, clock):
        live.show(STILL)
        live.show(OUTAGE)
        clock.now_s += 5

    def stopping(live, clock):
        flowing(live, clock)
        live._output.stopping = True

    return {f.__name__: f for f in (searching, choosing, flowing, staging, quota, outage, stopping)}


@pytest.mark.faults("P36", "M03")
@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_P36_the_picture_at_every_width(screen, width):
    """What is on screen in each condition; after a change on purpose: look at the new text, and put it there."""
    seen = []
    for name, condition in conditions().items():
        clock = Clock()
        live, picture = screen(width, 24, clock)
        condition(live, clock)
        seen += [f"== {name} at {width}", *picture(), ""]
    kept = SNAPSHOTS / f"live-{width}.txt"
    text = "\n".join(seen)
    if not kept.exists():
        kept.write_text(text, encoding="utf-8")
        pytest.fail(f"{kept.name} was missing and is written now: look at it")
    assert text == kept.read_text(encoding="utf-8")


@pytest.mark.faults("P33", "P36")
@pytest.mark.parametrize("width", [40, 60, 80])
@pytest.mark.parametrize("condition", ["staging", "quota", "outage"])
def test_P33_in_a_wait_the_reason_and_the_time_are_there_in_full_and_run(screen, condition, width):
    clock = Clock()
    live, picture = screen(width, 24, clock)
    conditions()[condition](live, clock)
    first = picture()
    text = " ".join(" ".join(first).split())
    assert "left" not in text.replace("left at", "")
    assert "/s" not in text
    said = {
        "staging": ["for 0:35 so far (limit 24 h)", "next look in 4 s", "you may stop, USGS goes on"],
        "quota": ["143 files wait for your quota", "(in 13 min)"],
        "outage": ["HTTP 503 at download-retrieve (maintenance)", "(in 1:30 min)"],
    }[condition]
    assert [phrase for phrase in said if phrase not in text] == []
    clock.now_s += 61
    assert picture() != first


@pytest.mark.faults("L14")
def test_L14_there_are_at_most_twenty_rows_however_many_files_go_on(screen):
    live, picture = screen(height=500)
    start(live, 5000)
    lines = picture()
    assert sum("SR_B" in line for line in lines) == ROWS
    assert "  and 4,980 more" in lines


@pytest.mark.faults("M03")
@pytest.mark.parametrize(("width", "height"), [(20, 10), (20, 3), (1, 2), (69, 24), (300, 60)])
def test_M03_no_line_is_wider_than_the_screen(screen, width, height):
    clock = Clock()
    live, picture = screen(width, height, clock)
    flowing(live, clock)
    live.show(e.Retrying("a.TIF", "connection reset", 2, 60.0))
    assert all(len(line) <= width for line in picture())


@pytest.mark.faults("Y96")
def test_Y96_a_command_that_looks_at_files_is_not_said_to_search(hear):
    live = LiveRenderer(hear().output, now=Clock(), doing="verifying")

    def picture():
        return live.screen.text_of(live.picture(80, 24), 80).split("  ")[0].strip()

    assert picture() == "verifying"
    live.show(e.Verified("a.TIF", 1, SHA, "structure", "none"))
    live.show(e.Failed("b.TIF", "it is gone", ""))
    assert picture() == "verifying: 2 files so far"


@pytest.mark.faults("M04")
def test_M04_without_sizes_there_are_bytes_but_no_shares(screen):
    live, picture = screen()
    live.show(e.Progress(0, 3, 5000, None, 100.0, files_running=1))
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
    names = [NAME.format(i) for i in range(3)]
    live.show(e.Verified(names[0], 1, SHA, "structure"))
    live.show(e.Retrying(names[1], "connection reset at 4 MB", 1, 8.0))
    live.show(e.Retrying(names[2], "connection reset at 9 MB", 1, 8.0))
    lines = picture()
    assert not any("SR_B" in line for line in lines)
    assert any(line.startswith("2 x connection reset at 9 MB · next try at ") for line in lines)
    live.show(finished(0, verified=1))
    assert len(picture()) <= 4


def test_a_row_that_brings_nothing_says_so_in_place_of_a_speed(screen):
    clock = Clock()
    live, picture = screen(80, 24, clock)
    live.show(FLOWING)
    start(live, 1, 80 * MIB)
    live.show(e.Transferred(NAME.format(0), 40 * MIB, 80 * MIB))
    clock.now_s += 12
    assert picture()[-1] == "  LC08 004/053 2024-07-05 SR_B0   50 %  nothing for 12 s"
    live.show(e.Transferred(NAME.format(0), 80 * MIB, 80 * MIB))
    assert picture()[-1].endswith("verifying")


@pytest.mark.faults("P37")
def test_P37_forced_ascii_has_plain_signs_and_no_escapes_of_python():
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="backslashreplace")
    output = Output(OutputOptions(), stdout=file, stderr=file)
    output.message("area: 2,215 km² around 10.16° N · next…")
    file.seek(0)
    assert file.read() == "area: 2,215 km2 around 10.16 deg N - next...\n"
    assert fitting("━╸─ Müller", "ascii") == "==- M?ller"


def test_the_picture_goes_and_the_talk_stays(hear):
    heard = hear()
    live = LiveRenderer(heard.output, size=lambda: (80, 20))
    live.open()
    heard.output.message("stopping")
    live.close()
    heard.output.message("after")
    assert "stopping\n" in heard.err
    assert heard.err.endswith("\x1b[?25hafter\n")
