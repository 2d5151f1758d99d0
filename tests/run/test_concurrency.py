import pytest

from landsat_async.run.concurrency import HOLD_S, ConcurrencyLimit, after_push_back, after_window, window_is_over


def grow(size, rates, busy=None):
    for n, rate in enumerate(rates):
        size = after_window(size, rate, busy=size.allowed if busy is None else busy, now_s=2.0 * (n + 1))
    return size


def test_a_small_ceiling_is_used_at_once_and_never_exceeded():
    assert ConcurrencyLimit.start(3).allowed == 3
    assert grow(ConcurrencyLimit.start(8), [10, 20, 40, 80]).allowed == 8


def test_grows_while_throughput_grows_and_goes_back_by_what_did_not_pay():
    assert [grow(ConcurrencyLimit.start(64), [10, 15, 22][:n]).allowed for n in (1, 2, 3)] == [10, 20, 40]
    full = grow(ConcurrencyLimit.start(64), [10, 15, 15.1])
    assert full.allowed == 10
    assert after_window(full, 20, busy=10, now_s=8.0).allowed == 10  # holds for a while
    assert after_window(full, 20, busy=10, now_s=6.0 + HOLD_S).allowed == 15  # with smaller steps after that


def test_idle_workers_are_no_reason_to_grow():
    assert grow(ConcurrencyLimit.start(64), [10, 20, 40], busy=2).allowed == 5


@pytest.mark.faults("G14")
def test_G14_is_halved_when_the_server_pushes_back_down_to_one_and_grows_again_later():
    size = grow(ConcurrencyLimit.start(16), [10])
    assert size.allowed == 10
    size = after_push_back(size, 1, 5.0)
    assert size.allowed == 5
    assert after_push_back(size, 2, 5.1).allowed == 5  # the other answers of the same moment
    size = after_push_back(size, 2, 20.0)
    assert size.allowed == 2
    assert after_push_back(after_push_back(size, 3, 60.0), 4, 100.0).allowed == 1
    assert after_window(size, 1.0, busy=2, now_s=20.0 + HOLD_S).allowed == 3


def test_one_bad_file_halves_only_once():
    size = after_push_back(ConcurrencyLimit.start(8), 1, 5.0)
    for n in range(10):
        size = after_push_back(size, 1, 100.0 * n)
    assert size.allowed == 2


@pytest.mark.parametrize(
    ("lasted_s", "files", "allowed", "over"),
    [
        (0.25, 39, 5, False),
        (0.25, 40, 5, True),
        (0.24, 1000, 5, False),
        (0.99, 39, 5, False),
        (1.0, 0, 5, True),
        (0.5, 100, 16, False),
        (0.5, 128, 16, True),
    ],
)
def test_a_window_ends_after_a_second_or_as_soon_as_enough_files_have_come(lasted_s, files, allowed, over):
    assert window_is_over(lasted_s, files, allowed) is over
