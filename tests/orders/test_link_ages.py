"""Links that are refused for no reason cost no storm of polls; the rule is in run/test_host_health."""

from __future__ import annotations

import random
from collections import Counter

import anyio
import pytest
from msgspec.structs import replace

from tests.orders.lab import Lab, Weather, names_of, run_in_virtual_time, wanted
from tests.orders.service import Climate, OrderBook


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


@pytest.mark.faults("E12", "E21")
def test_a_host_that_slowly_refuses_every_link_is_left_alone(tmp_path):
    """Each link waits for others that are refused, so that none is young when its turn comes."""

    async def play():
        random.seed(1)
        chance = random.Random(1)
        files = [wanted(n, ["ls_zip"]) for n in range(100)]
        weather = Weather(chance, {"expired": 1.0}, {}, mean_s=5.0)
        lab = Lab(tmp_path, OrderBook(Climate(), chance, names_of(files)), weather, files, workers=1, queue_size=64)
        lab.config = replace(lab.config, service=replace(lab.config.service, patience_s=0.0))
        lab.check(await lab.live(stop_after_s=3 * 3600))
        return len(weather.times)

    assert run_in_virtual_time(play) < 3 * 100
