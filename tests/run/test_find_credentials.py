"""A program that brings the token may take its time: that is told, and a stop does not wait for it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from landsat_async.config_tables import ServiceConfig
from landsat_async.events import Retrying
from landsat_async.run import find_credentials as module
from landsat_async.run.opening import open_run
from tests.whole.world import open_world

WAITS = """
import pathlib, sys, time
marker = pathlib.Path(sys.argv[1])
marker.with_name(marker.name + ".began").touch()
while marker.parent.exists() and not marker.exists():  # the folder goes when its test has ended
    time.sleep(0.02)
print("demo-application-token")
"""


@pytest.fixture
def slow(tmp_path):
    """A file, and a command that brings the token once that file is there."""
    marker = tmp_path / "my-go"
    return marker, [sys.executable, "-c", WAITS, str(marker)]


@pytest.fixture(autouse=True)
def no_other_token(monkeypatch):
    for name in ("USGS_TOKEN", "M2M_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module, "QUIET_S", 0.1)


@pytest.mark.faults("N21")
async def test_N21_a_token_command_that_takes_its_time_is_told_with_its_name_and_limit(slow):
    marker, command = slow
    told = []

    def on_wait(wait):
        told.append(wait)
        marker.touch()

    service = ServiceConfig(username="ana", token_command=tuple(command))
    found = await module.find_credentials(service, None, on_wait=on_wait)
    assert found.token == "demo-application-token"
    assert len(told) == 1
    assert f"token_command {sys.executable.rpartition('/')[2]}" in told[0].reason
    assert 50 < told[0].wait_s <= 60


@pytest.mark.faults("N21")
async def test_N21_a_run_tells_it_as_a_wait(slow, tmp_path):
    marker, command = slow
    async with open_world(tmp_path) as world:
        config = world.config(service={"username": "demo", "token_command": command})
        async with open_run(config) as run:
            async for event in run.events():
                if isinstance(event, Retrying):
                    assert "token_command" in event.reason
                    marker.touch()
        assert marker.exists()
        assert run.summary.exit_code == 0


@pytest.mark.faults("N21")
@pytest.mark.parametrize("command", ["run", "plan", "doctor", "datasets"])
def test_N21_a_signal_ends_a_command_that_waits_for_the_token(slow, tmp_path, command):
    marker, program = slow
    (tmp_path / "config.toml").write_text(
        f'[service]\nusername = "ana"\ntoken_command = {json.dumps(program)}\n[search]\ndataset = "landsat_ot_c2_l2"\n'
    )
    named = [] if command == "datasets" else ["config.toml"]
    with subprocess.Popen(
        [sys.executable, "-m", "landsat_async", command, *named], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            while not marker.with_name("my-go.began").exists():
                assert child.poll() is None, child.stderr.read()
                time.sleep(0.02)
            child.send_signal(signal.SIGINT)
            assert child.wait(8) == 7
        finally:
            marker.touch()
            child.kill()
