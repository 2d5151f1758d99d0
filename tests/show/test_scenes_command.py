"""`scenes`, `plan` without the MACHINE role, `--output` and `--scenes`, against the simulator."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import sys
from typing import NamedTuple

import anyio.to_thread
import pytest

from landsat_async.config import Config
from landsat_async.errors import ConfigError
from landsat_async.model import Scene
from landsat_async.rules.scene_list_text import read_scene_list
from landsat_async.run.plan import plan
from landsat_async.run.scenes import scenes
from landsat_async.show.cli import main
from landsat_async.show.scene_output import WRITERS, check_output
from landsat_async.sim.script import Script
from landsat_async.sim.server import open_simulator

CONFIG = """[service]
url = "{url}"
credentials_file = "cred.txt"
[search]
dataset = "landsat_ot_c2_l2"
bbox = [-68.01, 9.99, -67.49, 10.34]
{search}
[download]
min_free_bytes = 0
"""


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
async def world(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "cred.txt").write_text("username:demo\ntoken:demo-application-token\n")
    (tmp_path / "cred.txt").chmod(0o600)
    async with open_simulator(script=Script()) as sim:

        class World:
            simulator = sim
            folder = tmp_path

            def config(self, search=""):
                (tmp_path / "config.toml").write_text(CONFIG.format(url=sim.service_url, search=search))
                return Config.load(tmp_path / "config.toml", environ={})

            async def command(self, line, typed=""):
                out, err = io.StringIO(), io.StringIO()
                monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))

                def run():
                    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                        return main(line.split())

                code = await anyio.to_thread.run_sync(run)
                return Done(code, out.getvalue(), err.getvalue())

        yield World()


@pytest.mark.faults("P07")
async def test_P07_without_the_role_scenes_are_listed_and_nothing_else_is_called(world):
    world.simulator.script.roles = ("user",)
    config = world.config()
    found = await scenes(config)
    assert len(found.scenes) == 10
    assert set(world.simulator.log.calls) <= {"login-token", "scene-search", "dataset-filters", "logout"}
    done = await world.command("scenes")
    assert done.returncode == 0, done.stderr
    assert "10 scenes" in done.stdout.splitlines()
    assert "by path/row: 004/053 5, 005/053 5" in done.stdout
    assert all(len(text) <= 80 for text in done.stdout.splitlines())


@pytest.mark.faults("P07")
async def test_P07_without_the_role_plan_shows_scenes_says_that_sizes_are_not_known_and_ends_with_3(world):
    world.simulator.script.roles = ("user",)
    config = world.config()
    result = await plan(config)
    assert (len(result.scenes), result.files, result.exit_code) == (10, [], 3)
    done = await world.command("plan --output s.geojson")
    assert done.returncode == 3
    assert "10 scenes" in done.stdout
    assert "sizes are not known" in done.stderr
    assert "wrote s.geojson: 10 scenes" in done.stderr
    assert "Access Request" in done.stderr
    assert len(json.loads((world.folder / "s.geojson").read_text())["features"]) == 10
    done = await world.command("plan -q")
    assert (done.returncode, done.stdout) == (3, "")
    assert "[missing-role]" in done.stderr
    done = await world.command("plan --json")
    lines = [json.loads(text) for text in done.stdout.splitlines()]
    assert [text["event"] for text in lines] == ["scene"] * 10 + ["error", "planned"]


async def test_what_one_command_writes_the_other_reads(world):
    world.config("cloud_cover = [0, 5]")
    listed = await world.command("scenes --json")
    lines = [json.loads(text) for text in listed.stdout.splitlines()]
    ids = [text["display_id"] for text in lines if text["event"] == "scene"]
    assert lines[-1] == {"event": "found", "time": lines[-1]["time"], "scenes": 4, "dropped": len(lines) - 5}
    typed = {"-": listed.stdout}
    for name in ("s.geojson", "s.csv", "s.txt"):
        done = await world.command(f"scenes -q --output {name}")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert list(read_scene_list((world.folder / name).read_text()).ids) == ids
    world.config()
    for name in ("s.geojson", "s.csv", "s.txt", "-"):
        done = await world.command(f"plan --json --scenes {name}", typed.get(name, ""))
        told = [json.loads(text) for text in done.stdout.splitlines()]
        assert sorted(text["display_id"] for text in told if text["event"] == "scene") == sorted(ids), name
    done = await world.command("run -q --scenes -", ids[0])
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in (world.folder / "data").glob("*.tar")] == [f"{ids[0]}.tar"]


async def test_a_scene_that_is_not_there_is_told_and_ends_with_4(world):
    world.config()
    done = await world.command("scenes --scenes -", "LC80040532024187LGN00\nLC80040532024188LGN00\n")
    assert done.returncode == 4
    assert "failed: LC80040532024188LGN00" in done.stderr
    assert "\n1 scene\n" in done.stdout
    for typed in ("", "a/b/c"):
        done = await world.command("scenes --scenes -", typed)
        assert (done.returncode, "stdin" in done.stderr) == (2, True)


@pytest.mark.faults("P06")
async def test_P06_scenes_file_of_the_config_is_an_export_of_earthexplorer(world):
    (world.folder / "export.csv").write_bytes(
        '"Ordering ID","Landsat Product Identifier L2","Station"\r\n'
        '"LC80040532024187LGN00","LC08_L2SP_004053_20240705_20240714_02_T1","Malmö"\r\n'.encode("latin-1")
    )
    config = world.config('scenes_file = "export.csv"')
    assert config.search.scenes == ("LC08_L2SP_004053_20240705_20240714_02_T1",)
    assert [scene.entity_id for scene in (await scenes(config)).scenes] == ["LC80040532024187LGN00"]


@pytest.mark.faults("P06")
def test_P06_a_list_that_cannot_be_used_is_a_fault_of_the_config(tmp_path):
    def problems(search, *overrides):
        (tmp_path / "c.toml").write_text(f"[search]\n{search}\n")
        with pytest.raises(ConfigError) as refused:
            Config.load(tmp_path / "c.toml", overrides=overrides, environ={})
        return refused.value.problems

    (tmp_path / "ids.txt").write_text("#dataset=landsat_ot_c2_l2\nLC80040532024187LGN00\n")
    (said,) = problems('scenes_file = "idz.txt"')
    assert f"there is no such file; did you mean {tmp_path}/ids.txt?" in said
    (said,) = problems('scenes_file = "ids.txt"\nscenes = ["LC80040532024187LGN00"]\ndataset = "landsat_ot_c2_l2"')
    assert "cannot be used together" in said
    (tmp_path / "c.toml").write_text('[search]\nscenes_file = "ids.txt"\n')
    assert Config.load(tmp_path / "c.toml", environ={}).search.datasets == ("landsat_ot_c2_l2",)
    overrides = ('search.scenes=["LC08_L2SP_004053_20240705_20240714_02_T1"]',)
    config = Config.load(tmp_path / "c.toml", overrides=overrides, environ={})
    assert config.search.scenes == ("LC08_L2SP_004053_20240705_20240714_02_T1",)
    assert config.search.scenes_file is None
    (tmp_path / "many.txt").write_text("\n".join(f"LC8004053202418{n:05}" for n in range(50_001)))
    (said,) = problems('scenes_file = "many.txt"')
    assert "holds 50,001 ids" in said


SCENES = [
    Scene("LC80040532024187LGN00", "LC08_L2SP_004053_20240705_20240714_02_T1", "2024-07-05", 4.0,
          '{"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}', None, 0.5, "landsat_ot_c2_l2"),
    Scene("X", 'LC08,"_ä\n', None, None, "not JSON"),
    Scene("T", "LC08_CU_008001_20240705_20240714_02", "2024-07-05", 0.0, '{"type": "Point", "coordinates": [1, 2]}'),
]  # fmt: skip


def test_geojson_and_csv_open_in_foreign_readers(tmp_path):
    pyogrio = pytest.importorskip("pyogrio")
    for ending, shape in ((".geojson", True), (".csv", False)):
        path = tmp_path / f"scenes{ending}"
        path.write_bytes(WRITERS[ending](SCENES))
        meta, _, geometry, fields = pyogrio.raw.read(path)
        told = dict(zip(meta["fields"], fields, strict=True))
        assert list(told["display_id"]) == [scene.display_id for scene in SCENES]
        assert float(told["cloud_cover"][0]) == 4.0
        assert (geometry is not None and geometry[0] is not None) is shape
    rows = list(csv.DictReader(io.StringIO(WRITERS[".csv"](SCENES).decode(), newline="")))
    assert rows[2]["tile"] == "CU/008001"
    assert (rows[1]["cloud_cover"], rows[0]["row"], rows[0]["tier"]) == ("", "53", "T1")


@pytest.mark.parametrize("ending", WRITERS)
def test_no_scene_is_a_file_too(ending):
    body = WRITERS[ending]([]).decode()
    assert body == "" or "display_id" in body or "<html" in body or json.loads(body)["features"] == []


def test_an_ending_that_nobody_writes_is_refused_before_anything_is_asked(tmp_path):
    for name in ("x", "x.shp", ".geojson", f"{tmp_path}/none/x.csv"):
        with pytest.raises(ConfigError):
            check_output(name)
    check_output(f"{tmp_path}/x.GEOJSON")
