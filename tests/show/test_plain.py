from __future__ import annotations

import dataclasses
import itertools

import pytest

from landsat_async import events as e
from landsat_async.m2m.caller import ApiWait
from landsat_async.show.formatting import clock_text
from landsat_async.show.plain import PlainRenderer, progress_text, state_text, tell_long_wait
from tests.show.fake_run import SHA, finished


class Clock:
    def __init__(self):
        self.now_s = 1_700_000_000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def renderer(hear, clock):
    def make(**output_options):
        heard = hear(**output_options)
        return heard, PlainRenderer(heard.output, clock)

    return make


def texts(heard):
    """Lines without their time of day."""
    return [line[10:] for line in heard.err.splitlines()]


@pytest.mark.faults("Y96")
def test_Y96_a_command_that_looks_at_many_files_says_so_now_and_then(hear, clock):
    heard = hear()
    plain = PlainRenderer(heard.output, clock, doing="verifying")
    for number in range(25):
        plain.show(e.Verified(f"{number}.TIF", 1, SHA, "structure", "none"))
        clock.now_s += 1
        plain.tick()
    assert texts(heard) == ["verifying: 10 files so far", "verifying: 20 files so far"]


@pytest.mark.faults("M02")
def test_M02_progress_comes_at_most_every_ten_seconds_and_without_escape_codes(renderer, clock):
    heard, plain = renderer()
    for second in range(61):
        plain.show(e.Progress(second, 100, second * 1000, 100_000, 1000.0, files_running=3))
        clock.now_s += 1
    lines = texts(heard)
    assert len(lines) == 6
    assert lines[0] == ("10 %, 10/100 files, 9.8 of about 97.7 KiB, 1.0 KiB/s, 1:30 min left, 3 running, 87 waiting")
    assert "\x1b" not in heard.err


@pytest.mark.faults("M05")
def test_M05_when_nothing_moves_a_heartbeat_comes_each_minute_with_the_reason(renderer, clock):
    heard, plain = renderer()
    told = e.Progress(0, 10, 0, None, 0.0, files_preparing=10, staging_limit_s=86400.0, next_look_s=30.0)
    at = []
    for second in range(3600):
        clock.now_s += 1
        plain.show(dataclasses.replace(told, staging_for_s=second))
        at += [second] * (len(texts(heard)) - len(at))
    lines = texts(heard)
    steps = [after - before for before, after in itertools.pairwise(at)]
    assert all(10 <= step <= 20 for step, second in zip(steps, at, strict=False) if second < 580)
    assert all(step == 60 for step, second in zip(steps, at, strict=False) if second > 620)
    assert lines[-1].startswith("0/10 files, 0 B, 10 at USGS · 10 files are being prepared by USGS, for 59:")
    assert lines[-1].endswith(" so far (limit 24 h) · next look in 30 s · you may stop, USGS goes on")


@pytest.mark.faults("M06")
def test_M06_the_same_error_four_hundred_times_is_a_line_a_minute_with_its_count(renderer, clock):
    heard, plain = renderer()
    for i in range(412):
        plain.show(e.Retrying(f"{i}.TIF", f"connection reset at {i} MB", 1, 8.0))
    clock.now_s += 61
    plain.tick()
    first, grouped = texts(heard)
    assert first.startswith("0.TIF: connection reset at 0 MB; next try ")
    assert grouped.startswith("411 x connection reset at 411 MB (last ")
    assert "next try" not in grouped  # it is over


@pytest.mark.faults("M06")
def test_M06_a_repeated_fault_says_when_the_next_try_is(renderer, clock):
    heard, plain = renderer(progress=False)
    for i in range(70):
        plain.show(e.Retrying(f"{i}.TIF", "connection reset", 1, 30.0))
        clock.now_s += 1
    next_at = clock_text(clock.now_s - 10 + 30)
    assert texts(heard)[1].endswith(f", next try {next_at})")


@pytest.mark.faults("M05")
@pytest.mark.parametrize("planned", [False, True])
@pytest.mark.parametrize("reason", ["M2M answers HTTP 503", "download-request: slow down [RATE_LIMIT]"])
def test_M05_an_outage_always_states_its_next_try(renderer, clock, planned, reason):
    heard, plain = renderer()
    if planned:
        plain.show(e.Progress(3, 10, 0, None, 0.0))
    for attempt in range(1, 21):
        before = len(texts(heard))
        plain.show(e.Retrying(None, reason, attempt, 60.0))
        next_at = clock_text(clock.now_s + 60)
        for _ in range(60):
            clock.now_s += 1
            plain.tick()
        said = texts(heard)[before:]
        assert said[0].startswith(f"{reason}; next try {next_at}, in 1:00 min")
        assert any(f"{reason} · next try at {next_at} (in " in line for line in said[1:])
        assert len(said) <= 7


def test_repeats_that_were_not_told_yet_are_told_at_the_end(renderer):
    heard, plain = renderer()
    for i in range(5):
        plain.show(e.Retrying(f"{i}.tar", "the link is refused", 1, 8.0))
    plain.close()
    assert texts(heard)[0].startswith("0.tar: the link is refused; next try ")
    assert texts(heard)[1].startswith("4 x the link is refused (last ")


@pytest.mark.faults("P32")
def test_P32_failures_are_counted_while_it_runs_and_named_once_at_the_end(renderer, clock):
    heard, plain = renderer()
    for i in range(5):
        plain.show(e.Failed(f"{i}.tar", "the link is refused", ""))
    clock.now_s += 11
    plain.show(e.Progress(0, 10, 0, None, 0.0, files_failed=5))
    plain.close()
    assert texts(heard) == ["0/10 files, 0 B, 5 waiting, 5 failed"]


def test_the_search_is_told_with_pages_and_scenes(renderer, clock):
    heard, plain = renderer()
    plain.show(e.Searching(3, 2431))
    clock.now_s += 11
    plain.show(e.Searching(4, 3241))
    clock.now_s += 11
    plain.show(e.Searching(4, 3241, choosing=True))
    assert texts(heard) == ["searching: 4 pages, 3,241 scenes so far", "choosing the files of 3,241 scenes"]


def test_kinds_of_trouble_are_bounded(renderer):
    heard, plain = renderer()
    for i in range(1000):
        plain.show(e.Retrying("f", "reason " + "x" * i, 1, 8.0))
    plain.close()
    assert len(plain._repeats._kinds) <= 200
    assert len(texts(heard)) == 1000


def test_a_pause_tells_the_next_try(renderer):
    heard, plain = renderer()
    plain.show(e.Retrying(None, "landsatlook.usgs.gov answers 502", 3, 90.0))
    assert texts(heard)[0].startswith("landsatlook.usgs.gov answers 502; next try ")
    assert texts(heard)[0].endswith(", in 1:30 min (attempt 3)")


def test_changes_of_state_are_told_at_once_and_files_only_with_verbose(renderer):
    happened = [
        e.Planned(2, 3, 2048),
        e.Requested("label", 3, 2, 1, 0),
        e.Ready("a.tar"),
        e.Started("a.tar", 1024, None),
        e.Verified("a.tar", 2048, SHA, "structure"),
        e.Skipped("b.tar", "already here"),
        finished(0, verified=1, skipped=1),
    ]
    state = ["planned 3 files of 2 scenes, about 2.0 KiB", "requested 3 files: 2 available, 1 being prepared"]
    heard, plain = renderer()
    for event in happened:
        plain.show(event)
    assert texts(heard) == state
    heard, plain = renderer(verbose=True)
    for event in happened:
        plain.show(event)
    assert texts(heard) == [
        *state,
        *["ready a.tar", "started a.tar at 1.0 KiB", "verified a.tar, 2.0 KiB, proof: structure"],
        "skipped b.tar: already here",
    ]


def test_quiet_and_no_progress_are_kept(renderer, clock):
    for output_options, said in (({"quiet": True}, 0), ({"progress": False}, 1)):
        heard, plain = renderer(**output_options)
        plain.show(e.Planned(1, 1, 1))
        clock.now_s += 20
        plain.show(e.Progress(0, 1, 0, None, 0.0))
        assert len(texts(heard)) == said


def test_warnings_and_fatal_errors_are_said_even_when_quiet(renderer):
    heard, plain = renderer(quiet=True)
    plain.show(e.Notice("small talk"))
    plain.show(e.Notice("the area looks swapped", "warning"))
    plain.show(e.Error("quota", "the account's limit is used up", "wait 15 minutes"))
    assert heard.err.splitlines() == [
        "warning: the area looks swapped",
        "error: the account's limit is used up [quota]",
        "  wait 15 minutes",
    ]


@pytest.mark.faults("M04")
def test_M04_with_an_unknown_total_there_is_neither_a_share_nor_a_time():
    for total in (None, 2048):
        text = progress_text(e.Progress(1, 4, 4096, total, 1024.0, files_running=3))
        assert text.removeprefix("25 %, ") == "1/4 files, 4.0 KiB, 1.0 KiB/s, 3 running"


@pytest.mark.faults("P68")
def test_P68_what_was_asked_for_and_does_not_exist_is_not_planned():
    assert state_text(e.Planned(0, 3, 0)) == "planned nothing: 3 names of what was asked for cannot be had"
    assert state_text(e.Planned(0, 0, 0)) == "planned 0 files of 0 scenes"


def test_a_command_that_may_wait_for_a_day_says_once_what_to_do_meanwhile(hear):
    heard = hear()
    for attempt in range(1, 6):
        tell_long_wait(heard.output, ApiWait("login-token", "no answer from m2m", attempt, 2.0))
    assert heard.err.count("no answer from m2m") == 5
    assert heard.err.count("you may stop") == 1
    assert "doctor`" in heard.err
