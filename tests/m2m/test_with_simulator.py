"""The client against the simulator, which was written from the reference by somebody else."""

from __future__ import annotations

import anyio
import pytest

from landsat_async.credentials import Credentials
from landsat_async.errors import (
    BadReply,
    CredentialsError,
    DatasetRefused,
    M2MError,
    OutcomeUnknown,
    QuotaReached,
    ServiceDown,
)
from landsat_async.m2m.caller import Gate
from landsat_async.m2m.client import M2MClient
from landsat_async.m2m.payloads import DataGroup
from landsat_async.sim import Script, open_simulator

L2 = "landsat_ot_c2_l2"


@pytest.fixture
async def sim():
    async with open_simulator() as running:
        yield running


def client(sim, **options):
    return M2MClient(sim.service_url, Credentials(sim.username, sim.token), **options)


async def scenes(m2m, **options):
    return [scene async for scene in m2m.scene_search(L2, **options)]


async def test_from_login_to_a_link_and_back(sim):
    async with client(sim) as m2m:
        assert "download" in await m2m.permissions()
        assert (await m2m.dataset(L2)).alias == L2
        assert L2 in {dataset.alias for dataset in await m2m.dataset_search("landsat_ot")}
        assert "WRS Path" in {field.label for field in await m2m.dataset_filters(L2)}
        assert await m2m.dataset_file_groups(L2)
        found = await scenes(m2m)
        assert found
        assert len({scene.display_id for scene in found}) == len(found)
        assert all(scene.footprint and scene.acquired for scene in found)
        options = await m2m.download_options(L2, entity_ids=[scene.entity_id for scene in found])
        wanted = [(o.entity_id, o.product_id) for o in options if o.available and o.system == "ls_zip"]
        reply = await m2m.download_request(label="la-test-1", downloads=wanted)
        assert len(reply.available) + len(reply.preparing) == len(wanted)
        assert reply.failed == ()
        state = await m2m.download_retrieve("la-test-1")
        links = {item.download_id for item in (*state.available, *state.requested) if item.url}
        assert links
        assert {item.label for item in await m2m.download_search("la-test-1")} == {"la-test-1"}
        assert await m2m.download_complete_proxied([(number, 1000) for number in links]) >= 0
        assert (await m2m.download_summary("la-test-1")).downloads == len(wanted)
        assert "la-test-1" in {label.label for label in await m2m.download_labels()}
        assert (await m2m.rate_limit_summary()).remaining.recent < 15_000
        assert await m2m.download_remove(next(iter(links))) is True
        await m2m.download_order_load("la-test-1")
        await m2m.download_order_remove("la-test-1")
        assert (await m2m.grid2ll(4, 53)).points
        await m2m.notifications("M2M")
        metadata = await m2m.scene_metadata(L2, found[0].entity_id)
        assert metadata.scene.entity_id == found[0].entity_id


async def test_scene_lists_and_file_groups(sim):
    async with client(sim) as m2m:
        ids = [scene.entity_id for scene in await scenes(m2m)][:2]
        secondary = next(group for group in await m2m.dataset_file_groups(L2) if group.dataset_id)
        alias = (await m2m.dataset(dataset_id=secondary.dataset_id)).alias
        options = await m2m.download_options(L2, entity_ids=ids, include_secondary_file_groups=True)
        files = {f.entity_id for o in options for f in o.secondary if secondary.group_id in f.file_groups}
        assert files
        await m2m.scene_list_add("la-list", alias, sorted(files))
        assert {entry.entity_id for entry in await m2m.scene_list_get("la-list")} == files
        group = DataGroup(alias, (secondary.group_id,), "la-list")
        reply = await m2m.download_request(label="la-group", data_groups=[group])
        assert len(reply.available) + len(reply.preparing) == len(files)
        await m2m.scene_list_remove("la-list")
        assert await m2m.scene_list_get("la-list") == ()


@pytest.mark.faults("A10", "A11", "C03", "C04", "C15")
@pytest.mark.parametrize(
    "behaviour",
    [
        {"cloud_cover": "string", "unknown_cloud": "-1", "empty_map": "object", "ids": "string"},
        {"empty_map": "null", "session_id": True, "version_null": True, "unknown_cloud": "absent"},
        {"hits": "more"},
        {"hits": "fewer"},
        {"next_record": "zero"},
        {"next_record": "null"},
        {"next_record": "same"},
        {"missing": ["remainingLimits", "entityId"]},
    ],
)
async def test_every_variant_of_the_reference_gives_the_same_scenes(behaviour):
    async with open_simulator() as plain, client(plain) as m2m:
        expected = await scenes(m2m, page_size=3)
    missing = tuple(behaviour.pop("missing", ()))
    async with open_simulator(script=Script(**behaviour)) as sim, client(sim) as m2m:
        found = await scenes(m2m, page_size=3)
        assert [scene.display_id for scene in found] == [scene.display_id for scene in expected]
        rounded = [scene.cloud_cover and round(scene.cloud_cover) for scene in found]
        assert rounded == [scene.cloud_cover for scene in expected]
        options = await m2m.download_options(L2, entity_ids=[found[0].entity_id])
        sim.script.missing = missing
        wanted = [(o.entity_id, o.product_id) for o in options if o.available and o.system != "folder"]
        reply = await m2m.download_request(label="la-v", downloads=wanted)
        assert len(reply.available) + len(reply.preparing) == len(wanted)


@pytest.mark.parametrize("status_mode", ["ok", "matching"])
@pytest.mark.faults("B03", "A06")
async def test_B03_keys_that_die_between_calls(status_mode):
    async with open_simulator(script=Script(status_mode=status_mode)) as sim:
        async with client(sim) as m2m:
            await m2m.login()
            await anyio.sleep(7300)
            with anyio.fail_after(5):
                assert await scenes(m2m)
        assert sim.log.errors["AUTH_EXPIRED"] == 1
        assert sim.log.calls["login-token"] == 2


@pytest.mark.parametrize("status_mode", ["ok", "matching"])
@pytest.mark.faults("B01", "B07", "C18", "A16")
async def test_B01_B07_refusals_have_their_types(status_mode):
    async with open_simulator(script=Script(status_mode=status_mode, roles=("user",), recent_limit=0)) as sim:
        async with M2MClient(sim.service_url, Credentials(sim.username, "wrong")) as m2m:
            with pytest.raises(CredentialsError, match="did not accept"):
                await m2m.permissions()
        async with client(sim) as m2m:
            with pytest.raises(CredentialsError, match="MACHINE"):
                await m2m.download_options(L2, entity_ids=["LC80040532024187LGN00"])
            with pytest.raises(DatasetRefused):
                await m2m.dataset("landsat_8_c1")
            sim.script.roles = ("user", "download")
            options = await m2m.download_options(L2, entity_ids=["LC80040532024187LGN00"])
            with pytest.raises(QuotaReached):
                await m2m.download_request(label="l", downloads=[(options[0].entity_id, options[0].product_id)])


@pytest.mark.faults("A15")
async def test_A15_many_tasks_and_clients_never_overlap(sim):
    gate = Gate()
    async with client(sim, gate=gate) as one, client(sim, gate=gate) as other, anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(one.permissions)
            group.start_soon(other.permissions)
    assert sim.log.calls["permissions"] == 40
    assert sim.log.overlaps == 0


READABLE = ["html", "empty", "cut-json", "cut", "close-before", "close-after", "rst-before", "rst-after", "redirect"]


@pytest.mark.parametrize("kind", READABLE)
@pytest.mark.faults("A02", "A04", "A05", "A19")
async def test_A02_A04_A05_one_fault_of_each_kind_is_survived(sim, kind):
    fault = sim.script.fault_api("scene-search", kind, text="http://127.0.0.1:1/")
    async with client(sim, patience_s=3600) as m2m:
        assert len(await scenes(m2m)) > 3
    assert fault.served == 1


@pytest.mark.parametrize("kind", ["empty", "cut-json", "cut", "close-before", "close-after", "rst-before", "rst-after"])
@pytest.mark.faults("A04", "A05", "E07")
async def test_A04_a_lost_answer_to_a_request_is_left_open(sim, kind):
    fault = sim.script.fault_api("download-request", kind, times=None)
    async with client(sim, patience_s=3600) as m2m:
        scene = (await scenes(m2m))[0]
        options = await m2m.download_options(L2, entity_ids=[scene.entity_id])
        wanted = [(o.entity_id, o.product_id) for o in options if o.available and o.system == "ls_zip"]
        with pytest.raises(OutcomeUnknown):
            await m2m.download_request(label="l", downloads=wanted)
        assert fault.served == 1
        await m2m.download_retrieve("l")


@pytest.mark.parametrize("kind", ["wrong-types", "null-data", "deep", "foreign-rows"])
@pytest.mark.faults("A11", "A12", "A13", "A21")
async def test_A12_answers_of_a_wrong_shape_are_read_or_refused(sim, kind):
    fault = sim.script.fault_api("*", kind, times=None, skip=1)
    unusable = []
    async with client(sim, on_unusable=unusable.append) as m2m:
        await m2m.login()
        for ask in (lambda: scenes(m2m), m2m.download_search, lambda: m2m.download_retrieve("l"), m2m.dataset_search):
            try:
                await ask()
            except (BadReply, M2MError, ServiceDown):
                pass  # said so; anything else fails the test
    assert fault.served >= 4


@pytest.mark.faults("M34")
async def test_M34_a_refused_login_says_what_looks_wrong_and_an_accepted_one_does_not(sim):
    token = "Qx7f_secret_part_of_the_token_0123456789"
    with pytest.raises(CredentialsError) as caught:
        async with M2MClient(sim.service_url, Credentials("ana@example.org", f'"{token}"')) as m2m:
            await m2m.login()
    assert "e-mail address" in caught.value.hint
    assert "without quotes" in caught.value.hint
    assert "Application Tokens" in caught.value.hint
    assert token not in f"{caught.value} {caught.value.hint}"
    assert sim.log.calls["login-token"] == 1
    async with M2MClient(sim.service_url, Credentials(sim.username, sim.token)) as m2m:
        await m2m.login()
