"""What [output] makes of files in a store: the same documents as in a folder, each whole, and none of somebody else."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from datetime import date, timedelta
from types import SimpleNamespace

import anyio
import anyio.from_thread
import pytest
import rasterio

from landsat_async import Config, Credentials, download, open_run
from landsat_async.config_store import StoreConfig
from landsat_async.disk import at_once
from landsat_async.errors import ConfigError, FolderUnwritable, ServiceDown
from landsat_async.events import Failed
from landsat_async.proof.byte_view import Stopped
from landsat_async.rules.store_url import StoreUrl
from landsat_async.run import counts
from landsat_async.run.stac import make_outputs
from landsat_async.show.cli import main
from landsat_async.sim.archive import Archive
from landsat_async.sim.scenes import Product
from landsat_async.sim.server import open_simulator
from landsat_async.stac.ours import is_ours
from landsat_async.stac.scene_table import GEOJSON_HEAD
from landsat_async.store import client as client_module
from landsat_async.store import outputs as outputs_module
from landsat_async.store.target import StoreTarget
from tests.store.test_runs import RunOfStore, _write, tables
from tests.support.sync_lab import clock_of_days

ALL = {"stac": True, "vrt": True, "table": "csv"}
FIRST = "LC08_L2SP_004053_20240705_20240714_02_T1"
ITEMS = "stac/landsat-c2-l2"
RED = {"bands": ["SR_B4", "QA_PIXEL"]}
ONE = {"scenes": [FIRST]}
CATALOG = b'{\n "type": "Catalog",\n "stac_version": "1.1.0",\n "id": "landsat_async",\n'


def slow(value):
    return pytest.param(value, marks=pytest.mark.slow)


def config_of(sim, s3, url, tmp_path, *, output=ALL, **more):
    values = tables(sim, s3, url, layout="{year}") | {"select": RED, "output": output} | more
    if "scenes" not in values["search"]:
        values["search"] = {"limit": 2, "order": "oldest"} | values["search"]
    return Config.from_dict(values, base_dir=tmp_path)


def held(s3, url):
    """The bytes of everything below the prefix, by path; our own folder of state left out."""
    pages = s3.client.get_paginator("list_objects_v2").paginate(Bucket="lake", Prefix=f"{url.prefix}/")
    keys = [one["Key"] for page in pages for one in page.get("Contents", ()) if "/.landsat_async/" not in one["Key"]]
    return {
        key.removeprefix(f"{url.prefix}/"): s3.client.get_object(Bucket="lake", Key=key)["Body"].read() for key in keys
    }


async def objects(s3, url):
    return await anyio.to_thread.run_sync(held, s3, url)


def lead_somewhere(found, *, whole=True):
    """All documents are valid, and what they name is there: on the way down, or all of it."""
    for name in (one for one in found if one.startswith("stac/") and one.endswith(".json")):
        document = json.loads(found[name])
        hrefs = [link["href"] for link in document["links"] if whole or link["rel"] in ("item", "child")]
        hrefs += [asset["href"] for asset in document.get("assets", {}).values()]
        for href in (one for one in hrefs if not one.startswith(("https:", "/vsitar/"))):
            assert os.path.normpath(os.path.join(os.path.dirname(name), href)) in found, f"{name}: {href}"


def gdal_of(s3):
    endpoint = s3.endpoint.removeprefix("http://")
    return rasterio.Env(
        AWS_S3_ENDPOINT=endpoint, AWS_HTTPS="NO", AWS_VIRTUAL_HOSTING="FALSE", GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"
    )


def without_tables(documents):
    return {name: data for name, data in documents.items() if not name.startswith("scenes.")}


def without_time(documents):
    return {
        name: json.loads(data) | {"properties": json.loads(data).get("properties", {}) | {"created": None}}
        if name.endswith(".json")
        else data
        for name, data in documents.items()
    }


@pytest.mark.faults("V50")
async def test_V50_a_bucket_gets_the_outputs_that_a_folder_gets_and_foreign_readers_open_them(s3, url, tmp_path):
    async with open_simulator() as sim:
        credentials = Credentials(sim.username, sim.token)
        config = config_of(sim, s3, url, tmp_path)
        first = await download(config, credentials=credentials)
        assert first.exit_code == 0
        in_folder = tables(sim, s3, url) | {"select": RED, "output": ALL}
        in_folder["download"] |= {"directory": str(tmp_path / "data"), "layout": "{year}"}
        in_folder["search"] = in_folder["search"] | {"limit": 2, "order": "oldest"}
        await download(Config.from_dict(in_folder, base_dir=tmp_path), credentials=credentials)
        found = await objects(s3, url)
        assert without_time(found) == without_time(
            {
                path.relative_to(tmp_path / "data").as_posix(): path.read_bytes()
                for path in (tmp_path / "data").rglob("*")
                if path.is_file() and ".landsat_async" not in path.parts
            }
        )
        lead_somewhere(found)

        s3.requests.clear()
        again = await download(config, credentials=credentials)
        assert again.exit_code == 0
        asked = [(method, path) for method, path in s3.requests if ".landsat_async/" not in path]
        assert [one for one in asked if one[0] in ("GET", "PUT") and "list-type" not in one[1]] == []
        assert len([path for _, path in asked if "list-type" in path]) <= 2

    def look():
        item = json.loads(found[f"{ITEMS}/{FIRST}.json"])
        red = f"s3://lake/{url.prefix}/" + os.path.normpath(f"{ITEMS}/{item['assets']['red']['href']}")
        vrt = f"s3://lake/{url.prefix}/2024/{FIRST}.vrt"
        with gdal_of(s3), rasterio.open(vrt) as scene, rasterio.open(red) as band:
            assert (scene.read(scene.descriptions.index("red") + 1) == band.read(1)).all()

    await anyio.to_thread.run_sync(look)


@pytest.mark.faults("V50")
async def test_V50_members_of_a_bundle_open_in_the_bucket(s3, url, tmp_path):
    async with open_simulator() as sim:
        config = config_of(sim, s3, url, tmp_path, select={"type": "bundle"}, search=ONE)
        assert (await download(config, credentials=Credentials(sim.username, sim.token))).exit_code == 0
    found = await objects(s3, url)
    lead_somewhere(found)

    def look():
        href = json.loads(found[f"{ITEMS}/{FIRST}.json"])["assets"]["red"]["href"]
        assert href == f"/vsitar//vsis3/lake/{url.prefix}/2024/{FIRST}.tar/{FIRST}_SR_B4.TIF"
        with gdal_of(s3), rasterio.open(href) as band:
            assert band.read(1).any()

    await anyio.to_thread.run_sync(look)


@pytest.mark.faults("V50")
async def test_V50_all_items_as_one_table_are_read_by_somebody_else(s3, url, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    reader = pytest.importorskip("stac_geoparquet.arrow", reason="stac-geoparquet is not installed")
    pystac = pytest.importorskip("pystac", reason="pystac is not installed")
    from obstore.fsspec import FsspecStore
    from pystac.stac_io import DefaultStacIO

    async with open_simulator() as sim:
        config = config_of(sim, s3, url, tmp_path, output={"stac": True, "table": "parquet"})
        assert (await download(config, credentials=Credentials(sim.username, sim.token))).exit_code == 0

    class FromBucket(DefaultStacIO):
        def read_text(self, source, *args, **kwargs):
            key = str(source).removeprefix("s3://lake/")
            return s3.client.get_object(Bucket="lake", Key=key)["Body"].read().decode()

    def look():
        files = FsspecStore("s3", endpoint=s3.endpoint, client_options={"allow_http": True})
        catalog = pystac.Catalog.from_file(f"{url}/stac/catalog.json", stac_io=FromBucket())
        items = {item.id: item for item in catalog.get_items(recursive=True)}
        assert items
        for item in items.values():
            for asset in item.assets.values():
                assert files.exists(asset.get_absolute_href().removeprefix("s3://")), asset.href
        with files.open(f"lake/{url.prefix}/{ITEMS}/items.parquet") as file:
            rows = list(reader.stac_table_to_items(parquet.read_table(file)))
        assert {row["id"] for row in rows} == set(items)

    await anyio.to_thread.run_sync(look)


@pytest.mark.faults("V51")
async def test_V51_what_is_not_ours_is_never_replaced_also_not_in_the_moment_of_writing(s3, url, tmp_path):
    mine, late = b"my,own,table\r\n", b"<VRTDataset>of somebody else</VRTDataset>"
    s3.client.put_object(Bucket="lake", Key=url.key("scenes.csv"), Body=mine)
    vrt, written = url.key(f"2024/{FIRST}.vrt"), []

    def in_the_moment(method, path):
        if method == "PUT" and path.endswith(".vrt") and FIRST in path and not written:
            written.append(path)
            s3.client.put_object(Bucket="lake", Key=vrt, Body=late)
        return

    s3.fail = in_the_moment
    async with open_simulator() as sim:
        config = config_of(sim, s3, url, tmp_path)
        for _ in range(2):
            async with open_run(config, credentials=Credentials(sim.username, sim.token)) as run:
                failed = {event.file async for event in run.events() if isinstance(event, Failed)}
            assert (run.summary.exit_code, failed) == (4, {"scenes.csv", f"2024/{FIRST}.vrt"})
    found = await objects(s3, url)
    assert written
    assert (found["scenes.csv"], found[f"2024/{FIRST}.vrt"]) == (mine, late)


@pytest.mark.faults("V52")
@pytest.mark.parametrize("point", ["/stac/landsat-c2-l2/LC0", slow("catalog.json"), slow("/outputs")])
async def test_V52_what_is_cut_off_at_a_request_is_made_by_the_next_run(s3, url, tmp_path, point):
    cut = []

    def fail(method, path):
        if cut or (method == "PUT" and point in path):
            cut.append(path)
            return 403
        return None

    async with open_simulator() as sim:
        credentials, config = Credentials(sim.username, sim.token), config_of(sim, s3, url, tmp_path)
        s3.fail = fail
        with pytest.raises(FolderUnwritable):
            await download(config, credentials=credentials)
        s3.fail = lambda method, path: None
        lead_somewhere(await objects(s3, url), whole=False)
        s3.requests.clear()
        again = await download(config, credentials=credentials)
        assert (again.exit_code, again.bytes_received) == (0, 0)
    found = await objects(s3, url)
    lead_somewhere(found)
    assert sum(name.startswith(f"{ITEMS}/L") for name in found) == 2
    assert {"stac/catalog.json", "scenes.csv"} < set(found)


@pytest.mark.slow
@pytest.mark.faults("V52")
@pytest.mark.parametrize("point", ["/stac/landsat-c2-l2/LC08", "collection.json", "catalog.json", "/outputs"])
async def test_V52_killed_between_the_last_file_and_its_outputs_the_next_run_makes_them(s3, url, tmp_path, point):
    more = {"select": RED, "output": ALL}
    async with (
        open_simulator(archive=Archive.demo()) as sim,
        RunOfStore.opened(sim, s3, tmp_path, tables(sim, s3, url) | more) as run,
    ):
        assert await run.killed(lambda method, path: method == "PUT" and point in path) == -signal.SIGKILL
        lead_somewhere(await objects(s3, url), whole=False)
        s3.requests.clear()
        assert await run.whole() == 0
        assert not [path for method, path in s3.requests if method == "PUT" and path.endswith(".TIF")]
    found = await objects(s3, url)
    lead_somewhere(found)
    assert sum(name.startswith(f"{ITEMS}/L") for name in found) == sum(name.endswith("QA_PIXEL.TIF") for name in found)
    assert "stac/catalog.json" in found
    assert "scenes.csv" in found


@pytest.mark.faults("V53")
async def test_V53_after_a_sync_items_and_vrts_agree_with_the_files(s3, url, tmp_path, monkeypatch):
    clock = SimpleNamespace(day=date(2024, 8, 20))
    monkeypatch.setattr(counts, "time", clock_of_days(clock))
    old = Product("LC08", "L2SP", 4, 53, date(2024, 7, 5), date(2024, 7, 14), "T1", 4.0)
    async with open_simulator(Archive([old], pixels=64, tile=32)) as sim:
        config = config_of(sim, s3, url, tmp_path)
        for display_id in (old.display_id, None):
            if display_id is None:
                clock.day += timedelta(days=1)
                display_id = sim.archive.reprocess(old.display_id, day=clock.day).display_id
            async with open_run(config, credentials=Credentials(sim.username, sim.token), sync="new") as run:
                assert (await run.wait()).exit_code == 0
            found = await objects(s3, url)
            lead_somewhere(found)
            assert {name for name in found if name.startswith(f"{ITEMS}/L")} == {f"{ITEMS}/{display_id}.json"}
            assert {name for name in found if name.endswith(".vrt")} == {f"2024/{display_id}.vrt"}
    assert f"superseded/2024/{old.file_name('SR_B4.TIF')}" in found


@pytest.mark.faults("V54", "V71")
async def test_V54_machines_that_take_turns_at_one_prefix_keep_one_catalogue(s3, url, tmp_path):
    async with open_simulator() as sim:
        credentials = Credentials(sim.username, sim.token)
        search = tables(sim, s3, url)["search"] | {"limit": 1}
        one, other = (
            config_of(sim, s3, url, tmp_path / order, search=search | {"order": order})
            for order in ("oldest", "newest")
        )
        await download(one, credentials=credentials)
        alone = await objects(s3, url)
        await download(other, credentials=credentials)
        both = await objects(s3, url)
        lead_somewhere(both)
        assert sum(name.startswith(f"{ITEMS}/L") for name in both) == 2
        assert sum(name.endswith(".vrt") for name in both) == 2
        days = json.loads(both[f"{ITEMS}/collection.json"])["extent"]["temporal"]["interval"][0]
        assert days[0] < days[1]
        assert (await make_outputs(one)).scenes == 2
        again = await objects(s3, url)
        assert without_tables(again) == without_tables(both), "nothing is made anew by turns"

        for name in set(both) - set(alone):
            if name.endswith((".TIF", ".txt")):
                s3.client.delete_object(Bucket="lake", Key=url.key(name))
        assert (await make_outputs(one)).scenes == 1
        assert await objects(s3, url) == alone, "what has no files any more goes, whoever has made it"


@pytest.mark.faults("V55")
async def test_V55_the_command_makes_them_of_what_is_there_and_waits_for_a_store(
    s3, url, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("landsat_async.store.client._RETRY_S", 0)
    async with open_simulator() as sim:
        values = tables(sim, s3, url) | {"select": RED}
        await anyio.to_thread.run_sync(_write, tmp_path / "c.toml", values)
        config = Config.load(tmp_path / "c.toml")
        await download(config, credentials=Credentials(sim.username, sim.token))
    found = await objects(s3, url)
    for name in (one for one in found if one.startswith(FIRST)):
        s3.client.delete_object(Bucket="lake", Key=url.key(name))
    scenes = len({name[:40] for name in found}) - 1
    s3.requests.clear()
    assert await anyio.to_thread.run_sync(main, ["stac", str(tmp_path / "c.toml")]) == 0
    assert f"{url}/stac/catalog.json: {scenes} scenes" in capsys.readouterr().out
    read = [path for method, path in s3.requests if method == "GET" and path.endswith(".TIF")]
    assert len(read) == len(set(read)), "the head of each raster is read once, with one request"
    lead_somewhere(await objects(s3, url))
    assert await anyio.to_thread.run_sync(main, ["stac", "--json", str(tmp_path / "c.toml")]) == 0
    assert json.loads(capsys.readouterr().out)["written"] == 0

    s3.fail = lambda method, path: 503 if "/stac/" in path else None
    no_patience = Config.from_dict(values | {"service": values["service"] | {"patience_s": 0}}, base_dir=tmp_path)
    with pytest.raises(ServiceDown):
        await make_outputs(no_patience)


@pytest.mark.faults("V59")
@pytest.mark.parametrize("hanging", ["/stac/landsat-c2-l2/LC0", slow("MTL.txt")])
async def test_V59_a_stop_does_not_wait_for_a_store_that_hangs(s3, url, tmp_path, hanging):
    hangs, over, hung = threading.Event(), threading.Event(), anyio.Event()
    async with open_simulator() as sim, anyio.from_thread.BlockingPortal() as portal:
        credentials = Credentials(sim.username, sim.token)
        with_metadata = {"select": RED | {"metadata": True}}
        await download(config_of(sim, s3, url, tmp_path, output={}, **with_metadata), credentials=credentials)

        def fail(method, path):
            if hanging not in path or method == "HEAD":
                return None
            if not hangs.is_set():
                hangs.set()
                portal.call(hung.set)
            over.wait(60)
            return 500

        s3.fail = fail
        async with open_run(config_of(sim, s3, url, tmp_path), credentials=credentials) as run:
            await hung.wait()
            run.stop()
            assert (await run.wait()).exit_code == 7
            assert not over.is_set(), "the store still hangs"
        over.set()
        s3.fail = lambda method, path: None
        assert (await download(config_of(sim, s3, url, tmp_path), credentials=credentials)).exit_code == 0
    lead_somewhere(await objects(s3, url))


@pytest.mark.faults("V56")
def test_V56_a_large_table_goes_up_in_parts_and_is_replaced(s3, url, tmp_path, monkeypatch):
    monkeypatch.setattr(outputs_module, "SINGLE_PUT_BYTES", 1000)
    target = StoreTarget(
        url, StoreConfig(endpoint=s3.endpoint, part_size=5 * 2**20), spool=tmp_path / "s", state_dir=tmp_path / "l"
    )
    claim = target.prepare()
    try:
        for size in (2000, 6 * 2**20, 10):
            files = target.outputs(is_ours)
            data = GEOJSON_HEAD + b"x" * size
            with files.writing("scenes.geojson") as file:
                file.write(data)
            assert held(s3, url) == {"scenes.geojson": data}
            assert files.read("scenes.geojson", 5) == data[:5]
            assert list((tmp_path / "s").iterdir()) == []
    finally:
        claim.release()


@pytest.mark.faults("V70")
@pytest.mark.parametrize("when", ["no thread can be made", "its thread comes too late", "the store hangs"])
def test_V70_a_table_that_is_cut_off_is_closed_once_and_leaves_no_file(s3, url, tmp_path, monkeypatch, when):
    stopped, over, written, threads, closed = threading.Event(), threading.Event(), [], [], []

    class Late(threading.Thread):
        def start(self):
            if written and when.startswith("no"):
                raise RuntimeError("can't start new thread")
            if written and when.startswith("its"):
                stopped.set()
            else:
                super().start()
            threads.append(self)

    def fail(method, path):
        if method == "PUT" and path.endswith("scenes.geojson"):
            stopped.set()
            over.wait(60)
        return

    target = StoreTarget(url, StoreConfig(endpoint=s3.endpoint), spool=tmp_path / "s", state_dir=tmp_path / "l")
    claim, s3.fail = target.prepare(), fail
    monkeypatch.setattr(at_once, "threading", SimpleNamespace(Thread=Late, Event=threading.Event))
    try:
        files = target.outputs(is_ours, stopped.is_set)
        drop = files._drop
        files._drop = lambda *file: closed.append(file) or drop(*file)
        with pytest.raises(RuntimeError if when.startswith("no") else Stopped), files.writing("scenes.geojson") as file:
            written.append(file.write(GEOJSON_HEAD))
        over.set()
        for thread in threads:
            if thread.ident is None:
                threading.Thread.start(thread)
            thread.join(60)
        assert len(closed) == 1
        assert list((tmp_path / "s").iterdir()) == []
        assert ("scenes.geojson" in held(s3, url)) is when.startswith("the store")
    finally:
        over.set()
        claim.release()


@pytest.mark.faults("V57")
async def test_V57_hooks_get_addresses_and_force_is_refused(s3, url, tmp_path):
    program = tmp_path / "hook.py"
    program.write_text(
        "import json, os, sys\n"
        "with open('told.json', 'a') as told:\n"
        "    told.write(json.dumps([sys.argv[1:], os.environ['LANDSAT_FILES'].split()]) + '\\n')\n"
    )
    scenes = []

    async def on_scene(scene):
        scenes.append(scene)

    async with open_simulator() as sim:
        hooks = {"on_scene": [sys.executable, "hook.py", "{folder}", "{directory}"]}
        path = tmp_path / "c.toml"
        await anyio.to_thread.run_sync(_write, path, tables(sim, s3, url, layout="{year}") | {"hooks": hooks})
        async with open_run(
            Config.load(path), credentials=Credentials(sim.username, sim.token), on_scene=on_scene
        ) as run:
            assert (await run.wait()).exit_code == 0
        told = [json.loads(line) for line in (tmp_path / "told.json").read_text().splitlines()]
        assert {tuple(arguments) for arguments, _ in told} == {(f"{url}/2024", str(url))}
        found = {f"{url}/{name}" for name in await objects(s3, url)}
        assert {file for _, files in told for file in files} == found
        assert {file for scene in scenes for file in scene.files} == found
        assert {scene.folder for scene in scenes} == {f"{url}/2024"}
        queue = {"hooks": {"force_queue": "queue.txt"}, "select": {"type": "bundle"}}
        with pytest.raises(ConfigError, match="FORCE reads files of this machine"):
            config_of(sim, s3, url, tmp_path, **queue)


@pytest.mark.faults("V58")
@pytest.mark.parametrize("lost", [False, True], ids=["conditions hold", "its answer was lost"])
def test_V58_an_object_that_changes_while_it_is_replaced_is_looked_at_again(client, s3, url, tmp_path, lost):
    target = StoreTarget(url, StoreConfig(endpoint=s3.endpoint), spool=tmp_path / "s", state_dir=tmp_path / "l")
    claim, once = target.prepare(), []
    try:
        client.put(url.key("stac/catalog.json"), CATALOG + b"old")

        def fail(method, path):
            if method == "PUT" and path.endswith("catalog.json") and not once:
                once.append(path)
                body = CATALOG + (b"new" if lost else b"of another run of ours")
                s3.client.put_object(Bucket="lake", Key=url.key("stac/catalog.json"), Body=body)
            return

        s3.fail = fail
        files = target.outputs(is_ours)
        files.put("stac/catalog.json", CATALOG + b"new")
        files.sync()
        assert (once != [], files.refused, files.changed) == (True, [], 0 if lost else 1)
        assert held(s3, url) == {"stac/catalog.json": CATALOG + b"new"}
        assert files.names("stac") == ["catalog.json"]
        assert files.names("") == ["stac"]
        assert not files.is_there("stac/other.json")
        assert files.read(".landsat_async/outputs", 10) is None
    finally:
        claim.release()


def test_names_before_our_own_folder_are_listed_too(s3, url, tmp_path):
    target = StoreTarget(url, StoreConfig(endpoint=s3.endpoint), spool=tmp_path / "s", state_dir=tmp_path / "l")
    claim = target.prepare()
    try:
        for name in ("+x/a.vrt", "stac/catalog.json"):
            s3.client.put_object(Bucket="lake", Key=url.key(name), Body=b"1")
        files = target.outputs(is_ours)
        assert files.names("stac") == ["catalog.json"]
        assert files.names("+x") == ["a.vrt"]
        assert target.gdal_path("a b.tar") == f"/vsis3/lake/{url.prefix}/a b.tar"
    finally:
        claim.release()


def test_a_store_of_each_kind_has_its_paths_of_gdal(tmp_path):
    for scheme in ("s3", "gs", "az"):
        target = StoreTarget(StoreUrl(scheme, "lake", ""), StoreConfig(), spool=tmp_path / "s", state_dir=tmp_path)
        assert target.gdal_path("x/a.tar") == f"/vsi{scheme}/lake/x/a.tar"
    assert client_module.SINGLE_PUT_BYTES == outputs_module.SINGLE_PUT_BYTES
