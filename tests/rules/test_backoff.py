"""How long to wait before the next try: grows, has an end, is scattered, and believes a server within reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.rules.backoff import RETRY_AFTER_MAX_S, full_jitter_s, parse_retry_after_s, with_retry_after_s

NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT
ALMOST = 0.999999


@pytest.mark.parametrize(
    ("failures", "most_s"), [(0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (10**9, 60)]
)
def test_the_longest_wait_doubles_up_to_its_end(failures, most_s):
    assert full_jitter_s(failures, ALMOST) == pytest.approx(most_s, rel=1e-3)
    assert full_jitter_s(failures, 0.0) == 0.0


def test_base_and_cap_are_the_callers():
    assert full_jitter_s(3, ALMOST, base_s=0.1, cap_s=5.0) == pytest.approx(0.4, rel=1e-3)
    assert full_jitter_s(20, ALMOST, base_s=0.1, cap_s=5.0) == pytest.approx(5.0, rel=1e-3)


@given(st.integers(-5, 10_000), st.floats(0, 1, exclude_max=True))
def test_no_wait_is_negative_or_beyond_the_cap(failures, u):
    assert 0.0 <= full_jitter_s(failures, u, cap_s=60.0) <= 60.0


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("3600", 3600.0),
        ("3601", None),
        ("9" * 40, None),
        ("-1", None),
        ("1.5", None),
        ("١٢", None),
        ("soon", None),
        ("x" * 65, None),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
        ("Mon, 07 Nov 1994 08:49:37 GMT", None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
    ],
)
def test_a_wish_is_seconds_or_a_date_of_at_most_an_hour(value, wait_s):
    assert parse_retry_after_s(value, NOW) == wait_s


@given(st.text(max_size=80))
def test_no_text_is_too_strange(text):
    wait_s = parse_retry_after_s(text, NOW)
    assert wait_s is None or 0.0 <= wait_s <= RETRY_AFTER_MAX_S


def test_a_wish_is_kept_and_scattered_but_never_shortens_our_own_wait():
    assert with_retry_after_s(5.0, None, 0.5) == 5.0
    assert with_retry_after_s(5.0, 100.0, 0.0) == 100.0
    assert with_retry_after_s(5.0, 100.0, ALMOST) == pytest.approx(111.0, rel=1e-3)
    assert with_retry_after_s(60.0, 1.0, ALMOST) == 60.0
