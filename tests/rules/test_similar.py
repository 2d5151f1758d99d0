from __future__ import annotations

import pytest

from landsat_async.rules.similar import similar

COMMANDS = ["run", "plan", "status", "verify", "scenes", "datasets", "doctor"]


@pytest.mark.parametrize(
    ("typed", "known", "meant"),
    [
        ("stauts", COMMANDS, "status"),
        ("Paln", COMMANDS, "plan"),
        ("dataset", COMMANDS, "datasets"),
        ("xyz", COMMANDS, None),
        ("rde", ["red", "green", "qa"], "red"),
        ("trad", ["drad", "tard"], "tard"),
        ("abc", ["bac", "acb"], None),
        ("b01", ["b1", "b10"], "b1"),
        ("nu", ["un"], None),
        ("sort", ["start"], None),
        ("start_date", ["start", "end"], "start"),
        ("--worker", ["--workers", "--set"], "--workers"),
        ("--start-date", ["--start", "--end"], "--start"),
        ("cloud", ["cloud_cover", "include_unknown_cloud"], None),
        ("", COMMANDS, None),
        ("x" * 10**6, COMMANDS, None),
    ],
)
def test_a_word_is_taken_for_a_known_one_only_when_it_is_likely_meant(typed, known, meant):
    assert similar(typed, known) == meant
