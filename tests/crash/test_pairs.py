"""Two runs on one folder. The long version: python -m benchmarks.pairs --count 500"""

from __future__ import annotations

import os
import random
from functools import partial

import pytest

from tests.support.kill_lab import KIB, MIB, MemoryArchive, Script, open_lab, run_pair
from tests.support.side_by_side import side_by_side

FILES = {"bands": ["SR_B3", "SR_B5", "ANG"], "limit": 3}
SMALL = {"policy": {"block_bytes": 128 * KIB, "checkpoint_bytes": 256 * KIB, "backoff_cap_s": 0.1}}


@pytest.fixture
async def lab(tmp_path):
    script = Script(seed=4, rate_bytes_s=8 * MIB, overlap="allow")
    script.fault_file("*.TIF", "cut", probability=0.1, times=None, fraction=0.7)
    script.fault_file("*.TIF", "new-version", probability=0.1, times=None)
    async with open_lab(tmp_path, MemoryArchive.demo(band_bytes=2 * MIB), script) as lab:
        yield lab


@pytest.mark.faults("J01", "J02")
async def test_J01_the_second_run_ends_at_once_and_the_first_is_not_disturbed(lab):
    place = lab.place(**FILES)
    lab.sim.script.rate_bytes_s = MIB
    codes = await run_pair(lab, place, None, lying=False, **SMALL)
    assert codes == (0, 8)
    assert "Another run (process" in place.said


@pytest.mark.faults("J03", "H13")
async def test_J03_with_a_lock_that_lies_nothing_is_wrong_and_nothing_is_missing(lab):
    rng = random.Random(5)

    async def pair(own, delay_s):
        place = own.place(**FILES)
        own.sim.script.fault_file("*.TIF", "new-version", skip=3)  # in any case one of them
        own.sim.script.rate_bytes_s = MIB if delay_s is None else 8 * MIB
        codes = await run_pair(own, place, delay_s, lying=True, **SMALL)
        assert not [name for name in os.listdir(place.root / ".landsat_async" / "parts") if name.endswith(".copy")]
        return codes, own.sim.log.faults["new-version"]

    delays_s = [None, *(rng.uniform(0.05, 0.5) for _ in range(4))]
    codes, changed = zip(
        *await side_by_side(lab, [partial(pair, delay_s=delay_s) for delay_s in delays_s]), strict=True
    )
    assert (8, 0) in codes, "the runs have never met"
    assert all(changed), "no file has changed meanwhile"
