"""The numbers of a run, where what is listed does not say them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from landsat_async.run.counts import RunCounts


@pytest.mark.faults("Y91")
def test_Y91_where_no_size_is_known_of_what_is_to_come_the_whole_is_not_known():
    states = SimpleNamespace(open=2)
    counts = RunCounts(0.0, states)
    counts.nominal_left = 1000
    assert counts.expected(0) == 1000
    counts.arrived(1000, 900)  # the first window of a bundle stands for its bytes; the others have none
    states.open = 1
    assert counts.expected(950) is None
    counts.arrived(0, 50)
    states.open = 0
    assert counts.expected(950) == 950
