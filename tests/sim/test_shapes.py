"""Answers have the members and types of bodies that the real service sent, or that its documentation shows."""

from __future__ import annotations

import pytest

from tests.sim.client import L1, L2, SCENE, box

SUMMARY = "metadata"


def differences(real, ours, where="data"):
    """List members that one side lacks and types that differ; null fits everything, [] fits an empty map."""
    if real is None or ours is None:
        return []
    if isinstance(real, dict) and isinstance(ours, dict):
        found = [f"{where}.{key} is missing" for key in real.keys() - ours.keys()]
        found += [f"{where}.{key} is not in the real one" for key in ours.keys() - real.keys()]
        for key in real.keys() & ours.keys():
            found += differences(real[key], ours[key], f"{where}.{key}")
        return found
    if isinstance(real, list) and isinstance(ours, list):
        return differences(real[0], ours[0], f"{where}[0]") if real and ours else []
    if real in ([], {}) or ours in ([], {}):
        return [] if isinstance(real, dict | list) and isinstance(ours, dict | list) else [where]
    kinds = [
        int if isinstance(value, bool) else float if isinstance(value, float) else type(value) for value in (real, ours)
    ]
    same = kinds[0] is kinds[1] or set(kinds) == {int, float}
    return [] if same else [f"{where} is {kinds[1].__name__}, really {kinds[0].__name__}"]


def values_of_keyed(map_):
    """Objects keyed by ids are compared by their values."""
    return list(map_.values())


def test_the_comparison_itself_sees_differences():
    assert differences({"a": 1}, {"b": 1}) != []
    assert differences({"a": [{"b": "x"}]}, {"a": [{"b": 2}]}) != []
    assert differences({"a": []}, {"a": "text"}) != []
    assert differences({"a": [], "b": None, "c": 1}, {"a": {}, "b": 3, "c": 1.5}) == []


async def test_scene_search(recorded):
    async with box() as (_, client):
        payload = {"datasetName": L1, "sceneFilter": {"cloudCoverFilter": {"min": 0, "max": 100}}}
        _, ours = await client.envelope("scene-search", payload | {"metadataType": "summary"})
        client.sim.script.session_id = True
        _, ours = await client.envelope("scene-search", payload | {"metadataType": "summary"})
    real = recorded("rec_2023_scene-search_landsat_ot_c2_l1_eight_hits")
    assert differences(real, ours, "") == []
    ids = [row["id"] for row in ours["data"]["results"][0]["metadata"]]
    assert ids == [row["id"] for row in real["data"]["results"][0]["metadata"]]


async def test_scene_metadata_full(recorded):
    async with box() as (_, client):
        ours = await client.call("scene-metadata", {"datasetName": L1, "entityId": SCENE, "metadataType": "full"})
    real = recorded("rec_2021_scene-metadata_full_landsat_8_c1")["data"]
    real["cloudCover"] = 3  # a text in 2021, a number since
    assert differences(real, ours) == []
    names = {row["fieldName"] for row in ours["metadata"]}
    assert {"WRS Path", "WRS Row", "Landsat Scene Identifier", "Collection Category"} <= names


async def test_dataset(recorded):
    async with box() as (_, client):
        ours = await client.call("dataset", {"datasetName": L1})
        found = await client.call("dataset-search", {"datasetName": "Landsat 8-9"})
    real = recorded("rec_2023_dataset_landsat_ot_c2_l1")["data"] | {"allowInKmz": True}  # came in 2024
    assert differences(real, ours) == []
    assert ours["datasetId"] == real["datasetId"]
    assert [d["datasetAlias"] for d in found] == [L1, L2]


async def test_dataset_filters(recorded):
    async with box() as (_, client):
        ours = await client.call("dataset-filters", {"datasetName": L2})
    by_id = {row["id"]: row for row in ours}
    compared = 0
    for real in recorded("rec_2024_dataset-filters_single_entries"):
        if real["id"] in by_id:
            assert differences(real, by_id[real["id"]]) == []
            assert real["fieldLabel"] == by_id[real["id"]]["fieldLabel"]
            compared += 1
    assert compared == 4


async def test_download_options(recorded):
    async with box() as (_, client):
        ours = await client.options(L1, SCENE, includeSecondaryFileGroups=True)
    real = recorded("doc_download-options")["response"]["data"]
    folder = next(row for row in ours if row["downloadSystem"] == "folder")
    newer = {"checksum": [{"id": "sha512", "value": None}], "fileGroups": None}
    assert differences(real[0] | newer, folder) == []
    table = {(r["id"], r["productCode"], r["downloadSystem"], r["productName"]) for r in ours}
    known = recorded("part_2025_download-options_landsat_ot_c2_l1_table")
    assert table == {(r["id"], r["productCode"], r["downloadSystem"], r["productName"]) for r in known}


async def test_download_options_of_level_2(recorded):
    async with box() as (_, client):
        ours = await client.options(L2, SCENE)
    known = recorded("part_2024_download-options_landsat_ot_c2_l2_table")[:4]
    keys = ("id", "productCode", "downloadSystem", "productName")
    assert [[r[k] for k in keys] for r in ours] == [[r[k] for k in keys] for r in known]
    assert [str(r["available"]) for r in ours] == [r["available"] for r in known]


async def test_download_request_of_files_and_bundles(recorded):
    async with box() as (_, client):
        ours = await client.request(await client.want_bundle(L2, SCENE))
        bands = await client.want_files(L1, SCENE, "_B2.TIF", "_MTL.txt")
        _, single = await client.envelope("download-request", {"downloads": bands})
    real = recorded("rec_2025_download-request_bundles_browse_data_only")
    for body in (real, ours):
        body["newRecords"] = values_of_keyed(body["newRecords"])
    assert differences(real, ours) == []
    urls = [row["url"] for row in single["data"]["availableDownloads"]]
    real_url = recorded("rec_2023_download-request_bands_available")["data"]["availableDownloads"][0]["url"]
    host_and_product = real_url.partition("/data/")[2].split("/")
    assert urls[0].partition("/data/")[2].split("/")[:4] == host_and_product[:4]
    assert single["data"]["newRecords"].values() != []
    assert all(label.startswith("m2m_") for label in single["data"]["newRecords"].values())


async def test_download_request_of_staged_items(recorded):
    async with box() as (_, client):
        _, ours = await client.envelope(
            "download-request", {"label": "x", "downloads": await client.want_bundle(L2, "LC80040532024203LGN00")}
        )
    real = recorded("rec_2024_download-request_two_preparing")
    real["data"]["remainingLimits"] = ours["data"]["remainingLimits"]  # came in 2024
    real["data"]["preparingDownloads"][0]["entityId"] = "since 2025"
    for body in (real, ours):
        body["data"]["newRecords"] = values_of_keyed(body["data"]["newRecords"])
    assert differences(real, ours, "") == []


async def test_download_retrieve_and_search(recorded):
    async with box() as (_, client):
        await client.request(await client.want_bundle(L2, "LC80040532024203LGN00"))
        retrieved = await client.call("download-retrieve", {"label": "a-label"})
        searched = await client.call("download-search", {"label": "a-label", "activeOnly": False})
        loaded = await client.call("download-order-load", {"label": ["a-label"]})
    real = recorded("rec_2020_download-retrieve_declass")["data"]
    assert differences(real, retrieved) == []
    assert differences(recorded("doc_download-search")["response"]["data"], searched) == []
    assert differences(recorded("doc_download-order-load")["response"]["data"], loaded) == []


@pytest.mark.parametrize(
    ("endpoint", "payload", "sample"),
    [
        ("permissions", {}, "doc_permissions"),
        ("dataset-catalogs", {}, "doc_dataset-catalogs"),
        ("grid2ll", {"gridType": "WRS2", "path": 4, "row": "53", "responseShape": "point"}, "doc_grid2ll"),
        ("rate-limit-summary", {}, "doc_rate-limit-summary"),
        ("notifications", {"systemId": "EE"}, "doc_notifications"),
        ("data-owner", {"dataOwner": "LSAA"}, "doc_data-owner"),
        ("download-labels", {"downloadApplication": "M2M"}, "doc_download-labels"),
        ("download-remove", {"downloadId": "1"}, "doc_download-remove"),
        ("download-order-remove", {"label": "nobody"}, "doc_download-order-remove"),
        ("dataset-download-options", {"datasetName": L2}, "doc_dataset-download-options"),
        ("dataset-bulk-products", {"datasetName": L2}, "doc_dataset-bulk-products"),
        ("scene-list-get", {"listId": "mine"}, "doc_scene-list-get"),
        ("scene-list-types", {}, "doc_scene-list-types"),
        ("scene-search-delete", {"datasetName": L2}, "doc_scene-search-delete"),
        ("download-summary", {"downloadApplication": "M2M", "label": "a-label"}, "doc_download-summary"),
    ],
)
async def test_documented_samples(recorded, endpoint, payload, sample):
    async with box() as (_, client):
        await client.call("scene-list-add", {"listId": "mine", "datasetName": L2, "entityIds": [SCENE]})
        await client.request(await client.want_bundle(L2, SCENE))
        ours = await client.call(endpoint, payload)
    assert differences(recorded(sample)["response"]["data"], ours) == []


async def test_scene_list_summary(recorded):
    async with box() as (_, client):
        await client.call("scene-list-add", {"listId": "mine", "datasetName": L2, "entityIds": [SCENE, "no-such"]})
        ours = await client.call("scene-list-summary", {"listId": "mine"})
        unknown = await client.call("scene-list-summary", {"listId": "nobody's"})
    real = recorded("doc_scene-list-summary")["response"]["data"]
    newer = {"invalidSceneCount": 1, "invalidScenes": [], "datasetAvailable": True}
    real["datasets"][0] |= newer
    assert differences(real, ours) == []
    assert ours["datasets"][0]["invalidScenes"] == ["no-such"]
    assert (unknown["datasets"], unknown["summary"]["spatialBounds"]) == ([], None)


async def test_dataset_file_groups(recorded):
    async with box() as (_, client):
        ours = await client.call("dataset-file-groups", {"datasetName": L1})
    real = recorded("doc_dataset-file-groups")["response"]["data"]
    (dataset_id, groups), *_ = real["secondary"].items()
    ours_groups = ours["secondary"][dataset_id]
    assert set(groups) == set(ours_groups)
    real_file, our_file = groups["ls_c2l1_all"]["files"][0], ours_groups["ls_c2l1_all"]["files"][0]
    assert real_file["productIds"] == our_file["productIds"]
    assert differences(groups, ours_groups) == []


async def test_error_envelopes(recorded):
    async with box() as (sim, client):
        sim.script.session_id = True
        _, ours = await client.envelope("dataset", {"datasetName": "landsat_8_c1"})
        real = recorded("rec_2022_error_DATASET_INVALID")
        assert differences(real, ours, "") == []
        assert (ours["errorCode"], ours["errorMessage"]) == (real["errorCode"], real["errorMessage"])
        sim.script.key_lifetime_s = 0
        _, expired = await client.envelope("permissions")
    assert expired == recorded("rec_2021_error_AUTH_EXPIRED")
