"""`login` and `logout` against the simulator: through a pipe, and at a terminal that shows no token."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import signal
import sys
import time
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import anyio.to_thread
import pytest

from landsat_async.kept_login import logins_path, read_logins, service_key
from landsat_async.show.cli import main
from landsat_async.sim.script import Script
from landsat_async.sim.server import open_simulator

PROJECT = Path(__file__).parents[2]
TOKEN = "demo-application-token"


def environment(home):
    return {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "COLUMNS": "80"}


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@asynccontextmanager
async def service(tmp_path, **script):
    async with open_simulator(script=Script(**script)) as sim:

        async def command(*arguments, typed=""):
            out, err = io.StringIO(), io.StringIO()

            def run():
                with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
                    for name in ("USGS_TOKEN", "USGS_USERNAME", "M2M_TOKEN", "XDG_CONFIG_HOME"):
                        patch.delenv(name, raising=False)
                    patch.setenv("HOME", str(tmp_path))
                    patch.chdir(tmp_path)
                    patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
                    return main([*arguments, "--set", f"service.url={sim.service_url}"])

            return Done(await anyio.to_thread.run_sync(run), out.getvalue(), err.getvalue())

        yield sim, command


def kept(home, sim):
    try:
        return read_logins(logins_path(environment(home))).get(service_key(sim.service_url))
    except FileNotFoundError:
        return None


async def test_a_token_from_a_pipe_is_tried_kept_used_and_forgotten(tmp_path):
    async with service(tmp_path) as (sim, command):
        done = await command("login", "--username", "demo", typed=f"{TOKEN}\n")
        assert done.returncode == 0, done.stderr
        assert "may search and download" in done.stdout
        assert TOKEN not in done.stdout + done.stderr
        assert kept(tmp_path, sim) == ("demo", TOKEN)
        assert (await command("datasets", "ot_c2_l2")).returncode == 0
        assert sim.log.calls["login-token"] == 2
        done = await command("logout")
        assert (done.returncode, kept(tmp_path, sim)) == (0, None)
        assert (await command("datasets")).returncode == 3
        again = await command("login", "--username", "demo", typed=TOKEN)
        assert (again.returncode, await command("logout", "-q")) == (0, (0, "", ""))
        done = await command("logout", "--json")
        assert json.loads(done.stdout)["forgotten"] is False


@pytest.mark.faults("P05")
async def test_P05_what_the_service_refuses_is_not_kept(tmp_path):
    async with service(tmp_path) as (sim, command):
        done = await command("login", "--username", "demo", typed="wrong-s3cret\n")
        assert done.returncode == 3
        assert "wrong-s3cret" not in done.stdout + done.stderr
        assert kept(tmp_path, sim) is None
        assert sim.log.errors["AUTH_INVALID"] == 1
        done = await command("login", typed=f"{TOKEN}\n")
        assert (done.returncode, "--username" in done.stderr) == (3, True)
        done = await command("login", typed="")
        assert (done.returncode, "no token on stdin" in done.stderr) == (3, True)


async def test_without_the_role_a_login_is_kept_and_the_way_to_the_role_told(tmp_path):
    async with service(tmp_path, roles=("user",)) as (sim, command):
        done = await command("login", typed=f"username:demo\ntoken:{TOKEN}\n")
        assert done.returncode == 0
        assert "the MACHINE role is missing" in done.stdout
        assert "Access Request" in done.stdout
        assert kept(tmp_path, sim) == ("demo", TOKEN)
        done = await command("login", "--json", typed=f"username:demo\ntoken:{TOKEN}\n")
        told = json.loads(done.stdout)
        assert (told["event"], told["username"], told["roles"]) == ("login", "demo", ["user"])


def at_a_terminal(home, arguments, keys):
    """Type `keys` (pairs of what is waited for and what is then typed); returns what was seen and the exit code."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(home)
        os.execve(sys.executable, [sys.executable, "-m", "landsat_async", *arguments], environment(home))
    seen, until = "", time.monotonic() + 60
    waiting = list(keys)
    while time.monotonic() < until:
        if not select.select([fd], [], [], 1.0)[0]:
            continue
        try:
            piece = os.read(fd, 4096)
        except OSError:
            break
        if not piece:
            break
        seen += piece.decode()
        if waiting and re.search(waiting[0][0], seen):
            os.write(fd, waiting.pop(0)[1])
    os.close(fd)
    return seen, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.faults("P05")
async def test_P05_at_a_terminal_the_token_is_asked_for_and_not_shown(tmp_path):
    async with service(tmp_path) as (sim, _):
        arguments = ["login", "--set", f"service.url={sim.service_url}"]
        keys = [("User name: $", b"demo\n"), (r"not shown\): $", TOKEN.encode() + b"\n")]
        seen, code = await anyio.to_thread.run_sync(at_a_terminal, tmp_path, arguments, keys)
        assert code == 0, seen
        assert TOKEN not in seen
        assert "next:" in seen
        assert "landsat_async init" in seen
        assert kept(tmp_path, sim) == ("demo", TOKEN)


@pytest.mark.faults("P05")
async def test_P05_ctrl_c_at_the_prompt_gives_the_terminal_back(tmp_path):
    async with service(tmp_path) as (sim, _):
        arguments = ["login", "--username", "demo", "--set", f"service.url={sim.service_url}"]
        keys = [(r"User name \[demo\]: $", b"\n"), (r"not shown\): $", b"\x03")]
        seen, code = await anyio.to_thread.run_sync(at_a_terminal, tmp_path, arguments, keys)
        assert code == 7, seen
        assert "Traceback" not in seen
        assert "not shown): \r\ninterrupted" in seen.replace("^C", "")
        assert kept(tmp_path, sim) is None
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
