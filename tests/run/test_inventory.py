"""What is there before a run: which unfinished files nobody needs any more."""

from __future__ import annotations

import pytest

from landsat_async.disk.target import StoredPart
from landsat_async.rules.lifecycle import State
from landsat_async.run.inventory import LITTER_AGE_S, litter

NOW_S = 1_800_000_000.0


def left(state, *, age_s=0.0):
    states = {} if state is None else {7: state}
    return litter([StoredPart("7.2.part", NOW_S - age_s)], states, NOW_S) == []


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("age_s", [0.0, 10 * LITTER_AGE_S])
def test_the_part_of_a_file_that_is_not_finished_is_kept_however_old(state, age_s):
    assert left(state, age_s=age_s) == (state is not State.DONE)


@pytest.mark.parametrize(("age_s", "stays"), [(0.0, True), (LITTER_AGE_S, True), (LITTER_AGE_S + 1, False)])
def test_a_part_that_no_record_speaks_of_is_kept_for_a_week(age_s, stays):
    assert left(None, age_s=age_s) == stays


def test_only_those_are_named_that_nobody_needs():
    parts = [StoredPart(name, NOW_S) for name in ("1.1.part", "12.1.part", "2.4.part")]
    assert litter(parts, {1: State.DONE, 12: State.PLANNED, 2: State.DONE}, NOW_S) == ["1.1.part", "2.4.part"]
