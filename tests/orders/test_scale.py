"""Large orders in virtual time; `python -m benchmarks.orders --staged 20000 --return 20000` takes the full size."""

from __future__ import annotations

import itertools

import pytest

from landsat_async.rules.lifecycle import State
from landsat_async.run.quota import WINDOW_DOWNLOADS
from landsat_async.run.requester import LABEL_DOWNLOADS
from tests.orders.scale import HOSTS, POLL_INTERVAL_S, QUEUE_SIZE, come_back, fetch_staged

FULL = pytest.param(20_000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])


@pytest.mark.faults("E01", "E17")
@pytest.mark.parametrize("count", [600, FULL])
def test_E17_staged_files_that_trickle_in_are_all_fetched_in_portions_and_polled_no_more_than_planned(count, tmp_path):
    staged = fetch_staged(count, tmp_path)

    assert staged.states == {State.DONE: count}
    assert set(staged.fetched.values()) == {1}
    assert staged.downloads_asked == count, "each file was asked for once"
    assert staged.most_asked_in_a_window <= WINDOW_DOWNLOADS
    assert staged.most_in_stream <= QUEUE_SIZE
    labels = count / LABEL_DOWNLOADS + 1
    assert staged.rounds <= staged.virtual_s / (0.9 * POLL_INTERVAL_S) + 1
    assert staged.retrieves <= staged.rounds * labels + count / QUEUE_SIZE
    assert staged.rss_growth_bytes < 200 * 2**20


@pytest.mark.faults("E22", "E20")
@pytest.mark.parametrize("what", [("api", *HOSTS), ("api",), HOSTS], ids=["everything", "api", "hosts"])
@pytest.mark.parametrize("count", [300, FULL])
def test_E22_after_two_hours_of_outage_work_comes_back_soon_and_gently(count, what, tmp_path):
    returned = come_back(count, tmp_path, what=what)

    assert returned.waiting == count, "nothing was asked for again meanwhile"
    assert returned.states == {State.DONE: count}
    assert returned.first_byte_s <= 75.0
    gaps = [later - earlier for earlier, later in itertools.pairwise(returned.requests)]
    assert len(returned.requests) <= 61
    assert min(gaps) >= 0.999, "at most one request a second, API and file hosts together"
