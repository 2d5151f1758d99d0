"""Runs over scenes that are named: of several datasets, in an archive of millions, and such that have to be ordered."""

from __future__ import annotations

import pytest

from landsat_async.run.plan import plan
from landsat_async.sim import ComputedArchive, Script
from landsat_async.sim.datasets import DATASETS
from tests.run.test_search_of_millions import L1, L2, LOOKUPS, MILLIONS
from tests.whole.world import open_world

LONG_WAITS = True
BUNDLES = {"type": "bundle"}
FIRST = "LC08_L2SP_004053_20240705_20240714_02_T1"
OLDER = "LE07_L1TP_004053_20010305_20200918_02_T1"
TEXTS = {"type": "band", "bands": ["MTL.txt"]}


def lookups(world):
    return [entry.what for entry in world.log.entries if entry.what in LOOKUPS]


@pytest.mark.faults("M12")
async def test_M12_ids_of_several_datasets_are_one_run_and_the_next_one_has_nothing_to_do(tmp_path):
    async with open_world(tmp_path) as world:
        search = {"dataset": L1, "scenes": [FIRST, OLDER.lower(), "LC80040532024187LGN00"]}
        config = world.config(search=search, select=BUNDLES)
        result = await world.run(config)
        names = sorted([f"{FIRST}.tar", f"{OLDER}.tar", "LC08_L1TP_004053_20240705_20240713_02_T1.tar"])
        assert (result.summary.exit_code, result.verified) == (0, names)
        datasets = dict(world.ledger("SELECT display_id, dataset FROM scene"))
        assert sorted(datasets.values()) == ["landsat_etm_c2_l1", L1, L2]
        again = await world.run(config)
        assert (again.summary.exit_code, again.skipped) == (0, names)
        planned = await plan(config, credentials=world.credentials)
        assert {one.state for one in planned.files} == {"here"}
        assert any(f"{FIRST} is of {L2}" in note for note in planned.notes)


@pytest.mark.faults("M11")
async def test_M11_a_run_over_two_ids_of_an_archive_of_millions_costs_four_lookups_at_most(tmp_path):
    archive = ComputedArchive(MILLIONS, options={"pixels": 16, "tile": 16})
    low, high = archive.products(DATASETS[L1])[5], archive.products(DATASETS[L2])[1_234_567]
    async with open_world(tmp_path, archive) as world:
        for ids in ([low.display_id, high.display_id], [high.entity_id, "LC80040532024187LGN01"]):
            world.forget_log()
            config = world.config(search={"dataset": L2, "scenes": ids}, select=TEXTS)
            result = await world.run(config)
            assert f"{high.display_id}_MTL.txt" in [*result.verified, *result.skipped]
            assert len(lookups(world)) <= 4
        assert list(result.failed) == ["LC80040532024187LGN01"]
        assert result.summary.exit_code == 4


@pytest.mark.faults("M12")
async def test_M12_bundles_that_are_replaced_by_single_files_are_asked_for_in_their_own_dataset(tmp_path):
    async with open_world(tmp_path, script=Script(disabled_systems=("ls_zip", "dds_ms"))) as world:
        select = {"type": "bundle", "bundle_fallback": True}
        result = await world.run(world.config(search={"scenes": [FIRST, OLDER]}, select=select))
        assert result.summary.exit_code == 0
        assert f"{OLDER}_B1.TIF" in result.verified
        assert f"{FIRST}_SR_B1.TIF" in result.verified


@pytest.mark.faults("M21")
async def test_M21_a_scene_that_has_to_be_ordered_is_told_as_that(tmp_path):
    async with open_world(tmp_path, script=Script(order_only=(FIRST,))) as world:
        search = {"scenes": [FIRST, OLDER]}
        result = await world.run(world.config(search=search, select=BUNDLES))
        assert result.summary.exit_code == 4
        assert result.verified == [f"{OLDER}.tar"]
        assert "by order only" in result.failed[f"{FIRST}.tar"]
