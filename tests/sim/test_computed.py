"""An archive of millions that is held nowhere answers like one that is."""

from __future__ import annotations

import datetime as dt
import tracemalloc

import pytest

from landsat_async.sim import Archive, ComputedArchive, Log, Script, search
from landsat_async.sim.datasets import DATASETS
from landsat_async.sim.service import Account, Payload, Service
from tests.sim.client import L2, box

MILLIONS = 3_251_710
PATH_L2, ROW_L2, SCENE_L2 = "5e83d14fb9436d88", "5e83d14ff1eda1b8", "5e83d14fc84c9a78"
HERE = {
    "filterType": "mbr",
    "lowerLeft": {"latitude": 9.9, "longitude": -68.1},
    "upperRight": {"latitude": 10.4, "longitude": -67.4},
}


def span(first, last):
    return {"filterType": "between", "filterId": PATH_L2, "firstValue": first, "secondValue": last}


FILTERS = [
    {},
    {"acquisitionFilter": {"start": "2020-03-01", "end": "2020-03-09"}},
    {"seasonalFilter": [6, 7], "cloudCoverFilter": {"min": 0, "max": 10, "includeUnknown": False}},
    {"cloudCoverFilter": {"min": 90, "max": 100, "includeUnknown": True}},
    {"spatialFilter": HERE},
    {"metadataFilter": span(3, 5)},
    {"metadataFilter": {"filterType": "or", "childFilters": [span(3, 5), span(200, 201)]}},
    {"metadataFilter": span(3, 9), "acquisitionFilter": {"start": "2016-01-01", "end": "2017-12-31"}},
    {"metadataFilter": {"filterType": "value", "filterId": "5f6a6fb2137a3c00", "value": "T2"}},
]


@pytest.mark.parametrize("scene_filter", FILTERS)
def test_filters_find_the_same_as_in_an_archive_that_is_held(scene_filter):
    computed = ComputedArchive(20_000)
    held = Archive(computed.products(DATASETS[L2]))
    found = []
    for archive in (computed, held):
        service = Service(archive, Script(), Log(), Account("user", "token"))
        conditions = search._conditions(service, DATASETS[L2], Payload(scene_filter))
        found.append(sorted(product.display_id for product in archive.matching(DATASETS[L2], conditions)))
    assert found[0] == found[1]
    assert found[0]


async def test_a_search_without_filters_is_answered_by_its_first_page():
    async with box(ComputedArchive(MILLIONS)) as (_, client):
        answer = await client.call("scene-search", {"datasetName": L2, "maxResults": 5})
        assert (answer["totalHits"], len(answer["results"])) == (MILLIONS, 5)
        assert (await client.call("dataset", {"datasetName": L2}))["sceneCount"] == MILLIONS


def test_millions_of_scenes_take_no_memory_and_are_found_by_either_id():
    tracemalloc.start()
    archive, dataset = ComputedArchive(MILLIONS), DATASETS[L2]
    products = archive.products(dataset)
    assert archive.count(dataset) == len(products) == MILLIONS
    for number in (0, 1, 77_777, MILLIONS - 1):
        product = products[number]
        assert archive.find(dataset, product.entity_id) == product == archive.find(dataset, product.display_id)
        assert archive.product_of_file(f"{product.display_id}_SR_B3.TIF") == product
    assert archive.find(dataset, "LC80040532024187LGN01") is None
    del products
    assert tracemalloc.get_traced_memory()[0] < 5_000_000
    tracemalloc.stop()


def test_no_day_and_no_place_is_without_scenes_and_none_comes_twice():
    archive, dataset = ComputedArchive(100_000), DATASETS[L2]
    products = list(archive.products(dataset))
    assert len({p.display_id for p in products}) == len({p.entity_id for p in products}) == 100_000
    first, last = archive.days(dataset)
    assert {p.acquired for p in products} == {first + dt.timedelta(days=n) for n in range((last - first).days + 1)}


def test_scenes_can_be_added_taken_out_and_renewed():
    archive, dataset = ComputedArchive(1000), DATASETS[L2]
    old = archive.products(dataset)[7]
    new = archive.reprocess(old.display_id)
    assert archive.find(dataset, old.display_id) is None
    assert archive.find(dataset, old.entity_id) == new
    assert archive.count(dataset) == len(archive.products(dataset)) == 1000
    assert archive.file(f"{new.display_id}_MTL.txt") is not None
    with pytest.raises(KeyError):
        archive.remove(old.display_id)
