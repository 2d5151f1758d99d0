"""Each fault of an account, and the exact step that the doctor names for it."""

from __future__ import annotations

import datetime as dt
import shutil

import pytest

from landsat_async.disk.folder import Claim, OutputFolder
from landsat_async.show import doctor, doctor_page, doctor_service
from landsat_async.sim.computed import ComputedArchive
from landsat_async.sim.script import Script
from landsat_async.sim.server import open_simulator

CONFIG = """
[service]
url = "{url}"
{service}
[search]
{search}
[download]
directory = "data"
min_free_bytes = {free}
{lines}
"""
SEARCH = """dataset = "landsat_ot_c2_l2"
bbox = [-68.01, 9.99, -67.49, 10.34]"""
GOOD = "username:demo\ntoken:demo-application-token\n"


@pytest.fixture
def examine(tmp_path):
    async def examine(
        script=None, *, credentials=GOOD, change=None, search=SEARCH, lines="", free_bytes=0, archive=None
    ):
        """All checks by name, for an account file and a service that behaves as `change` says."""
        (tmp_path / "cred.txt").write_text(credentials)
        (tmp_path / "cred.txt").chmod(0o600)
        async with open_simulator(archive, script=script or Script()) as sim:
            if change is not None:
                change(sim)
            path = tmp_path / "config.toml"
            service = 'credentials_file = "cred.txt"'
            path.write_text(
                CONFIG.format(url=sim.service_url, service=service, search=search, lines=lines, free=free_bytes)
            )
            checks = {check.name: check async for check in doctor._checks(str(path))}
            return checks, sim

    return examine


async def test_a_healthy_account_passes(examine):
    checks, sim = await examine()
    assert {check.state for name, check in checks.items() if name not in ("file system", "versions")} == {"ok"}
    assert "role" in checks
    assert sim.log.calls["login-token"] == sim.log.calls["logout"] == 1


@pytest.mark.faults("B01")
async def test_B01_a_wrong_token_comes_with_the_way_to_a_new_one_after_one_try(examine):
    checks, sim = await examine(credentials="username:demo\ntoken:wrong\n")
    assert sim.log.errors["AUTH_INVALID"] == 1
    login = checks["login"]
    assert (login.state, login.exit_code) == ("fail", 3)
    assert "user name and application token" in login.message
    assert "ers.cr.usgs.gov" in login.hint
    assert "Application Tokens" in login.hint
    assert "wrong" not in login.message + login.hint


@pytest.mark.faults("B03")
@pytest.mark.parametrize("code", ["AUTH_EXPIRED", "AUTH_KEY_INVALID"])
async def test_an_application_token_that_has_expired_comes_with_the_way_to_a_new_one(examine, code):
    def expire(sim):
        sim.script.fault_api("login-token", "error", code=code, times=None)

    checks, sim = await examine(change=expire)
    assert sim.log.errors[code] >= 1
    assert (checks["login"].state, checks["login"].exit_code) == ("fail", 3)
    assert "Application Tokens" in checks["login"].hint


@pytest.mark.faults("B07")
async def test_B07_a_missing_role_comes_with_the_request_to_make(examine):
    checks, _ = await examine(Script(roles=("user",)))
    assert checks["login"].state == "ok"
    role = checks["role"]
    assert (role.state, role.exit_code) == ("fail", 3)
    assert "MACHINE role is missing" in role.message
    for step in ("ers.cr.usgs.gov", "Access Request", "Machine to Machine interface (MACHINE)", "days"):
        assert step in role.hint


@pytest.mark.faults("B07")
@pytest.mark.parametrize("code", ["AUTH_UNAUTHROIZED", "AUTH_UNAUTHORIZED", "UNAUTHORIZED_USER"])
async def test_B07_a_role_error_in_any_spelling_is_the_missing_role(examine, code):
    def refuse(sim):
        sim.script.fault_api("permissions", "error", code=code, times=None)

    checks, sim = await examine(change=refuse)
    assert sim.log.errors[code] == 1
    assert checks["role"].exit_code == 3
    assert "Access Request" in checks["role"].hint


@pytest.mark.faults("B02")
async def test_B02_a_password_in_place_of_a_token_is_recognised(examine):
    checks, sim = await examine(credentials="username:demo\npassword:hunter2\n")
    failed = checks["credentials"]
    assert (failed.state, failed.exit_code) == ("fail", 3)
    told = f"{failed.message} {failed.hint}"
    assert "February 2025" in told
    assert "ers.cr.usgs.gov" in told
    assert "hunter2" not in told
    assert sim.log.calls["login-token"] == 0


@pytest.mark.faults("B09")
async def test_B09_a_token_that_others_can_read_is_a_warning_with_the_command(examine, tmp_path):
    def open_up(sim):
        (tmp_path / "cred.txt").chmod(0o644)

    checks, _ = await examine(change=open_up)
    assert checks["credentials"].state == "warn"
    assert "chmod 600" in checks["credentials"].hint


@pytest.mark.parametrize(("offset_s", "side"), [(600.0, "ahead of"), (-86400.0, "behind")])
async def test_a_wrong_clock_is_told_with_its_error(examine, monkeypatch, offset_s, side):
    true = doctor_service.parsedate_to_datetime
    monkeypatch.setattr(
        doctor_service, "parsedate_to_datetime", lambda text: true(text) - dt.timedelta(seconds=offset_s)
    )
    checks, _ = await examine()
    assert checks["service"].state == "warn"
    assert side in checks["service"].message
    assert "NTP" in checks["service"].hint


@pytest.mark.faults("Y94")
async def test_Y94_a_service_or_machine_that_is_too_slow_for_a_look_is_no_fault(examine, monkeypatch):
    monkeypatch.setattr(doctor_service, "REACH_TIMEOUT_S", 1e-6)
    checks, _ = await examine()
    assert checks["service"].state == "warn"
    assert "slow, or not to be reached" in checks["service"].message
    assert {checks[name].state for name in ("login", "role", "search")} == {"ok"}
    assert doctor_page.verdict(checks.values()) == 0


@pytest.mark.faults("Y94")
async def test_Y94_a_service_that_goes_down_after_the_look_is_that_and_no_fault_of_the_login(examine):
    checks, _ = await examine(change=lambda sim: sim.script.fault_api("login-token", "status", status=503, times=None))
    assert (checks["service"].state, checks["service"].exit_code) == ("fail", 6)
    assert "login" not in checks
    assert "HTTPS_PROXY" in checks["service"].hint


@pytest.mark.faults("Y94")
@pytest.mark.parametrize(
    ("told_s", "offset_s"), [(100.0, 0.0), (400.0, 0.0), (250.5, 0.0), (90.0, 10.0), (460.0, -60.0)]
)
def test_Y94_an_answer_that_takes_minutes_is_no_wrong_clock(told_s, offset_s):
    assert doctor_service.clock_offset_s(told_s, 100.0, 400.0) == offset_s


@pytest.mark.parametrize("date", ["Sun, 01 Jan 0001 00:00:00 -0000", "Fri, 31 Dec 9999 23:59:59 -2300", "today"])
async def test_a_date_that_no_system_can_count_with_is_none(examine, monkeypatch, date):
    async def asked(_url, _context):
        return date

    monkeypatch.setattr(doctor_service, "_ask", asked)
    checks, _ = await examine()
    assert checks["service"].state == "warn"
    assert doctor_page.verdict(checks.values()) == 0


async def test_a_service_that_refuses_more_than_the_login_is_told_at_its_step(examine):
    def fail(sim):
        sim.script.fault_api("dataset", "error", code="DATASET_INVALID", times=None)

    checks, _ = await examine(change=fail)
    assert checks["role"].state == "ok"
    assert (checks["dataset"].state, checks["dataset"].exit_code) == ("fail", 2)
    assert "landsat_ot_c2_l2" in checks["dataset"].message


@pytest.mark.faults("M17")
async def test_M17_a_dataset_that_is_closed_to_the_account_is_told_as_that(examine):
    def close(sim):
        sim.script.withheld = ("landsat_ot_c2_l2",)

    checks, _ = await examine(change=close)
    assert (checks["dataset"].state, checks["dataset"].exit_code) == ("fail", 2)
    assert "does not let this account use landsat_ot_c2_l2" in checks["dataset"].message
    assert "Collection 1" not in checks["dataset"].hint


@pytest.mark.faults("M33")
@pytest.mark.parametrize(
    ("checks", "code"),
    [
        ([], 0),
        ([("folder", 0)], 0),
        ([("lock", 8), ("disk", 9), ("login", 3)], 8),
        ([("disk", 9), ("credentials", 3), ("service", 6)], 3),
        ([("disk", 9), ("dataset", 2)], 2),
        ([("disk", 9)], 9),
        ([("search", 4), ("room", 9)], 9),
        ([("disk", 0), ("search", 4)], 4),
    ],
)
def test_M33_the_code_is_that_of_the_fault_which_a_run_meets_first(checks, code):
    made = [doctor_page.Check(name, "fail" if own else "ok", "", exit_code=own) for name, own in checks]
    assert doctor_page.verdict(made) == code


@pytest.mark.faults("M33")
async def test_M33_a_folder_that_another_run_holds_is_a_fault(examine, tmp_path):
    def hold(sim):
        held.append(OutputFolder(tmp_path / "data").claim())

    held: list[Claim] = []
    checks, _ = await examine(change=hold)
    assert (checks["lock"].state, checks["lock"].exit_code) == ("fail", 8)
    assert checks["folder"].state == "ok"
    held[0].release()
    checks, _ = await examine()
    assert checks["lock"].state == "ok"


@pytest.mark.faults("N20")
@pytest.mark.parametrize(
    ("lines", "name", "code", "words"),
    [
        ('[select]\nbands = ["SR_B3", "SR_B33"]', "search", 4, "SR_B33"),
        ('[select]\nbands = ["SR_B3"]', "search", 0, "10 scenes, 10 files"),
    ],
)
async def test_N20_what_a_run_could_not_have_is_found_by_the_doctor(examine, tmp_path, lines, name, code, words):
    checks, _ = await examine(lines=lines)
    assert (checks[name].state, checks[name].exit_code) == ("fail" if code else "ok", code)
    assert words in checks[name].message


@pytest.mark.faults("N20")
@pytest.mark.parametrize(
    ("search", "name", "code", "words"),
    [
        ('dataset = "landsat_ot_c2_l2"\nscenes = ["LC80040532024188LGN00"]', "search", 4, "no such scene"),
        ('dataset = "landsat_ard_tile_c2"', "search", 2, "several products"),
    ],
)
async def test_N20_scenes_and_products_that_end_a_run_end_the_doctor(examine, search, name, code, words):
    checks, _ = await examine(search=search)
    assert (checks[name].state, checks[name].exit_code) == ("fail", code)
    assert words in checks[name].message


@pytest.mark.faults("N20")
async def test_N20_a_search_without_bounds_is_refused_by_the_doctor_and_a_large_one_is_not_read(examine):
    archive = ComputedArchive(200_000)
    checks, sim = await examine(archive=archive, search='dataset = "landsat_ot_c2_l2"')
    assert (checks["search"].state, checks["search"].exit_code) == ("fail", 2)
    assert "200,000" in checks["search"].message
    checks, sim = await examine(archive=archive, search='dataset = "landsat_ot_c2_l2"\nbbox = [-170, -60, 170, 60]')
    assert checks["search"].state == "ok"
    assert sim.log.calls["scene-search"] == 1


@pytest.mark.faults("N20")
async def test_N20_what_does_not_fit_on_the_disk_is_told_before_the_run(examine, tmp_path):
    room = shutil.disk_usage(tmp_path).free - (20 << 20)
    checks, _ = await examine(free_bytes=room, lines='[select]\ntype = "all"')
    assert (checks["room"].state, checks["room"].exit_code) == ("fail", 9)
