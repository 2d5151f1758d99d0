import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.rules.slow_start import EASE_S, GAP_S, LONG_OUTAGE_S, SlowStart


def test_nobody_waits_without_an_outage_or_after_a_short_one():
    easing = SlowStart()
    assert easing.turn(5.0) == 0.0
    easing.outage_ended(LONG_OUTAGE_S, 10.0)
    assert [easing.turn(10.0) for _ in range(5)] == [0.0] * 5


@pytest.mark.faults("E22")
@given(st.lists(st.floats(0.0, 70.0), min_size=1, max_size=200))
def test_E22_in_the_minute_after_a_long_outage_requests_keep_their_distance(wishes):
    easing = SlowStart()
    easing.outage_ended(7200.0, 0.0)
    sent = [0.0]  # the probe that found out
    sent += [at + easing.turn(at) for at in sorted(wishes)]
    eased = sorted(at for at in sent if at < EASE_S)
    assert all(later - earlier >= GAP_S - 1e-9 for earlier, later in itertools.pairwise(eased))


def test_two_outages_that_end_together_make_one_queue():
    easing = SlowStart()
    easing.outage_ended(7200.0, 0.0)
    assert [easing.turn(0.0) for _ in range(3)] == [1.0, 2.0, 3.0]
    easing.outage_ended(7200.0, 0.5)
    assert easing.turn(0.5) == 3.5


def test_the_minute_ends():
    easing = SlowStart()
    easing.outage_ended(7200.0, 0.0)
    assert easing.turn(EASE_S) == 0.0
