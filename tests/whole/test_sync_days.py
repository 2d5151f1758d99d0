"""Days of a folder that is kept in step, in small. The long version: python -m benchmarks.sync_days"""

from __future__ import annotations

from functools import partial

import pytest

from tests.support.kill_lab import KIB, MemoryArchive, open_lab
from tests.support.side_by_side import side_by_side
from tests.support.sync_lab import kill_one_sync, open_days

REAL_TIME = True


@pytest.mark.faults("Y01")
async def test_Y01_each_day_the_folder_is_what_a_run_from_scratch_would_leave(tmp_path):
    async with open_days(tmp_path, seed=7) as days:
        for _ in range(7):
            await days.pass_one()
    print(days.tally)
    assert days.tally["versions put away (move)"] >= 1


@pytest.mark.faults("Y02")
@pytest.mark.parametrize("action", ["move", "delete"])
async def test_Y02_a_kill_while_versions_change_leaves_one_of_them(tmp_path, action):
    async with open_lab(tmp_path, MemoryArchive.demo(band_bytes=64 * KIB)) as lab:

        async def kill(own, number):
            place = own.place(bands=["SR_B3"], limit=0)
            place.config["sync"] = {"superseded": action}
            return await kill_one_sync(own, place, number)

        calls = (await kill(lab, None)).calls
        deaths = await side_by_side(lab, [partial(kill, number=calls * share // 100) for share in (75, 88, 94)])
        assert sum(death.killed for death in deaths) >= 2
