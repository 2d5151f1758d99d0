"""Hooks of the user: called for each complete scene, at least once, with nothing secret; failures undo nothing."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from pathlib import Path

import anyio
import pytest

from landsat_async.errors import ConfigError
from landsat_async.events import Failed, HookEnded, Progress, Retrying
from landsat_async.run.opening import open_run
from landsat_async.sim import Script
from tests.whole.world import open_world

REAL_TIME = True
RED = {"bands": ["SR_B4", "QA_PIXEL"]}
LAYOUT = {"layout": "{display_id}"}
TWO = {"dataset": "landsat_ot_c2_l2", "scenes": ["LC80040532024187LGN00", "LC80040532024203LGN00"]}
PROBE = """
import json, os, sys
with open(sys.argv[1], "a") as file:
    file.write(json.dumps([sys.argv, dict(os.environ), sorted(os.listdir(sys.argv[2]))]) + "\\n")
"""


def hook(tmp_path, text=PROBE, name="my-go.py"):
    path = tmp_path / name
    path.write_text(text)
    return [sys.executable, str(path), str(tmp_path / "my-calls"), "{folder}"]


def calls(tmp_path):
    path = tmp_path / "my-calls"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def test_a_hook_is_called_once_for_each_complete_scene_and_then_no_more(tmp_path, monkeypatch):
    monkeypatch.setenv("USGS_TOKEN", "demo-application-token")
    monkeypatch.setenv("SOMETHING", "x demo-application-token y")
    async with open_world(tmp_path) as world:
        config = world.config(search=TWO, select=RED, download=LAYOUT, hooks={"on_scene": hook(tmp_path)})
        result = await world.run(config)
        assert result.summary.exit_code == 0
        called = calls(tmp_path)
        assert len(called) == result.summary.scenes == len(result.of(HookEnded))
        assert {ended.rc for ended in result.of(HookEnded)} == {0}
        for argv, env, there in called:
            scene = env["LANDSAT_DISPLAY_ID"]
            assert argv[2] == env["LANDSAT_FOLDER"] == str(world.root / scene)
            assert there == [f"{scene}_QA_PIXEL.TIF", f"{scene}_SR_B4.TIF"]
            assert env["LANDSAT_FILES"].split("\n") == [f"{world.root}/{scene}/{name}" for name in there]
            assert "demo-application-token" not in json.dumps([argv, env])
            assert "SOMETHING" not in env
        again = await world.run(config)
        assert (again.summary.exit_code, again.of(HookEnded)) == (0, [])
        await world.run(world.config(search=TWO, select={"bands": [*RED["bands"], "SR_B5"]}, download=LAYOUT,
                                     hooks={"on_scene": hook(tmp_path)}))  # fmt: skip
        assert len(calls(tmp_path)) == 2 * len(called)


@pytest.mark.faults("Y41")
async def test_a_hook_that_fails_undoes_nothing_and_is_called_by_the_next_run(tmp_path):
    async with open_world(tmp_path) as world:
        fails = hook(tmp_path, "print('no room'); raise SystemExit(3)")
        result = await world.run(world.config(search=TWO, select=RED, hooks={"on_scene": fails}))
        assert result.summary.exit_code == 4
        assert result.summary.files_verified == len(world.files())
        assert len(result.of(Failed)) == result.summary.scenes
        assert {failed.reason for failed in result.of(Failed)} == {"its hook on_scene ended with 3: no room"}
        good = await world.run(world.config(search=TWO, select=RED, hooks={"on_scene": hook(tmp_path)}))
        assert (good.summary.exit_code, good.summary.files_verified) == (0, 0)
        assert len(calls(tmp_path)) == result.summary.scenes


async def test_a_scene_that_lacks_a_file_is_not_complete(tmp_path):
    async with open_world(tmp_path, script=Script()) as world:
        config = world.config(search=TWO, select=RED, hooks={"on_scene": hook(tmp_path)})
        world.put("LC08_L2SP_004053_20240705_20240714_02_T1_SR_B4.TIF", b"of the user")
        result = await world.run(config)
        assert len(result.of(HookEnded)) == result.summary.scenes - 1


async def test_a_hook_that_takes_too_long_is_ended_with_its_children(tmp_path):
    text = "import subprocess, sys, time\n" \
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n" \
        "open(sys.argv[1], 'a').write(f'{child.pid}\\n'); time.sleep(60)\n"  # fmt: skip
    async with open_world(tmp_path) as world:
        one = {"dataset": "landsat_ot_c2_l2", "scenes": ["LC80040532024187LGN00"]}
        hooks = {"on_scene": hook(tmp_path, text), "timeout_s": 1.5}
        result = await world.run(world.config(search=one, select=RED, hooks=hooks))
        assert result.summary.exit_code == 4
        assert "did not end within 1.5 s" in next(iter(result.failed.values()))
        assert [ended.rc for ended in result.of(HookEnded)] == [None]
        await gone(int((tmp_path / "my-calls").read_text()))


async def gone(pid):
    """Wait until a process has ended; the machine's init reaps it, at its leisure."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"process {pid} is still there")


@pytest.mark.faults("Y42")
async def test_a_stop_ends_the_hook_and_the_next_run_calls_it_again(tmp_path):
    text = "import os, sys, time\nopen(sys.argv[1], 'a').write(f'{os.getpid()}\\n')\ntime.sleep(60)\n"
    async with open_world(tmp_path) as world:
        config = world.config(search=TWO, select=RED, hooks={"on_scene": hook(tmp_path, text)})
        async with open_run(config, credentials=world.credentials) as run:
            while not (tmp_path / "my-calls").exists() or not (tmp_path / "my-calls").read_text():
                await anyio.sleep(0.01)
            run.stop()
            await run.wait()
        assert run.summary.exit_code == 7
        await gone(int((tmp_path / "my-calls").read_text()))
        (tmp_path / "my-calls").unlink()
        again = await world.run(world.config(search=TWO, select=RED, hooks={"on_scene": hook(tmp_path)}))
        assert len(again.of(HookEnded)) == again.summary.scenes


async def test_a_function_is_called_beside_the_downloads(tmp_path):
    seen = []

    async def on_scene(scene):
        assert all(path.exists() for path in scene.files)
        seen.append(scene)
        if len(seen) == 2:
            raise ValueError("not this one")

    async with open_world(tmp_path) as world:
        config = world.config(search=TWO, select=RED)
        async with open_run(config, credentials=world.credentials, on_scene=on_scene) as run:
            summary = await run.wait()
        assert summary.exit_code == 4
        assert [one.reason for one in summary.failures] == ["its hook on_scene raised ValueError: not this one"]
        assert len({scene.display_id for scene in seen}) == len(seen) == summary.scenes
        assert seen[0].dataset == "landsat_ot_c2_l2"
        failed = seen[1]
        seen.clear()
        async with open_run(config, credentials=world.credentials, on_scene=on_scene) as run:
            assert (await run.wait()).exit_code == 0
        assert seen == [failed]


@pytest.mark.faults("W94")
async def test_a_function_that_cannot_be_awaited_is_told_as_that(tmp_path):
    async with open_world(tmp_path) as world:
        config = world.config(search=TWO, select=RED)
        async with open_run(config, credentials=world.credentials, on_scene=lambda scene: None) as run:
            summary = await run.wait()
        assert summary.exit_code == 4
        assert {one.reason for one in summary.failures} == {
            "its hook on_scene is not an `async def`: it gave back NoneType, which nobody can await"
        }


async def test_the_hook_of_a_run_is_told_its_numbers(tmp_path):
    async with open_world(tmp_path) as world:
        command = [*hook(tmp_path)[:3], "{directory}"]
        result = await world.run(world.config(search=TWO, select=RED, hooks={"on_run": command}))
        ((argv, env, _),) = calls(tmp_path)
        assert argv[2] == env["LANDSAT_DIRECTORY"] == str(world.root)
        assert env["LANDSAT_FILES_VERIFIED"] == str(result.summary.files_verified)
        assert [(ended.scene, ended.rc) for ended in result.of(HookEnded)] == [(None, 0)]
        command[1] = str(tmp_path / "missing.py")
        failing = await world.run(world.config(search=TWO, select=RED, hooks={"on_run": command}))
        assert failing.summary.exit_code == 4


@pytest.mark.faults("Y43")
@pytest.mark.parametrize("select", [{"type": "bundle"}, RED])
async def test_force_finds_each_scene_once_in_its_queue(tmp_path, select):
    async with open_world(tmp_path) as world:
        hooks = {"force_queue": "my-queue.txt"}
        queue = tmp_path / "my-queue.txt"
        config = world.config(search=TWO, select=select, download=LAYOUT, hooks=hooks)
        result = await world.run(config)
        lines = queue.read_text().splitlines()
        assert len(lines) == len(set(lines)) == result.summary.scenes
        for line in lines:
            path, state = line.split(" ")
            assert state == "QUEUED"
            assert os.path.exists(path)
        queue.write_text("\n".join(line.replace("QUEUED", "DONE") for line in lines))
        world.ledger("SELECT 1")
        forget(world)
        assert (await world.run(config)).summary.exit_code == 0
        assert queue.read_text() == "\n".join(line.replace("QUEUED", "DONE") for line in lines)


def forget(world):
    """Have the ledger forget that hooks have ended, as a kill before its commit would."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(world.root / ".landsat_async" / "ledger.sqlite3")) as connection, connection:
        connection.execute("DELETE FROM hook_ended")


@pytest.mark.faults("Y44")
async def test_killed_before_the_record_a_hook_is_called_again_and_the_queue_is_not_written_twice(tmp_path):
    async with open_world(tmp_path) as world:
        hooks = {"on_scene": hook(tmp_path), "force_queue": str(tmp_path / "my-queue.txt")}
        config = world.config(search=TWO, select=RED, download=LAYOUT, hooks=hooks)
        scenes = (await world.run(config)).summary.scenes
        forget(world)
        await world.run(config)
        assert set(Counter(env["LANDSAT_DISPLAY_ID"] for _, env, _ in calls(tmp_path)).values()) == {2}
        assert len((tmp_path / "my-queue.txt").read_text().splitlines()) == scenes


@pytest.mark.parametrize(
    ("tables", "word"),
    [
        ({"hooks": {"on_scene": ["no-such-program-anywhere"]}}, "no program"),
        ({"hooks": {"force_queue": "q.txt"}}, "folder of its own"),
    ],
)
async def test_what_would_make_every_hook_fail_is_said_first(tmp_path, tables, word):
    async with open_world(tmp_path) as world:
        with pytest.raises(ConfigError, match=word):
            await world.run(world.config(search=TWO, select=RED, **tables))
        assert not world.log.entries


@pytest.mark.parametrize("command", [["go", "{nothing}"], ["go", "{folder"], ["go", "{folder!r}"], "go", [""], [1]])
def test_a_command_that_cannot_be_called_is_a_fault_of_the_config(command):
    from landsat_async import Config

    with pytest.raises(ConfigError, match=r"hooks.on_scene"):
        Config.from_dict({"search": {"dataset": "landsat_ot_c2_l2", "limit": 1}, "hooks": {"on_scene": command}})


@pytest.mark.faults("P61")
async def test_while_a_hook_is_at_work_its_name_is_told_and_no_frozen_count(tmp_path):
    """Each hook ends once it has been told of with the count of the end: until then it goes on."""
    wait = "import pathlib, sys, time\nwhile not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.02)\n"
    told: dict[str, Progress] = {}

    def watch(_, event):
        if isinstance(event, Progress) and event.hook and event.files_done == event.files_total:
            name = event.hook.split()[0]
            told[name] = event
            (tmp_path / f"my-{name}").touch()

    async with open_world(tmp_path) as world:
        program = hook(tmp_path, wait)[:2]
        hooks = {name: [*program, str(tmp_path / f"my-{name}")] for name in ("on_scene", "on_run")}
        config = world.config(search=TWO, select=RED, hooks={**hooks, "timeout_s": 60})
        result = await world.run(config, watch=watch)
        assert result.summary.exit_code == 0
        assert {name: one.files_done for name, one in told.items()} == {"on_scene": 4, "on_run": 4}
        assert told["on_run"].hook_limit_s == 60
        assert not [wait for wait in result.of(Retrying) if "next step" in wait.reason]
