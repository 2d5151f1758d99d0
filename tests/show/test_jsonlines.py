from __future__ import annotations

import json
import time
from datetime import datetime, timedelta

import pytest

from landsat_async import events as e
from landsat_async.show.jsonlines import json_line
from tests.show.fake_run import SHA, finished

# The contract of the JSON lines, key for key and in this order.
KEYS = {
    e.Planned(1, 2, 3): ["scenes", "files", "bytes_nominal"],
    e.Requested("l", 4, 3, 1, 0): ["label", "downloads", "available", "preparing", "failed"],
    e.Ready("f"): ["file"],
    e.Started("f", 0, None): ["file", "offset_bytes", "size_bytes"],
    e.Progress(1, 2, 3, None, 4.5, 6, 7): ["files_done", "files_total", "bytes_done", "bytes_total", "rate_bytes_s"],
    e.Retrying(None, "r", 1, 2.5): ["file", "reason", "attempt", "wait_s", "topic"],
    e.Verified("f", 1, SHA, "structure"): ["file", "size_bytes", "sha256", "proof", "identity"],
    e.Skipped("f", "r"): ["file", "reason"],
    e.Failed("f", "r", "h"): ["file", "reason", "hint"],
    e.Error("ref", "m", "h"): ["reference", "message", "hint"],
    finished(4, verified=1, failed=2): [
        *["files_total", "files_verified", "files_skipped", "files_failed", "files_pending"],
        *["bytes_received", "elapsed_s", "exit_code"],
    ],
}


@pytest.mark.parametrize("event", KEYS, ids=lambda event: type(event).__name__)
def test_each_event_has_exactly_the_keys_of_the_contract(event):
    values = json.loads(json_line(event))
    assert list(values) == ["event", "time", *KEYS[event]]
    assert values["event"] == type(event).__name__.lower()
    assert [values[key] for key in KEYS[event]] == [getattr(event, key) for key in KEYS[event]]


def test_time_is_utc_with_a_fraction():
    text = json.loads(json_line(e.Ready("f")))["time"]
    assert text.endswith("Z")
    assert text[-5] == "."
    assert datetime.fromisoformat(text).utcoffset() == timedelta(0)


def test_talk_and_coalesced_progress_are_no_json_lines():
    assert json_line(e.Notice("text")) is None
    assert json_line(e.Transferred("f", 1, 2)) is None


def test_lines_are_ascii_and_valid_whatever_the_texts_hold():
    text = json_line(e.Failed("f\x1b[2J\n\x85\u2028é\ud800", "r", "h"))
    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text)["file"] == "f\x1b[2J\n\x85\u2028é\ud800"


def test_a_rate_that_is_no_number_is_null():
    assert json.loads(json_line(e.Progress(0, 0, 0, None, float("nan"))))["rate_bytes_s"] is None


@pytest.mark.faults("M10")
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Kiritimati"])
def test_M10_the_order_of_lines_survives_the_end_of_summer_time_in_any_zone(monkeypatch, zone):
    end_of_summer_unix_s = 1_729_990_800  # 2024-10-27 01:00 UTC: in Berlin the clock goes from 3:00 back to 2:00
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        moments = [end_of_summer_unix_s + minutes * 60 for minutes in (-40, -1, 0, 20, 61)]
        local = [time.strftime("%H:%M", time.localtime(moment)) for moment in moments]
        assert (local != sorted(local)) is (zone == "Europe/Berlin"), "the local clock has not gone back"
        told = []
        for moment in moments:
            monkeypatch.setattr(time, "time", lambda moment=moment: moment)
            told.append(json.loads(json_line(e.Ready("f")))["time"])
        assert told == sorted(told)
        assert told[2] == "2024-10-27T01:00:00.000Z"
    finally:
        monkeypatch.undo()
        time.tzset()
