from __future__ import annotations

import pytest

from landsat_async.stac.collection import CollectionBuilder, catalog_of, joined


def item(name, **fields):
    return {"id": name, "properties": {"datetime": "2024-01-02T00:00:00Z"}, **fields}


def test_a_collection_grows_with_its_items():
    collection = CollectionBuilder("landsat-c2-l2")
    collection.add(item("B", bbox=[0, 1, 2, 3]))
    collection.add(item("A", bbox=[5, 0, 6, 1], properties={"datetime": "2020-01-01T00:00:00Z", "instruments": ["tm"]}))
    document = collection.document()
    assert document["extent"]["spatial"]["bbox"] == [[0, 0, 6, 3]]
    assert document["extent"]["temporal"]["interval"] == [["2020-01-01T00:00:00Z", "2024-01-02T00:00:00Z"]]
    assert [link["href"] for link in document["links"] if link["rel"] == "item"] == ["A.json", "B.json"]
    assert document["summaries"] == {"instruments": ["tm"]}
    assert collection.hrefs == {"A.json", "B.json"}


def test_the_extent_of_items_without_a_place_is_the_earth():
    collection = CollectionBuilder("x")
    collection.add({"id": "A", "properties": {"datetime": None, "start_datetime": "2020-01-01T00:00:00Z"}})
    assert collection.document()["extent"]["spatial"]["bbox"] == [[-180.0, -90.0, 180.0, 90.0]]


@pytest.mark.parametrize(
    ("box", "other", "both"),
    [
        (None, [1, 2, 3, 4], [1, 2, 3, 4]),
        ([1, 2, 3, 4], [0, 3, 2, 5], [0, 2, 3, 5]),
        ([179, 0, -179, 1], [178, 0, -178, 1], [178, 0, -178, 1]),
        ([179, 0, -179, 1], [0, 0, 1, 2], [-180, 0, 180, 2]),
    ],
)
def test_boxes_are_joined(box, other, both):
    assert joined(box, other) == both


def test_the_catalogue_names_its_collections():
    links = catalog_of(["b", "a"])["links"]
    assert [link["href"] for link in links] == ["catalog.json", "a/collection.json", "b/collection.json"]
