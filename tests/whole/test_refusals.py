"""What ends a run early, what fails by name while the rest is fetched, and hosts that are down."""

from __future__ import annotations

import ssl
import subprocess
from functools import partial

import anyio
import pytest
import trustme

from landsat_async import ConfigError, Credentials, CredentialsError, ServiceDown, open_run
from landsat_async.errors import CertificateUntrusted, FolderUnwritable
from landsat_async.events import Error, Failed, Planned, Retrying, Verified
from landsat_async.sim.script import Script
from landsat_async.sim.service import CONTACT_ID
from tests.whole.world import SUMMER

LONG_WAITS = True
FILES, STAGED = 18, 12


def _after(count, kind, group, then, words=""):
    """A watcher that starts `then` at the event number `count` of a kind."""
    seen = []

    def watch(run, event):
        if isinstance(event, kind) and words in event.reason:
            seen.append(event)
            if len(seen) == count:
                group.start_soon(then)

    return watch


# -- nothing can be done ---------------------------------------------------------------------------------------------


@pytest.mark.faults("B01")
async def test_B01_a_wrong_token_ends_the_run_after_one_login(opened):
    async with opened() as world:
        result = await world.run(credentials=Credentials("demo", "not-the-token"))

        assert isinstance(result.error, CredentialsError)
        assert result.summary.exit_code == 3
        assert world.log.calls["login-token"] == 1
        assert world.log.errors["AUTH_INVALID"] == 1
        assert [event.reference for event in result.of(Error)] == [result.error.reference]
        assert "not-the-token" not in f"{result.events} {result.error!r} {result.error.hint}"


@pytest.mark.faults("B07")
@pytest.mark.parametrize("code", ["AUTH_UNAUTHROIZED", "AUTH_UNAUTHORIZED", "UNAUTHORIZED_USER"])
@pytest.mark.parametrize("told_by_permissions", [True, False])
async def test_B07_a_missing_role_is_named_in_every_spelling(opened, code, told_by_permissions):
    async with opened(script=Script(roles=("user",), role_error=code)) as world:
        if not told_by_permissions:
            world.script.fault_api("permissions", "data", times=None, value=["user", "download", "order"])

        result = await world.run()

        assert isinstance(result.error, CredentialsError)
        assert result.error.reference == "missing-role"
        assert "Access Request" in result.error.hint
        assert result.summary.exit_code == 3
        assert world.log.errors[code] == (0 if told_by_permissions else 1)


@pytest.mark.faults("G06")
async def test_a_service_that_is_down_at_the_start_ends_a_run_without_patience_soon(opened):
    async with opened() as world:
        world.sim.take_down("m2m")

        result = await world.run(world.config(service={"patience_s": 0}))

        assert isinstance(result.error, ServiceDown)
        assert result.summary.exit_code == 6
        assert result.summary.elapsed_s < 30
        await world.sim.bring_up("m2m")


@pytest.mark.faults("G06")
async def test_a_service_that_comes_back_within_the_patience_is_waited_for(opened):
    async with opened() as world:
        world.sim.take_down("m2m")
        async with anyio.create_task_group() as group:
            repair = _after(8, Retrying, group, partial(world.sim.bring_up, "m2m"))
            result = await world.run(world.config(service={"patience_s": 7200}), watch=repair)

        assert len(result.of(Retrying)) >= 8
        assert all(event.wait_s <= 60 for event in result.of(Retrying))
        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES


@pytest.mark.faults("A02")
async def test_A02_a_maintenance_page_in_mid_run_is_waited_out(opened):
    async with opened(script=Script(staging_polls=3)) as world:
        page = world.script.fault_api("download-retrieve", "html", times=2)

        result = await world.run(world.config(service={"patience_s": 7200}))

        assert page.served == 2
        assert "Scheduled Maintenance" in result.reasons
        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES


@pytest.mark.faults("A02")
async def test_A02_maintenance_beyond_the_patience_keeps_what_is_here_and_ends_with_6(opened):
    async with opened(script=Script(staging_polls=3)) as world:
        world.may_leave = True
        page = world.script.fault_api("download-retrieve", "html", times=None)

        result = await world.run(world.config(service={"patience_s": 500}))

        assert page.served > 1
        assert isinstance(result.error, ServiceDown)
        assert result.error.maintenance
        assert result.summary.exit_code == 6
        assert (result.summary.files_verified, result.summary.files_pending) == (FILES - STAGED, STAGED)

        page.times = 0
        again = await world.run()
        assert again.summary.exit_code == 0
        assert (again.summary.files_skipped, again.summary.files_verified) == (FILES - STAGED, STAGED)
        assert len(world.created()) == FILES, "what was asked for is not asked for again"


@pytest.mark.faults("G01")
async def test_G01_an_untrusted_certificate_of_the_service_ends_with_6_and_nothing_is_sent(opened):
    authority = trustme.CA()
    async with opened(tls=_server(authority)) as world:
        result = await world.run(world.config(service={"patience_s": 600}))

        assert isinstance(result.error, CertificateUntrusted)
        assert result.summary.exit_code == 6
        assert not world.log.calls


@pytest.mark.faults("C18")
async def test_C18_a_misspelt_dataset_comes_with_the_nearest_names(opened):
    async with opened() as world:
        result = await world.run(world.config(search=SUMMER | {"dataset": "landsat_ot_c2_12"}))

        assert isinstance(result.error, ConfigError)
        assert result.summary.exit_code == 2
        assert "landsat_ot_c2_l2" in result.error.hint


@pytest.mark.faults("D08")
async def test_D08_a_folder_that_cannot_be_written_is_refused_before_any_request(opened):
    async with opened() as world:
        world.put("../my-file", b"not a folder")

        with pytest.raises(FolderUnwritable) as caught:
            await world.run(world.config(root=world.base / "my-file" / "data"))

        assert caught.value.exit_code == 2
        assert not world.log.requests


@pytest.mark.faults("C01")
async def test_C01_nothing_found_is_a_success_that_says_so(opened):
    async with opened() as world:
        result = await world.run(world.config(search=SUMMER | {"start": "2024-07-06", "end": "2024-07-07"}))

        assert result.summary.exit_code == 0
        assert result.summary.files_total == 0
        assert result.of(Planned)[0].files == 0
        assert any("No scene" in getattr(event, "text", "") for event in result.events)


# -- some things fail by name ----------------------------------------------------------------------------------------


async def test_a_band_that_no_scene_has_and_a_scene_that_does_not_exist_fail_by_name_while_the_rest_comes(opened):
    async with opened() as world:
        search = {
            "dataset": "landsat_ot_c2_l2",
            "scenes": ["LC80040532024187LGN00", "LC80040532024188LGN00", "LC08_L2SP_004053_20240721_20240730_02_T1"],
        }
        result = await world.run(world.config(search=search, select={"type": "band", "bands": ["SR_B3", "SR_B99"]}))

        assert result.summary.exit_code == 4
        assert set(result.failed) == {"LC80040532024188LGN00", "SR_B99"}
        assert len(result.verified) == 2
        assert all(file.endswith("_SR_B3.TIF") for file in result.verified)
        assert result.summary.files_total == 4


@pytest.mark.faults("C06")
@pytest.mark.parametrize("select", [{"type": "bundle"}, {"type": "band", "bands": ["SR_B3"]}])
async def test_C06_what_the_service_does_not_offer_fails_by_name(opened, select):
    async with opened(script=Script(unavailable=("LC08_L2SP_005053_20240712*",))) as world:
        result = await world.run(world.config(select=select))

        assert result.summary.exit_code == 4
        (file,) = result.failed
        assert "20240712" in file
        assert len(result.verified) == 5
        second = await world.run(world.config(select=select))
        assert second.summary.exit_code == 4
        assert second.summary.files_skipped == 5


# -- file hosts ------------------------------------------------------------------------------------------------------


def _server(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.mark.faults("G01", "K14")
async def test_G01_an_untrusted_certificate_of_the_file_hosts_fails_their_files_and_never_goes_on_insecurely(opened):
    authority = trustme.CA()
    async with opened(file_tls=_server(authority)) as world:
        result = await world.run()

        assert not world.log.files
        assert result.summary.exit_code == 4
        assert len(result.failed) == FILES
        assert all("certificate" in reason for reason in result.failed.values())

        (world.base / "my-ca.pem").write_bytes(authority.cert_pem.bytes())
        again = await world.run(world.config(service={"ca_bundle": "my-ca.pem"}))
        assert again.summary.exit_code == 0
        assert len(again.verified) == FILES


@pytest.mark.faults("G06", "E20")
@pytest.mark.parametrize("patience_s", [0, 900])
async def test_a_file_host_that_is_down_holds_up_its_own_files_only_and_then_the_run_ends_with_6(opened, patience_s):
    async with opened() as world:
        world.sim.take_down("landsatlook")

        result = await world.run(world.config(service={"patience_s": patience_s}, download={"poll_interval_s": 20}))

        assert not world.log.requests["landsatlook"]
        assert result.summary.exit_code == 6
        assert (result.summary.files_verified, result.summary.files_pending) == (STAGED, FILES - STAGED)
        assert result.summary.elapsed_s < 4 * 900

        await world.sim.bring_up("landsatlook")
        again = await world.run()
        assert again.summary.exit_code == 0
        assert again.summary.files_verified == FILES - STAGED


@pytest.mark.faults("G06", "F24")
@pytest.mark.parametrize("fault", ["refused", "503"])
async def test_a_file_host_that_comes_back_is_used_again(opened, fault):
    async with opened() as world:

        async def mend():
            world.script.busy = {}
            if fault == "refused":
                await world.sim.bring_up("dds")

        if fault == "refused":
            world.sim.take_down("dds")
        else:
            world.script.busy = {"dds": 503}
        config = world.config(service={"patience_s": 86400}, download={"poll_interval_s": 20})
        async with anyio.create_task_group() as group:
            result = await world.run(config, watch=_after(3, Retrying, group, mend, "is down"))

        assert "is down" in result.reasons
        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES
        assert not result.of(Failed)
        busy = sum(entry.status == 503 for entry in world.log.entries)
        assert busy < 200, "a request storm at a host that is down"


@pytest.mark.faults("F24")
async def test_one_bad_file_is_not_the_hosts_fault(opened):
    async with opened() as world:
        bad = world.script.fault_file("LC08_L2SP_004053_20240705*_SR_B3.TIF", "status", status=503, times=None)

        result = await world.run(world.config(download={"attempts": 4}))

        assert bad.served >= 4
        assert result.summary.exit_code == 4
        assert len(result.failed) == 1
        assert len(result.verified) == FILES - 1


@pytest.mark.faults("H06", "N4")
async def test_the_command_of_the_token_is_run_and_nothing_of_it_is_shown(opened):
    async with opened() as world:
        script = world.base / "my-token.sh"
        script.write_text(f"#!/bin/sh\necho {world.sim.token}\n")
        script.chmod(0o700)
        assert subprocess.run([script], capture_output=True, check=True).stdout
        config = world.config(service={"username": "demo", "token_command": [str(script)]})
        async with open_run(config) as run:
            events = [event async for event in run.events()]
        assert run.summary.exit_code == 0
        assert len([event for event in events if isinstance(event, Verified)]) == FILES
        world.spoken += [repr(event) for event in events] + [repr(config)]


# -- what the service says in its messages ---------------------------------------------------------------------------


@pytest.mark.faults("L34")
async def test_L34_a_signed_link_and_a_contact_id_in_a_message_reach_nobody(opened):
    async with opened(script=Script(indiscreet=("*_SR_B3.TIF",))) as world:
        link = world.service.links.signed(0, "x", "/data/x?a=1", CONTACT_ID, 0.0).target
        world.script.fault_api(
            "rate-limit-summary",
            "error",
            code="UNKNOWN_CODE",
            message=f"see {link} of contact {CONTACT_ID}",
            times=None,
        )
        world.script.fault_api(
            "scene-list-add", "error", code="SERVER_ERROR", message=f"{link} contact {CONTACT_ID}", times=1
        )

        result = await world.run()  # and the nevers look for secrets everywhere

        refused = [file for file in result.failed if file.endswith("_SR_B3.TIF")]
        assert refused == list(result.failed)
        assert refused
        assert all(reason.endswith("/*** for contact id ***") for reason in result.failed.values())
        assert world.ledger("SELECT count(*) FROM item WHERE reason LIKE '%***%'")[0][0] == len(refused)


@pytest.mark.faults("L34")
async def test_L34_an_error_of_the_service_that_quotes_a_link_ends_the_run_without_it(opened):
    async with opened() as world:
        link = world.service.links.signed(0, "x", "/data/x", CONTACT_ID, 0.0).target
        world.script.fault_api(
            "scene-search", "error", code="INPUT_INVALID", message=f"bad {link} of contact {CONTACT_ID}", times=None
        )

        result = await world.run()

        assert result.error is not None
        assert "bad *** of contact ***" in str(result.error)
