from __future__ import annotations

import csv
import io
import json

import pytest
import shapely

from landsat_async.stac.item import SceneFacts, item_of
from landsat_async.stac.scene_table import COLUMNS, GEOJSON_END, GEOJSON_HEAD, csv_line, feature, row_of, wkb
from tests.stac.mtl_texts import L2

FOOTPRINT = '{"type":"Polygon","coordinates":[[[-68,9],[-66,9.1],[-66.2,11],[-68.1,10.9],[-68,9]]]}'


def row(footprint=FOOTPRINT, display_id=L2):
    scene = SceneFacts(display_id, "E", "landsat_ot_c2_l2", "2024-07-05", 4.0, footprint)
    item = item_of(scene, None, [])
    return row_of(scene, item, [3, 4], None), item


def test_a_row_says_which_scene_it_is_and_what_of_it_is_here():
    found, _ = row()
    assert tuple(found) == COLUMNS
    assert (found["path"], found["row"], found["tier"], found["level"]) == (4, 53, "T1", "L2SP")
    assert (found["files"], found["size_bytes"], found["west"], found["north"]) == (2, 7, -68.1, 11)
    assert found["acquired"] == "2024-07-05T00:00:00Z"


def test_what_is_not_known_is_empty():
    found, _ = row(None, "odd")
    assert (found["west"], found["path"], found["platform"]) == (None, None, None)
    assert csv_line([None, "a,b", 1]) == b',"a,b",1\r\n'


def test_csv_is_read_back():
    found, _ = row()
    text = (csv_line(COLUMNS) + csv_line(list(found.values()))).decode()
    (back,) = csv.DictReader(io.StringIO(text))
    assert (back["display_id"], back["newer"]) == (L2, "")


def test_geojson_is_one_document():
    found, item = row()
    one = feature(found, item["geometry"])
    document = json.loads(GEOJSON_HEAD + one + b",\n" + one + GEOJSON_END)
    assert [entry["properties"]["display_id"] for entry in document["features"]] == [L2, L2]
    assert json.loads(GEOJSON_HEAD + GEOJSON_END)["features"] == []


@pytest.mark.parametrize("west", [-68, 179])
def test_footprints_are_the_same_in_binary(west):
    text = json.dumps({"type": "Polygon", "coordinates": [[[west, 9], [west + 2, 9], [west + 2, 11], [west, 9]]]})
    _, item = row(text)
    assert shapely.from_wkb(wkb(item["geometry"])) == shapely.from_geojson(json.dumps(item["geometry"]))
    assert wkb(None) is None
