from __future__ import annotations

import threading

import pytest

from landsat_async.disk.target import StoreFailed
from landsat_async.store import patience as module
from landsat_async.store.patience import StorePatience

DOWN = StoreFailed("it does not answer")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "PAUSES_S", (0.0,))


def asker(*answers):
    """Returns what gives or raises one of these after the other, and the list of what is left."""
    left = list(answers)

    def ask():
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ask, left


def until(patience, ask, goes_on=lambda: True):
    return patience.until_answered("look at x", 15.0, ask, goes_on)


def test_a_store_that_comes_back_within_patience_costs_time_only():
    ask, left = asker(DOWN, DOWN, DOWN, "here")
    assert until(StorePatience(60.0), ask) == "here"
    assert left == []


@pytest.mark.parametrize(
    ("failed", "patience_s", "goes_on"),
    [
        (StoreFailed("no", refused=True), 60.0, True),
        (StoreFailed("no", is_lasting=True), 60.0, True),
        (DOWN, 0.0, True),
        (DOWN, 60.0, False),
    ],
)
def test_what_another_try_cannot_mend_is_raised_at_once(failed, patience_s, goes_on):
    ask, left = asker(failed, "later")
    with pytest.raises(StoreFailed):
        until(StorePatience(patience_s), ask, lambda: goes_on)
    assert left == ["later"]


def test_patience_counts_from_the_first_failure_and_anew_after_an_answer():
    now = [0.0]
    patience = StorePatience(100.0, clock=lambda: now[0])

    def failing_for(s):
        now[0] += s
        raise DOWN

    for _ in range(2):
        with pytest.raises(StoreFailed):
            until(patience, lambda: failing_for(60.0))
        began = now[0]
        with pytest.raises(StoreFailed):
            until(patience, lambda: failing_for(60.0))
        assert now[0] == began + 60.0, "it is over for all"
        until(patience, lambda: "an answer")


@pytest.mark.faults("V44")
def test_V44_what_fails_for_good_has_an_end_although_other_requests_succeed(monkeypatch):
    monkeypatch.setattr(module, "PAUSES_S", (0.0,))
    now = [0.0]
    patience = StorePatience(100.0, clock=lambda: now[0])

    def fail():
        now[0] += 30.0
        if now[0] > 1000.0:
            return "without end"
        until(patience, lambda: "the claim is renewed")
        raise DOWN

    with pytest.raises(StoreFailed):
        until(patience, fail)
    assert now[0] <= 150.0


def test_who_stops_is_not_kept(monkeypatch):
    monkeypatch.setattr(module, "PAUSES_S", (3600.0,))
    patience = StorePatience(86400.0)
    ended = []

    def wait():
        with pytest.raises(StoreFailed):
            until(patience, asker(DOWN)[0])
        ended.append(True)

    thread = threading.Thread(target=wait)
    thread.start()
    while (waited := patience.wait()) is None or not waited.is_down:
        pass
    assert "does not answer" in waited.reason
    assert waited.left_s > 3000
    patience.end()
    thread.join()
    assert ended
    assert patience.wait() is None


def test_what_is_under_way_can_be_seen():
    patience = StorePatience(0.0)
    seen = until(patience, patience.wait)
    assert seen is not None
    assert (seen.is_down, seen.reason) == (False, "the store has not answered yet; it was asked to look at x")
    assert 0 < seen.left_s <= 15.0
