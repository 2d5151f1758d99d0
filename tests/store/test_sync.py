"""A prefix that stays right: what a newer version has replaced is put away within the bucket."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest

from landsat_async import Config, Credentials, open_run
from landsat_async.events import Superseded, Synced
from landsat_async.run import counts
from landsat_async.sim.archive import Archive
from landsat_async.sim.scenes import Product
from landsat_async.sim.server import open_simulator
from landsat_async.store import client as client_module
from tests.store.test_runs import _write, held, tables
from tests.support.sync_lab import clock_of_days

PROJECT = Path(__file__).parents[2]
OLD = Product("LC08", "L2SP", 4, 53, date(2024, 7, 5), date(2024, 7, 14), "T1", 4.0)


@pytest.fixture
def days(monkeypatch):
    """The clock of runs: a day that the test sets."""
    clock = SimpleNamespace(day=date(2024, 8, 20))
    monkeypatch.setattr(counts, "time", clock_of_days(clock))
    return clock


async def sync(sim, config):
    async with open_run(config, credentials=Credentials(sim.username, sim.token), sync="new") as run:
        return [event async for event in run.events()]


def keys(s3, url):
    return {key for key in held(s3, url) if not key.startswith(".landsat_async/")}


@pytest.mark.faults("V24")
@pytest.mark.parametrize("action", ["move", "keep", "delete"])
async def test_V24_older_versions_are_put_away_in_the_bucket(s3, url, tmp_path, days, action):
    async with open_simulator(Archive([OLD], pixels=64, tile=32)) as sim:
        config = Config.from_dict(tables(sim, s3, url) | {"sync": {"superseded": action}}, base_dir=tmp_path)
        await sync(sim, config)
        old = await anyio.to_thread.run_sync(keys, s3, url)
        days.day += timedelta(days=1)
        new = sim.archive.reprocess(OLD.display_id, day=days.day)
        events = await sync(sim, config)
        put_away = [(one.old, one.new, one.files, one.action) for one in events if isinstance(one, Superseded)]
        assert put_away == [(OLD.display_id, new.display_id, len(old), action)]
        now = await anyio.to_thread.run_sync(keys, s3, url)
        assert {key for key in now if key.startswith(new.display_id)} == {
            key.replace(OLD.display_id, new.display_id) for key in old
        }
        left = {"move": {f"superseded/{key}" for key in old}, "keep": old, "delete": set()}[action]
        assert {key for key in now if OLD.display_id in key} == left


async def ended_by_the_next(sim, config, s3, url, old, new):
    """Nothing of the older version is lost, and the next sync puts all of it away."""
    between = await anyio.to_thread.run_sync(keys, s3, url)
    for key in old:
        assert {key, f"superseded/{key}"} & between, "the older version is there under one name at least"
    events = await sync(sim, config)
    assert any(isinstance(event, Synced) for event in events)
    now = await anyio.to_thread.run_sync(keys, s3, url)
    assert {key for key in now if OLD.display_id in key} == {f"superseded/{key}" for key in old}
    assert len([key for key in now if key.startswith(new.display_id)]) == len(old)


@pytest.mark.faults("V25")
@pytest.mark.parametrize(("failing", "sign"), [("PUT", "superseded"), ("POST", "delete")], ids=["copy", "removal"])
async def test_V25_a_store_that_fails_while_versions_move_loses_none(
    s3, url, tmp_path, days, monkeypatch, failing, sign
):
    monkeypatch.setattr(client_module, "_RETRY_S", 0)
    async with open_simulator(Archive([OLD], pixels=64, tile=32)) as sim:
        values = tables(sim, s3, url)
        values["service"]["patience_s"] = 0
        config = Config.from_dict(values, base_dir=tmp_path)
        await sync(sim, config)
        old = await anyio.to_thread.run_sync(keys, s3, url)
        days.day += timedelta(days=1)
        new = sim.archive.reprocess(OLD.display_id, day=days.day)
        moving, failed = [], []

        def fail(method, path):
            if "superseded" in path and method != "HEAD":
                moving.append(path)
            if not moving or method != failing or sign not in path:
                return None  # a store is tried out by removals, too
            failed.append(path)
            return 503

        s3.fail = fail
        await sync(sim, config)
        s3.fail = lambda method, path: None
        assert failed
        await ended_by_the_next(sim, config, s3, url, old, new)


@pytest.mark.slow
@pytest.mark.faults("V41")
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(
    ("method", "sign", "moment"),
    [("POST", "uploads", "before"), ("PUT", "partNumber", "before"), ("POST", "uploadId", "before"),
     ("POST", "uploadId", "after"), ("POST", "delete", "before"), ("POST", "delete", "after")],
)  # fmt: skip
async def test_V41_a_sync_that_is_killed_while_versions_move_is_ended_by_the_next(
    s3, url, tmp_path, days, method, sign, moment, times
):
    async with open_simulator(Archive([OLD], pixels=64, tile=32)) as sim:
        values = tables(sim, s3, url)
        config = Config.from_dict(values, base_dir=tmp_path)
        await sync(sim, config)
        old = await anyio.to_thread.run_sync(keys, s3, url)
        days.day += timedelta(days=1)
        new = sim.archive.reprocess(OLD.display_id, day=days.day)
        await anyio.to_thread.run_sync(_write, tmp_path / "config.toml", values)
        environ = {**os.environ, **s3.environ(), "SIM_USERNAME": sim.username, "SIM_TOKEN": sim.token}
        command = [sys.executable, "-m", "tests.store.sync_run", str(tmp_path / "config.toml"), days.day.isoformat()]
        process = subprocess.Popen(command, cwd=PROJECT, env=environ)
        seen, dying = [], []

        def fail(asked, path):
            is_move = sign in path and asked == method and ("superseded" in path or (sign == "delete" and moved))
            moved.extend([path] if "superseded" in path and asked == "POST" and "uploadId" in path else [])
            if dying or (is_move and len(seen) + 1 == times and moment == "before"):
                process.kill()
                process.wait()
                return 500
            if is_move:
                seen.append(path)
                if len(seen) == times:
                    dying.append(path)  # what comes next comes too late
            return None

        moved = []
        s3.fail = fail
        code = await anyio.to_thread.run_sync(process.wait)
        s3.fail = lambda method, path: None
        assert code == -signal.SIGKILL
        await ended_by_the_next(sim, config, s3, url, old, new)
        state = await anyio.to_thread.run_sync(held, s3, url)
        assert not [key for key in state if key.startswith(".landsat_async/")]
        uploads = await anyio.to_thread.run_sync(partial(s3.client.list_multipart_uploads, Bucket="lake"))
        assert not [one["Key"] for one in uploads.get("Uploads", ()) if one["Key"].startswith(url.prefix)]
