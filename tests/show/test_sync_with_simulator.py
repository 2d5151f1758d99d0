"""`sync` in processes of its own, while the archive of the simulator changes over its control API."""

from __future__ import annotations

import datetime as dt
import json
import signal
import subprocess
import sys
import urllib.request

import pytest

from tests.show.test_with_simulator import PROJECT, Simulated, account, call

__all__ = ["account", "call"]
OLD = "LE07_L2SP_004053_20010305_20200918_02_T1"
CONFIG = """
[service]
url = "{url}"
patience_s = 0
[search]
sensors = ["TM", "ETM"]
level = 2
bbox = [-68.01, 9.99, -67.49, 10.34]
end = "today"
[select]
bands = ["red", "lwir"]
[download]
min_free_bytes = "1 MiB"
"""


@pytest.fixture(scope="module")
def simulated():
    sim = Simulated()
    yield sim
    sim.stop()


def lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.faults("Y11")
def test_Y11_what_is_processed_anew_comes_and_the_older_version_goes(simulated, call, tmp_path):
    (tmp_path / "lake.toml").write_text(CONFIG.format(url=simulated.url))
    first = lines(call("sync", "--json", "lake.toml"))
    assert (first[-2]["event"], first[-2]["new"], first[-1]["exit_code"]) == ("synced", 4, 0)
    change = {"day": dt.datetime.now(dt.UTC).date().isoformat(), "reprocess": [{"display_id": OLD}]}
    request = urllib.request.Request(simulated.control + "archive", json.dumps(change).encode(), method="POST")
    with urllib.request.urlopen(request) as reply:
        (new,) = json.loads(reply.read())["reprocessed"]
    second = lines(call("sync", "--json", "lake.toml"))
    (gone,) = [line for line in second if line["event"] == "superseded"]
    assert {key: gone[key] for key in ("old", "new", "files", "action")} == {
        "old": OLD, "new": new, "files": 2, "action": "move",
    }  # fmt: skip
    assert {key: second[-2][key] for key in ("new", "replaced", "vanished", "unchanged")} == {
        "new": 0, "replaced": 1, "vanished": 0, "unchanged": 3,
    }  # fmt: skip
    assert len(list((tmp_path / "data" / "superseded").glob(f"{OLD}_*.TIF"))) == 2
    assert (call("sync", "-q", "lake.toml").stdout, call("verify", "-q", "lake.toml").returncode) == ("", 0)
    (known,) = [line for line in lines(call("status", "--json", "lake.toml")) if line["event"] == "superseded"]
    assert (known["old"], known["new"]) == (OLD, new)


@pytest.mark.faults("Y12")
def test_Y12_watching_waits_for_the_next_time_and_ends_with_a_signal(simulated, call, tmp_path):
    (tmp_path / "lake.toml").write_text(CONFIG.format(url=simulated.url))
    account = {"USGS_USERNAME": simulated.username, "USGS_TOKEN": simulated.token, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-m", "landsat_async", "sync", "--watch", "1h", "--no-progress", "lake.toml"]
    with subprocess.Popen(command, cwd=tmp_path, env=account, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        for line in child.stderr:
            if "next synchronisation at" in line:
                child.send_signal(signal.SIGINT)
                break
        assert (child.wait(20), "next" in line) == (0, True)
    assert call("sync", "--watch", "soon", "lake.toml").returncode == 2
