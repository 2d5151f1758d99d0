"""How old links may be, learnt from what they show."""

from __future__ import annotations

import random
from collections import Counter

import anyio
import pytest

from landsat_async.run.link_expiry import LinkAges
from tests.orders.lab import Lab, Weather, names_of, run_in_virtual_time, wanted
from tests.orders.service import Climate, OrderBook


@pytest.mark.faults("E12")
def test_a_refused_link_halves_the_age_unless_an_older_one_has_worked():
    ages = LinkAges(1800.0)
    assert not ages.is_too_old("h", 1800.0)
    assert ages.refused("h", 100.0)
    assert ages.is_too_old("h", 51.0)
    assert not ages.is_too_old("another", 51.0)
    ages.worked("h", 40.0)
    assert not ages.refused("h", 39.0), "its age was not to blame"
    assert not ages.is_too_old("h", 50.0)
    assert ages.refused("h", 45.0)
    assert ages.is_too_old("h", 41.0)
    assert not ages.is_too_old("h", 40.0)


@pytest.mark.faults("E12")
def test_the_age_recovers_while_links_work():
    ages = LinkAges(1800.0)
    ages.refused("h", 2.0)
    for _ in range(2000):
        limit = next(s for s in range(1800, -1, -1) if not ages.is_too_old("h", float(s)))
        ages.worked("h", float(limit))
    assert not ages.is_too_old("h", 1800.0)


@pytest.mark.faults("E12", "E21")
def test_a_few_links_that_are_refused_for_no_reason_cause_no_storm_of_polls(tmp_path):
    async def play():
        random.seed(1)
        chance = random.Random(1)
        files = [wanted(n, ["ls_zip"]) for n in range(300)]
        weather = Weather(chance, {"expired": 0.02}, {}, mean_s=20.0)
        book = OrderBook(Climate(call_s=0.3), chance, names_of(files))
        lab = Lab(tmp_path, book, weather, files, workers=4, queue_size=64)
        life = await lab.live()
        lab.check(life)
        return Counter(name for _, name in book.call_times), lab.ledger.states(), anyio.current_time()

    calls, states, elapsed_s = run_in_virtual_time(play)
    assert states == {"done": 300}
    assert calls["download-request"] > 300 / 64 + 1, "links were really refused"
    assert calls["download-retrieve"] <= elapsed_s / 30
