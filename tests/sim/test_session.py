"""Logins, keys, roles and the rule of one call at a time."""

from __future__ import annotations

import anyio
import pytest

from landsat_async.sim import Script
from tests.sim.client import L2, SCENE, box


async def test_nothing_works_without_a_key():
    async with box(login=False) as (_, client):
        assert await client.error("permissions") == "UNAUTHORIZED_USER"
        client.key = "bm8ga2V5"
        assert await client.error("permissions") == "AUTH_KEY_INVALID"


async def test_wrong_token_is_refused():
    async with box(login=False) as (sim, client):
        assert await client.error("login-token", {"username": sim.username, "token": "no"}) == "AUTH_INVALID"
        assert await client.error("login-token", {"username": sim.username}) == "INPUT_PARAMETER_REQUIRED"


async def test_a_stale_key_sent_along_makes_login_fail():
    async with box() as (sim, client):
        payload = {"username": sim.username, "token": sim.token}
        assert (await client.envelope("login-token", payload))[1]["errorCode"] is None
        client.key = "c3RhbGU="
        assert await client.error("login-token", payload) == "AUTH_INVALID"


async def test_login_token_wants_post_and_the_old_login_is_gone():
    async with box() as (sim, client):
        _, answer = await client.envelope("login-token", {"username": sim.username, "token": sim.token}, method="GET")
        assert answer["errorCode"] == "INPUT_INVALID"
        _, answer = await client.envelope("login", {"username": "a", "password": "b"})
        assert (answer["errorCode"], answer["errorMessage"]) == ("NOT_FOUND", "Invalid Endpoint")


async def test_a_key_dies_of_inactivity_and_lives_on_with_use():
    async with box(script=Script(key_lifetime_s=0.25)) as (_, client):
        for _ in range(4):
            await anyio.sleep(0.1)
            await client.call("permissions")
        await anyio.sleep(0.3)
        assert await client.error("permissions") == "AUTH_EXPIRED"
        assert await client.error("permissions") == "AUTH_EXPIRED"
        await client.login()
        await client.call("permissions")


async def test_logout_kills_the_key():
    async with box() as (_, client):
        assert await client.call("logout") is None
        assert await client.error("permissions") == "AUTH_KEY_INVALID"


async def test_a_new_login_kills_older_keys_only_when_asked_to():
    async with box() as (sim, client):
        first = client.key
        await client.login()
        client.key, second = first, client.key
        await client.call("permissions")
        sim.script.one_key = True
        await client.login()
        client.key = second
        assert await client.error("permissions") == "AUTH_KEY_INVALID"


@pytest.mark.parametrize("spelling", ["AUTH_UNAUTHROIZED", "AUTH_UNAUTHORIZED", "UNAUTHORIZED_USER"])
async def test_without_the_role_one_may_search_and_not_download(spelling):
    async with box(script=Script(roles=("user",), role_error=spelling)) as (_, client):
        assert await client.search()
        assert await client.call("permissions") == ["user"]
        for endpoint in ("download-options", "download-request", "download-retrieve", "dataset-file-groups"):
            assert await client.error(endpoint, {"datasetName": L2, "entityIds": [SCENE]}) == spelling


async def test_a_second_call_at_the_same_time_is_refused_and_counted():
    async with box(script=Script(latency_s=0.05)) as (sim, client):
        codes = []

        async def one():
            _, answer = await client.envelope("permissions")
            codes.append(answer["errorCode"])

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(one)
        assert sorted(codes, key=str) == [None, "RATE_LIMIT_USER", "RATE_LIMIT_USER"]
        assert sim.log.overlaps == 2
        await client.call("permissions")
        assert sim.log.overlaps == 2


async def test_even_without_latency_settings_calls_sent_together_overlap():
    async with box() as (sim, client):
        usual = sim.script.latency_s
        for latency_s in (0.2, usual):  # the first burst opens the connections
            sim.script.latency_s = latency_s
            sim.log.overlaps = 0
            async with anyio.create_task_group() as group:
                for _ in range(10):
                    group.start_soon(client.envelope, "permissions")
        assert sim.log.overlaps >= 5


async def test_the_body_may_be_null_empty_or_an_object_and_come_by_get():
    async with box() as (sim, client):
        for body in (b"null", b"", b"{}", b'{"unknown":1}', b" \n"):
            for method in ("POST", "GET"):
                async with client.session.request(
                    method, sim.service_url + "permissions", data=body, headers={"X-Auth-Token": client.key}
                ) as answer:
                    assert (await answer.json())["data"] == ["user", "download", "order"]


async def test_a_chunked_body_is_understood():
    async with box() as (sim, client):

        async def pieces():
            yield b'{"datasetName":'
            yield b'"landsat_ot_c2_l2"}'

        async with client.session.post(
            sim.service_url + "dataset", data=pieces(), headers={"X-Auth-Token": client.key}
        ) as answer:
            assert (await answer.json())["data"]["datasetAlias"] == L2


@pytest.mark.parametrize(
    ("body", "code"), [(b"{", "INPUT_FORMAT"), (b"[1]", "INPUT_FORMAT"), (b"[" * 100_000, "INPUT_FORMAT")]
)
async def test_bodies_that_are_no_object_are_refused(body, code):
    async with (
        box() as (sim, client),
        client.session.post(sim.service_url + "permissions", data=body, headers={"X-Auth-Token": client.key}) as answer,
    ):
        assert (await answer.json())["errorCode"] == code


async def test_unknown_version_and_path():
    async with box() as (sim, client):
        assert (await client.envelope("permissions", version="v9"))[1]["errorCode"] == "VERSION_UNKNOWN"
        assert (await client.envelope("permissions", version="development"))[1]["errorCode"] is None
        async with client.session.get(sim.hosts["m2m"] + "/elsewhere") as answer:
            assert answer.status == 404


@pytest.mark.parametrize(
    ("endpoint", "payload", "status"),
    [
        ("dataset", {"datasetName": "nope"}, 404),
        ("nope", {}, 404),
        ("dataset", {}, 400),
        ("scene-search-secondary", {"datasetName": L2}, 400),
    ],
)
async def test_error_status_is_200_or_matching(endpoint, payload, status):
    async with box() as (sim, client):
        assert (await client.envelope(endpoint, payload))[0] == 200
        sim.script.status_mode = "matching"
        got, envelope = await client.envelope(endpoint, payload)
        assert got == status
        assert envelope["errorCode"]


async def test_variants_of_the_envelope():
    async with box(script=Script(version_null=True, session_id=True)) as (_, client):
        _, envelope = await client.envelope("dataset-catalogs")
        assert (envelope["version"], envelope["sessionId"]) == (None, 111_111_111)
