"""Whose trouble a failure is, as sequences of (file, outcome)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.run.host_health import (
    ASIDES,
    PROBE_S,
    RIPE_S,
    WITNESSES,
    Circuit,
    HostFault,
    HostHealth,
    Ruling,
    ask,
    forget,
    is_given_up,
    is_ripe,
    judge,
    leave_alone,
    on_failure,
    on_served,
)

REFUSALS = (HostFault.REFUSED, HostFault.PAGE, HostFault.DISABLED)


def play(outcomes, *, kind=HostFault.SERVER, others=True, asides=0, every_s=1.0):
    """Feed (file, served?) in order; returns the health and the ruling of the last failure."""
    health, ruling = HostHealth(), None
    for n, (item, served) in enumerate(outcomes):
        now_s = n * every_s
        if served:
            health = on_served(health, item)
            continue
        health = on_failure(health, item=item, now_s=now_s, reason="said so")
        ruling = judge(health, kind, item=item, others=others, asides=asides, now_s=now_s)
        if ruling is Ruling.HOST:
            health = leave_alone(health, kind, now_s=now_s, u=0.5)
    return health, ruling


def failing(*items):
    return [(item, False) for item in items]


@pytest.mark.faults("L16", "E20", "E21", "A22")
@pytest.mark.parametrize("kind", HostFault)
@pytest.mark.parametrize(
    ("outcomes", "ruling"),
    [
        (failing(1), Ruling.ASIDE),
        (failing(1, 1, 1, 1), Ruling.ASIDE),
        (failing(1, 2), Ruling.ASIDE),
        (failing(1, 2, 3), Ruling.HOST),
        ([*failing(1, 2), (9, True), *failing(3)], Ruling.ASIDE),
        ([*failing(1), (9, True), *failing(1)], Ruling.OWN),
        ([*failing(1, 2), (9, True), *failing(3, 4, 5)], Ruling.HOST),
        ([*failing(1), (1, True), *failing(1)], Ruling.ASIDE),
        (failing(1, 2, 3, 4), Ruling.WAIT),
    ],
)
def test_three_different_files_with_none_served_in_between_speak_for_the_host(kind, outcomes, ruling):
    assert play(outcomes, kind=kind, every_s=0.1)[1] is ruling


@pytest.mark.faults("L16")
@pytest.mark.parametrize("kind", HostFault)
@pytest.mark.parametrize("has_served", [True, False])
def test_with_fewer_files_than_that_a_file_is_judged_alone(kind, has_served):
    outcomes = [*([(9, True)] if has_served else []), *failing(1)]
    believed = kind in (HostFault.UNREACHABLE, HostFault.MAINTENANCE, HostFault.PROXY)
    expected = Ruling.HOST if believed or (kind not in REFUSALS and not has_served) else Ruling.OWN
    assert play(outcomes, kind=kind, others=False)[1] is expected
    assert play(outcomes, kind=kind, others=True, asides=ASIDES)[1] is expected, "nobody waits for others for ever"


@pytest.mark.faults("L16", "E21")
def test_one_file_that_is_refused_for_ever_among_served_ones_never_closes_the_host():
    outcomes = []
    for n in range(200):
        outcomes += [(0, False), (n + 1, True)]
    health, ruling = play(outcomes)
    assert (health.circuit, health.row, ruling) == (Circuit.CLOSED, frozenset(), Ruling.OWN)
    assert set(forget(health, 0).first_failed) == set()


@pytest.mark.faults("L17")
def test_files_that_still_repeat_speak_for_the_host_only_after_some_time():
    health = on_served(HostHealth())
    for item in range(WITNESSES):
        health = on_failure(health, item=item, now_s=0.0, reason="503")
    assert not is_ripe(health, HostFault.SERVER, now_s=RIPE_S - 1)
    assert is_ripe(health, HostFault.SERVER, now_s=RIPE_S)
    two = on_failure(on_failure(on_served(HostHealth()), item=1, now_s=0.0, reason=""), item=2, now_s=0.0, reason="")
    assert not is_ripe(two, HostFault.SERVER, now_s=1000.0)


@pytest.mark.parametrize("kind", HostFault)
def test_of_a_host_that_never_worked_one_file_is_enough_unless_it_is_refused(kind):
    health = on_failure(HostHealth(), item=1, now_s=0.0, reason="")
    assert is_ripe(health, kind, now_s=RIPE_S) is (kind not in REFUSALS)


def test_exactly_one_file_probes_and_its_result_decides():
    health = play(failing(1, 2, 3))[0]
    assert (health.circuit, ask(health, health.until_s - 0.1)[1] > 0) == (Circuit.OPEN, True)
    probing, wait_s = ask(health, health.until_s)
    assert (probing.circuit, wait_s) == (Circuit.HALF_OPEN, 0.0)
    assert ask(probing, health.until_s)[1] == PROBE_S
    assert on_served(probing).circuit is Circuit.CLOSED
    failed = on_failure(probing, item=7, now_s=health.until_s + 1, reason="again")
    assert is_ripe(failed, HostFault.SERVER, now_s=health.until_s + 1), "already the first attempt of a probe tells"
    assert judge(failed, HostFault.SERVER, item=7, others=True, asides=0, now_s=health.until_s + 1) is Ruling.HOST


def test_failures_of_running_transfers_change_nothing_at_a_host_that_is_left_alone():
    health = play(failing(1, 2, 3))[0]
    assert on_failure(health, item=4, now_s=health.until_s - 0.1, reason="late") == health


@pytest.mark.faults("L17", "G06")
def test_pauses_are_short_at_first_and_then_grow_up_to_their_cap():
    health, now_s, pauses_s = on_failure(HostHealth(), item=1, now_s=0.0, reason=""), 0.0, []
    for _ in range(9):
        health = leave_alone(health, HostFault.SERVER, now_s=now_s, u=0.5)
        pauses_s.append(round(health.until_s - now_s, 6))
        now_s = health.until_s
    assert pauses_s == [1, 2, 4, 8, 15, 30, 55, 55, 55]  # with jitter 66 s at most: one that is back is seen in 75 s
    wished = leave_alone(HostHealth(), HostFault.SERVER, now_s=0.0, u=0.5, wish_s=500.0)
    assert wished.until_s == 500.0


@pytest.mark.faults("L17")
@pytest.mark.parametrize("patience_s", [5.0, 30.0, 100.0, 900.0])
@pytest.mark.parametrize("kind", HostFault)
@pytest.mark.parametrize("u", [0.0, 0.5, 0.99])
def test_the_last_try_comes_at_the_end_of_the_patience(patience_s, kind, u):
    health, now_s = on_failure(HostHealth(), item=1, now_s=0.0, reason=""), 0.0
    tries_s = []
    while not is_given_up(health, now_s=now_s, patience_s=patience_s):
        health = leave_alone(health, kind, now_s=now_s, u=u, patience_s=patience_s)
        if is_given_up(health, now_s=now_s, patience_s=patience_s):
            break
        now_s = health.until_s
        health = on_failure(ask(health, now_s)[0], item=1, now_s=now_s, reason="")
        tries_s.append(now_s)
    assert patience_s - 1 <= tries_s[-1] <= patience_s


def test_without_patience_nothing_is_tried_again():
    health = leave_alone(on_failure(HostHealth(), item=1, now_s=5.0, reason=""), HostFault.NETWORK, now_s=5.0, u=0.5)
    assert is_given_up(health, now_s=5.0, patience_s=0.0)
    assert not is_given_up(HostHealth(), now_s=10.0**9, patience_s=0.0)


def test_a_host_that_nobody_came_to_try_is_given_up_in_the_end():
    health = leave_alone(on_failure(HostHealth(), item=1, now_s=0.0, reason=""), HostFault.NETWORK, now_s=0.0, u=0.5)
    assert not is_given_up(health, now_s=100.0, patience_s=30.0)
    assert is_given_up(health, now_s=150.0, patience_s=30.0)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans())), st.sampled_from(HostFault), st.booleans())
def test_a_host_that_serves_every_other_answer_is_never_left_alone(outcomes, kind, others):
    health, _ = play([step for outcome in outcomes for step in (outcome, (99, True))], kind=kind, others=True)
    assert health.circuit is Circuit.CLOSED
    assert len(play(outcomes, kind=kind, others=others)[0].first_failed) <= 5
