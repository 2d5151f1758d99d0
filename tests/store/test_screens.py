"""What the commands say when files go into a store: the doctor tries it out, and no screen takes it for a folder."""

from __future__ import annotations

import json
from types import SimpleNamespace

import anyio
import pytest

from landsat_async import Config
from landsat_async.config_store import place_below
from landsat_async.disk.target import NO_LIMIT_BYTES
from landsat_async.show import doctor
from landsat_async.show.plan_page import _disk
from landsat_async.show.run_command import near
from landsat_async.sim.server import open_simulator
from landsat_async.store import client as client_module
from tests.store.test_target import claimed, make


@pytest.fixture
def checks(s3, url, tmp_path, monkeypatch):
    """Returns what the doctor says of the store, by name."""
    monkeypatch.setattr(client_module, "_RETRY_S", 0)

    async def checks(directory=str(url), **store):
        values = {
            "search": {"dataset": "landsat_ot_c2_l2", "scenes": ["LC08_L2SP_004053_20240705_20240714_02_T1"]},
            "download": {"directory": directory, "min_free_bytes": 0},
            "store": {"endpoint": s3.endpoint, **store},
        }
        config = Config.from_dict(values, base_dir=tmp_path)
        return {check.name: check async for check in doctor._places(config)}

    return checks


def keys(s3):
    return [one["Key"] for one in s3.client.list_objects_v2(Bucket="lake").get("Contents", ())]


@pytest.mark.faults("V10")
async def test_V10_the_doctor_tries_a_store_out_and_leaves_nothing_behind(checks, s3, tmp_path):
    found = await checks()  # it looked for a folder "s3:" for ever
    assert {check.state for name, check in found.items() if name != "file system"} == {"ok"}
    assert {"store", "lock", "disk"} <= found.keys()
    assert await anyio.to_thread.run_sync(keys, s3) == []
    assert list(tmp_path.iterdir()) == []


async def test_what_a_store_cannot_promise_is_a_warning_and_strict_refuses_it(checks, s3):
    s3.promises = False
    weak = (await checks())["store"]
    assert (weak.state, weak.exit_code) == ("warn", 0)
    assert "may replace" in weak.message
    strict = (await checks(strict=True))["store"]
    assert (strict.state, strict.exit_code) == ("fail", 2)


@pytest.mark.parametrize(
    ("method", "status", "code"), [("PUT", 403, 2), ("GET", 403, 2), ("DELETE", 403, 2), ("HEAD", 503, 6)]
)
async def test_a_store_without_rights_or_answer_ends_with_the_code_of_a_run(checks, s3, method, status, code):
    def fail(asked, path):
        removes = asked == "POST" and "delete" in path  # objects are removed by a POST of their keys
        return status if asked == method or (method == "DELETE" and removes) else None

    s3.fail = fail
    found = await checks()
    assert list(found) == ["store"]
    assert (found["store"].state, found["store"].exit_code) == ("fail", code)


async def test_a_bucket_that_is_not_there_is_told(checks):
    found = await checks("s3://nobodys/landsat")
    assert (found["store"].state, found["store"].exit_code) == ("fail", 2)


async def test_a_prefix_that_another_machine_holds_is_told(checks, s3, url, tmp_path):
    claim = await anyio.to_thread.run_sync(lambda: make(tmp_path, url, s3).prepare())
    try:
        found = await checks()
        assert (found["lock"].state, found["lock"].exit_code) == ("fail", 8)
        assert "last sign of life" in found["lock"].message
    finally:
        await anyio.to_thread.run_sync(claim.release)
    assert (await checks())["lock"].state == "ok"


async def test_with_a_store_that_is_down_the_doctor_goes_on_without_a_search(s3, url, tmp_path, monkeypatch):
    monkeypatch.setattr(client_module, "_RETRY_S", 0)
    s3.fail = lambda method, path: 503
    async with open_simulator() as sim:
        (tmp_path / "cred.txt").write_text(f"username:{sim.username}\ntoken:{sim.token}\n")
        (tmp_path / "cred.txt").chmod(0o600)
        (tmp_path / "config.toml").write_text(
            f'[service]\nurl = "{sim.service_url}"\ncredentials_file = "cred.txt"\n'
            '[search]\ndataset = "landsat_ot_c2_l2"\nbbox = [-68.01, 9.99, -67.49, 10.34]\n'
            f'[download]\ndirectory = "{url}"\nmin_free_bytes = 0\n[store]\nendpoint = "{s3.endpoint}"\n'
        )
        found = {check.name: check async for check in doctor._checks(str(tmp_path / "config.toml"))}
    assert "search" not in found
    assert found["login"].state == "ok"
    assert doctor.verdict(found.values()) == 6


def test_a_glance_knows_the_claim_that_a_killed_run_of_this_folder_has_left(tmp_path, url, s3, client):
    with claimed(make(tmp_path, url, s3)):
        pass
    owner = (tmp_path / "a/state/store_owner").read_text()
    client.put(url.key(".landsat_async/claim.json"), json.dumps({"owner": owner}).encode())
    assert make(tmp_path, url, s3).foresee() is None
    assert make(tmp_path, url, s3, folder="b").foresee().exit_code == 8


@pytest.mark.faults("V11")
def test_V11_no_screen_takes_a_store_for_a_folder():
    assert near("s3://lake/landsat") == "s3://lake/landsat/"
    assert place_below("s3://lake/landsat", "2024/x.TIF") == "s3://lake/landsat/2024/x.TIF"
    for spool, said in (
        (None, "kept free on the disk of the spool"),
        (5 * 2**30, "5.0 GiB free now on the disk of the spool"),
    ):
        result = SimpleNamespace(free_bytes=NO_LIMIT_BYTES, bytes_left=10, spool_free_bytes=spool)
        (line,) = _disk(result, 2**30, 200)
        assert "no limit of the store is known" in line
        assert said in line
        assert "TiB" not in line
