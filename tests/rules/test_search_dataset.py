"""Which dataset a [search] table asks."""

from __future__ import annotations

import pytest

from landsat_async.rules.search_dataset import choose_dataset

LEVEL_2 = "LC08_L2SP_004053_20240705_20240712_02_T1"
LEVEL_1 = "LE07_L1TP_004053_20000705_20200712_02_T1"
ENTITY = "LC80040532024187LGN00"


@pytest.mark.parametrize(
    ("search", "dataset"),
    [
        ({"dataset": "landsat_ot_c2_l2"}, "landsat_ot_c2_l2"),
        ({"dataset": "landsat_ot_c2_l1", "scenes": [LEVEL_2]}, "landsat_ot_c2_l1"),
        ({"scenes": [LEVEL_2]}, "landsat_ot_c2_l2"),
        ({"scenes": [LEVEL_2, LEVEL_2.lower()]}, "landsat_ot_c2_l2"),
        ({"scenes": [LEVEL_2, LEVEL_1]}, None),
        ({"scenes": [f"{LEVEL_1}_B3.TIF", LEVEL_2]}, "landsat_ot_c2_l2"),
    ],
)
def test_a_dataset_is_filled_in_where_the_ids_tell_one(search, dataset):
    assert choose_dataset(search) == []
    assert search.get("dataset") == dataset


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ({}, "search.dataset: missing"),
        ({"scenes": []}, "search.dataset: missing"),
        ({"dataset": "landsat_8_c1"}, "search.dataset: landsat_8_c1 is of Collection 1"),
        ({"scenes": [ENTITY]}, f"search.dataset: needed, because {ENTITY} does not tell level 1 from level 2"),
    ],
)
def test_what_is_missing_is_said_with_its_key(search, said):
    before = dict(search)
    (problem,) = choose_dataset(search)
    assert problem.startswith(said)
    assert search == before


def test_the_possible_ones_are_named():
    (problem,) = choose_dataset({"scenes": [ENTITY]})
    assert "possible are landsat_ot_c2_l1 and landsat_ot_c2_l2" in problem
