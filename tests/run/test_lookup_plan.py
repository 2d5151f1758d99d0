"""How ids are looked up: what is asked for in one call, and how many calls that may cost."""

from __future__ import annotations

import datetime as dt

import pytest

from landsat_async.rules.scene_ids import read_scene_ids
from landsat_async.run.lookup_plan import (
    IdFields,
    budget,
    by_day,
    day_filter,
    id_filter,
    kept_for_lists,
)
from landsat_async.run.scene_filter import PAIRS_MAX

LEVEL_2, LEVEL_1 = "LC08_L2SP_004053_20240705_20240712_02_T1", "LC08_L1TP_004053_20240705_20240712_02_T1"
TILE, ENTITY = "LC08_CU_008001_20231101_20231116_02", "LC80040532024187LGN00"
FIELDS = IdFields(
    {
        "landsat scene identifier": "e", "landsat product identifier l2": "p2", "tile identifier": "t",
        "wrs path": "path", "wrs row": "row",
    }
)  # fmt: skip
DAY = dt.date(2024, 7, 5)


@pytest.mark.parametrize(
    ("written", "field"), [(LEVEL_2, "p2"), (TILE, "t"), (ENTITY, "e"), (LEVEL_1, "t"), ("something", None)]
)
def test_each_kind_of_id_stands_in_a_field_of_its_own(written, field):
    (asked,) = read_scene_ids([written])
    assert FIELDS.field_of(asked) == field
    assert IdFields({}).field_of(asked) is None


@pytest.mark.parametrize(
    ("ids", "datasets", "most"), [(1, 1, 4), (200, 1, 4), (201, 1, 5), (10_000, 1, 200), (3, 5, 10), (0, 0, 4)]
)
def test_the_budget_is_one_call_for_fifty_ids_and_never_below_four(ids, datasets, most):
    assert budget(ids, datasets) == most


def test_lists_for_the_choice_of_files_are_kept_back_for_each_dataset():
    assert kept_for_lists([]) == 0
    assert kept_for_lists([1, 500, 501]) == 1 + 1 + 2


def test_one_id_is_one_condition_and_several_are_alternatives():
    one, two = read_scene_ids([LEVEL_2]), read_scene_ids([LEVEL_2, ENTITY])
    assert id_filter(one, FIELDS)["metadataFilter"] == {
        "filterType": "value", "filterId": "p2", "value": LEVEL_2, "operand": "=",
    }  # fmt: skip
    both = id_filter(two, FIELDS)["metadataFilter"]
    assert both["filterType"] == "or"
    assert [child["filterId"] for child in both["childFilters"]] == ["p2", "e"]


def test_ids_are_looked_for_on_their_day_and_those_without_one_not_at_all():
    days = by_day(read_scene_ids([LEVEL_2, ENTITY, TILE, "something"]))
    assert {day: [one.name for one in asked] for day, asked in days.items()} == {DAY: [LEVEL_2, ENTITY]}


def test_a_day_is_asked_with_its_place_and_with_an_end_that_may_be_exclusive():
    asked = read_scene_ids([LEVEL_2])
    found = day_filter(DAY, asked, FIELDS)
    assert found["acquisitionFilter"] == {"start": "2024-07-05", "end": "2024-07-06"}
    path, row = found["metadataFilter"]["childFilters"]
    assert (path["filterId"], path["firstValue"], path["secondValue"]) == ("path", 4, 4)
    assert (row["filterId"], row["firstValue"], row["secondValue"]) == ("row", 53, 53)


def test_a_whole_day_is_asked_for_where_places_cannot_be_or_are_too_many():
    asked = read_scene_ids([LEVEL_2])
    assert "metadataFilter" not in day_filter(DAY, asked, IdFields({"wrs path": "path"}))
    ids = [f"LC08_L2SP_004{row:03}_20240705_20240712_02_T1" for row in range(1, PAIRS_MAX + 2)]
    many = read_scene_ids(ids)
    assert "metadataFilter" not in day_filter(DAY, many, FIELDS)
    assert len(day_filter(DAY, many[1:], FIELDS)["metadataFilter"]["childFilters"]) == PAIRS_MAX
