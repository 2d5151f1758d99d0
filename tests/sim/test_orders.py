"""The order book: options, requests, staging, proxied items, duplicates, quotas."""

from __future__ import annotations

import anyio
import pytest

from landsat_async.sim import Archive, Script, downloads
from tests.sim.client import L1, L2, SCENE, box

STAGED = "LC80040532024203LGN00"


def ids(rows):
    return {row["downloadId"] for row in rows}


async def retrieve(client, label="a-label"):
    found = await client.call("download-retrieve", {"label": label})
    return found["available"], found["requested"]


async def test_two_bundle_rows_of_which_one_is_available_by_age():
    async with box() as (_, client):
        for scene, system in ((SCENE, "ls_zip"), (STAGED, "dds_ms")):
            rows = [r for r in await client.options(L2, scene) if "Bundle" in r["productName"]]
            assert {r["downloadSystem"] for r in rows} == {"ls_zip", "dds_ms"}
            assert [r["downloadSystem"] for r in rows if r["available"]] == [system]
            assert len({r["filesize"] for r in rows}) == 1


async def test_C07_the_same_secondary_files_hang_under_every_product():
    async with box() as (_, client):
        rows = await client.options(L2, SCENE)
        lists = [r["secondaryDownloads"] for r in rows]
        assert len(lists) == 4
        assert all(one == lists[0] for one in lists)
        assert len(lists[0]) == 22
        level_1 = await client.options(L1, SCENE)
        assert sum(r["downloadSystem"] == "ls_frb" and r["available"] for r in level_1) == 6


async def test_options_by_list_by_joined_text_and_for_nothing():
    async with box() as (_, client):
        await client.call("scene-list-add", {"listId": "mine", "datasetName": L2, "entityIds": [SCENE, STAGED]})
        by_list = await client.call("download-options", {"datasetName": L2, "listId": "mine"})
        by_text = await client.call("download-options", {"datasetName": L2, "entityIds": f"{SCENE},{STAGED}"})
        assert by_list == by_text
        assert len(by_list) == 8
        assert await client.options(L2, "LC80040532024188LGN00") is None


async def test_C10_sizes_are_nominal_or_worse():
    async with box() as (sim, client):
        files = (await client.options(L2, SCENE))[0]["secondaryDownloads"]
        assert all(f["filesize"] % (1 << 20) == 0 for f in files if f["displayId"].endswith("TIF"))
        for kind, size in (("zero", 0), ("null", None), ("negative", -1), ("huge", 2**63)):
            sim.script.sizes = kind
            assert (await client.options(L2, SCENE))[0]["filesize"] == size


async def test_both_storage_systems_may_be_listed():
    async with box(script=Script(secondary_rows="both")) as (_, client):
        files = (await client.options(L2, SCENE))[0]["secondaryDownloads"]
        assert len(files) == 44
        assert {f["downloadSystem"] for f in files if f["available"]} == {"ls_s3"}
        assert len({(f["entityId"], f["id"]) for f in files}) == 44


async def test_E03_proxied_items_stand_in_requested_with_a_url_until_reported_complete():
    async with box() as (_, client):
        made = await client.request(await client.want_files(L2, SCENE, "SR_B3.TIF", "SR_B5.TIF"))
        assert ids(made["availableDownloads"]) == {int(key) for key in made["newRecords"]}
        for _ in range(3):
            available, requested = await retrieve(client)
            assert available == []
            assert ids(requested) == ids(made["availableDownloads"])
            assert {(r["statusCode"], r["statusText"]) for r in requested} == {("P", "Proxied")}
            assert all(r["url"] for r in requested)
        first, second = sorted(ids(requested))
        done = {"proxiedDownloads": [{"downloadId": str(first), "downloadedSize": 5}, {"downloadId": 1}]}
        answer = await client.call("download-complete-proxied", done)
        assert answer["updatedDownloadsCount"] == 1
        assert len(answer["failed"]) == 1
        assert ids((await retrieve(client))[1]) == {second}
        states = {r["downloadId"]: r["statusCode"] for r in await client.call("download-search", {"label": "a-label"})}
        assert states == {first: "C", second: "P"}


async def test_staged_items_get_ready_after_polls_and_time():
    async with box(script=Script(staging_polls=2, staging_s=0.2)) as (_, client):
        made = await client.request(await client.want_bundle(L2, STAGED))
        assert made["availableDownloads"] == []
        (row,) = made["preparingDownloads"]
        assert "/download-staging/" in row["url"]
        for _ in range(2):
            available, requested = await retrieve(client)
            assert available == []
            assert [(r["url"], r["statusText"]) for r in requested] == [(None, "Staging")]
        assert (await client.get(row["url"]))[0] == 404
        await anyio.sleep(0.25)
        available, requested = await retrieve(client)
        assert ids(available) == {row["downloadId"]}
        assert requested == []
        assert "/download/" in available[0]["url"]
        for url in (available[0]["url"], row["url"]):  # the staging link works as well by now
            status, headers, body = await client.get(url)
            assert (status, len(body)) == (200, int(headers["Content-Length"]))
        assert await retrieve(client) == ([], [])  # fetched: complete


@pytest.mark.parametrize(
    ("answer", "status", "has_length"),
    [("404", 404, True), ("503", 503, True), ("html", 200, True), ("empty", 200, True), ("no-length", 200, False)],
)
async def test_E04_a_staging_link_before_its_time(answer, status, has_length):
    async with box(script=Script(staging_answer=answer)) as (_, client):
        made = await client.request(await client.want_bundle(L2, STAGED))
        got, headers, body = await client.get(made["preparingDownloads"][0]["url"])
        assert got == status
        assert ("Content-Length" in headers) == has_length
        assert "Content-Disposition" not in headers
        assert len(body) < 200


async def test_items_can_stay_fail_hide_or_come_late():
    names = ("SR_B1.TIF", "SR_B2.TIF", "SR_B3.TIF", "SR_B4.TIF")
    script = Script(staging_never=("*B1.TIF",), staging_fails=("*B2.TIF",), hidden=("*B3.TIF",), staging_polls=1)
    async with box(script=script) as (sim, client):
        await client.request(await client.want_files(L2, STAGED, *names))
        available, requested = await retrieve(client)
        assert [r["displayId"][-6:] for r in available] == ["B4.TIF"]
        assert sorted((r["displayId"][-6:], r["statusCode"]) for r in requested) == [("B1.TIF", "Q"), ("B2.TIF", "F")]
        assert len(await client.call("download-search", {"label": "a-label"})) == 4
        sim.script.retrieve_lag_polls = 2
        sim.script.hidden = ()
        await client.request(await client.want_files(L2, SCENE, "SR_B1.TIF"), label="late")
        assert await retrieve(client, "late") == ([], [])
        assert await retrieve(client, "late") == ([], [])
        assert len((await retrieve(client, "late"))[1]) == 1


async def test_a_share_of_the_staged_items_gets_ready_at_each_poll():
    async with box(Archive.seeded(200, dds_share=1, pixels=64), Script(staging_share=0.1)) as (_, client):
        scenes = [
            s["entityId"]
            for s in (await client.call("scene-search", {"datasetName": L2, "maxResults": 200}))["results"]
        ]
        rows = await client.options(L2, *scenes)
        wanted = [{"entityId": r["entityId"], "productId": r["id"]} for r in rows if r["downloadSystem"] == "dds_ms"]
        await client.request(wanted)
        counts = [len((await retrieve(client))[0]) for _ in range(60)]
        assert 0 < counts[0] < 60
        assert counts == sorted(counts)
        assert counts[-1] > 190


@pytest.mark.parametrize("first_id", [790_008_973, 790_013_958, 790_019_940])
def test_the_share_is_drawn_evenly_whatever_the_ids_are(first_id):
    drawn = [downloads._draw(0, first_id + n, 1) < 0.1 for n in range(200)]
    assert 3 <= sum(drawn) <= 45


async def test_trying_the_staging_link_or_asking_again_counts_as_a_look():
    for again in (True, False):
        async with box(script=Script(staging_polls=3)) as (_, client):
            wanted = await client.want_bundle(L2, STAGED)
            url = (await client.request(wanted))["preparingDownloads"][0]["url"]
            statuses = []
            for _ in range(4):
                if again:
                    await client.request(wanted)
                statuses.append((await client.get(url))[0])
            assert statuses == ([404, 200, 200, 200] if again else [404, 404, 404, 200])


async def test_items_in_staging_show_a_null_url_none_or_the_staging_link():
    async with box(script=Script(staging_polls=99)) as (sim, client):
        made = await client.request(await client.want_bundle(L2, STAGED))
        urls = []
        for kind in ("null", "absent", "staging"):
            sim.script.staging_url = kind
            urls.append((await retrieve(client))[1][0].get("url", "absent"))
        assert urls == [None, "absent", made["preparingDownloads"][0]["url"]]


@pytest.mark.parametrize("place", ["requested", "available", "both"])
async def test_lists_of_download_retrieve_can_be_swapped(place):
    async with box(script=Script(proxied_list=place, staged_list=place)) as (_, client):
        await client.request(await client.want_files(L2, SCENE, "SR_B3.TIF"))
        await client.request(await client.want_files(L2, STAGED, "SR_B3.TIF"))
        available, requested = await retrieve(client)
        assert len(available) == (2 if place != "requested" else 0)
        assert len(requested) == (2 if place != "available" else 0)


async def test_labels_are_kept_apart_unless_mixed():
    async with box() as (sim, client):
        await client.request(await client.want_files(L2, SCENE, "SR_B3.TIF"), label="one")
        await client.request(await client.want_files(L2, SCENE, "SR_B4.TIF"), label="two")
        assert len((await retrieve(client, "one"))[1]) == 1
        assert len((await client.call("download-retrieve"))["requested"]) == 2
        sim.script.labels_mix = True
        assert len((await retrieve(client, "one"))[1]) == 2
        labels = await client.call("download-labels", {})
        assert [(row["label"], row["downloadCount"]) for row in labels] == [("one", 1), ("two", 1)]


@pytest.mark.parametrize(
    ("variant", "scene", "new", "listed"),
    [
        ("only-listed", SCENE, 0, False),
        ("also-listed", SCENE, 0, True),
        ("proxied-never", SCENE, 1, True),
        ("proxied-never", STAGED, 0, False),
        ("never", STAGED, 1, True),
    ],
)
async def test_E05_the_variants_of_duplicate_products(variant, scene, new, listed):
    async with box(script=Script(duplicates=variant)) as (_, client):
        wanted = await client.want_files(L2, scene, "SR_B3.TIF")
        await client.request(wanted, label="old")
        again = await client.request(wanted, label="new")
        assert len(again["newRecords"]) == new
        assert list(again["duplicateProducts"].values() if again["duplicateProducts"] else []) == ["old"] * (1 - new)
        assert bool(again["availableDownloads"] + again["preparingDownloads"]) == listed
        available, requested = await retrieve(client, "new")
        assert len(available + requested) == new


async def test_what_was_completed_or_removed_is_no_duplicate():
    async with box(script=Script(duplicates="only-listed")) as (_, client):
        wanted = await client.want_files(L2, SCENE, "SR_B3.TIF")
        for _ in range(2):
            made = await client.request(wanted)
            (row,) = made["availableDownloads"]
            await client.call("download-complete-proxied", {"proxiedDownloads": [{"downloadId": row["downloadId"]}]})
        made = await client.request(wanted)
        assert await client.call("download-remove", {"downloadId": made["availableDownloads"][0]["downloadId"]}) is True
        assert (await client.request(wanted))["duplicateProducts"] == []
        assert await client.call("download-order-remove", {"label": "a-label"}) == 3
        assert await client.call("download-order-load", {"label": "a-label"}) is None
        assert await client.call("download-search", {"label": "a-label"}) is None
        summary = await client.call("download-summary", {"downloadApplication": "M2M", "label": "a-label"})
        assert (summary["downloadCount"], summary["totalEstimatedSize"]) == (0, 0)


async def test_E09_E10_items_that_cannot_be_had_are_failed_and_counted():
    async with box() as (sim, client):
        good = await client.want_files(L2, SCENE, "SR_B3.TIF")
        rows = {r["downloadSystem"]: r["id"] for r in await client.options(L2, SCENE)}
        bad = [
            {"entityId": "LC80040532024188LGN00", "productId": rows["ls_zip"]},
            {"entityId": SCENE, "productId": rows["dds_ms"]},
            {"entityId": SCENE, "productId": rows["folder"]},
        ]
        made = await client.request(good + bad)
        assert len(made["availableDownloads"]) == 1
        assert made["numInvalidScenes"] == 2
        assert [(r["entityId"], r["productId"]) for r in made["failed"]] == [
            (b["entityId"], b["productId"]) for b in bad
        ]
        assert all(r["errorMessage"] for r in made["failed"])
        sim.script.failed_rows = "message"
        assert [list(r) for r in (await client.request(bad))["failed"]] == [["errorMessage"]] * 3
        sim.script.failed_rows = "absent"
        assert (await client.request(bad))["failed"] == []


@pytest.mark.faults("A22")
async def test_A22_a_download_system_can_be_disabled():
    async with box(script=Script(disabled_systems=("ls_s3",))) as (_, client):
        made = await client.request(await client.want_files(L2, SCENE, "SR_B3.TIF"))
        assert "temporarily disabled" in made["failed"][0]["errorMessage"]
        assert await retrieve(client) == ([], [])
        assert (await client.request(await client.want_bundle(L2, SCENE)))["failed"] == []


async def test_products_can_be_unavailable():
    async with box(script=Script(unavailable=("ls_zip", "*_SR_B3.TIF"))) as (_, client):
        rows = await client.options(L2, SCENE)
        assert not any(r["available"] for r in rows if "Bundle" in r["productName"])
        missing = [f["downloadName"] for f in rows[0]["secondaryDownloads"] if not f["available"]]
        assert missing == ["SR_B3.TIF"]


@pytest.mark.parametrize("unavailable", [(), ("LC09*_SR_B3.TIF", "*_T2")])
async def test_the_options_of_many_scenes_are_those_of_each_alone(unavailable):
    async with box(script=Script(unavailable=unavailable)) as (sim, client):
        for dataset in {product.dataset.alias: product.dataset for product in sim.archive}.values():
            scenes = [product.entity_id for product in sim.archive.products(dataset)]
            together = await client.options(dataset.alias, *scenes)
            assert together == [row for one in scenes for row in await client.options(dataset.alias, one)]
            assert {row["entityId"] for row in together} == set(scenes)
            sim.script.missing = ("no member has this name",)  # so that each row is made by itself
            assert together == await client.options(dataset.alias, *scenes)
            sim.script.missing = ()


@pytest.mark.faults("E15")
async def test_E15_one_id_can_spoil_a_whole_request():
    async with box(script=Script(refuse=("*_SR_B5_TIF",))) as (_, client):
        good = await client.want_files(L2, SCENE, "SR_B3.TIF")
        bad = await client.want_files(L2, SCENE, "SR_B5.TIF")
        assert await client.error("download-request", {"downloads": good + bad}) == "SERVER_ERROR"
        assert (await client.request(good))["availableDownloads"]


async def test_data_groups_take_each_file_of_the_list_once():
    async with box() as (_, client):
        rows = await client.options(L2, SCENE, includeSecondaryFileGroups=True)
        files = rows[0]["secondaryDownloads"]
        secondary = await client.call("dataset", {"datasetId": files[0]["datasetId"]})
        alias = secondary["datasetAlias"]
        add = {"listId": "second", "datasetName": alias, "entityIds": [f["entityId"] for f in files]}
        assert await client.call("scene-list-add", add) == 22
        group = {"datasetName": alias, "listId": "second", "fileGroups": ["ls_c2l2_sr_band"]}
        made = await client.call("download-request", {"dataGroups": [group], "label": "g"})
        expected = {f["entityId"] for f in files if "ls_c2l2_sr_band" in f["fileGroups"]}
        assert {row["entityId"] for row in made["availableDownloads"]} == expected
        both = {**group, "fileGroups": ["ls_c2l2_sr_band", "ls_c2l2_st_band"]}
        made = await client.call("download-request", {"dataGroups": [both, group], "label": "h"})
        assert len(made["availableDownloads"]) == 22
        wrong = {**group, "datasetName": L2}
        assert await client.error("download-request", {"dataGroups": [wrong]}) == "DATASET_ERROR"


@pytest.mark.faults("A16", "E17")
async def test_A16_quotas_of_the_window_of_pending_and_of_unattempted_items():
    script = Script(recent_limit=5, recent_window_s=0.3, pending_limit=2, unattempted_limit=3)
    async with box(script=script) as (_, client):
        one = await client.want_files(L2, SCENE, "SR_B1.TIF")
        made = await client.request(one * 4)
        assert [row["recentDownloadCount"] for row in made["remainingLimits"]] == [1, 1]
        assert await client.error("download-request", {"downloads": one * 2}) == "RATE_LIMIT_USER_DL"
        assert len((await retrieve(client))[1]) == 4  # refused as a whole
        await anyio.sleep(0.35)
        staged = await client.want_files(L2, STAGED, "SR_B1.TIF", "SR_B2.TIF", "SR_B3.TIF")
        assert await client.error("download-request", {"downloads": staged}) == "RATE_LIMIT_USER_DL"
        made = await client.request(staged[:2], label="staged")
        assert made["remainingLimits"][0]["pendingDownloadCount"] == 0
        available, _ = await retrieve(client, "staged")
        limits = (await client.call("rate-limit-summary"))["remainingLimits"][0]
        assert (limits["pendingDownloadCount"], limits["unattemptedDownloadCount"]) == (2, 1)
        await client.get(available[0]["url"])
        limits = (await client.call("rate-limit-summary"))["remainingLimits"][0]
        assert limits["unattemptedDownloadCount"] == 2


async def test_retry_after_makes_rate_limits_429():
    async with box(script=Script(recent_limit=0, retry_after="17")) as (sim, client):
        payload = b'{"downloads":[{"entityId":"x","productId":"y"}]}'
        async with client.session.post(
            sim.service_url + "download-request", data=payload, headers={"X-Auth-Token": client.key}
        ) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "17")
            assert (await answer.json())["errorCode"] == "RATE_LIMIT_USER_DL"


@pytest.mark.faults("A10", "A12")
async def test_A10_A12_variants_of_types_and_members():
    async with box(script=Script(ids="string")) as (sim, client):
        wanted = await client.want_files(L2, SCENE, "SR_B3.TIF")
        for empty, expected in (("list", []), ("object", {}), ("null", None)):
            sim.script.empty_map = empty
            made = await client.request(wanted)
            assert made["duplicateProducts"] == expected
            assert isinstance(made["availableDownloads"][0]["downloadId"], str)
        sim.script.missing = ("entityId", "remainingLimits")
        made = await client.request(wanted)
        assert "remainingLimits" not in made
        assert set(made["availableDownloads"][0]) == {"downloadId", "eulaCode", "url"}
