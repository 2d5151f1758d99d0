"""What each id that a user writes stands for."""

from __future__ import annotations

import pytest

from landsat_async.model import Scene
from landsat_async.rules.scene_ids import group_ids, missing_ids, read_scene_id, read_scene_ids

L1, L2 = "landsat_ot_c2_l1", "landsat_ot_c2_l2"
ENTITY = "LC80040532024187LGN00"
PRODUCT = "LC08_L2SP_004053_20240705_20240714_02_T1"


@pytest.mark.parametrize(
    ("written", "datasets"),
    [
        (ENTITY, (L1, L2)), (ENTITY.lower(), (L1, L2)), (PRODUCT, (L2,)), (f" {PRODUCT.lower()} ", (L2,)),
        ("LC09_L1GT_004053_20240705_20240714_02_T2", (L1,)),
        ("LE70040532001064PAC02", ("landsat_etm_c2_l1", "landsat_etm_c2_l2")),
        ("LT40040531988353XXX02", ("landsat_tm_c2_l1", "landsat_tm_c2_l2")),
        ("LM50040531986102AAA03", ("landsat_mss_c2_l1",)),
        ("LC08_CU_008001_20231101_20231116_02", ("landsat_ard_tile_c2",)),
        ("SRTM1N10W068V3", ()),
    ],
)  # fmt: skip
def test_an_id_tells_the_datasets_that_can_hold_it(written, datasets):
    asked = read_scene_id(written)
    assert asked.datasets == datasets
    assert asked.fault is None


def test_ids_of_other_missions_are_sent_as_they_were_written():
    assert read_scene_id("gt30w100n40").sent == "gt30w100n40"
    assert read_scene_id(ENTITY.lower()).sent == ENTITY


def test_an_id_that_is_written_twice_is_one():
    assert len(read_scene_ids([ENTITY, ENTITY.lower(), f"{ENTITY} ", PRODUCT])) == 2


@pytest.mark.faults("M18")
@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("LC08_L1TP_004053_20170105_20170218_01_T1", "004053"),
        ("LC08_CU_008001_20170105_20171016_C01_V01", "another id"),
    ],
)
def test_M18_an_id_of_collection_1_is_told_to_have_ended(written, hint):
    fault = read_scene_id(written).fault
    assert fault.file == written
    assert "Collection 1, which has ended" in fault.reason
    assert hint in fault.hint


@pytest.mark.faults("M19")
@pytest.mark.parametrize(
    "ending", [".tar", ".tar.gz", "_SR_B4.TIF", "_SR_B4", "_MTL.txt", "_ANG.txt", "_QA_PIXEL.tif", "_MTL.json"]
)
def test_M19_a_file_name_is_told_to_be_one_with_the_id_in_it(ending):
    fault = read_scene_id(PRODUCT + ending).fault
    assert "file name" in fault.reason
    assert f"Write the id: {PRODUCT}." in fault.hint


def test_ids_are_grouped_by_their_own_dataset_and_one_line_names_each_other_one():
    asked = read_scene_ids([ENTITY, PRODUCT, "LE07_L1TP_004053_20000705_20200712_02_T1", f"{PRODUCT}.tar"])
    groups, notes = group_ids(asked, [L1])
    assert {name: [one.name for one in ids] for name, ids in groups.items()} == {
        L1: [ENTITY], L2: [PRODUCT], "landsat_etm_c2_l1": ["LE07_L1TP_004053_20000705_20200712_02_T1"],
    }  # fmt: skip
    assert notes[0] == f"{PRODUCT} is of {L2}, not of {L1}: fetched from there"
    assert len(notes) == 2
    assert group_ids(read_scene_ids([PRODUCT]), [L2.upper()]) == ({L2.upper(): read_scene_ids([PRODUCT])}, ())


def missing(written, *there, dataset=L2):
    (gap,) = missing_ids(read_scene_ids([written]), [], [Scene(*ids) for ids in there], dataset)
    assert gap.file == written
    assert dataset in gap.reason
    return gap.hint


@pytest.mark.faults("C13", "M20")
def test_M20_what_was_probably_meant_is_named():
    assert f"USGS has {ENTITY} there" in missing(ENTITY.replace("LGN00", "LGN01"), (ENTITY, PRODUCT))
    newer = PRODUCT.replace("20240714", "20250101")
    assert f"reprocessed: USGS has it now as {newer}" in missing(PRODUCT, (ENTITY, newer))
    other_day = ("LC80040532024203LGN00", "LC08_L2SP_004053_20240721_20240730_02_T1")
    assert "not every scene has a Level-2 product" in missing(ENTITY, other_day)
    assert "landsat_etm_c2_l1 and landsat_etm_c2_l2" in missing("LE70040532001064PAC02")
    assert "Check the id" in missing("SRTM1N10W068V3", dataset="srtm_v3")


@pytest.mark.faults("C13")
def test_C13_what_was_found_by_either_id_in_either_case_is_not_missing():
    assert missing_ids(read_scene_ids([ENTITY.lower(), PRODUCT.lower()]), [Scene(ENTITY, PRODUCT)], [], L2) == []
