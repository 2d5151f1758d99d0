"""What cannot be had, collected over portions: a band is missing where no portion has it, left out where some have."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest

from landsat_async.config import Config
from landsat_async.events import LeftOut
from landsat_async.model import Unavailable
from landsat_async.run.offers import MissingFiles
from landsat_async.run.plan import plan
from landsat_async.run.selection import Lacking, Selection
from landsat_async.show.jsonlines import json_line
from landsat_async.sim.archive import Archive
from landsat_async.sim.scenes import Product
from tests.whole.world import open_world

SP, SR = "LC08_L2SP_004053_20240705_20240712_02_T1", "LC08_L2SR_084024_20160111_20200907_02_T1"
LACKS = Lacking("ST_B10", 2, SR, "It has: SR_B1.")


def gaps(*selections):
    bands = {"dataset": "landsat_ot_c2_l2"}
    collected = MissingFiles(Config.from_dict({"search": bands, "select": {"bands": ["SR_B3", "ST_B10"]}}))
    for selection in selections:
        collected.add(selection)
    return collected


@pytest.mark.faults("M32")
def test_M32_a_band_that_one_portion_has_is_left_out_of_the_scenes_that_lack_it():
    one = Selection((), (), ("ST_B10",), lacking=(LACKS,))
    other = Selection((), (), lacking=(replace(LACKS, scenes=3, example=SP),))
    assert gaps(one, other).all() == []
    assert gaps(one, other).left_out() == [LeftOut("ST_B10", "these scenes have no such band", 5, SR)]
    assert gaps(one, Selection((), ())).left_out()[0].scenes == 2  # settled scenes have all of it


@pytest.mark.faults("M32")
def test_M32_a_band_that_no_portion_has_is_a_failure_with_what_a_scene_has():
    one = Selection((), (), ("ST_B10",), lacking=(LACKS,))
    (gap,) = gaps(one, one).all()
    assert (gap.file, gap.reason) == ("ST_B10", "no scene of the search has this band")
    assert gap.hint == f"Check the spelling. {SR} has: SR_B1."
    assert gaps(one, one).left_out() == []


def test_what_is_named_stays_and_nothing_asked_is_nothing_missing():
    gone = Unavailable("x.tar", "gone")
    assert gaps(Selection((), (gone,))).all() == [gone]
    assert gaps().all() == gaps().left_out() == []


def test_it_is_a_json_line_of_its_own():
    values = json.loads(json_line(LeftOut("ST_B10", "these scenes have no such band", 5, SR)) or "")
    del values["time"]
    assert values == {
        "event": "left_out", "what": "ST_B10", "reason": "these scenes have no such band", "scenes": 5, "example": SR,
    }  # fmt: skip


@pytest.mark.faults("M32")
async def test_M32_run_and_plan_tell_a_band_that_some_scenes_lack_and_end_well(tmp_path):
    days = date(2024, 7, 5), date(2024, 7, 12)
    products = [Product("LC08", level, 4, row, *days) for level, row in (("L2SP", 53), ("L2SR", 52), ("L2SR", 54))]
    ids = [product.display_id for product in products]
    async with open_world(tmp_path, Archive(products, pixels=64, tile=32)) as world:
        search = {"dataset": "landsat_ot_c2_l2", "scenes": ids}
        config = world.config(search=search, select={"bands": ["SR_B3", "ST_B10"]})
        made = await plan(config, credentials=world.credentials)
        (told,) = made.left_out
        assert (told.what, told.scenes) == ("ST_B10", 2)
        assert told.example in ids[1:]
        assert made.unavailable == []
        result = await world.run(config)
        assert result.summary.exit_code == 0
        assert result.of(LeftOut) == [told]
        assert len(result.verified) == 4
