from __future__ import annotations

import datetime as dt
import json

import pytest
import shapely

from landsat_async.stac.collection import CollectionBuilder
from landsat_async.stac.item import SceneFacts, item_of
from landsat_async.stac.item_columns import ColumnType, notes_of, row_of_item
from tests.stac.mtl_texts import L2

FOOTPRINT = '{"type":"Polygon","coordinates":[[[-68,9],[-66,9.1],[-66.2,11],[-68.1,10.9],[-68,9]]]}'


def learned(*values):
    column = ColumnType()
    for value in values:
        column.learn(value)
    return column


def test_properties_stand_beside_the_other_members():
    row = row_of_item(item_of(SceneFacts(L2, "E", footprint=FOOTPRINT, created=1.0), None, []))
    assert row["id"] == L2
    assert row["created"] == dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=dt.UTC)
    assert row["datetime"] is None
    assert row["bbox"] == {"xmin": -68.1, "ymin": 9.0, "xmax": -66.0, "ymax": 11.0}
    assert row["landsat:wrs_path"] == "004"
    assert not {"type", "properties"} & row.keys()


def test_an_unknown_footprint_is_a_polygon_without_rings():
    row = row_of_item(item_of(SceneFacts("odd", "E"), None, []))
    assert shapely.from_wkb(row["geometry"]) == shapely.Polygon()
    assert row["bbox"] is None


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([None, 1], "int"), ([1, 2.5], "float"), ([2.5, 1], "float"), ([2**63], "float"), ([True], "bool"),
        (["a"], "text"), ([b"a"], "bytes"), ([[]], "list"), ([{}], "struct"), ([None], ""),
        ([dt.datetime(2024, 1, 1, tzinfo=dt.UTC)], "moment"),
    ],
)  # fmt: skip
def test_a_column_has_the_type_that_holds_all_its_values(values, kind):
    assert learned(*values).kind == kind


@pytest.mark.parametrize("values", [(1, "a"), (True, 1), ([1], {"a": 1}), ([1, "a"],), ({1, 2},)])
def test_what_no_column_holds_is_refused(values):
    with pytest.raises(TypeError):
        learned(*values)


def test_a_struct_has_the_fields_of_all():
    column = learned({"red": {"href": "a", "gsd": 30}}, {"red": {"href": "b", "gsd": 15.5}, "pan": None})
    assert column.fields["red"].fields["gsd"].kind == "float"
    assert list(column.fields) == ["red", "pan"]
    assert learned([{"a": 1}], [{"b": "x"}]).fields["element"].fields.keys() == {"a", "b"}


def test_the_file_tells_its_collection_without_naming_each_item():
    collection = CollectionBuilder("landsat-c2-l2")
    collection.add(item_of(SceneFacts(L2, "E", footprint=FOOTPRINT), None, []))
    notes = notes_of(collection.document("items.parquet"))
    about = json.loads(notes["stac-geoparquet"])["collections"]["landsat-c2-l2"]
    assert L2 not in json.dumps(about)
    assert about["assets"]["items"]["roles"] == ["collection-mirror"]
    assert json.loads(notes["geo"])["primary_column"] == "geometry"
