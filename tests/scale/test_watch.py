"""A cluster in which nobody is left, or whose scheduler hangs: told again and again, and the end of the run."""

from __future__ import annotations

import pytest

from landsat_async.errors import SchedulerGone
from landsat_async.events import Retrying
from landsat_async.scale import join
from landsat_async.scale.watch import LOOKS_S, NOBODY, SILENT, Looks

SOMEBODY = {"tcp://w:1"}


def told_by(answers: list[set[str] | None]) -> list[tuple[int, str, float]]:
    """Return what each look that makes something known says, with its number."""
    looks, found = Looks(), []
    for number, fit in enumerate(answers):
        asked_s = number * LOOKS_S
        seen = looks.see(fit, asked_s, asked_s + (1.0 if fit is None else 0.0))
        if isinstance(seen, Retrying):
            found.append((number, seen.reason, seen.wait_s))
        elif seen is not None:
            found.append((number, type(seen).__name__, 0.0))
    return found


@pytest.mark.faults("W52")
@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([SOMEBODY] * 20, []),
        ([set(), SOMEBODY] * 5, []),  # workers that are only started again
        ([set()] * 9, [(1, NOBODY, 30.0), (7, NOBODY, 30.0)]),
        ([SOMEBODY, None, SOMEBODY], [(1, SILENT, 59.0)]),
        ([None, None, SOMEBODY, None], [(0, SILENT, 59.0), (1, SILENT, 54.0), (3, SILENT, 59.0)]),
        ([set(), None, set()], [(1, SILENT, 59.0), (2, NOBODY, 30.0)]),
    ],
)
def test_what_a_look_at_a_cluster_makes_known_is_told(answers, told):
    assert told_by(answers) == told


@pytest.mark.faults("W52")
def test_a_scheduler_that_does_not_answer_for_a_minute_ends_the_run():
    assert told_by([None] * 13)[-1] == (12, SchedulerGone.__name__, 0.0)
    assert join.GONE_S == 60.0


@pytest.mark.faults("W54")
def test_a_worker_whose_heartbeat_stands_still_is_told_while_dask_still_waits_for_it():
    looks, told = Looks(), []
    for number in range(16):
        beats = {"tcp://lives:1": 1000.0 + number, "tcp://hangs:1": 1000.0 + min(number, 2)}
        if number == 12:
            del beats["tcp://hangs:1"]  # dask has given it up
        seen = looks.see_heartbeats(beats, number * LOOKS_S)
        if seen is not None:
            told.append((number, seen.reason.partition(";")[0], seen.wait_s))
    assert told == [
        (5, "the worker tcp://hangs:1 does not answer", 30.0), (11, "the worker tcp://hangs:1 does not answer", 30.0),
    ]  # fmt: skip
    many = Looks()
    many.see_heartbeats({f"tcp://w:{number}": 1.0 for number in range(3)}, 0.0)
    word = many.see_heartbeats({f"tcp://w:{number}": 1.0 for number in range(3)}, 20.0)
    assert "tcp://w:0 and 2 more" in word.reason
