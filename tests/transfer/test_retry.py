"""Budgets and verdicts of a transfer."""

from __future__ import annotations

import pytest

from landsat_async.transfer.retry import (
    PROGRESS_BYTES,
    RULES,
    Budget,
    Fault,
    FaultKind,
    Fresh,
    GiveUp,
    Pause,
    Retry,
    Unready,
    fault_of_status,
)


def fault(kind, **more):
    return Fault(kind, "said so", **more)


def test_every_kind_has_a_rule():
    assert set(RULES) == set(FaultKind)


@pytest.mark.parametrize("kind", FaultKind)
def test_no_kind_goes_on_for_ever(kind):
    budget = Budget(attempts=8)
    verdicts = [budget.verdict(fault(kind), 0) for _ in range(9)]
    assert not isinstance(verdicts[-1], Retry)
    first_end = next(i for i, verdict in enumerate(verdicts) if not isinstance(verdict, Retry))
    rule = RULES[kind]
    assert first_end == min(7, rule.tries if rule.tries is not None else 7)


def test_failures_in_a_row_end_the_budget_with_the_last_reason():
    budget = Budget(attempts=3)
    assert [budget.verdict(fault(FaultKind.NETWORK), 0) for _ in range(2)] == [Retry(1), Retry(2)]
    last = budget.verdict(fault(FaultKind.NETWORK), 0)
    assert isinstance(last, GiveUp)
    assert last.reason == "3 attempts in a row without progress; the last: said so"


@pytest.mark.faults("F30")
def test_F30_only_64_KiB_beyond_the_best_so_far_are_progress():
    budget = Budget(attempts=3)
    for position in (0, PROGRESS_BYTES - 1):
        assert isinstance(budget.verdict(fault(FaultKind.NETWORK), position), Retry)
    assert isinstance(budget.verdict(fault(FaultKind.NETWORK), PROGRESS_BYTES - 1 + 10), GiveUp)

    budget = Budget(attempts=3)
    for step in range(50):
        assert budget.verdict(fault(FaultKind.NETWORK), step * PROGRESS_BYTES) == Retry(1)


def test_ground_that_was_lost_is_no_progress_when_it_is_won_back():
    budget = Budget(attempts=3)
    budget.verdict(fault(FaultKind.NETWORK), 10 * PROGRESS_BYTES)
    budget.verdict(fault(FaultKind.RESTART), 0)
    assert isinstance(budget.verdict(fault(FaultKind.NETWORK), 10 * PROGRESS_BYTES), GiveUp)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.LINK_REFUSED, Fresh(expired=True)),
        (FaultKind.LOGIN, Fresh(expired=True)),
        (FaultKind.NOT_FOUND, Fresh(expired=False)),
        (FaultKind.BAD_LINK, Fresh(expired=False)),
        (FaultKind.UNREADY, Unready()),
        (FaultKind.CERTIFICATE, Pause(1800.0, "certificate")),
        (FaultKind.MAINTENANCE, Pause(300.0, "maintenance")),
        (FaultKind.PROXY, Pause(300.0, "proxy")),
        (FaultKind.TOO_BIG, GiveUp("said so", RULES[FaultKind.TOO_BIG].hint)),
    ],
)
def test_kinds_that_are_never_tried_again(kind, expected):
    assert Budget(attempts=8).verdict(fault(kind), 0) == expected


@pytest.mark.faults("F24")
def test_F24_a_short_wish_is_slept_and_a_long_one_is_a_pause_of_the_host():
    budget = Budget(attempts=8)
    assert budget.verdict(fault(FaultKind.BUSY, retry_after_s=60.0), 0) == Retry(1)
    assert budget.verdict(fault(FaultKind.BUSY, retry_after_s=61.0), 0) == Pause(61.0, "server")
    assert budget.verdict(fault(FaultKind.MAINTENANCE, retry_after_s=900.0), 0) == Pause(900.0, "maintenance")


@pytest.mark.faults("F20", "F22", "F24", "F25")
def test_F20_F22_F24_F25_every_status_means_something():
    expected = {
        **dict.fromkeys(range(100, 500), FaultKind.STATUS),
        **dict.fromkeys(range(500, 600), FaultKind.BUSY),
        **dict.fromkeys((200, 206, 412, 416)),
        **dict.fromkeys((400, 401, 403, 410), FaultKind.LINK_REFUSED),
        **dict.fromkeys((408, 425, 429), FaultKind.BUSY),
        404: FaultKind.NOT_FOUND,
        407: FaultKind.PROXY,
    }
    got = {status: fault_of_status(status, 7.0) for status in expected}
    assert {status: one and one.kind for status, one in got.items()} == expected
    waits = {status for status, one in got.items() if one and one.retry_after_s == 7.0}
    assert waits == {status for status, kind in expected.items() if kind is FaultKind.BUSY}
