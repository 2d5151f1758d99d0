"""What a run waits for when nothing flows."""

from __future__ import annotations

import pytest

from landsat_async.rules.waiting import (
    FILE_COVERS_S,
    LATE_S,
    QUIET_S,
    REPEAT_LATE_S,
    REPEAT_S,
    UNKNOWN_S,
    Silence,
    Standing,
    explain,
)

WORKING = {"working": True}


@pytest.mark.faults("L22")
@pytest.mark.parametrize(
    ("standing", "words", "wait_s"),
    [
        ({"call": "scene-search", "call_left_s": 290.0}, "the answer of M2M to scene-search", 290.0),
        ({"call": "login-token", "call_left_s": 100.0, "active": 3, **WORKING}, "M2M to login-token", 100.0),
        ({"active": 2, "stall_left_s": 57.0, **WORKING}, "2 files are being fetched", 57.0),
        ({"active": 3, "pausing": 1, "stall_left_s": 57.0, **WORKING}, "2 files are being fetched", 57.0),
        ({"active": 2, "pausing": 2, "pause_left_s": 41.0, **WORKING}, "2 files are waiting for the next try", 41.0),
        ({"active": 1, "stall_left_s": -200.0, **WORKING}, "1 file is being fetched", REPEAT_S),
        ({"preparing": 12, "look_s": 27.0, **WORKING}, "12 files are being prepared by USGS", 27.0),
        ({"preparing": 1, "look_s": 27.0, "deferred": 5, "due_s": 4.0, **WORKING}, "1 file is being prepared", 27.0),
        ({"deferred": 5, "look_s": 27.0, "due_s": 4.0, **WORKING}, "5 files are put back", 4.0),
        ({"requested": 1, "look_s": 20.0, **WORKING}, "requested and not listed", 20.0),
        ({"planned": 1, "due_s": 55.0, **WORKING}, "time of the next request", 55.0),
        ({"planned": 1, **WORKING}, "time of the next request", UNKNOWN_S),
        ({"hook": "on_run", "hook_left_s": 20.0, **WORKING}, "the hook on_run to end", 20.0),
        ({"hook": "on_run", "hook_left_s": 3600.0, **WORKING}, "the hook on_run to end", REPEAT_LATE_S),
        ({"hook": "on_run", "active": 1, "stall_left_s": 9.0, **WORKING}, "1 file is being fetched", 9.0),
        (WORKING, "next step", UNKNOWN_S),
    ],
)
def test_every_wait_has_a_reason_and_a_time(standing, words, wait_s):
    waiting = explain(Standing(**standing))
    assert words in waiting.reason
    assert waiting.wait_s == wait_s


def test_our_own_work_before_the_first_request_is_no_wait():
    assert explain(Standing(planned=1000)) is None


@pytest.mark.faults("L22")
def test_silence_is_told_after_a_few_seconds_and_again_when_the_told_time_is_over():
    silence = Silence(0.0)
    assert not silence.is_to_be_told(1.0, "flow")
    assert not silence.is_to_be_told(1.0 + QUIET_S - 0.1, "flow")
    assert silence.is_to_be_told(1.0 + QUIET_S, "flow")
    silence.told(4.0, 30.0, of_file=False)
    assert not silence.is_to_be_told(33.9, "flow")
    assert silence.is_to_be_told(34.0, "flow")
    assert not silence.is_to_be_told(40.0, "other")
    assert silence.is_to_be_told(40.0 + QUIET_S, "other")


def test_a_long_wait_of_one_file_does_not_speak_for_the_run():
    silence = Silence(0.0)
    silence.is_to_be_told(0.0, "flow")
    silence.told(0.0, 3600.0, of_file=True)
    assert not silence.is_to_be_told(FILE_COVERS_S - 1, "flow")
    assert silence.is_to_be_told(FILE_COVERS_S, "flow")


@pytest.mark.faults("N22")
@pytest.mark.parametrize(
    ("quiet_s", "look_s", "wait_s"),
    [(5.0, 0.5, REPEAT_S), (LATE_S, 0.5, REPEAT_LATE_S), (LATE_S, 30.0, REPEAT_LATE_S), (5.0, 30.0, 30.0)],
)
def test_N22_where_the_service_is_asked_all_the_time_a_wait_is_told_for_a_while_at_once(quiet_s, look_s, wait_s):
    waiting = explain(Standing(preparing=3, quiet_s=quiet_s, look_s=look_s, **WORKING))
    assert waiting.wait_s == wait_s
    assert ("looked for all the time" in waiting.reason) == (look_s != wait_s)
    assert "you may stop" in waiting.reason


@pytest.mark.faults("Y82")
def test_Y82_what_was_told_of_one_silence_does_not_speak_for_the_next_one_of_another_cause():
    silence = Silence(0.0)
    silence.is_to_be_told(0.0, "flow")
    silence.told(3.0, 900.0, of_file=False)  # an outage, told by whoever met it
    assert not silence.is_to_be_told(100.0, "flow")
    assert not silence.is_to_be_told(101.0, "it works again")
    assert silence.is_to_be_told(101.0 + QUIET_S, "it works again")


@pytest.mark.faults("Y82")
def test_Y82_bytes_now_and_then_are_not_told_as_a_silence_each_time():
    silence, told = Silence(0.0), 0
    for second in range(300):
        if silence.is_to_be_told(float(second), second // 5) and not silence.was_told(float(second), "active"):
            silence.told(float(second), 57.0, of_file=False, cause="active")
            told += 1
    assert told <= 300 / 50
    assert not silence.was_told(300.0, "planned")
