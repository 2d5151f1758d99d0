"""Which rates are slow, and which are below the floor."""

from __future__ import annotations

import pytest

from landsat_async.transfer.retry import FaultKind
from landsat_async.transfer.speed import FLOOR_BYTES_S, FLOOR_WINDOW_S, Speed, Window


@pytest.mark.parametrize(
    ("reads", "below"),
    [
        ([(0, 9.9)], [False]),
        ([(0, 10.0)], [True]),
        ([(1000, 10.0)], [False]),
        ([(999, 10.0)], [True]),
        ([(999, 5.0), (0, 5.0)], [False, True]),
        ([(0, 10.0), (1000, 10.0), (0, 10.0)], [True, False, True]),  # each window is judged alone
        ([(1000, 20.0)], [True]),
    ],
)
def test_a_window(reads, below):
    window = Window(100.0, 10.0)
    assert [window.below(size, waited_s) for size, waited_s in reads] == below


def test_the_floor_is_told_before_slowness_and_holds_where_any_speed_will_do():
    floor = Window(FLOOR_BYTES_S, FLOOR_WINDOW_S)
    assert Speed(floor, Window(10_000.0, 120.0)).fault(0, 120.0, "h").kind is FaultKind.SLOW
    assert Speed(floor).fault(0, 479.0, "h") is None
    fault = Speed(floor).fault(0, 1.0, "h")
    assert (fault.kind, fault.reason) == (
        FaultKind.USELESS,
        "h sent less than 1024 bytes a second over 10 minutes",
    )
