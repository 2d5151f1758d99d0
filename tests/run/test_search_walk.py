"""The walk through time meets every day once, the newest or the oldest first."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landsat_async.run.scene_filter import FIRST_DAY, LAST_DAY
from landsat_async.run.search_walk import walk_through
from tests.support.volumes import examples

TODAY = dt.date(2026, 11, 28)
DAY = dt.timedelta(days=1)


def days_between(start, end):
    return [start + n * DAY for n in range((end - start).days + 1)]


@settings(max_examples=examples(300), deadline=None)
@given(
    st.dates(dt.date(2020, 1, 1), dt.date(2020, 12, 31)), st.integers(0, 400), st.booleans(),
    st.none() | st.dates(dt.date(2019, 6, 1), dt.date(2021, 6, 1)), st.lists(st.integers(0, 3000), max_size=40),
)  # fmt: skip
def test_steps_meet_without_gap_or_overlap_and_in_order(start, length, newest, told, answers):
    end = start + length * DAY
    walk = walk_through(start, end, newest=newest, known=(told, told), today=TODAY)
    met, rounds, answers = [], 0, iter(answers)
    while walk is not None:
        rounds += 1
        assert rounds < 2000
        hits = next(answers, 0)
        if hits > 1000 and (shorter := walk.narrowed(hits, 1000)) is not None:
            walk = shorter
            continue
        first, last = walk.window()
        assert start <= first <= last <= end
        step = days_between(first, last)
        met += reversed(step) if newest else step
        walk = walk.after(min(hits, 5), 10)
    assert met == (list(reversed(days_between(start, end))) if newest else days_between(start, end))


@pytest.mark.parametrize("newest", [True, False])
def test_without_bounds_the_first_step_is_open_to_the_side_it_comes_from(newest):
    told = (dt.date(2013, 3, 18), dt.date(2026, 11, 20))
    walk = walk_through(None, None, newest=newest, known=told, today=TODAY)
    first, last = walk.window()
    if newest:
        assert (first, last) == (told[1], LAST_DAY)
    else:
        assert (first, last) == (FIRST_DAY, told[0])


def test_an_empty_past_is_crossed_in_a_few_steps():
    walk, steps = walk_through(None, None, newest=True, known=(None, None), today=TODAY), 0
    while walk is not None:
        walk, steps = walk.after(0, 1), steps + 1
    assert steps <= 9


def test_a_last_day_that_is_out_of_date_does_not_make_the_first_step_long():
    walk = walk_through(None, None, newest=True, known=(None, dt.date(2024, 1, 1)), today=TODAY)
    assert walk.window() == (dt.date(2024, 1, 1), LAST_DAY)
    walk = walk.narrowed(700_000, 1000)
    assert walk.window()[1] == LAST_DAY
    while (shorter := walk.narrowed(50_000, 1000)) is not None:
        walk = shorter
    assert walk.window() == (TODAY, LAST_DAY)
