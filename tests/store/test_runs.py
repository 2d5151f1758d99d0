"""Whole runs into a store: right files, nothing twice, and kills at the requests that matter."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
from concurrent import futures
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from landsat_async import Config, Credentials, download, plan
from landsat_async.errors import FolderUnwritable
from landsat_async.events import Failed, Finished
from landsat_async.run.verify import verify
from landsat_async.sim.archive import Archive
from landsat_async.sim.server import open_simulator
from tests.support.crash_child import MARKS_BYTES
from tests.support.moto_server import KEY, SECRET
from tests.support.nursery import GOODBYE_S, Nursery, open_nursery

SEARCH = {
    "dataset": "landsat_ot_c2_l2",
    "bbox": [-68.01, 9.99, -67.49, 10.34],
    "start": "2024-07-05",
    "end": "2024-07-13",
}


def tables(sim, s3, url, **download_table):
    return {
        "service": {"url": sim.service_url, "patience_s": 5},
        "search": SEARCH,
        "select": {"bands": ["SR_B3", "ANG"]},
        "download": {"directory": str(url), "poll_interval_s": 0.05, "min_free_bytes": 0, **download_table},
        "store": {"endpoint": s3.endpoint, "part_size": 5 * 2**20},
    }


def held(s3, url):
    """Everything below the prefix: SHA-256 by path."""
    found = s3.client.list_objects_v2(Bucket="lake", Prefix=f"{url.prefix}/").get("Contents", [])
    get = partial(s3.client.get_object, Bucket="lake")
    return {
        one["Key"].removeprefix(f"{url.prefix}/"): hashlib.sha256(get(Key=one["Key"])["Body"].read()).hexdigest()
        for one in found
    }


async def test_a_run_into_a_store_is_right_and_comes_once(s3, url, tmp_path):
    async with open_simulator() as sim:
        credentials = Credentials(sim.username, sim.token)
        config = Config.from_dict(tables(sim, s3, url, layout="{sensor}/{year}"), base_dir=tmp_path)
        shown = await plan(config, credentials=credentials)
        first = await download(config, credentials=credentials)
        assert (first.exit_code, first.files_verified) == (0, len(shown.files))
        objects = await anyio.to_thread.run_sync(held, s3, url)
        assert set(objects) == {planned.file.relpath for planned in shown.files}
        for relpath, sha256 in objects.items():
            content = sim.archive.file(relpath.rpartition("/")[2])
            assert hashlib.sha256(content.read(0, content.size)).hexdigest() == sha256

        s3.requests.clear()
        again = await download(config, credentials=credentials)
        assert (again.exit_code, again.files_skipped, again.bytes_received) == (0, len(objects), 0)
        assert len([path for _, path in s3.requests if "list-type" in path]) <= 2

        (tmp_path / ".landsat_async/ledger.sqlite3").unlink()
        adopted = await download(config, credentials=credentials)
        bands = [relpath for relpath in objects if relpath.endswith(".TIF")]
        assert adopted.files_skipped >= len(bands), "what a store holds is proven and adopted, where its kind can be"

    assert [path.name for path in (tmp_path / "spool").iterdir()] == []


async def test_a_changed_object_is_put_aside_and_verify_tells(s3, url, tmp_path):
    async with open_simulator() as sim:
        credentials = Credentials(sim.username, sim.token)
        config = Config.from_dict(tables(sim, s3, url), base_dir=tmp_path)
        await download(config, credentials=credentials)
        name = next(relpath for relpath in held(s3, url) if relpath.endswith("SR_B3.TIF"))
        s3.client.put_object(Bucket="lake", Key=url.key(name), Body=b"changed")
        events = [event async for event in verify(config)]
        assert [event.file for event in events if isinstance(event, Failed)] == [name]
        result = await download(config, credentials=credentials)
        assert (result.exit_code, result.files_verified) == (0, 1)
        assert any(relpath.startswith(".landsat_async/changed/") for relpath in held(s3, url))
        ended = [event async for event in verify(config)][-1]
        assert isinstance(ended, Finished)
        assert ended.exit_code == 0


async def test_a_store_that_fails_for_a_while_costs_time_and_no_byte(s3, url, tmp_path, monkeypatch):
    monkeypatch.setattr("landsat_async.store.client._RETRY_S", 0)
    refused = []

    def fail(method, path):
        if method == "PUT" and path.endswith("SR_B3.TIF") and len(refused) < 3:
            refused.append(path)
            return 503
        return None

    async with open_simulator() as sim:
        config = Config.from_dict(tables(sim, s3, url), base_dir=tmp_path)
        s3.fail = fail
        result = await download(config, credentials=Credentials(sim.username, sim.token))
    assert len(refused) == 3
    assert result.exit_code == 0
    sizes = sum(one["Size"] for one in s3.client.list_objects_v2(Bucket="lake", Prefix=url.prefix)["Contents"])
    assert result.bytes_received <= sizes + 3 * 65_536 * 2, "only the overlap is asked for again"


async def test_no_rights_end_a_run_before_usgs_is_asked(s3, url, tmp_path):
    async with open_simulator() as sim:
        config = Config.from_dict(tables(sim, s3, url), base_dir=tmp_path)
        s3.fail = lambda method, path: 403 if method == "PUT" else None
        with pytest.raises(FolderUnwritable) as refused:
            await download(config, credentials=Credentials(sim.username, sim.token))
        assert refused.value.exit_code == 2
        assert not sim.log.entries


class RunOfStore:
    """A run as a process of its own, into the store of a test."""

    def __init__(self, s3, nursery: Nursery, order: dict[str, Any]) -> None:
        self._s3, self._nursery, self._order = s3, nursery, order

    @classmethod
    @asynccontextmanager
    async def opened(cls, sim, s3, folder: Path, values):
        """Have runs with a config that is written into the folder."""
        config, marks = folder / "config.toml", folder / "marks"
        _write(config, values)
        marks.write_bytes(bytes(MARKS_BYTES))
        order = {
            "argv": ["run", str(config)], "environ": s3.environ(), "username": sim.username, "token": sim.token,
            "marks": str(marks), "said": str(folder / "said"),
        }  # fmt: skip
        async with open_nursery() as nursery:
            yield cls(s3, nursery, order)

    async def whole(self) -> int:
        """Return the exit code of a run that nobody disturbs."""
        return await self._nursery.end(await self._nursery.begin(self._order))

    async def killed(self, is_point) -> int:
        """Return the exit code of a run that is killed at the first request that `is_point(method, path)` is."""
        loop = asyncio.get_running_loop()
        begun: futures.Future[int] = futures.Future()
        ended: futures.Future[int] = futures.Future()

        def fail(method, path):
            if not ended.done() and is_point(method, path):
                asyncio.run_coroutine_threadsafe(self._nursery.send(begun.result(), signal.SIGKILL), loop)
                ended.result(GOODBYE_S)
                return 500
            return None

        self._s3.fail = fail
        begun.set_result(await self._nursery.begin(self._order))
        code = await self._nursery.end(begun.result())
        ended.set_result(code)
        self._s3.fail = lambda method, path: None
        return code


@pytest.mark.parametrize("point", ["PUT claim.json", "PUT SR_B3.TIF", "after PUT SR_B3.TIF", "HEAD ANG.txt"])
async def test_killed_at_a_request_of_the_store_the_next_run_ends_it(s3, url, tmp_path, point):
    async with (
        open_simulator(archive=Archive.demo()) as sim,
        RunOfStore.opened(sim, s3, tmp_path, tables(sim, s3, url)) as run,
    ):
        wanted, _, name = point.removeprefix("after ").partition(" ")
        seen = []

        def is_point(method, path):
            if method == wanted and path.endswith(name) and not seen:
                seen.append(path)
                return not point.startswith("after")
            return bool(seen)  # the request after the one of the point

        assert await run.killed(is_point) == -signal.SIGKILL
        assert seen
        await anyio.to_thread.run_sync(_nothing_wrong, s3, url, sim)
        assert await run.whole() == 0
        objects = await anyio.to_thread.run_sync(_nothing_wrong, s3, url, sim)
        assert len(objects) == 6
        assert not [relpath for relpath in held(s3, url) if relpath.startswith(".landsat_async/")]


def _write(path, values):
    lines = []
    for table, keys in values.items():
        lines += [f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
    path.write_text("\n".join(lines))


def _nothing_wrong(s3, url, sim):
    objects = {relpath: sha for relpath, sha in held(s3, url).items() if not relpath.startswith(".landsat_async/")}
    for relpath, sha256 in objects.items():
        content = sim.archive.file(relpath)
        assert hashlib.sha256(content.read(0, content.size)).hexdigest() == sha256, relpath
    return objects


async def test_the_secrets_of_the_store_are_nowhere(s3, url, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("landsat_async.store.client._RETRY_S", 0)
    caplog.set_level("DEBUG", logger="landsat_async")
    async with open_simulator() as sim:
        config = Config.from_dict(tables(sim, s3, url, attempts=2), base_dir=tmp_path)
        s3.fail = lambda method, path: 500 if path.endswith("ANG.txt") and method == "PUT" else None
        result = await download(config, credentials=Credentials(sim.username, sim.token))
    texts = [caplog.text, str(result), (tmp_path / ".landsat_async/ledger.sqlite3").read_bytes().decode("latin1")]
    assert not [text for text in texts if SECRET in text or KEY in text]
