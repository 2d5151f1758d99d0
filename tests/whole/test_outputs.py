"""What [output] makes of the files of a run: items, catalogue, VRTs, tables; also killed, moved, in the way."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import os
import shutil
from datetime import date, datetime
from pathlib import Path

import anyio
import pytest
import rasterio
import shapely

from landsat_async.config_tables import OutputConfig
from landsat_async.disk.fs import local_fs
from landsat_async.disk.local_target import LocalTarget
from landsat_async.errors import ConfigError, DiskFull, FolderUnwritable
from landsat_async.events import Notice
from landsat_async.run.outputs import write_outputs
from landsat_async.run.stac import make_outputs
from landsat_async.show.cli import main
from landsat_async.sim.archive import Archive
from landsat_async.sim.scenes import Product
from tests.whole.world import LAKE, open_world

LONG_WAITS = True
FIRST = "LC08_L2SP_004053_20240705_20240714_02_T1"
ALL = {"stac": True, "vrt": True, "table": "csv"}
RED = {"bands": ["SR_B4", "QA_PIXEL"]}
ITEMS = "stac/landsat-c2-l2"


DOWN = {"item", "child"}


def documents(root, *, whole=True):
    """Return the catalogue's documents, by path; what they name is here: on the way down, or all of it."""
    found = {}
    for path in Path(root, "stac").rglob("*.json"):
        found[path.relative_to(root).as_posix()] = document = json.loads(path.read_bytes())
        hrefs = [link["href"] for link in document["links"] if whole or link["rel"] in DOWN]
        hrefs += [asset["href"] for asset in document.get("assets", {}).values()]
        for href in (one for one in hrefs if not one.startswith(("https:", "/vsitar/"))):
            assert (path.parent / href).exists(), f"{path.name}: {href}"
    return found


async def test_after_a_run_its_scenes_open_by_themselves(tmp_path):
    async with open_world(tmp_path) as world:
        config = world.config(select=RED, output=ALL, download={"layout": "{year}/{path}"})
        result = await world.run(config)
        assert result.summary.exit_code == 0
        assert sum(file.endswith("_MTL.txt") for file in result.verified) == result.summary.scenes
        shutil.copytree(world.root, tmp_path / "moved")
        root = tmp_path / "moved"
        found = documents(root)
        assert len(found) == result.summary.scenes + 2
        item = found[f"{ITEMS}/{FIRST}.json"]
        assert sorted(item["assets"]) == ["mtl.txt", "qa_pixel", "red"]
        red = root / ITEMS / item["assets"]["red"]["href"]
        assert item["assets"]["red"]["file:checksum"] == "1220" + hashlib.sha256(red.read_bytes()).hexdigest()
        ((footprint,),) = world.ledger(f"SELECT geometry FROM footprint WHERE display_id='{FIRST}'")
        corners = {tuple(round(one, 6) for one in corner) for corner in json.loads(footprint)["coordinates"][0]}
        assert {tuple(corner) for corner in item["geometry"]["coordinates"][0]} == corners
        with rasterio.open(root / "2024/004" / f"{FIRST}.vrt") as vrt, rasterio.open(red) as band:
            assert vrt.descriptions == ("qa_pixel", "red")
            assert (vrt.read(2) == band.read(1)).all()
            assert vrt.transform == band.transform
            assert list(band.transform)[:6] == item["properties"]["proj:transform"]
            assert vrt.scales[1] == 2.75e-05
        rows = list(csv.DictReader(io.StringIO((root / "scenes.csv").read_text())))
        assert [row["display_id"] for row in rows] == sorted(Path(name).stem for name in found if "_L2" in name)
        shutil.rmtree(root)


async def test_three_bands_are_three_bands_without_outputs(tmp_path):
    async with open_world(tmp_path) as world:
        result = await world.run(world.config(select=RED))
        assert not any(file.endswith("_MTL.txt") for file in result.verified)
        with_them = await world.run(world.config(select=RED | {"metadata": True}))
        assert len(with_them.verified) == result.summary.scenes
        assert all(file.endswith("_MTL.txt") for file in with_them.verified)


async def test_a_run_that_has_nothing_new_writes_nothing_and_reads_nothing(tmp_path):
    async with open_world(tmp_path) as world:
        config = world.config(select=RED, output=ALL)
        await world.run(config)
        before = {path: path.stat().st_mtime_ns for path in world.root.rglob("*") if path.is_file()}
        again = await world.run(config)
        assert again.summary.exit_code == 0
        for path in (path for path in before if path.suffix in (".json", ".vrt", ".csv")):
            assert path.stat().st_mtime_ns == before[path]
        calls = []
        target = LocalTarget(world.root, lambda: local_fs(lambda name, *_: calls.append(name)))
        written = await write_outputs(target, config.output)
        assert written.unchanged
        assert calls.count("open") <= 1


@pytest.mark.faults("Y36")
async def test_members_of_a_bundle_open_where_they_are(tmp_path):
    async with open_world(tmp_path) as world:
        await world.run(world.config(select={"type": "bundle"}, output=ALL))
        item = documents(world.root)[f"{ITEMS}/{FIRST}.json"]
        assert item["assets"]["bundle"]["href"] == f"../../{FIRST}.tar"
        href = item["assets"]["red"]["href"]
        assert href == f"/vsitar/{world.root}/{FIRST}.tar/{FIRST}_SR_B4.TIF"
        with rasterio.open(href) as band, rasterio.open(world.root / f"{FIRST}.vrt") as vrt:
            number = vrt.descriptions.index("red") + 1
            assert (vrt.read(number) == band.read(1)).all()


class Killed(BaseException):
    """Ends the writing as a kill would: nothing after it happens."""


@pytest.mark.faults("Y37")
async def test_killed_at_any_call_every_document_is_valid_and_leads_somewhere(tmp_path):
    async with open_world(tmp_path) as world:
        await world.run(world.config(select=RED))
        wanted = OutputConfig(stac=True, vrt=True, table="geojson")
        number, ended = 0, False
        while not ended:
            number += 7
            calls = 0

            def observe(*_, number=number):
                nonlocal calls
                calls += 1
                if calls >= number:
                    raise Killed

            if number % 3 == 0:
                shutil.rmtree(world.root / "stac", ignore_errors=True)
            try:
                target = LocalTarget(world.root, lambda observe=observe: local_fs(observe))
                await write_outputs(target, wanted, anew=True)
                ended = True
            except (Killed, BaseExceptionGroup):
                pass
            documents(world.root, whole=ended)
            for path in world.root.glob("scenes.geojson"):
                json.loads(path.read_bytes())
        assert number > 100
        assert len(documents(world.root)) > 5
        await make_outputs(world.config(select=RED))
        assert list((world.root / ".landsat_async" / "parts").iterdir()) == []


async def test_items_of_files_that_are_gone_go_too(tmp_path):
    async with open_world(tmp_path) as world:
        config = world.config(select=RED, output={"stac": True, "vrt": True})
        await world.run(config)
        for path in world.root.glob(f"{FIRST}_*"):
            path.unlink()
        world.put("LC08_L2SP_004053_20240721_20240730_02_T1.mine.vrt", b"<VRTDataset>of the user</VRTDataset>")
        world.put(f"{ITEMS}/notes.json", b"{}")
        written = await make_outputs(config)
        assert f"{ITEMS}/{FIRST}.json" not in documents_of(world.root)
        assert not (world.root / f"{FIRST}.vrt").exists()
        assert len(list(world.root.glob("*.vrt"))) == written.scenes + 1
        assert written.scenes == len(documents_of(world.root)) - 3  # catalogue, collection, the user's


def documents_of(root):
    return {path.relative_to(root).as_posix() for path in Path(root, "stac").rglob("*.json")}


@pytest.mark.faults("Y38", "W82", "V74")
async def test_what_is_not_ours_is_never_replaced(tmp_path):
    async with open_world(tmp_path) as world:
        world.put("scenes.csv", b"my,own,table\r\n")
        world.put(f"{FIRST}.vrt", b"<VRTDataset>of the user</VRTDataset>")
        others = {
            f"{FIRST}.ndvi.vrt": b"<VRTDataset ><SourceFilename>/data/landsat_async/B4.TIF</SourceFilename>",
            "stac/catalog.json": b'{\n  "type": "Catalog",\n  "stac_version": "1.1.0",\n  "id": "my-archive"\n}',
            f"{ITEMS}/mine.json": b'{\n  "type": "Feature",\n  "stac_version": "1.1.0",\n  "id": "mine"\n}',
            "stac/other/mine.json": b'{"type":"Feature","stac_version":"1.1.0","id":"mine"}',
            "stac/other/laid-out-as-ours.json": b'{\n "type": "Feature",\n "stac_version": "1.1.0",\n "id": "mine"\n}',
        }
        for name, data in others.items():
            world.put(name, data)
        config = world.config(select=RED, output=ALL)
        for _ in range(2):
            result = await world.run(config)
            assert result.summary.exit_code == 4
            assert set(result.failed) == {"scenes.csv", f"{FIRST}.vrt", "stac/catalog.json"}
        assert {name: (world.root / name).read_bytes() for name in others} == others
        assert (await make_outputs(config)).refused


@pytest.mark.parametrize("table", ["csv", "geojson", "parquet"])
async def test_a_table_of_ours_is_replaced(tmp_path, table):
    if table == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    async with open_world(tmp_path) as world:
        config = world.config(select=RED, output={"table": table})
        for _ in range(2):
            assert (await world.run(config)).summary.exit_code == 0
            assert not (await make_outputs(config)).refused


async def test_all_items_of_a_collection_are_one_table_that_says_what_they_say(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    async with open_world(tmp_path) as world:
        search = {"dataset": ["landsat_ot_c2_l1", "landsat_ot_c2_l2", "landsat_etm_c2_l2"], "bbox": list(LAKE)}
        select = {"bands": ["red", "pan", "qa_pixel"]}
        config = world.config(search=search, select=select, output={"stac": True, "table": "parquet"})
        assert (await world.run(config)).summary.exit_code == 0
        tables = sorted(path.relative_to(world.root).as_posix() for path in world.root.rglob("items.parquet"))
        assert tables == ["stac/landsat-c2-l1/items.parquet", f"{ITEMS}/items.parquet"]
        for name in tables:
            items = items_of(world.root, name)
            table = parquet.read_table(world.root / name)
            notes = {key.decode(): json.loads(value) for key, value in table.schema.metadata.items() if key[0] in b"gs"}
            (about,) = notes["stac-geoparquet"]["collections"].values()
            assert about["assets"]["items"]["href"] == "items.parquet"
            assert notes["geo"]["columns"]["geometry"]["covering"]["bbox"]["xmin"] == ["bbox", "xmin"]
            for row in table.to_pylist():
                item = items.pop(row["id"])
                assert shapely.from_wkb(row["geometry"]) == shapely.from_geojson(json.dumps(item["geometry"]))
                assert list(row["bbox"].values()) == item["bbox"]
                assert without_nulls(row["assets"]) == without_nulls(item["assets"])
                assert row["datetime"] == datetime.fromisoformat(item["properties"]["datetime"])
                assert row["eo:cloud_cover"] == item["properties"].get("eo:cloud_cover")
            assert items == {}
        before = {name: (world.root / name).read_bytes() for name in tables}
        await make_outputs(config)
        assert {name: (world.root / name).read_bytes() for name in tables} == before
        (world.root / tables[0]).unlink()
        await world.run(config)
        assert (world.root / tables[0]).read_bytes() == before[tables[0]]
        await make_outputs(world.config(search=search, select=select, output={"stac": True, "table": "csv"}))
        assert not list(world.root.rglob("items.parquet"))
        assert "assets" not in json.loads((world.root / ITEMS / "collection.json").read_bytes())


def items_of(root, table):
    paths = Path(root, table).parent.glob("L*.json")
    return {item["id"]: item for item in (json.loads(path.read_bytes()) for path in paths)}


def without_nulls(value):
    """A table has a cell for every name that any item has."""
    if isinstance(value, dict):
        return {name: without_nulls(one) for name, one in value.items() if one is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value


async def test_a_foreign_reader_makes_the_same_items_of_the_table(tmp_path):
    reader = pytest.importorskip("stac_geoparquet.arrow", reason="stac-geoparquet is not installed")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    async with open_world(tmp_path) as world:
        await world.run(world.config(select=RED, output={"stac": True, "table": "parquet"}))
        items = items_of(world.root, f"{ITEMS}/items.parquet")
        for found in reader.stac_table_to_items(parquet.read_table(world.root / ITEMS / "items.parquet")):
            item = items.pop(found["id"]) | {"type": None}
            for one in (found, item):
                for name in ("datetime", "created"):
                    one["properties"][name] = datetime.fromisoformat(one["properties"][name])
            assert without_nulls(found) == without_nulls(item)
        assert items == {}


async def test_a_file_of_somebody_else_stays_where_a_table_of_items_would_be(tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    async with open_world(tmp_path) as world:
        world.put(f"{ITEMS}/items.parquet", b"PAR1 of the user PAR1")
        result = await world.run(world.config(select=RED, output={"stac": True, "table": "parquet"}))
        assert (result.summary.exit_code, set(result.failed)) == (4, {f"{ITEMS}/items.parquet"})
        assert (world.root / ITEMS / "items.parquet").read_bytes() == b"PAR1 of the user PAR1"


async def test_a_table_that_cannot_be_made_is_said_before_anything_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    async with open_world(tmp_path) as world:
        with pytest.raises(ConfigError, match="pyarrow"):
            await world.run(world.config(output={"table": "parquet"}))
        assert not world.log.entries


async def test_a_disk_that_refuses_is_an_error_with_the_name(tmp_path):
    async with open_world(tmp_path) as world:
        await world.run(world.config(select=RED))

        def observe(name, *_):
            if name == "replace":
                raise PermissionError(13, "Permission denied", "/x/catalog.json")

        with pytest.raises(FolderUnwritable, match=r"catalog.json"):
            await write_outputs(LocalTarget(world.root, lambda: local_fs(observe)), OutputConfig(stac=True), anew=True)


@pytest.mark.faults("W93")
@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.EACCES, FolderUnwritable, r"^STAC items and tables in /x/parts could not be written: Permission denied"),
        (errno.EFBIG, DiskFull, "disk is full"),
        (errno.EDQUOT, DiskFull, "disk is full"),
    ],
)
async def test_a_file_without_a_name_is_told_by_its_folder_and_a_limit_of_files_as_a_full_disk(
    tmp_path, number, kind, words
):
    async with open_world(tmp_path) as world:
        await world.run(world.config(select=RED))

        def observe(name, *_):
            if name == "replace":
                raise OSError(number, os.strerror(number), "/x/parts/new-15544-15")

        with pytest.raises(kind, match=words):
            await write_outputs(LocalTarget(world.root, lambda: local_fs(observe)), OutputConfig(stac=True), anew=True)


async def test_a_run_tells_of_how_many_scenes_it_made_them(tmp_path):
    async with open_world(tmp_path) as world:
        one = {"dataset": "landsat_ot_c2_l2", "scenes": ["LC80040532024187LGN00"]}
        result = await world.run(world.config(search=one, select=RED, output={"table": "csv"}))
        assert "scenes.csv: 1 scene" in [notice.text for notice in result.of(Notice)]


def test_the_command_works_without_the_service_and_tells_what_it_made(tmp_path, capsys):
    async def prepare():
        async with open_world(tmp_path) as world:
            return world, (await world.run(world.config(select=RED))).summary.scenes

    world, scenes = anyio.run(prepare)
    file = tmp_path / "c.toml"
    file.write_text(f'[search]\ndataset = "landsat_ot_c2_l2"\nlimit = 5\n[download]\ndirectory = "{world.root}"\n')
    assert main(["stac", str(file)]) == 0
    assert f"stac/catalog.json: {scenes} scenes" in capsys.readouterr().out
    assert main(["stac", "--json", str(file)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["event"], told["scenes"], told["written"], told["without_metadata"]) == ("stac", scenes, 0, scenes)
    assert main(["stac", "--directory", str(tmp_path / "nothing"), str(file)]) == 0
    assert "no verified files" in capsys.readouterr().out


@pytest.mark.faults("Y39")
async def test_after_a_sync_the_older_version_has_neither_item_nor_vrt(tmp_path):
    old = Product("LC08", "L2SP", 4, 53, date(2024, 7, 5), date(2024, 7, 14), "T1", 4.0)
    search = {"dataset": "landsat_ot_c2_l2", "bbox": list(LAKE), "start": "2024-07-01"}
    async with open_world(tmp_path, Archive([old], pixels=64, tile=32)) as world:
        config = world.config(search=search, select=RED, output=ALL, download={"layout": "{year}"})
        await world.run(config, sync="full")
        assert (world.root / "2024" / f"{old.display_id}.vrt").exists()
        new = world.sim.archive.reprocess(old.display_id, day=date.today())
        await world.run(config, sync="full")
        assert [path.stem for path in world.root.rglob("*.vrt")] == [new.display_id]
        assert {name for name in documents(world.root) if "_L2" in name} == {f"{ITEMS}/{new.display_id}.json"}
        assert (world.root / "superseded" / "2024" / old.file_name("SR_B4.TIF")).exists()


@pytest.mark.faults("Y32")
async def test_windows_lie_where_their_own_pixels_lie(tmp_path):
    async with open_world(tmp_path) as world:
        result = await world.run(world.config(select=RED | {"window": "pixels"}, output=ALL))
        assert result.summary.exit_code == 0, result.failed
        item = documents(world.root)[f"{ITEMS}/{FIRST}.json"]
        red = item["assets"]["red"]
        with rasterio.open(world.root / ITEMS / red["href"]) as band, rasterio.open(world.root / f"{FIRST}.vrt") as vrt:
            assert red["proj:shape"] == list(band.shape) != item["properties"]["proj:shape"]
            assert red["proj:transform"] == list(band.transform)[:6] != item["properties"]["proj:transform"]
            assert vrt.transform == band.transform
            assert (vrt.read(vrt.descriptions.index("red") + 1) == band.read(1)).all()
