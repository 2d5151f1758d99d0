"""Tidying is never the job: what only removes or reports something neither ends nor delays a run."""

from __future__ import annotations

from collections import Counter

import anyio
import pytest

from landsat_async import CredentialsError, ServiceDown
from landsat_async.events import Retrying
from landsat_async.m2m.api_retry import BareRefusal, bare_refusal
from landsat_async.sim.script import Script

LONG_WAITS = True
FILES, STAGED = 18, 12
GROUP = {"type": "band_group", "file_groups": ["ls_c2l2_sr_band"]}
ONE = "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF"

BROKEN = {
    "503": ("status", {"status": 503}),
    "maintenance": ("html", {}),
    "login page": ("login", {}),
    "403": ("login", {"status": 403}),
    "error": ("error", {"code": "SERVER_ERROR"}),
    "limit": ("error", {"code": "RATE_LIMIT"}),
    "hangs": ("hang", {}),
    "closed": ("close-after", {}),
}


@pytest.mark.faults("L20")
@pytest.mark.parametrize("how", BROKEN)
async def test_lists_that_cannot_be_removed_are_removed_later_and_cost_nothing(opened, how):
    kind, settings = BROKEN[how]
    async with opened(script=Script(staging_polls=0)) as world:
        world.may_leave = world.may_overlap = True
        fault = world.script.fault_api("scene-list-remove", kind, times=None, **settings)
        began = anyio.current_time()
        result = await world.run(world.config(service={"patience_s": 60}, select=GROUP))

        assert fault.served
        assert result.summary.exit_code == 0
        assert len(result.verified) > 0
        assert anyio.current_time() - began < 15
        left = world.ledger("SELECT list_id FROM scene_list")
        assert left

        fault.times = 0
        again = await world.run(world.config(select=GROUP))
        assert again.summary.exit_code == 0
        assert world.ledger("SELECT list_id FROM scene_list") == []
        assert world.lists() == []


@pytest.mark.faults("L20")
@pytest.mark.parametrize("how", [how for how in BROKEN if how != "closed"])
async def test_reports_of_proxied_files_that_fail_are_made_later_and_cost_nothing(opened, how):
    kind, settings = BROKEN[how]
    async with opened(script=Script(staging_s=60)) as world:
        world.may_leave = world.may_overlap = True
        fault = world.script.fault_api("download-complete-proxied", kind, times=None, **settings)
        result = await world.run(world.config(service={"patience_s": 30}, download={"poll_interval_s": 10}))

        assert fault.served
        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES
        assert world.ledger("SELECT count(*) FROM file WHERE report=1") == [(FILES - STAGED,)]

        fault.times = 0
        again = await world.run()
        assert again.summary.exit_code == 0
        assert world.ledger("SELECT count(*) FROM file WHERE report=1") == [(0,)]


@pytest.mark.faults("L20")
@pytest.mark.parametrize("how", ["503", "hangs"])
async def test_a_logout_that_fails_is_no_failure(opened, how):
    kind, settings = BROKEN[how]
    async with opened() as world:
        world.may_leave = world.may_overlap = True
        fault = world.script.fault_api("logout", kind, times=None, **settings)
        result = await world.run()
        assert fault.served
        assert result.summary.exit_code == 0


# -- a web page under 403 --------------------------------------------------------------------------------------------


@pytest.mark.faults("L19")
@pytest.mark.parametrize(
    ("logins", "may_download", "expected"),
    [
        (0, True, BareRefusal.OLD_KEY),
        (0, None, BareRefusal.OLD_KEY),
        (0, False, BareRefusal.OLD_KEY),
        (1, True, BareRefusal.SERVICE),
        (5, True, BareRefusal.SERVICE),
        (1, None, BareRefusal.ACCOUNT),
        (1, False, BareRefusal.ACCOUNT),
    ],
)
def test_a_bare_refusal_is_the_services_when_the_account_is_known_to_hold_the_role(logins, may_download, expected):
    assert bare_refusal(logins=logins, may_download=may_download) is expected


@pytest.mark.faults("L19")
@pytest.mark.parametrize("endpoint", ["download-retrieve", "download-request", "download-options"])
@pytest.mark.parametrize("status", [401, 403])
async def test_a_403_page_in_mid_run_is_waited_out(opened, endpoint, status):
    async with opened(script=Script(staging_polls=2)) as world:
        world.may_leave = True  # the key before the one login that was tried
        page = world.script.fault_api(endpoint, "login", times=6, status=status)
        result = await world.run(world.config(service={"patience_s": 3600}))

        assert page.served == 6
        assert f"HTTP {status}" in result.reasons
        assert world.log.calls["login-token"] == 2
        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES
        assert max(Counter(world.created()).values()) == 1


@pytest.mark.faults("L19")
async def test_a_403_page_beyond_the_patience_ends_with_6(opened):
    async with opened(script=Script(staging_polls=2)) as world:
        world.may_leave = True
        world.script.fault_api("download-retrieve", "login", times=None, status=403)
        result = await world.run(world.config(service={"patience_s": 60}))

        assert isinstance(result.error, ServiceDown)
        assert "although the account has the MACHINE role" in str(result.error)
        assert result.summary.exit_code == 6


@pytest.mark.faults("L19")
async def test_an_envelope_that_names_the_role_ends_with_3_all_the_same(opened):
    async with opened() as world:
        world.script.fault_api("download-request", "error", times=None, status=403, code="UNAUTHORIZED_USER")
        result = await world.run(world.config(service={"patience_s": 60}))
        assert isinstance(result.error, CredentialsError)
        assert result.summary.exit_code == 3


# -- the first reason ------------------------------------------------------------------------------------------------


@pytest.mark.faults("L21")
async def test_the_reason_of_the_first_system_is_told_before_that_of_the_second(opened, both_systems):
    async with opened(script=Script(staging_polls=0)) as world:
        world.script.fault_file("LC08_L2SP_004053_20240705*.tar", "empty", times=None, host="landsatlook")
        world.script.fault_file("LC08_L2SP_004053_20240705*.tar", "status", times=None, host="dds", status=404)
        world.script.fault_file("LC08_L2SP_004053_20240705*.tar", "empty", times=None, host="dds")
        config = world.config(select={"type": "bundle"}, download={"attempts": 2})
        result = await world.run(config)

        assert result.summary.exit_code == 4
        ((name, reason),) = result.failed.items()
        assert name.endswith("20240705_20240714_02_T1.tar")
        first, _, second = reason.partition("; then ")
        assert "empty file" in first
        assert "404" in second
        assert world.ledger("SELECT reason FROM item WHERE state='failed'") == [(reason,)]


# -- asked for once more ---------------------------------------------------------------------------------------------


@pytest.mark.faults("E02", "L23")
@pytest.mark.parametrize("script", [{"staging_fails": ("*_SR_B5.TIF",)}, {"staging_polls": 10**6}])
async def test_what_the_service_loses_is_asked_for_one_more_time_in_a_run(opened, script):
    from landsat_async.events import Requested

    async with opened(script=Script(**script)) as world:

        def vanish(run, event):
            if isinstance(event, Requested) and "staging_polls" in script:
                for download in list(world.service.downloads.by_id.values()):
                    if download.state == "preparing":
                        world.service.downloads.remove(download)

        result = await world.run(world.config(download={"poll_interval_s": 5}), watch=vanish)

        assert result.summary.exit_code == 4
        assert result.failed
        assert max(Counter(world.asked()).values()) == 2
        assert not any(event.file is None and "is down" in event.reason for event in result.of(Retrying))
