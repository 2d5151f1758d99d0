"""scene-search finds what the filters say, in pages."""

from __future__ import annotations

import pytest
from shapely.geometry import shape

from landsat_async.sim import Archive, Script, search
from tests.sim.client import L1, L2, SCENE, box

LAKE = [[-68.00847, 9.99305], [-68.00741, 10.33437], [-67.49442, 10.33238], [-67.49602, 9.99113], [-68.00847, 9.99305]]
POLYGON = {"filterType": "geojson", "geoJson": {"type": "Polygon", "coordinates": [LAKE]}}
BOX = {
    "filterType": "mbr",
    "lowerLeft": {"latitude": 9.99, "longitude": -68.01},
    "upperRight": {"latitude": 10.34, "longitude": -67.49},
}
SUMMER = {"start": "2024-07-05", "end": "2024-08-06"}
CLEAR = {"min": 0, "max": 10, "includeUnknown": False}
PATH_L2, ROW_L2, TIER_L2 = "5e83d14fb9436d88", "5e83d14ff1eda1b8", "5f6a6fb2137a3c00"


def value(filter_id, text, **more):
    return {"filterType": "value", "filterId": filter_id, "value": text, **more}


def between(filter_id, first, second):
    return {"filterType": "between", "filterId": filter_id, "firstValue": first, "secondValue": second}


async def test_the_notebooks_own_search():
    async with box() as (_, client):
        found = await client.search(spatialFilter=POLYGON, acquisitionFilter=SUMMER, cloudCoverFilter=CLEAR)
        assert found == await client.search(spatialFilter=BOX, acquisitionFilter=SUMMER, cloudCoverFilter=CLEAR)
    assert "LC08_L2SP_004053_20240705_20240714_02_T1" in found
    assert len(found) == 6
    assert not any("_004052_" in name for name in found)


async def test_spatial_filters_agree_with_shapely_on_the_footprints():
    async with box(Archive.seeded(400, paths=range(1, 20), rows=range(40, 60))) as (_, client):
        area = {"type": "Polygon", "coordinates": [[[-80, 5], [-60, 5], [-60, 20], [-80, 20], [-80, 5]]]}
        everything = await client.call("scene-search", {"datasetName": L2, "maxResults": 1000})
        found = await client.call(
            "scene-search",
            {
                "datasetName": L2,
                "maxResults": 1000,
                "sceneFilter": {"spatialFilter": {"filterType": "geoJson", "geoJson": area}},
            },
        )
    inside = {s["entityId"] for s in everything["results"] if shape(s["spatialCoverage"]).intersects(shape(area))}
    assert {s["entityId"] for s in found["results"]} == inside
    assert 0 < len(inside) < 400


@pytest.mark.parametrize("lon", [-67.7, 292.3])
async def test_point_queries(lon):
    corner = {"latitude": 10.2, "longitude": lon}
    async with box() as (_, client):
        point = {"filterType": "mbr", "lowerLeft": corner, "upperRight": corner}
        geo = {"filterType": "geojson", "geoJson": {"type": "Point", "coordinates": [lon, 10.2]}}
        found = await client.search(spatialFilter=point)
        assert found
        assert found == await client.search(spatialFilter=geo)


async def test_scenes_on_the_antimeridian_are_found_from_both_sides():
    async with box(Archive.seeded(3000, rows=range(20, 100))) as (_, client):
        results = (await client.call("scene-search", {"datasetName": L2, "maxResults": 3000}))["results"]
        crossing = next(s for s in results if max(c[0] for c in s["spatialCoverage"]["coordinates"][0]) > 180.5)
        lat = crossing["spatialCoverage"]["coordinates"][0][0][1] + 1
        for west, east in ((179, 180), (-180, -179.9)):
            corners = {
                "lowerLeft": {"latitude": lat - 1, "longitude": west},
                "upperRight": {"latitude": lat + 1, "longitude": east},
            }
            assert crossing["displayId"] in await client.search(spatialFilter={"filterType": "mbr", **corners})


async def test_swapped_corners_find_nothing_and_bad_geometry_is_refused():
    async with box() as (_, client):
        swapped = {"filterType": "mbr", "lowerLeft": BOX["upperRight"], "upperRight": BOX["lowerLeft"]}
        assert await client.search(spatialFilter=swapped) == []
        for bad in ({"filterType": "geojson", "geoJson": {"type": "Polygon", "coordinates": [[[0, 0]]]}}, {"a": 1}):
            payload = {"datasetName": L2, "sceneFilter": {"spatialFilter": bad}}
            assert await client.error("scene-search", payload) == "INPUT_PARAMETER_INVALID"


async def test_A08_an_overlong_spatial_filter_is_a_404():
    ring = [[-68 + i / 10_000, 10] for i in range(5000)]
    polygon = {"filterType": "geojson", "geoJson": {"type": "Polygon", "coordinates": [[*ring, [-68, 11], ring[0]]]}}
    payload = {"datasetName": L2, "sceneFilter": {"spatialFilter": polygon}}
    async with box(script=Script(filter_limit_bytes=20_000, status_mode="matching")) as (_, client):
        status, _ = await client.envelope("scene-search", payload)
        assert status == 404


@pytest.mark.parametrize(("start", "end", "count"), [("2024-07-05", "2024-07-05", 2), ("2024-07-06", "2024-07-11", 0)])
async def test_dates_are_inclusive_by_day_and_may_carry_a_time(start, end, count):
    async with box() as (_, client):
        assert len(await client.search(acquisitionFilter={"start": start, "end": end})) == count
        timed = {"start": f"{start}T12:00:00", "end": f"{end} 01:00:00"}
        assert len(await client.search(acquisitionFilter=timed)) == count


async def test_other_filters():
    async with box() as (_, client):
        assert len(await client.search(seasonalFilter=[3])) == 1
        assert len(await client.search(seasonalFilter=["3", "1"])) == 2
        assert await client.search(ingestFilter={"start": "2024-07-14", "end": "2024-07-14"}) == [
            "LC08_L2SP_004053_20240705_20240714_02_T1",
            "LC08_L2SP_004052_20240705_20240714_02_T1",
        ]


async def test_unknown_cloud_cover_is_counted_in_unless_refused():
    async with box() as (_, client):
        unknown = "LC09_L2SP_004053_20240729_20240807_02_T2"
        full = {"min": 0, "max": 100}
        assert unknown in await client.search(cloudCoverFilter=full)
        assert unknown in await client.search(cloudCoverFilter={**full, "includeUnknown": True})
        assert unknown not in await client.search(cloudCoverFilter={**full, "includeUnknown": False})
        exact = await client.search(cloudCoverFilter={"min": "10", "max": "10", "includeUnknown": False})
        assert exact == ["LC08_L2SP_005053_20240728_20240806_02_T1"]


async def test_metadata_filters():
    async with box() as (_, client):
        places = {"filterType": "and", "childFilters": [between(PATH_L2, 4, 4), between(ROW_L2, "53", "53")]}
        found = await client.search(metadataFilter=places)
        assert found
        assert all("_004053_" in name for name in found)
        assert found == await client.search(
            metadataFilter={"filterType": "and", "childFilters": [value(PATH_L2, 4), value(ROW_L2, "053")]}
        )
        second = await client.search(metadataFilter=value(TIER_L2, "T2"))
        assert second
        assert all(name.endswith("T2") for name in second)
        either = {"filterType": "or", "childFilters": [value(TIER_L2, "T1"), value(TIER_L2, "T2")]}
        assert len(await client.search(metadataFilter=either)) == len(await client.search())
        assert len(await client.search(metadataFilter=value("5e83d14fc84c9a78", SCENE, operand="="))) == 1
        assert len(await client.search(metadataFilter=value("5e83d14fc84c9a78", "LC9%", operand="like"))) == 5
        dates = between("5f6a6f82795f1b6c", "2024/07/14", "2024-07-21")
        assert len(await client.search(metadataFilter=dates)) == 3


async def test_a_field_of_another_dataset_finds_nothing_and_says_nothing():
    async with box() as (_, client):
        assert await client.search(metadataFilter=value("5e81f14f8faf8048", "4")) == []  # path of level 1
        assert await client.search(dataset=L1, metadataFilter=value("5e81f14f8faf8048", "4"))


async def test_paging_with_the_real_next_record():
    async with box(Archive.seeded(1234, pixels=64)) as (_, client):
        seen, start = [], 1
        while True:
            payload = {"datasetName": L2, "maxResults": "100", "startingNumber": start, "sceneFilter": {}}
            page = await client.call("scene-search", payload)
            seen += [s["entityId"] for s in page["results"]]
            assert page["totalHits"] == 1234
            assert page["nextRecord"] == min(start + page["recordsReturned"], 1234)
            if start + page["recordsReturned"] > page["totalHits"]:
                break
            start = page["nextRecord"]
        assert len(seen) == len(set(seen)) == 1234
        beyond = await client.call("scene-search", {"datasetName": L2, "startingNumber": 5000})
        assert beyond["results"] == []
        default = await client.call("scene-search", {"datasetName": L2})
        assert default["recordsReturned"] == 100


async def test_no_page_is_longer_than_the_cap(monkeypatch):
    assert search.MAX_RESULTS == 50_000
    monkeypatch.setattr(search, "MAX_RESULTS", 50)
    async with box(Archive.seeded(51)) as (_, client):
        page = await client.call("scene-search", {"datasetName": L2, "maxResults": 60_000, "sceneFilter": None})
        assert (page["recordsReturned"], page["totalHits"]) == (50, 51)


async def test_C03_C04_pages_can_lie():
    async with box(Archive.seeded(300)) as (sim, client):

        async def page(start):
            found = await client.call("scene-search", {"datasetName": L2, "startingNumber": start})
            return found, [s["entityId"] for s in found["results"]]

        _, first = await page(1)
        sim.script.page_shift = 2
        _, second = await page(101)
        assert second[:2] == first[-2:]
        sim.script.page_shift = 0
        sim.script.repeat_pages = True
        assert (await page(101))[1] == first
        sim.script.repeat_pages = False
        for hits, total in (("more", 331), ("fewer", 269)):
            sim.script.hits = hits
            assert (await page(1))[0]["totalHits"] == total
        for kind, following in (("null", None), ("zero", 0), ("same", 1)):
            sim.script.next_record = kind
            assert (await page(1))[0]["nextRecord"] == following


@pytest.mark.parametrize(
    ("settings", "kinds"),
    [
        ({}, {int, type(None)}),
        ({"cloud_cover": "string", "unknown_cloud": "-1"}, {str}),
        ({"cloud_cover": "number", "unknown_cloud": "-1"}, {float, int}),
        ({"unknown_cloud": "absent"}, {int}),
    ],
)
async def test_C15_cloud_cover_comes_in_all_types(settings, kinds):
    async with box(script=Script(**settings)) as (_, client):
        results = (await client.call("scene-search", {"datasetName": L2}))["results"]
        assert {type(s["cloudCover"]) for s in results if "cloudCover" in s} == kinds
        assert all("cloudCover" in s for s in results) == (settings.get("unknown_cloud") != "absent")


async def test_C16_footprints_may_be_absent_or_invalid():
    async with box(script=Script(footprints="none")) as (sim, client):
        scenes = (await client.call("scene-search", {"datasetName": L2}))["results"]
        assert {s["spatialCoverage"] for s in scenes} == {None}
        sim.script.footprints = "invalid"
        scenes = (await client.call("scene-search", {"datasetName": L2}))["results"]
        assert all(len(s["spatialCoverage"]["coordinates"][0]) == 2 for s in scenes)


async def test_sorting_lists_and_dataset_names():
    async with box() as (_, client):
        payload = {"datasetName": L2, "sortField": "Acquisition Date", "sortDirection": "DESC"}
        days = [s["temporalCoverage"]["startDate"] for s in (await client.call("scene-search", payload))["results"]]
        assert days == sorted(days, reverse=True)
        await client.call("scene-list-add", {"listId": "mine", "datasetName": L2, "entityIds": [SCENE]})
        found = await client.call("scene-search", {"datasetName": L2.upper(), "excludeListName": "mine"})
        assert found["numExcluded"] == 1
        assert SCENE not in [s["entityId"] for s in found["results"]]
        marked = await client.call("scene-search", {"datasetName": "5e83d14f2fc39685", "bulkListName": "mine"})
        assert [s["entityId"] for s in marked["results"] if s["selected"]["bulk"]] == [SCENE]


async def test_errors_of_searches():
    async with box() as (_, client):
        assert await client.error("scene-search", {}) == "INPUT_PARAMETER_REQUIRED"
        assert await client.error("scene-search", {"datasetName": "landsat_8_c1"}) == "DATASET_INVALID"
        assert await client.error("scene-search", {"datasetName": "landsat_band_files_c2_l2"}) == "DATASET_ERROR"
        assert await client.error("scene-search", {"datasetName": L2, "maxResults": "x"}) == "INPUT_PARAMETER_INVALID"
        assert await client.error("scene-search-secondary", {"datasetName": L2}) == "DATASET_ERROR"
        assert await client.error("scene-metadata", {"datasetName": L2, "entityId": "no"}) == "NOT_FOUND"
        bad_date = {"datasetName": L2, "sceneFilter": {"acquisitionFilter": {"start": "yesterday"}}}
        assert await client.error("scene-search", bad_date) == "INPUT_PARAMETER_INVALID"


async def test_scene_lists_live_on_the_server_until_they_expire():
    async with box() as (_, client):
        names = ["LC08_L2SP_005053_20240712_20240721_02_T1"]
        add = {"listId": "mine", "datasetName": L2}
        assert await client.call("scene-list-add", {**add, "entityIds": [SCENE, SCENE]}) == 1
        assert await client.call("scene-list-add", {**add, "idField": "displayId", "entityIds": names}) == 1
        await client.call("logout")
        await client.login()
        kept = await client.call("scene-list-get", {"listId": "mine"})
        assert [row["entityId"] for row in kept] == [SCENE, "LC80050532024194LGN00"]
        await client.call("scene-list-remove", {"listId": "mine", "datasetName": L2, "entityId": SCENE})
        assert len(await client.call("scene-list-get", {"listId": "mine"})) == 1
        await client.call("scene-list-remove", {"listId": "mine"})
        assert await client.call("scene-list-get", {"listId": "mine"}) == []
        await client.call("scene-list-add", {**add, "entityIds": [SCENE], "timeToLive": "PT0S"})
        assert await client.call("scene-list-get", {"listId": "mine"}) == []
        status, envelope = await client.envelope("scene-list-add", {**add, "entityIds": SCENE})
        assert (status, envelope["errorCode"]) == (500, "SERVER_ERROR")
