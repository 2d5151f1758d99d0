"""Things that are broken: the doctor names each at its check, once, and ends with the code that a run ends with."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

from landsat_async import Config, LandsatError, download
from landsat_async.disk.folder import OutputFolder
from landsat_async.show import doctor, doctor_service
from landsat_async.show.doctor_page import NEXT, Check, check_lines, last_lines, next_of, verdict
from landsat_async.show.program import SameJob
from landsat_async.sim.script import Script
from landsat_async.sim.server import open_simulator

GOOD = "username:demo\ntoken:demo-application-token\n"
BANDS = '[select]\nbands = ["SR_B3"]\n'
BOX = "bbox = [-68.01, 9.99, -67.49, 10.34]\nlimit = 1\n"


@asynccontextmanager
async def server_of_a_stranger():
    """A service with a certificate that nobody trusts."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    async with TestServer(web.Application()) as server:
        await server.close()
        server = TestServer(web.Application(), host="localhost", scheme="https")
        await server.start_server(ssl=context)
        try:
            yield f"https://localhost:{server.port}/api/"
        finally:
            await server.close()


class Broken:
    """One thing that is broken, in words of a config and of a simulator."""

    def __init__(self, check, code, words, *, config="", service="", search=BOX, dataset="landsat_ot_c2_l2",
                 credentials=GOOD, free="0 B", lines=BANDS, script=None, before=None, url=None):  # fmt: skip
        self.check, self.code, self.words = check, code, words
        self.config, self.service, self.search, self.dataset = config, service, search, dataset
        self.credentials, self.free, self.lines, self.script = credentials, free, lines, script or {}
        self.before, self.url = before, url

    def write(self, folder, url):
        dataset = f'dataset = "{self.dataset}"\n' if self.dataset else ""
        (folder / "config.toml").write_text(
            f'[service]\nurl = "{self.url or url}"\npatience_s = 0\n{self.service}\n[search]\n{dataset}{self.search}\n'
            f'{self.lines}\n[download]\nmin_free_bytes = "{self.free}"\npoll_interval_s = 0.05\n{self.config}'
        )


def a_file_in_the_way(folder):
    (folder / "data").mkdir()
    (folder / "data" / "LC08_L2SP_005053_20240813_20240822_02_T1_SR_B3.TIF").write_text("mine")


def a_wrong_file(name, text):
    return lambda folder: (folder / name).write_text(text)


def the_lock(folder):
    return OutputFolder(folder / "data").claim()


FAIL = {"fault": True}
BROKEN = {
    "an unknown key": Broken("config", 2, "workres", config="workres = 3\n"),
    "an area that is not there": Broken("area", 2, "no.geojson", search='aoi = "no.geojson"\n'),
    "an area that is none": Broken(
        "area", 2, "bad.geojson", search='aoi = "bad.geojson"\n', before=a_wrong_file("bad.geojson", "{}")
    ),
    "a file in place of the folder": Broken("folder", 2, "data", before=a_wrong_file("data", "mine")),
    "another run": Broken("lock", 8, "Another run", before=the_lock),
    "no room": Broken("disk", 9, "stay free", free="900 TB"),
    "no token": Broken("credentials", 3, "no line `token:TOKEN`", credentials="username:demo\n"),
    "a wrong token": Broken("login", 3, "user name and application token", credentials="username:demo\ntoken:wrong\n"),
    "no role": Broken("role", 3, "MACHINE", script={"roles": ("user",)}),
    "nobody listens": Broken("service", 6, "no answer from 127.0.0.1", url="http://127.0.0.1:9/api/"),
    "a CA bundle that is none": Broken(
        "service", 2, "no readable PEM", service='ca_bundle = "ca.pem"', before=a_wrong_file("ca.pem", "x")
    ),
    "an unknown dataset": Broken("dataset", 2, "landsat_ot_c2_l3", dataset="landsat_ot_c2_l3"),
    "a band that no scene has": Broken("search", 4, "SR_B33", lines='[select]\nbands = ["SR_B33", "SR_B3"]\n'),
    "a scene that is not there": Broken("search", 4, "no such scene", search='scenes = ["LC80040532024188LGN00"]\n'),
    "a file in the way": Broken("search", 4, "has this name", before=a_file_in_the_way),
}


async def checks_of(path):
    return [check async for check in doctor._checks(str(path))]


async def code_of_run(path):
    try:
        return (await download(Config.load(path))).exit_code
    except LandsatError as error:
        return error.exit_code


@pytest.mark.faults("P10")
@pytest.mark.parametrize("name", BROKEN)
async def test_P10_a_broken_thing_is_named_once_and_the_code_is_that_of_a_run(tmp_path, name, monkeypatch):
    broken = BROKEN[name]
    for variable in ("USGS_TOKEN", "USGS_USERNAME", "M2M_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    broken.service += '\ncredentials_file = "cred.txt"'
    (tmp_path / "cred.txt").write_text(broken.credentials)
    (tmp_path / "cred.txt").chmod(0o600)
    held = broken.before(tmp_path) if broken.before is not None else None
    async with open_simulator(script=Script(**broken.script)) as sim:
        broken.write(tmp_path, sim.service_url)
        if name == "a file in the way":
            await code_of_run(tmp_path / "config.toml")  # a run has to find out that it cannot be proven
        checks = await checks_of(tmp_path / "config.toml")
        code = await code_of_run(tmp_path / "config.toml")
    if hasattr(held, "release"):
        held.release()
    failed = [check for check in checks if check.state == "fail"]
    assert [check.name for check in failed] == [broken.check]
    assert broken.words in f"{failed[0].message} {failed[0].hint}"
    assert next_of(checks) != "see above"
    assert verdict(checks) == failed[0].exit_code == broken.code == code
    assert f"1 problem. A run would end with exit {broken.code}. Next: " in last_lines(checks)[0].replace(
        ", 1 warning", ""
    )
    assert "Error" not in failed[0].message


@pytest.mark.faults("P10")
async def test_P10_a_certificate_that_is_not_trusted_is_told_as_that(tmp_path):
    async with server_of_a_stranger() as url:
        config = Config.from_dict({"service": {"url": url}, "search": {"dataset": "landsat_ot_c2_l2"}})
        check = await doctor_service._reach(config)
    assert (check.name, check.state, check.exit_code) == ("certificate", "fail", 6)
    assert "ca_bundle" in check.hint


async def test_file_hosts_that_are_known_are_looked_at(monkeypatch):
    assert doctor_service.known_hosts("https://m2m.cr.usgs.gov/api/", ["*.usgs.gov", "a.example"]) == [
        *doctor_service.USGS_HOSTS, "a.example",
    ]  # fmt: skip
    assert doctor_service.known_hosts("http://127.0.0.1:1/api/", ["*.usgs.gov"]) == []
    async with TestServer(web.Application()) as server:
        addresses = {"a.example": str(server.make_url("/")), "b.example": "http://127.0.0.1:9/"}
        monkeypatch.setattr(doctor_service, "address_of", addresses.__getitem__)
        tables = {"service": {"file_hosts": ["a.example"]}, "search": {"dataset": "landsat_ot_c2_l2"}}
        (fine,) = await doctor_service.check_hosts(Config.from_dict(tables))
        tables["service"]["file_hosts"].append("b.example")
        (doubt,) = await doctor_service.check_hosts(Config.from_dict(tables))
    assert (fine.state, fine.message) == ("ok", "a.example answers")
    assert (doubt.state, doubt.exit_code) == ("warn", 0)
    assert "b.example would wait" in doubt.hint


async def test_the_quota_is_told_and_a_used_up_one_is_a_warning(tmp_path):
    (tmp_path / "cred.txt").write_text(GOOD)
    (tmp_path / "cred.txt").chmod(0o600)
    for limit, state in ((15000, "ok"), (0, "warn")):
        async with open_simulator(script=Script(recent_limit=limit)) as sim:
            Broken("", 0, "", service='credentials_file = "cred.txt"').write(tmp_path, sim.service_url)
            (quota,) = [check for check in await checks_of(tmp_path / "config.toml") if check.name == "quota"]
        assert quota.state == state
        assert f"{limit:,} downloads may be requested" in quota.message


CHECKS = [
    Check("versions", "ok", "Python 3.11.7, aiohttp 3.14.5, linux"),
    Check(
        "file hosts", "warn", "no answer from landsatlook.usgs.gov: the name cannot be resolved", "its files would wait"
    ),
    Check("search", "fail", "10 scenes, 10 files; SR_B33: no scene has it\nanother line", "`plan` shows all.", 4),
]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_lines_fit_the_page_and_nothing_is_lost(width):
    for check in CHECKS:
        lines = check_lines(check, width)
        assert max(map(len, lines)) <= min(width, 100)
        said = " ".join(" ".join(lines).split())
        for text in (check.name, *check.message.split(), *check.hint.split()):
            assert text in said
    assert check_lines(CHECKS[0], 80) == ["✓  versions      Python 3.11.7, aiohttp 3.14.5, linux"]


def test_the_last_line_says_what_comes_next():
    assert last_lines(CHECKS) == ["1 problem, 1 warning. A run would end with exit 4. Next: landsat-async plan"]
    assert last_lines(CHECKS[:1]) == ["No problems. Next: landsat-async plan"]
    assert last_lines([*CHECKS[:2], Check("search", "ok", "")]) == ["No problems, 1 warning. Next: landsat-async run"]
    assert next_of([Check("login", "fail", "", "", 3), Check("lock", "fail", "", "", 8)]) == "landsat-async login"
    assert Path(doctor.__file__).exists()


@pytest.mark.faults("P62")
@pytest.mark.parametrize("name", sorted(NEXT))
def test_P62_what_is_next_names_the_config_and_the_folder_that_were_named(name):
    job = SameJob("my lake.toml", (("--directory", "/data"),))
    said = next_of([Check(name, "fail", "", "", 3)], job)
    assert "{" not in said
    for one in ("doctor", "status", "scenes", "plan"):
        assert (f"landsat-async {one}" in said) == (f"landsat-async {one} 'my lake.toml' --directory /data" in said)
    assert last_lines([Check("search", "ok", "")], job)[0].endswith(
        "Next: landsat-async run 'my lake.toml' --directory /data"
    )
