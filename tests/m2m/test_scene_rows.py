"""Answers of scene-metadata-list, and what a row says of ordering."""

from __future__ import annotations

import json

import msgspec
import pytest

from landsat_async.errors import BadReply
from landsat_async.m2m.read_datasets import read_dataset
from landsat_async.m2m.read_scenes import read_metadata_list, read_scene_page

ROW = {"entityId": "E1", "displayId": "D1", "options": {"download": True, "order": True}}


def raw(value):
    return msgspec.Raw(json.dumps(value).encode())


@pytest.mark.parametrize(
    ("data", "ids"),
    [
        ({"landsat_ot_c2_l2": [ROW], "landsat_ot_c2_l1": [ROW | {"displayId": "D2"}]}, ["D1", "D2"]),
        ([ROW], ["D1"]), ([], []), (None, []), ({}, []), ({"landsat_ot_c2_l2": None}, []),
    ],
)  # fmt: skip
def test_scene_metadata_list_is_read_in_every_shape(data, ids):
    unusable = []
    assert [scene.display_id for scene in read_metadata_list(raw(data), unusable)] == ids
    assert unusable == []


@pytest.mark.parametrize("data", ["text", 7, {"landsat_ot_c2_l2": 7}])
def test_scene_metadata_list_of_no_shape_is_a_bad_reply(data):
    with pytest.raises(BadReply):
        read_metadata_list(raw(data), [])


def test_a_row_without_ids_is_told():
    unusable = []
    assert read_metadata_list(raw({"x": [{"entityId": "E1"}]}), unusable) == ()
    assert "displayId" in unusable[0].message


@pytest.mark.faults("M21")
@pytest.mark.parametrize(
    ("options", "ordered"),
    [
        ({"download": False, "order": True}, True), ({"download": True, "order": True}, False), ({}, False),
        ({"download": False, "order": False}, False), (None, False), ("odd", False), ({"order": True}, False),
    ],
)  # fmt: skip
def test_M21_a_scene_has_to_be_ordered_only_where_both_are_said(options, ordered):
    page = read_scene_page(raw({"results": [ROW | {"options": options}], "totalHits": 1}), [])
    assert page.scenes[0].order_only is ordered


@pytest.mark.parametrize(
    ("told", "days"),
    [
        ('["2013-03-18 00:00:00-05","2026-11-20 00:00:00-06"]', ("2013-03-18", "2026-11-20")),
        (["2013-03-18", "2026-11-20"], ("2013-03-18", "2026-11-20")), (None, None), ("soon", None), ({"a": 1}, None),
    ],
)  # fmt: skip
def test_the_days_that_a_dataset_tells_of_itself(told, days):
    row = {"datasetId": "1", "datasetAlias": "x", "temporalCoverage": told}
    assert read_dataset(raw(row), []).temporal_coverage == days
