"""Whatever the pieces and their times: over any ten seconds no more than five per cent above the rate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.transfer.token_bucket import SAVED_S, TokenBucket


def test_what_has_come_is_paid_for_before_more_comes():
    bucket = TokenBucket(1000.0)
    bucket.charge(100.0, 500)

    assert bucket.wait_s(100.0) == pytest.approx(0.5 - SAVED_S)
    assert bucket.wait_s(100.4) == 0.0


def test_only_a_moment_of_idleness_is_saved():
    bucket = TokenBucket(1000.0)
    bucket.charge(0.0, 500)
    bucket.charge(3600.0, 1000)

    assert bucket.wait_s(3600.0) == pytest.approx(1.0 - SAVED_S)


def test_what_was_paid_too_much_comes_back():
    bucket = TokenBucket(1000.0)
    bucket.charge(50.0, 1000)
    bucket.charge(50.0, -1000)

    assert bucket.wait_s(50.0) == 0.0


def test_pieces_and_advances_fit_the_rate():
    assert TokenBucket(1e9).piece_bytes == 256 * 1024
    assert TokenBucket(100_000).piece_bytes == 1024
    assert TokenBucket(1e9).advance_bytes(None) == 256 * 1024
    assert TokenBucket(100_000).advance_bytes(None) == 25_000
    assert TokenBucket(100_000).advance_bytes(700) == 700


@given(
    rate=st.floats(10_000, 1e9),
    steps=st.lists(st.tuples(st.floats(0, 2), st.integers(1, 256 * 1024)), min_size=1, max_size=60),
)
def test_no_span_of_time_brings_more_than_the_rate(rate, steps):
    """Each step is idle for a while, waits as it is told, and receives one piece."""
    bucket, now, came = TokenBucket(rate), 1000.0, []
    for idle_s, size in steps:
        now += idle_s
        now += bucket.wait_s(now)
        size = min(size, bucket.piece_bytes)
        bucket.charge(now, size)
        came.append((now, size))

    for first, (begin, _) in enumerate(came):
        total = 0
        for end, size in came[first:]:
            total += size
            assert total <= rate * (end - begin + SAVED_S) + 1.001 * bucket.piece_bytes
