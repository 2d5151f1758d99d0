"""Random schedules of requester, poller and workers; `python -m benchmarks.orders` runs 10,000 of them."""

from __future__ import annotations

from collections import Counter

import pytest

from landsat_async.rules.lifecycle import State
from tests.orders.lab import run_schedule

IN_CI = 160
LONG = 10_000
CHUNK = 20


def play(seeds, folder):
    lives, files = Counter(), Counter()
    for seed in seeds:
        played = run_schedule(seed, folder)
        lives.update(played.lives)
        files.update(played.states)
    return lives, files


@pytest.mark.faults("E07", "E16", "E21", "E23")
@pytest.mark.parametrize("first", range(0, IN_CI, CHUNK))
def test_E16_no_file_is_lost_asked_twice_or_waited_for_for_ever(first, tmp_path):
    lives, files = play(range(first, first + CHUNK), tmp_path)
    assert lives["killed"] > 0, "processes really died"
    assert files[State.DONE] > CHUNK
    assert set(files) <= {State.DONE, State.FAILED}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(IN_CI, LONG, 1000))
def test_the_same_for_many_schedules(first, tmp_path):
    play(range(first, min(first + 1000, LONG)), tmp_path)


def test_a_seed_is_the_same_schedule_every_time(tmp_path):
    assert run_schedule(7, tmp_path / "a") == run_schedule(7, tmp_path / "b")
