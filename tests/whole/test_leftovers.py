"""Files that a newer version or another layout leaves behind: told with their number, never touched."""

from __future__ import annotations

from datetime import date

import pytest

from landsat_async.events import Notice
from landsat_async.run.plan import plan
from landsat_async.sim.archive import Archive
from landsat_async.sim.scenes import Product
from tests.whole.world import open_world

RT = "LC08_L1TP_004053_20240705_20240705_02_RT"


@pytest.fixture
def archive():
    days = date(2024, 7, 5), date(2024, 7, 5)
    products = [Product("LC08", "L1TP", 4, 53, *days, tier="RT"), Product("LC08", "L2SP", 4, 53, *days)]
    return Archive(products, pixels=64, tile=32)


def notes(result):
    return [event.text for event in result.of(Notice) if "kept;" in event.text]


@pytest.mark.faults("M36")
async def test_M36_a_newer_version_leaves_the_old_files_with_a_word(tmp_path, archive):
    async with open_world(tmp_path, archive) as world:
        search = {"dataset": "landsat_ot_c2_l1", "path_row": ["004053"], "start": "2024-07-01", "end": "2024-07-31"}
        level2 = search | {"dataset": "landsat_ot_c2_l2"}
        config = world.config(search=search, select={"bands": ["B3", "B4"]})
        assert notes(await world.run(config)) == []
        assert notes(await world.run(world.config(search=level2, select={"bands": ["SR_B3"]}))) == []
        newer = archive.reprocess(RT)
        foreseen = (await plan(config, credentials=world.credentials)).notes
        result = await world.run(config, check=False)  # the archive does not have the old version any more
        (text,) = notes(result)
        assert text in foreseen
        assert text.startswith(f"2 files of 1 older scene version lie here beside the newer one ({RT}, now ")
        assert newer.display_id in text
        assert f"{RT}_B3.TIF" in world.files()
        for path in world.root.glob(f"{RT}*"):
            path.unlink()
        assert notes(await world.run(config, check=False)) == []


@pytest.mark.faults("M36")
async def test_M36_another_layout_leaves_the_old_files_with_a_word(tmp_path, archive):
    async with open_world(tmp_path, archive) as world:
        search = {"dataset": "landsat_ot_c2_l1", "scenes": [RT]}
        select = {"bands": ["B3", "B4", "ANG"]}
        await world.run(world.config(search=search, select=select))
        config = world.config(search=search, select=select, download={"layout": "{year}"})
        foreseen = (await plan(config, credentials=world.credentials)).notes
        (text,) = notes(await world.run(config))
        assert text.startswith("3 files of this selection lie here under another layout as well")
        assert text in foreseen
        assert len(world.files()) == 6
