"""Which datasets a [search] table asks."""

from __future__ import annotations

from typing import Any

import pytest

from landsat_async.rules.search_dataset import choose_datasets

LEVEL_2 = "LC08_L2SP_004053_20240705_20240712_02_T1"
LEVEL_1 = "LE07_L1TP_004053_20000705_20200712_02_T1"
ENTITY = "LC80040532024187LGN00"
ENTITY_7 = "LE70040532001064PAC02"
OT, ETM, TM = (f"landsat_{family}_c2_l2" for family in ("ot", "etm", "tm"))
ARD = "landsat_ard_tile_c2"


@pytest.mark.parametrize(
    ("search", "datasets"),
    [
        ({"dataset": (OT,)}, (OT,)),
        ({"dataset": (OT, TM)}, (OT, TM)),
        ({"sensors": ("TM", "ETM", "OLI"), "level": 2}, (TM, ETM, OT)),
        ({"sensors": ("MSS", "OLI"), "level": 1}, ("landsat_mss_c2_l1", "landsat_ot_c2_l1")),
        ({"dataset": (OT,), "level": 2}, (OT,)),
        ({"sensors": ("TM", "ETM", "OLI"), "level": 2, "satellites": (5, 9)}, (TM, OT)),
        ({"dataset": ("srtm_v3", OT), "satellites": (9,)}, ("srtm_v3", OT)),
        ({"dataset": (OT, "landsat_ot_c2_l1"), "day_night": "night"}, ("landsat_ot_c2_l1",)),
        ({"dataset": (OT,), "day_night": "day"}, (OT,)),
        ({"dataset": (OT, ARD), "tiles": (("CU", 8, 1),)}, (ARD,)),
        ({"dataset": (OT, ARD), "path_row": ((4, 53),)}, (OT,)),
        ({"dataset": (OT, ARD), "path_row": ((4, 53),), "tiles": (("CU", 8, 1),)}, (OT, ARD)),
        ({"dataset": ("landsat_ot_c2_l1",), "scenes": [LEVEL_2]}, ("landsat_ot_c2_l1",)),
        ({"scenes": [LEVEL_2]}, (OT,)),
        ({"scenes": [LEVEL_2, LEVEL_2.lower()]}, (OT,)),
        ({"scenes": [LEVEL_2, LEVEL_1]}, (OT, "landsat_etm_c2_l1")),
        ({"scenes": [f"{LEVEL_1}_B3.TIF", LEVEL_2]}, (OT,)),
        ({"scenes": [ENTITY, ENTITY_7], "level": 2}, (OT, ETM)),
        ({"scenes": [ENTITY], "sensors": ("TM", "OLI"), "level": 2}, (TM, OT)),
    ],
)
def test_datasets_are_named_or_follow_from_sensors_or_ids(search: dict[str, Any], datasets: tuple[str, ...]) -> None:
    assert choose_datasets(search, []) == []
    assert search["datasets"] == datasets
    assert not {"dataset", "sensors", "level"} & set(search)


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ({}, "search.dataset: missing"),
        ({"scenes": []}, "search.dataset: missing"),
        ({"level": 2}, "search.sensors: needed beside level = 2"),
        ({"sensors": ("OLI",)}, "search.level: needed beside search.sensors"),
        ({"sensors": ("OLI",), "level": 2, "dataset": (OT,)}, "search.sensors: cannot be used together"),
        ({"sensors": ("MSS", "OLI"), "level": 2}, "search.sensors: MSS has no Level 2"),
        ({"dataset": (OT,), "level": 1}, f"search.level: 1 does not go with {OT}"),
        ({"dataset": ("landsat_8_c1",)}, "search.dataset: landsat_8_c1 is of Collection 1"),
        ({"dataset": (ETM,), "satellites": (8,)}, f"search.satellites: {ETM} has none of these satellites"),
        ({"dataset": (OT, ARD), "day_night": "night"}, f"search.day_night: {OT} and {ARD} have no scenes"),
        ({"dataset": (OT,), "tiles": (("CU", 8, 1),)}, f"search.tiles: {OT} has no tiles"),
        ({"dataset": (ARD,), "path_row": ((4, 53),)}, f"search.path_row: {ARD} has no paths and rows but tiles"),
        ({"scenes": [ENTITY]}, f"search.dataset: needed, because {ENTITY} does not tell level 1 from level 2"),
    ],
)
def test_what_is_missing_or_impossible_is_said_with_its_key(search: dict[str, Any], said: str) -> None:
    (problem,) = choose_datasets(search, [])
    assert problem.startswith(said)


def test_the_possible_ones_are_named() -> None:
    (problem,) = choose_datasets({"scenes": [ENTITY]}, [])
    assert "possible are landsat_ot_c2_l1 and landsat_ot_c2_l2" in problem


def test_a_dataset_that_is_left_out_is_told() -> None:
    notes: list[str] = []
    choose_datasets({"sensors": ("TM", "ETM"), "level": 2, "satellites": (5,)}, notes)
    assert notes == [f"search.satellites: {ETM} has none of these satellites; it is not searched"]
