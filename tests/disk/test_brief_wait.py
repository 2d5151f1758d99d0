"""The thread of a loop waits a moment for another one, and never longer."""

from __future__ import annotations

import threading
import time

import pytest

from landsat_async.disk import brief_wait
from landsat_async.disk.brief_wait import BriefWait


@pytest.fixture
def long_moment(monkeypatch):
    """However busy the machine is, the moment is not over."""
    monkeypatch.setattr(brief_wait, "AT_MOST_S", 30.0)
    monkeypatch.setattr(brief_wait, "WORTH_S", 30.0)


def hand_over(wait: BriefWait, work) -> list[bool]:
    told = []
    threading.Thread(target=lambda: (work(), told.append(wait.end()))).start()
    return told


def test_who_waits_goes_on_when_the_other_thread_has_told_of_an_end(long_moment):
    wait = BriefWait()
    for _ in range(100):
        assert wait.begin()
        told = hand_over(wait, lambda: None)
        wait.wait()
        assert told in ([], [True])  # it is woken before `end` has come back, or after


def test_nobody_is_told_of_an_end_that_nobody_waits_for():
    assert not BriefWait().end()


def test_what_ends_after_the_moment_is_told_otherwise(monkeypatch):
    monkeypatch.setattr(brief_wait, "AT_MOST_S", 0.001)
    wait, go = BriefWait(), threading.Event()
    assert wait.begin()
    told = hand_over(wait, go.wait)
    wait.wait()
    go.set()
    while not told:
        time.sleep(0.001)
    assert told == [False]


def test_an_end_that_was_told_twice_wakes_the_next_wait_early_and_nothing_else(long_moment):
    wait = BriefWait()
    assert wait.begin()
    assert wait.end()
    assert wait.end()
    wait.wait()
    assert not wait.end()
    assert wait.begin()
    told = hand_over(wait, lambda: None)
    wait.wait()
    while not told:
        time.sleep(0.001)
    assert told == [True]


class Clock:
    """Time goes on when it is told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s

    perf_counter = staticmethod(time.perf_counter)


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(brief_wait, "time", clock)
    return clock


@pytest.mark.faults("X92")
def test_X92_after_a_moment_in_vain_nobody_waits_for_a_while_which_grows(monkeypatch, clock):
    monkeypatch.setattr(brief_wait, "AT_MOST_S", 0.001)
    wait = BriefWait()
    for apart_s in (0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0, 1.0, 1.0):
        assert wait.begin()
        wait.wait()
        clock.now_s += apart_s - 0.001
        assert not wait.begin()
        clock.now_s += 0.002
    assert wait.begin()


@pytest.mark.faults("X92")
def test_X92_nor_where_work_takes_long_as_a_rule(monkeypatch, clock):
    """In the end the loop is held up for a fiftieth of the time."""
    monkeypatch.setattr(brief_wait, "AT_MOST_S", 30.0)
    monkeypatch.setattr(brief_wait, "WORTH_S", 0.0001)
    wait = BriefWait()
    for _ in range(10):
        while wait.begin():
            hand_over(wait, lambda: time.sleep(0.002))
            wait.wait()
        clock.now_s += 1.0
    assert wait._apart_s == 1.0


def test_a_hiccup_is_forgiven(long_moment, monkeypatch, clock):
    wait = BriefWait()
    wait._apart_s = 1.0
    for _ in range(150):
        assert wait.begin()
        hand_over(wait, lambda: None)
        wait.wait()
    assert wait._apart_s == brief_wait.APART_S
