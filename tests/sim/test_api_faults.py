"""Each recipe for the API is seen by a client, and by the log."""

from __future__ import annotations

import json

import aiohttp
import anyio
import msgspec
import pytest

from landsat_async.sim import Script
from tests.sim.client import L2, SCENE, box

SEARCH = {"datasetName": L2}


async def raw(client, endpoint="permissions", payload=None, **options):
    """Return (status, headers, bytes) of a call."""
    async with client.session.post(
        client.sim.service_url + endpoint,
        data=json.dumps(payload),
        headers={"X-Auth-Token": client.key},
        allow_redirects=False,
        **options,
    ) as answer:
        return answer.status, answer.headers, await answer.read()


def served(client, kind):
    assert client.sim.log.faults[kind] == 1
    assert [entry.fault for entry in client.sim.log.entries if entry.fault] == [kind]


@pytest.mark.faults("A02")
async def test_A02_html_at_200_and_the_call_is_not_carried_out():
    async with box() as (sim, client):
        sim.script.fault_api("scene-list-add", "html")
        add = {"listId": "mine", "datasetName": L2, "entityIds": [SCENE]}
        status, headers, body = await raw(client, "scene-list-add", add)
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=UTF-8")
        assert b"Scheduled Maintenance" in body
        served(client, "html")
        assert await client.call("scene-list-get", {"listId": "mine"}) == []


@pytest.mark.faults("A03", "A07")
@pytest.mark.parametrize("status", [403, 500, 502, 503, 504])
async def test_A03_plain_status(status):
    async with box() as (sim, client):
        sim.script.fault_api("permissions", "status", status=status, text="down", headers={"Retry-After": "5"})
        got, headers, body = await raw(client)
        assert (got, body, headers["Retry-After"]) == (status, b"down", "5")
        served(client, "status")
        assert await client.call("permissions")


@pytest.mark.faults("A01", "A06")
@pytest.mark.parametrize("status", [None, 403, 500])
async def test_A01_A06_any_error_code_at_any_status(status):
    async with box() as (sim, client):
        sim.script.fault_api("permissions", "error", code="RATE_LIMIT", message="Wait", status=status, times=2)
        sim.script.status_mode = "matching"
        for _ in range(2):
            got, _, body = await raw(client)
            assert got == (status or 429)
            assert (json.loads(body)["errorCode"], json.loads(body)["data"]) == ("RATE_LIMIT", None)
        assert await client.call("permissions")


@pytest.mark.faults("A04")
async def test_A04_empty_body():
    async with box() as (sim, client):
        sim.script.fault_api("permissions", "empty")
        assert (await raw(client))[2] == b""
        served(client, "empty")


@pytest.mark.faults("A04", "E07")
@pytest.mark.parametrize(
    ("kind", "acted"), [("close-before", 0), ("rst-before", 0), ("close-after", 1), ("rst-after", 1)]
)
async def test_A04_E07_the_answer_is_lost_before_or_after_the_call_is_carried_out(kind, acted):
    async with box() as (sim, client):
        wanted = await client.want_files(L2, SCENE, "SR_B3.TIF")
        sim.script.fault_api("download-request", kind)
        with pytest.raises(aiohttp.ClientConnectionError):
            await raw(client, "download-request", {"downloads": wanted, "label": "lost"})
        served(client, kind)
        found = await client.call("download-retrieve", {"label": "lost"})
        assert len(found["requested"]) == acted


@pytest.mark.faults("A05")
async def test_A05_json_cut_with_the_right_length():
    async with box() as (sim, client):
        sim.script.fault_api("scene-search", "cut-json", fraction=0.3)
        _, _, body = await raw(client, "scene-search", SEARCH)
        with pytest.raises(json.JSONDecodeError):
            json.loads(body)
        served(client, "cut-json")


@pytest.mark.faults("A05")
async def test_A05_connection_closed_in_mid_body():
    async with box() as (sim, client):
        sim.script.fault_api("scene-search", "cut", fraction=0.3)
        with pytest.raises(aiohttp.ClientPayloadError):
            await raw(client, "scene-search", SEARCH)
        served(client, "cut")


@pytest.mark.faults("A11")
async def test_A11_data_is_null_or_another():
    async with box() as (sim, client):
        sim.script.fault_api("scene-search", "null-data")
        sim.script.fault_api("scene-search", "data", value={"results": 5})
        sim.script.fault_api("scene-search", "merge", value={"totalHits": None, "results": None})
        assert await client.call("scene-search", SEARCH) is None
        assert await client.call("scene-search", SEARCH) == {"results": 5}
        merged = await client.call("scene-search", SEARCH)
        assert (merged["totalHits"], merged["results"], merged["recordsReturned"]) == (None, None, 14)


@pytest.mark.faults("A12")
async def test_A12_wrong_types():
    async with box() as (sim, client):
        sim.script.fault_api("scene-search", "wrong-types")
        found = await client.call("scene-search", SEARCH)
        assert (found["totalHits"], found["isCustomized"]) == ("14", 0)
        assert found["results"][0]["entityId"] == 7
        served(client, "wrong-types")


@pytest.mark.faults("C11", "E11")
async def test_C11_E11_any_text_of_an_answer_can_be_replaced():
    async with box() as (sim, client):
        sim.script.fault_api("download-options", "replace", text="_SR_B3.TIF", value="/../../x")
        names = [f["displayId"] for f in (await client.options(L2, SCENE))[0]["secondaryDownloads"]]
        assert any(name.endswith("/../../x") for name in names)
        sim.script.fault_api("download-request", "replace", text='"eulaCode":null', value='"eulaCode":"HDDS"')
        made = await client.request(await client.want_files(L2, SCENE, "SR_B3.TIF"))
        assert made["availableDownloads"][0]["eulaCode"] == "HDDS"


@pytest.mark.faults("A13")
async def test_A13_huge_and_deep_bodies():
    async with box() as (sim, client):
        sim.script.fault_api("permissions", "huge", bytes=3 << 20)
        _, _, body = await raw(client)
        assert len(body) > 3 << 20
        assert json.loads(body)["data"]
        sim.script.fault_api("permissions", "deep")
        _, _, body = await raw(client)
        assert body.count(b"[") == 100_000
        with pytest.raises((RecursionError, msgspec.DecodeError)):
            msgspec.json.decode(body)


@pytest.mark.faults("A19")
async def test_A19_redirect():
    async with box() as (sim, client):
        sim.script.fault_api("permissions", "redirect", status=307, text="http://127.0.0.1:1/login")
        status, headers, _ = await raw(client)
        assert (status, headers["Location"]) == (307, "http://127.0.0.1:1/login")
        served(client, "redirect")


@pytest.mark.faults("A20")
async def test_A20_slow_drip_and_hang():
    async with box() as (sim, client):
        sim.script.fault_api("permissions", "slow", seconds=0.2)
        sim.script.fault_api("permissions", "drip", seconds=0.001)
        sim.script.fault_api("permissions", "hang", seconds=60)
        for _ in range(2):
            begun = anyio.current_time()
            assert await client.call("permissions")
            assert anyio.current_time() - begun > 0.09
        with pytest.raises(TimeoutError):
            await raw(client, timeout=aiohttp.ClientTimeout(total=0.1))
        await client.call("permissions")  # the hanging call ended with its client
        assert dict(sim.log.faults) == {"slow": 1, "drip": 1, "hang": 1}


@pytest.mark.faults("A21")
async def test_A21_rows_of_somebody_else():
    async with box() as (sim, client):
        await client.request(await client.want_files(L2, SCENE, "SR_B3.TIF"))
        sim.script.fault_api("download-retrieve", "foreign-rows")
        requested = (await client.call("download-retrieve", {"label": "a-label"}))["requested"]
        assert [row["label"] for row in requested] == ["somebody-else", "a-label"]
        served(client, "foreign-rows")


async def test_recipes_skip_repeat_match_patterns_and_draw_lots():
    async with box() as (sim, client):
        fault = sim.script.fault_api("scene-*", "null-data", skip=1, times=2)
        answers = [await client.call("scene-list-types") for _ in range(5)]
        assert answers == [[], None, None, [], []]
        assert (fault.seen, fault.served) == (5, 2)
        sim.script.fault_api("grid2ll", "null-data", times=None, probability=0.3)
        grid = {"gridType": "WRS2", "path": 1, "row": 60}
        hits = [await client.call("grid2ll", grid) is None for _ in range(100)]
        assert 15 < sum(hits) < 45
    async with box() as (sim, client):
        sim.script.fault_api("grid2ll", "null-data", times=None, probability=0.3)
        assert hits == [await client.call("grid2ll", grid) is None for _ in range(100)]  # the seed decides


async def test_a_hanging_call_makes_the_next_one_overlap():
    async with box() as (sim, client):
        sim.script.fault_api("permissions", "hang", seconds=60)
        async with anyio.create_task_group() as group:
            group.start_soon(raw, client)
            while not sim.log.faults["hang"]:
                await anyio.sleep(0.001)
            assert await client.error("scene-list-types") == "RATE_LIMIT_USER"
            group.cancel_scope.cancel()


async def test_the_control_endpoint_reads_and_sets_the_script():
    async with box() as (sim, client):
        async with client.session.get(sim.control_url + "script") as answer:
            script = await answer.json()
        assert script["key_lifetime_s"] == 7200
        patch = {
            "staging_answer": "503",
            "disabled_systems": ["dds"],
            "file_faults": [{"kind": "cut", "file": "*B3.TIF", "fraction": 0.25}],
        }
        async with client.session.post(sim.control_url + "script", json=patch) as answer:
            assert answer.status == 200
        assert sim.script.staging_answer == "503"
        assert sim.script.disabled_systems == ("dds",)
        assert sim.script.file_faults[0].fraction == 0.25
        with pytest.raises(aiohttp.ClientPayloadError):
            await client.get(await client.link())
        async with client.session.get(sim.control_url + "log") as answer:
            log = await answer.json()
        assert log["summary"]["faults"] == {"cut": 1}
        assert any(entry["fault"] == "cut" for entry in log["entries"])
        async with client.session.delete(sim.control_url + "log") as answer:
            assert answer.status == 200
        assert (len(sim.log.entries), sim.log.faults) == (0, {})


@pytest.mark.parametrize(
    "patch", [b'{"nonsense":1}', b'{"staging_answer":"418"}', b'{"latency_s":-1}', b"{", b"[1]", b'{"api_faults":[{}]}']
)
async def test_a_bad_script_is_refused_whole(patch):
    async with box() as (sim, client):
        before = msgspec.to_builtins(sim.script)
        async with client.session.post(sim.control_url + "script", data=patch) as answer:
            assert answer.status == 400
            assert (await answer.json())["error"]
        assert msgspec.to_builtins(sim.script) == before


def test_every_knob_can_be_said_in_json():
    script = Script()
    script.fault_api("*", "html")
    script.fault_file("*", "raw", text="HTTP/1.1 200 OK\r\n\r\n\xff")
    assert msgspec.json.decode(msgspec.json.encode(script), type=Script) == script


@pytest.mark.parametrize("kind", ["doubled", "late"])
async def test_an_answer_comes_again_on_its_connection(kind):
    async with box() as (sim, client):
        sim.script.fault_api("permissions", kind, seconds=0.01)
        first = await raw(client)
        await anyio.sleep(0.1)
        assert (await raw(client, "dataset-search", {"datasetName": "landsat"}))[2] == first[2]
        served(client, kind)
