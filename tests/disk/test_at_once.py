from __future__ import annotations

import threading
from itertools import count

import pytest

from landsat_async.disk.at_once import abandonable, at_once
from landsat_async.proof.byte_view import Stopped


def never():
    return False


def test_results_come_in_order_and_no_more_are_asked_for_than_may_be_under_way():
    taken = []
    both = threading.Barrier(2)

    def numbers():
        for number in range(6):
            taken.append(number)
            yield number

    def call(number):
        both.wait(60)
        return number * 10

    found = []
    for number, result in at_once(call, numbers(), 2, never):
        found.append((number, result))
        assert len(taken) <= len(found) + 2
    assert found == [(number, number * 10) for number in range(6)]
    assert list(at_once(call, (), 2, never)) == []


def test_an_error_is_told_and_what_waits_is_not_begun():
    begun = []

    def call(number):
        begun.append(number)
        raise TimeoutError(number)

    with pytest.raises(TimeoutError, match="0"):
        list(at_once(call, count(), 1, never))
    assert begun == [0]


@pytest.mark.faults("V59")
def test_V59_who_is_stopped_waits_for_no_call():
    hangs, over = threading.Event(), threading.Event()

    def call():
        hangs.set()
        over.wait(60)
        return 1

    with pytest.raises(Stopped):
        abandonable(call, hangs.is_set)
    assert not over.is_set()
    over.set()
    assert abandonable(call, never) == 1
