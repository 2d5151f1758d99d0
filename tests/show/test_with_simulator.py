"""The commands against the simulator: some in processes of their own, as a user runs them, most in here."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from contextlib import chdir, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from unittest import mock

import pytest

from landsat_async.show.cli import main
from tests.support.virtual_loop import VirtualLoop

PROJECT = Path(__file__).parents[2]
CONFIG = """
[service]
url = "{url}"
patience_s = 0
[search]
dataset = "landsat_ot_c2_l2"
bbox = [-68.01, 9.99, -67.49, 10.34]
start = 2024-07-05
end = 2024-08-06
cloud_cover = [0, 10]
limit = 2
[select]
type = "band"
bands = ["SR_B3", "ANG"]
[download]
directory = "data"
poll_interval_s = 0.2
min_free_bytes = "1 MiB"
"""


class Simulated:
    """A simulator in a process of its own."""

    def __init__(self, *options):
        command = [sys.executable, "-m", "landsat_async", "simulate", *options]
        self.child = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        told = json.loads(self.child.stdout.readline())
        self.url, self.control = told["service_url"], told["control_url"]
        self.username, self.token = told["username"], told["token"]

    def script(self, **knobs):
        request = urllib.request.Request(self.control + "script", json.dumps(knobs).encode(), method="POST")
        with urllib.request.urlopen(request) as reply:
            assert reply.status == 200

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        with self.child:
            return self.child.wait(10), self.child.stdout.read()


@pytest.fixture(scope="module")
def simulated():
    sim = Simulated()
    yield sim
    sim.stop()


@pytest.fixture
def job(simulated, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.format(url=simulated.url))
    return path


@pytest.fixture
def account(simulated):
    return {"USGS_USERNAME": simulated.username, "USGS_TOKEN": simulated.token}


@pytest.fixture
def call_apart(account, tmp_path):
    """Run a command in a process of its own; returns the finished process."""

    def call(*arguments, **environment):
        return subprocess.run(
            [sys.executable, "-m", "landsat_async", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(PROJECT), **account, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return call


@pytest.fixture
def call(account, tmp_path):
    """Run a command as the account of the simulator; returns what a finished process would be."""

    def call(*arguments, **environment):
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, {**account, **environment}),
            mock.patch.object(sys, "argv", [str(PROJECT / "landsat_async" / "__main__.py")]),
            open(os.devnull) as nothing,
            mock.patch.object(sys, "stdin", nothing),
            chdir(tmp_path),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            code = main([*map(str, arguments)])
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    return call


def json_of(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_simulate_prints_one_json_line_and_ends_well_when_interrupted():
    sim = Simulated()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/api/api/json/stable/", sim.url)
    assert sim.stop() == (0, "")


def test_simulate_can_serve_an_archive_of_any_size():
    sim = Simulated("--scenes", "25")
    request = urllib.request.Request(
        sim.url + "login-token", json.dumps({"username": sim.username, "token": sim.token}).encode()
    )
    key = json.load(urllib.request.urlopen(request))["data"]
    search = json.dumps({"datasetName": "landsat_ot_c2_l2"}).encode()
    hits = json.load(
        urllib.request.urlopen(urllib.request.Request(sim.url + "scene-search", search, {"X-Auth-Token": key}))
    )
    assert hits["data"]["totalHits"] == 25
    assert sim.stop() == (0, "")


def test_plan_run_status_and_verify_tell_one_story(call, call_apart, job, tmp_path):
    planned = call("plan", "--json", job)
    assert planned.returncode == 0, planned.stderr
    events = json_of(planned)
    scenes = [e for e in events if e["event"] == "scene"]
    files = [e for e in events if e["event"] == "file"]
    assert (len(scenes), len(files)) == (2, 4)
    assert {"entity_id", "display_id", "acquired", "cloud_cover", "coverage", "geometry"} < set(scenes[0])
    assert scenes[0]["geometry"]["type"] == "Polygon"
    assert {f["scene"] for f in files} == {s["entity_id"] for s in scenes}
    assert {f["state"] for f in files} == {"missing"}
    assert (events[-1]["event"], events[-1]["files"]) == ("planned", 4)
    assert not (tmp_path / "data").exists()

    ran = call_apart("run", "--json", job)
    assert ran.returncode == 0, ran.stderr
    last = json_of(ran)[-1]
    assert (last["event"], last["files_verified"], last["exit_code"]) == ("finished", 4, 0)
    verified = {e["file"]: e["sha256"] for e in json_of(ran) if e["event"] == "verified"}
    assert set(verified) == {f["file"] for f in files}

    assert {e["state"] for e in json_of(call("plan", "--json", job)) if e["event"] == "file"} == {"here"}
    again = json_of(call("run", "--json", job))
    assert (again[-1]["files_skipped"], again[-1]["bytes_received"]) == (4, 0)

    status = json_of(call("status", "--json", job, USGS_TOKEN=""))
    assert status[-1]["event"] == "status"
    assert (status[-1]["counts"], status[-1]["last_exit_code"]) == ({"done": 4}, 0)
    checked = json_of(call_apart("verify", "--json", job, USGS_TOKEN=""))
    assert {e["file"]: e["sha256"] for e in checked if e["event"] == "verified"} == verified
    assert (checked[-1]["event"], checked[-1]["exit_code"]) == ("finished", 0)


def test_verify_names_a_changed_and_a_deleted_file_and_run_heals_both(call, job, tmp_path):
    assert call("run", "-q", job).returncode == 0
    band, text = sorted((tmp_path / "data").glob("*_SR_B3.TIF"))[0], sorted((tmp_path / "data").glob("*_ANG.txt"))[0]
    body = bytearray(band.read_bytes())
    body[-1] ^= 1
    band.write_bytes(body)
    text.unlink()
    done = call("verify", job)
    assert done.returncode == 4
    assert band.name in done.stderr
    assert text.name in done.stderr
    assert " ".join(done.stdout.split()).startswith("4 files verified in ")
    assert "2 as they were, 2 missing or changed" in done.stdout
    assert call("verify", "-q", job).returncode == 4


@pytest.mark.faults("I06")
def test_I06_a_real_run_stops_and_the_next_one_continues(call, job, simulated, account, tmp_path):
    simulated.script(rate_bytes_s=20_000)
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "landsat_async", "run", "--json", str(job)],
            cwd=PROJECT,
            env={**os.environ, **account},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as child:
            while json.loads(line := child.stdout.readline())["event"] != "started":
                assert line
            child.send_signal(signal.SIGTERM)
            out, err = child.communicate(timeout=30)
        assert child.returncode == 7, err
    finally:
        simulated.script(rate_bytes_s=None)
    last = json.loads(out.splitlines()[-1])
    assert (last["event"], last["exit_code"]) == ("finished", 7)
    assert last["files_pending"] > 0
    assert json_of(call("run", "--json", job))[-1]["exit_code"] == 0
    assert len([*(tmp_path / "data").glob("*.TIF")]) == 2


def test_datasets_are_listed_without_a_config(call, simulated):
    done = call("datasets", "landsat_ot", LANDSAT_ASYNC__SERVICE__URL=simulated.url)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["name", "landsat_ot_c2_l1", "landsat_ot_c2_l2"]
    silent = call("datasets", "-q", "landsat_ot", LANDSAT_ASYNC__SERVICE__URL=simulated.url)
    assert (silent.returncode, silent.stdout, silent.stderr) == (0, "", "")
    lines = json_of(call("datasets", "--json", "landsat_ot", LANDSAT_ASYNC__SERVICE__URL=simulated.url))
    assert [(e["event"], e["name"]) for e in lines] == [
        ("dataset", "landsat_ot_c2_l1"),
        ("dataset", "landsat_ot_c2_l2"),
    ]


def test_datasets_reads_a_config_that_has_no_dataset_yet(call, simulated, tmp_path):
    (tmp_path / "config.toml").write_text(f'[service]\nurl = "{simulated.url}"\n')
    assert call("datasets", "landsat_ot").returncode == 0


def test_the_doctor_finds_nothing_wrong_and_leaves_nothing_behind(call, job, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    done = call("doctor", job)
    assert done.returncode == 0, done.stdout
    *lines, last = done.stdout.splitlines()
    assert {line[:3].strip() for line in lines if line[0] != " "} <= {"✓", "!"}
    assert "credentials   user demo, token from the variable USGS_TOKEN" in done.stdout
    assert last.startswith("No problems")
    assert last.endswith(f"python -m landsat_async run {job}")
    names = [e["name"] for e in json_of(call("doctor", "--json", job))]
    assert names[:2] == ["versions", "config"]
    assert {"folder", "disk", "credentials", "service", "login", "role", "dataset"} < set(names)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("environment", "name", "code", "what_to_do"),
    [
        ({"USGS_TOKEN": "wrong"}, "login", 3, "token"),
        ({"USGS_TOKEN": ""}, "credentials", 3, "ers.cr.usgs.gov"),
        ({"LANDSAT_ASYNC__SERVICE__URL": "http://127.0.0.1:9/"}, "service", 6, "network"),
        ({"LANDSAT_ASYNC__SEARCH__DATASET": "landsat_ot_c2_l7"}, "dataset", 2, "landsat_ot_c2_l2"),
        ({"LANDSAT_ASYNC__DOWNLOAD__DIRECTORY": "/proc/none"}, "folder", 2, "directory"),
        ({"LANDSAT_ASYNC__DOWNLOAD__MIN_FREE_BYTES": "'900 TiB'"}, "disk", 9, "min_free_bytes"),
        ({"LANDSAT_ASYNC__DOWNLOAD__WORKERS": "0"}, "config", 2, ""),
        ({"LANDSAT_ASYNC__SEARCH__BBOX": "[]", "LANDSAT_ASYNC__SEARCH__AOI": "none.geojson"}, "config", 2, ""),
    ],
)
def test_the_doctor_ends_with_the_code_of_the_run_and_says_what_to_do(call, job, environment, name, code, what_to_do):
    done = call("doctor", "--json", job, **environment)
    assert done.returncode == code, done.stdout
    failed = [e for e in json_of(done) if e["state"] == "fail"]
    assert failed[0]["name"] == name
    assert what_to_do in failed[0]["hint"]


def test_the_doctor_sees_that_the_role_is_missing(call, job, simulated):
    simulated.script(roles=["user"])
    try:
        done = call("doctor", job)
    finally:
        simulated.script(roles=["user", "download", "order"])
    assert done.returncode == 3
    assert "MACHINE" in done.stdout


def test_the_demo_leaves_proven_files_and_says_what_to_do_next(call, tmp_path, monkeypatch):
    """Of its 20 s it computes few; `.ci/run` starts it from the wheel."""
    monkeypatch.setattr(asyncio, "Runner", partial(asyncio.Runner, loop_factory=VirtualLoop))
    done = call("demo", "here", HTTP_PROXY="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    assert "structure" in done.stdout
    names = {path.name for path in (tmp_path / "here/data").iterdir()}
    bundle = sorted(name for name in names if name.endswith(".tar"))[0]
    band = bundle.replace(".tar", "_SR_B4.TIF")
    assert f"gdalinfo here/data/{band}" in done.stderr
    assert f"tar tf here/data/{bundle}" in done.stderr
    listed = subprocess.run(["tar", "tf", tmp_path / "here/data" / bundle], capture_output=True, text=True, check=True)
    assert band in listed.stdout.splitlines()
    assert band in names
    assert "verify here/config.toml" in done.stderr
    assert len(names) == 69 + 1  # and .landsat_async
    for shown in ("being prepared", "quota", "the connection broke in the middle of the file"):
        assert shown in done.stderr
    assert call("verify", "here/config.toml").returncode == 0
    again = json_of(call("demo", "--json", "here"))
    assert (again[-1]["files_verified"], again[-1]["bytes_received"]) == (0, 0)
    assert again[-1]["files_skipped"] == len(names) - 1


def test_the_demo_does_not_touch_a_config_of_somebody_else(call, tmp_path):
    (tmp_path / "landsat-demo").mkdir()
    mine = tmp_path / "landsat-demo/config.toml"
    mine.write_text("# mine\n")
    done = call("demo")
    assert done.returncode == 2
    assert "[file-exists]" in done.stderr
    assert mine.read_text() == "# mine\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--fault", "file:cutt"], "did you mean file:cut?"),
        (["--rate", "fast"], "--rate: "),
        (["--rate", "1 B"], "too slow"),
        (["--staging", "-1"], "--staging: "),
    ],
)
def test_simulate_refuses_what_it_cannot_do(call, options, said):
    done = call("simulate", *options)
    assert done.returncode == 2
    assert said in done.stderr


def test_simulate_behaves_as_it_is_told():
    sim = Simulated("--rate", "500 kB", "--staging", "20", "--fault", "file:cut,times=3", "--fault", "api:slow")
    with urllib.request.urlopen(sim.control + "script") as reply:
        script = json.load(reply)
    assert (script["rate_bytes_s"], script["staging_s"]) == (500_000, 20.0)
    assert [fault["kind"] for fault in script["file_faults"] + script["api_faults"]] == ["cut", "slow"]
    assert sim.stop() == (0, "")


def test_simulate_stops_without_talk_of_files():
    command = [sys.executable, "-m", "landsat_async", "simulate"]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline()
        child.send_signal(signal.SIGTERM)
        assert child.stderr.readline() == "stopping\n"
        assert child.wait(10) == 0
