import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.run.quota import WINDOW_DOWNLOADS, WINDOW_S, Allowance, allowance, eta_s, fitting, poll_delay_s

MIB = 1024**2


@pytest.mark.faults("A16", "E17")
@pytest.mark.parametrize(
    ("asked", "now", "want", "in_flight", "expected"),
    [
        ([], 0.0, 64, 0, Allowance(64)),
        ([(0.0, 14_990)], 100.0, 64, 0, Allowance(10)),
        ([(0.0, 15_000)], 100.0, 64, 0, Allowance(0, 800.0)),
        ([(0.0, 15_000)], 901.0, 64, 0, Allowance(64)),
        ([(0.0, 5_000), (300.0, 10_000)], 400.0, 64, 0, Allowance(0, 500.0)),
        ([], 0.0, 64, 19_990, Allowance(10)),
        ([], 0.0, 64, 20_000, Allowance(0, 0.0)),
        ([(5_000.0, 15_000)], 100.0, 64, 0, Allowance(0, WINDOW_S)),  # the clock was set back: no endless wait
    ],
)
def test_portions_stay_within_the_limits_of_the_account(asked, now, want, in_flight, expected):
    assert allowance(asked, now, want=want, in_flight=in_flight) == expected


def test_a_share_of_the_limits_leaves_the_rest_to_other_runs_of_the_account():
    quarter = {"share": 0.25, "want": 5_000}
    assert allowance([], 0.0, in_flight=0, **quarter) == Allowance(3_750)
    assert allowance([(0.0, 3_700)], 10.0, in_flight=0, **quarter) == Allowance(50)
    assert allowance([(0.0, 3_750)], 10.0, in_flight=0, **quarter) == Allowance(0, 890.0)
    assert allowance([], 0.0, in_flight=4_990, **quarter) == Allowance(10)
    assert allowance([], 0.0, want=1, in_flight=0, share=0.00001) == Allowance(1)  # never nothing at all


@given(
    st.lists(st.tuples(st.floats(0, 5000), st.integers(0, 20_000)), max_size=20),
    st.floats(0, 5000),
    st.integers(1, 500),
)
def test_a_window_never_holds_more_than_allowed_and_every_pause_ends(asked, now, want):
    result = allowance(asked, now, want=want, in_flight=0)
    recent = sum(n for at, n in asked if at > now - WINDOW_S)
    assert result.downloads == 0 or recent + result.downloads <= WINDOW_DOWNLOADS
    assert 0 <= result.wait_s <= WINDOW_S
    if result.downloads == 0:
        assert allowance(asked, max(now, *(at for at, _ in asked)) + WINDOW_S + 1, want=want, in_flight=0).downloads > 0


@pytest.mark.faults("E01")
def test_polls_become_rarer_when_nothing_changes_but_never_stop():
    delays = [poll_delay_s(30.0, rounds, 0.5) for rounds in range(60)]
    assert delays[:6] == [30.0] * 6
    assert delays == sorted(delays)
    assert delays[-1] == 300.0


def test_an_eta_needs_experience():
    assert eta_s([], 3, 0.0) is None
    assert eta_s([60.0] * 9 + [600.0], 3, 100.0) == 500.0
    assert eta_s([60.0], 3, 100.0) == 0.0


@pytest.mark.faults("P43")
@pytest.mark.parametrize(
    ("sizes", "free", "keep", "coming", "files", "fits"),
    [
        ([10, 10, 10], 100, 50, 0, 0, 3),
        ([10, 10, 10], 75, 50, 0, 0, 2),
        ([10, 10, 10], 75, 50, 10, 1, 1),
        ([10, 10, 10], 55, 50, 0, 0, 1),  # sizes are rounded: one is tried
        ([10, 10, 10], 55, 50, 20, 2, 0),
        ([10, 10, 10], 50, 50, 0, 0, 0),
        ([10, 10, 10], 2, 50, 0, 0, 0),
        ([None, None, 60], 100, 50, 0, 0, 2),
        ([], 100, 50, 0, 0, 0),
    ],
)
def test_P43_no_more_is_requested_than_has_room(sizes, free, keep, coming, files, fits):
    given = [None if size is None else size * MIB for size in sizes]
    found = fitting(given, free_bytes=free * MIB, keep_bytes=keep * MIB, coming_bytes=coming * MIB, coming_files=files)
    assert found == fits
