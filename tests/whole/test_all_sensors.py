"""All sensors in one run: one search a dataset, one login, one lock, each file once, and bands by common names."""

from __future__ import annotations

from datetime import date

import pytest

from landsat_async.events import LeftOut, Notice
from landsat_async.run.plan import plan
from landsat_async.sim.archive import Archive
from landsat_async.sim.scenes import Product
from tests.whole.world import LAKE, open_world

PROCESSED = date(2020, 9, 18)
SCENES = (
    ("LM05", "L1TP", date(1986, 4, 12)),
    ("LT05", "L1TP", date(1990, 2, 15)),
    ("LE07", "L1TP", date(2001, 3, 5)),
    ("LC08", "L1TP", date(2015, 1, 6)),
    ("LC09", "L1TP", date(2022, 1, 6)),
    ("LT05", "L2SP", date(1990, 2, 15)),
    ("LE07", "L2SP", date(2001, 3, 5)),
    ("LC08", "L2SP", date(2015, 1, 6)),
)
PRODUCTS = [Product(sensor, level, 4, 53, day, max(PROCESSED, day)) for sensor, level, day in SCENES]
BY_KEY = {(product.sensor, product.level): product for product in PRODUCTS}
L1 = {"sensors": ["MSS", "TM", "ETM", "OLI"], "level": 1, "bbox": list(LAKE)}
L2 = {"sensors": ["TM", "ETM", "OLI"], "level": 2, "bbox": list(LAKE)}


def archive():
    return Archive(PRODUCTS, pixels=64, tile=32)


def files(*wanted):
    return sorted(BY_KEY[key].file_name(f"{stem}.TIF") for key, *stems in wanted for stem in stems)


async def test_four_datasets_are_four_searches_one_login_and_no_file_twice(tmp_path):
    async with open_world(tmp_path, archive()) as world:
        config = world.config(search=L1, select={"bands": ["red", "nir08", "lwir", "pan", "qa_pixel"]})
        result = await world.run(config)
        assert result.summary.exit_code == 0, result.failed
        assert result.verified == files(
            (("LM05", "L1TP"), "B2", "B3", "QA_PIXEL"),
            (("LT05", "L1TP"), "B3", "B4", "B6", "QA_PIXEL"),
            (("LE07", "L1TP"), "B3", "B4", "B6_VCID_1", "B6_VCID_2", "B8", "QA_PIXEL"),
            (("LC08", "L1TP"), "B4", "B5", "B10", "B11", "B8", "QA_PIXEL"),
            (("LC09", "L1TP"), "B4", "B5", "B10", "B11", "B8", "QA_PIXEL"),
        )
        calls = world.log.calls
        assert (calls["scene-search"], calls["login-token"], calls["dataset-filters"]) == (4, 1, 0)
        asked = world.asked()
        assert len(asked) == len(set(asked)) == len(result.verified)
        assert sorted((lack.what, lack.reason, lack.scenes) for lack in result.of(LeftOut)) == [
            ("lwir", "Landsat 4-5 MSS (Level 1) has no such band", 1),
            ("pan", "Landsat 4-5 MSS (Level 1) has no such band", 1),
            ("pan", "Landsat 4-5 TM (Level 1) has no such band", 1),
        ]


async def test_a_limit_counts_over_all_datasets_by_time(tmp_path):
    async with open_world(tmp_path, archive()) as world:
        for order, sensors in (("newest", ["LE07", "LC08"]), ("oldest", ["LT05", "LE07"])):
            config = world.config(search={**L2, "limit": 2, "order": order}, select={"bands": ["red"]})
            made = await plan(config, credentials=world.credentials)
            assert [scene.display_id[:4] for scene in made.scenes] == sensors


async def test_satellites_and_day_or_night_count_over_all_datasets(tmp_path):
    night = Product("LC08", "L1TP", 4, 53, date(2015, 1, 6), PROCESSED, night=True)
    async with open_world(tmp_path, Archive([*PRODUCTS, night], pixels=64, tile=32)) as world:
        config = world.config(search={**L1, "satellites": [5, 8], "day_night": "day"}, select={"bands": ["red"]})
        made = await plan(config, credentials=world.credentials)
        assert [scene.display_id[:4] for scene in made.scenes] == ["LM05", "LT05", "LC08"]
        assert "search.satellites: landsat_etm_c2_l1 has none of these satellites; it is not searched" in made.notes
        assert not any("day_night is not applied" in note for note in made.notes if "ot_c2" in note)


async def test_a_name_that_no_sensor_of_the_search_has_fails_with_the_nearest_one(tmp_path):
    async with open_world(tmp_path, archive()) as world:
        bands = ["red", "pan", "coastal", "gren", "swir1"]
        result = await world.run(world.config(search=L2, select={"bands": bands}))
        assert result.summary.exit_code == 4
        assert (set(result.failed), len(result.verified)) == ({"pan", "gren", "swir1"}, 4)
        assert "no sensor of landsat_tm_c2_l2, landsat_etm_c2_l2, landsat_ot_c2_l2" in result.failed["pan"]
        hints = {event.file: event.hint for event in result.events if hasattr(event, "hint")}
        assert hints["pan"].startswith("It is a band of landsat_etm_c2_l1, landsat_ot_c2_l1.")
        assert "the nearest name is green" in hints["gren"]
        assert "the nearest name is swir16" in hints["swir1"]
        assert {lack.what for lack in result.of(LeftOut)} == {"coastal"}


async def test_a_band_of_a_sensor_that_no_scene_is_of_is_left_out_and_no_failure(tmp_path):
    async with open_world(tmp_path, archive()) as world:
        search = {**L2, "end": "1999-12-31"}
        result = await world.run(world.config(search=search, select={"bands": ["red", "coastal"]}))
        assert (result.summary.exit_code, len(result.verified)) == (0, 1)
        (lack,) = result.of(LeftOut)
        assert (lack.what, lack.reason) == ("coastal", "Landsat 4-5 TM (Level 2) has no such band")


async def test_ids_of_several_datasets_in_one_run(tmp_path):
    async with open_world(tmp_path, archive()) as world:
        tm, oli = BY_KEY["LT05", "L2SP"], BY_KEY["LC08", "L2SP"]
        etm = BY_KEY["LE07", "L1TP"]
        search = {"scenes": [tm.entity_id, oli.entity_id, etm.display_id], "level": 2}
        result = await world.run(world.config(search=search, select={"bands": ["red"]}))
        assert result.summary.exit_code == 0, result.failed
        assert result.verified == files(
            (("LT05", "L2SP"), "SR_B3"), (("LC08", "L2SP"), "SR_B4"), (("LE07", "L1TP"), "B3")
        )
        both = {"scenes": [oli.entity_id], "dataset": ["landsat_ot_c2_l1", "landsat_ot_c2_l2"]}
        result = await world.run(world.config(search=both, select={"bands": ["red"]}))
        assert result.verified + result.skipped == files((("LC08", "L1TP"), "B4"), (("LC08", "L2SP"), "SR_B4"))


async def test_a_day_that_is_counted_from_today_is_told(tmp_path):
    async with open_world(tmp_path, archive()) as world:
        config = world.config(search={**L2, "start": "-20 years", "end": "today"}, select={"bands": ["red"]})
        assert config.search.start is not None
        result = await world.run(config)
        told = [event.text for event in result.of(Notice)]
        assert f"search.start = -20 years: {config.search.start} (UTC)" in told
        assert [name[:4] for name in result.verified] == ["LC08"]


async def test_an_unknown_dataset_among_several_is_named(tmp_path):
    async with open_world(tmp_path, archive()) as world:
        search = {"dataset": ["landsat_ot_c2_l2", "landsat_to_c2_l2"], "bbox": list(LAKE)}
        result = await world.run(world.config(search=search, select={"bands": ["red"]}))
        assert result.summary.exit_code == 2
        assert "USGS knows no dataset 'landsat_to_c2_l2'" in str(result.error)
        assert "landsat_ot_c2_l2" in getattr(result.error, "hint", "")


@pytest.mark.parametrize("limit", [0, 3])
async def test_a_second_run_fetches_nothing(tmp_path, limit):
    async with open_world(tmp_path, archive()) as world:
        config = world.config(search={**L1, "limit": limit}, select={"bands": ["green"]})
        first = await world.run(config)
        assert len(first.verified) == (limit or 5)
        requests = world.log.calls["download-request"]
        second = await world.run(config)
        assert (second.verified, second.skipped) == ([], first.verified)
        assert world.log.calls["download-request"] == requests
