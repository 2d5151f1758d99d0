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


@pytest.mark.faults("X92")
def test_X92_after_a_moment_in_vain_nobody_waits_for_a_while(monkeypatch):
    monkeypatch.setattr(brief_wait, "AT_MOST_S", 0.001)
    wait = BriefWait()
    assert wait.begin()
    wait.wait()
    assert not wait.begin()
    monkeypatch.setattr(brief_wait.time, "monotonic", lambda at_s=time.monotonic() + brief_wait.APART_S: at_s)
    assert wait.begin()


@pytest.mark.faults("X92")
def test_X92_nor_where_work_takes_long_as_a_rule(monkeypatch):
    monkeypatch.setattr(brief_wait, "AT_MOST_S", 30.0)
    monkeypatch.setattr(brief_wait, "WORTH_S", 0.0001)
    wait = BriefWait()
    while wait.begin():
        hand_over(wait, lambda: time.sleep(0.002))
        wait.wait()
