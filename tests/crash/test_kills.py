"""SIGKILL at any call. The long version: python -m benchmarks.kills --count 2000"""

from __future__ import annotations

import random
from functools import partial

import pytest

from tests.support.kill_lab import KIB, MIB, MemoryArchive, RunCounts, Script, kill_at_call, kill_until_done, open_lab
from tests.support.side_by_side import side_by_side

pytestmark = pytest.mark.faults("I01", "I03", "J02", "H21")
FILES = {"bands": ["SR_B3", "SR_B5", "ANG"], "limit": 3}
SMALL = {"policy": {"block_bytes": 128 * KIB, "checkpoint_bytes": 256 * KIB, "backoff_cap_s": 0.1}}
IN_THE_SOCKETS = 8 * MIB
"""What the server has sent and a killed client has not read: both ends of a loopback connection buffer."""


@pytest.fixture
async def lab(tmp_path):
    script = Script(seed=3, rate_bytes_s=20 * MIB)
    script.fault_file("*.TIF", "cut", probability=0.05, times=None)
    async with open_lab(tmp_path, MemoryArchive.demo(band_bytes=2 * MIB), script) as lab:
        yield lab


async def test_I01_kills_at_random_calls_cost_time_and_nothing_else(lab):
    place, tally, rng = lab.place(**FILES), RunCounts(), random.Random(1)
    cycle = await lab.run(place, **SMALL)
    place.check_finished(9)

    async def kill(own, chance):
        await kill_until_done(own, own.place(**FILES), chance, cycle, tally, most=6, at_calls=True, **SMALL)

    while tally.kills < 12:
        await side_by_side(lab, [partial(kill, chance=random.Random(rng.random())) for _ in range(2)])
    print(tally)
    assert len(tally.phases) >= 3
    a_worker_at_most = 2 * 256 * KIB + 64 * KIB + 2 * 128 * KIB + IN_THE_SOCKETS
    assert max(tally.lost_bytes) <= 4 * a_worker_at_most


async def kill_at_chosen_calls(lab, parts, seed, **how):
    """Kill runs at calls that divide a run into so many parts; returns what they cost, and the calls of a run."""
    tally, rng = RunCounts(), random.Random(seed)
    calls = (await lab.run(lab.place(**FILES), **how)).calls

    async def kill(own, number, chance):
        await kill_at_call(own, own.place(**FILES), number, chance, tally, **how)

    numbers = [number + rng.randrange(5) for number in range(3, calls, calls // parts)]
    await side_by_side(lab, [partial(kill, number=n, chance=random.Random(rng.random())) for n in numbers])
    return tally, calls


async def test_I01_kills_at_chosen_calls_and_again_in_the_recovery(lab):
    tally, calls = await kill_at_chosen_calls(lab, 6, 2, **SMALL)
    assert calls > 100
    print(tally)
    assert tally.kills >= 10, "the kills did not happen"


@pytest.mark.parametrize(
    "manner", [{"kind": "NTFS"}, {"kind": "exFAT", "hard_links": 1, "folder_sync": False}], ids=str
)
async def test_I01_kills_at_chosen_calls_on_a_disk_with_the_manners_of_windows(lab, manner):
    tally, _ = await kill_at_chosen_calls(lab, 4, 3, **SMALL, windows_like=manner)
    assert tally.kills >= 6, "the kills did not happen"


async def test_I01_a_kill_between_the_rename_to_a_final_name_and_its_record(lab):
    """Without hard links the part is gone then, and the file whole: the next run knows it again."""
    place = lab.place(bands=["SR_B3"], limit=1)
    how = SMALL | {"windows_like": {"kind": "exFAT", "hard_links": 1, "folder_sync": False}}
    death = await lab.run(place, kill_at_names=["rename_noreplace", "commit"], **how)
    place.check()
    assert (death.killed, len(place.finals()), place.parts()) == (True, 1, [])
    assert len(place.ledger("SELECT name FROM part")) == 1
    assert (await lab.run(place, **how)).code == 0, place.said
    place.check_finished()


@pytest.mark.faults("H06", "H11")
async def test_I01_a_file_that_cannot_be_proven_again_is_known_after_a_kill_before_its_record(lab):
    """A list of control points has no structure: only its part, still there under its own name, shows whose it is."""
    search = {"dataset": "landsat_etm_c2_l1", "start": "2001-01-01", "end": "2001-12-31"}

    async def kill(own, names):
        place = own.place(bands=["GCP"], search=search)
        death = await own.run(place, kill_at_names=names)
        assert (death.killed, len(place.finals())) == (True, 1)
        assert ("done",) not in place.ledger("SELECT state FROM item") or names[-1] == "committed"
        assert (await own.run(place)).code == 0, place.said
        place.check_finished(1)
        assert not place.parts()

    ends = (["link", "fsync_dir"], ["link", "commit"], ["link", "committed"])
    await side_by_side(lab, [partial(kill, names=names) for names in ends])
