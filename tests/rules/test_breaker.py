import pytest

from landsat_async.rules.breaker import OPEN_AFTER, Breaker, Gate, ask, on_failure, on_success


def fail(breaker, item, now=0.0, **kw):
    arguments = {"kind": "network", "item": item, "now_s": now, "u": 0.5, "reason": "refused"} | kw
    return on_failure(breaker, **arguments)


@pytest.mark.faults("E20")
def test_opens_after_failures_in_a_row_over_two_files():
    breaker = Breaker()
    for n in range(OPEN_AFTER - 1):
        breaker = fail(breaker, n)
    assert breaker.gate is Gate.CLOSED
    breaker = fail(breaker, 9)
    assert breaker.gate is Gate.OPEN
    assert ask(breaker, 0.0)[1] == 15.0


@pytest.mark.faults("E21")
def test_one_bad_file_alone_does_not_close_a_host():
    breaker = Breaker()
    for _ in range(50):
        breaker = fail(breaker, 1)
    assert breaker.gate is Gate.CLOSED


def test_a_success_in_between_starts_the_count_anew():
    breaker = Breaker()
    for n in range(OPEN_AFTER - 1):
        breaker = fail(breaker, n)
    assert fail(on_success(breaker), 7).gate is Gate.CLOSED


def test_exactly_one_file_probes_and_its_result_decides():
    breaker = fail(Breaker(), 1, kind="maintenance", at_once=True)
    assert breaker.gate is Gate.OPEN
    probing, wait = ask(breaker, breaker.until_s)
    assert (probing.gate, wait) == (Gate.HALF_OPEN, 0.0)
    assert ask(probing, breaker.until_s)[1] > 0
    assert on_success(probing).gate is Gate.CLOSED
    again = fail(probing, 2, now=breaker.until_s, kind="maintenance")
    assert again.gate is Gate.OPEN
    assert again.until_s - breaker.until_s > breaker.until_s
    assert again.since_s == 0.0


def test_pauses_grow_up_to_their_cap_and_a_servers_wish_is_kept():
    breaker, now = fail(Breaker(), 1, at_once=True), 0.0
    for _ in range(10):
        now = breaker.until_s
        breaker = fail(ask(breaker, now)[0], 1, now=now)
    assert breaker.until_s - now == 55.0  # with jitter at most 66 s: a host that is back is noticed within 75 s
    assert fail(Breaker(), 1, at_once=True, wish_s=500.0).until_s == 500.0


def test_running_transfers_that_fail_while_it_is_open_change_nothing():
    breaker = fail(Breaker(), 1, at_once=True)
    assert fail(breaker, 2, now=1.0).until_s == breaker.until_s


@pytest.mark.faults("E20")
def test_all_transfers_of_a_moment_that_fail_open_it_once():
    breaker = Breaker()
    for item in range(5):
        breaker = fail(breaker, item, now=0.1 * item, at_once=True)
    assert (breaker.opened, breaker.until_s) == (1, 15.0)
    assert fail(breaker, 6, now=1.0, at_once=True, wish_s=100.0).until_s == 101.0
