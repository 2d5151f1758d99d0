"""Every code block of README and docs/ is tried: read by the reader of configs, parsed by the command line, run."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from shapely.geometry import box, mapping

from landsat_async import Config, download, events
from landsat_async.blocking import plan
from landsat_async.rules.clouds import CloudCount
from landsat_async.run.area_clouds import Rule
from landsat_async.show import tables
from landsat_async.show.cli import main
from landsat_async.show.command_line import parse
from landsat_async.show.jsonlines import json_line
from landsat_async.sim.server import open_simulator

PROJECT = Path(__file__).parents[1]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
LAKE = [-68.01, 9.99, -67.49, 10.34]
FRAME = {"dataset": "landsat_ot_c2_l2", "bbox": LAKE, "start": "2024-07-05", "end": "2024-08-06"}


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.page}:{self.line}"


def blocks_of(page):
    text = page.read_text()
    for found in re.finditer(r"^( *)```(\S*)\n(.*?)^\1```$", text, re.S | re.M):
        line = text[: found.start()].count("\n") + 1
        inside = "\n".join(row.removeprefix(found[1]) for row in found[3].split("\n"))
        yield Block(page.name, line, found[2], inside)


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def of(*languages):
    return [pytest.param(block, id=str(block)) for block in BLOCKS if block.language in languages]


def the_block(page, phrase):
    (block,) = [block for block in BLOCKS if block.page == page and phrase in block.text]
    return block


# What becomes of a block of Python: the name of the function below that runs it, or why it is compiled only.
PYTHON = {
    ("hooks.md", "async def on_scene"): "run_main",
    ("python.md", "summary = await download"): "run_script",
    ("python.md", "from landsat_async.blocking"): "run_fetch",
    ("python.md", "# web_service.py"): "compiled: tests/show/test_readme.py serves it and streams a whole run",
    ("python.md", "async def newest"): "run_newest",
    ("python.md", "cube = summary.to_xarray"): "run_cube",
    ("simulator.md", "async def example"): "run_example",
    ("stac.md", "odc.stac.load"): "run_stac",
    ("stac.md", "read_parquet"): "run_parquet",
    ("ndvi-series.md", "ndvi = "): "run_series",
    ("only-my-area.md", "rioxarray"): "run_field",
    ("many-machines.md", "from prefect"): "run_shards",
    ("sync.md", "from prefect"): "run_flow",
    ("stores.md", "rasterio.open"): "compiled: needs a bucket; tests/store/test_outputs.py opens a VRT in one",
    ("scale.md", "LocalCluster("): "compiled: needs a dask cluster",
    ("scale.md", "SLURMCluster"): "compiled: needs Slurm",
    ("sync.md", "from airflow"): "compiled: needs Airflow; its command line is parsed by another test",
}
SLOW = {"run_cube", "run_stac", "run_parquet", "run_series", "run_field"}
"""They import libraries that take seconds; run with -m slow."""
OTHER_BLOCKS = {
    ("architecture.md", "mermaid"): "tests/test_docs.py makes it anew from the table of states",
    ("architecture.md", ""): "a drawing of the pipeline",
    ("area.md", ""): "tests/whole/test_area_clouds.py reads the sentence; its form is compared below",
    ("scale.md", "text"): "a drawing of who talks to whom",
    ("sync.md", "ini"): "the command of ExecStart is parsed below",
    ("windows.md", "powershell"): "its commands are parsed below",
}
NOT_RUN = {
    "simulate": "serves until it is interrupted; tests/show/test_with_simulator.py runs it",
    "demo": "tests/show/test_with_simulator.py runs it",
    "run --scheduler": "needs a cluster with a certificate",
    "sync --watch": "goes on until Ctrl-C",
}
"""Commands of shell blocks that are parsed, and not run here."""


@pytest.fixture(scope="module")
def sim():
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(open_simulator()) as one:
        yield one


@pytest.fixture
def desk(sim, tmp_path, monkeypatch):
    """A folder to work in, as the account of the simulator, with the areas that the pages name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USGS_USERNAME", sim.username)
    monkeypatch.setenv("USGS_TOKEN", sim.token)
    settings = {"SERVICE__URL": sim.service_url, "DOWNLOAD__POLL_INTERVAL_S": 0.05, "DOWNLOAD__MIN_FREE_BYTES": 0}
    for key, value in settings.items():
        monkeypatch.setenv(f"LANDSAT_ASYNC__{key}", str(value))
    for name in ("area", "field"):
        (tmp_path / f"{name}.geojson").write_text(json.dumps(mapping(box(*LAKE))))
    return tmp_path


# -- TOML


def complete(block):
    """Return the tables of a block; one that shows a part of a config gets the rest."""
    tables = tomllib.loads(block.text)
    search = tables.setdefault("search", {})
    if not search.keys() & {"dataset", "sensors", "scenes"}:
        search["dataset"] = "landsat_ot_c2_l2"
    if "window" in tables.get("select", {}) and not search.keys() & {"aoi", "bbox"}:
        search["bbox"] = LAKE
    return tables


def at_simulator(sim, tables, folder):
    """Return a config of these tables that goes to the simulator, and into a folder of this test."""
    quick = {"directory": "data", "poll_interval_s": 0.05, "min_free_bytes": 0}
    there = {"service": {"url": sim.service_url}, "download": tables.get("download", {}) | quick}
    return Config.from_dict(tables | there, base_dir=folder)


@pytest.mark.parametrize("block", of("toml"))
def test_a_block_of_toml_is_a_config(block, tmp_path):
    Config.from_dict(complete(block), base_dir=tmp_path)


@pytest.mark.parametrize("block", [one for one in of("toml") if "s3://" not in one.values[0].text])
def test_the_search_of_a_block_can_be_planned(block, desk, sim):
    tables = complete(block) | {"hooks": {}}
    planned = plan(at_simulator(sim, tables, desk))
    assert planned.files or "-" in str(tables["search"].get("start", "-")), "the page shows a search that finds nothing"


# -- commands


def commands_of(text):
    """Yield the arguments of each call of the program in lines of a shell."""
    text = re.sub(r"\\\n", " ", text).replace("$SLURM_ARRAY_TASK_ID", "1").replace("$AWS_BATCH_JOB_ARRAY_INDEX", "1")
    for line in text.splitlines():
        words = re.sub(r"^(#.*|\$ )", "", line.strip()).partition(" #")[0]
        called = re.search(
            r"(?:^|[ /\\=(])(?:landsat-async|-m landsat_async)(?: (.*))?$", re.split(r"; |\)| \d?[<>|]", words)[0]
        )
        if called is not None and "pip install" not in words.rpartition("&&")[2]:
            yield shlex.split(called[1] or "")


SHELL = of("sh", "console", "powershell", "ini")


@pytest.mark.parametrize("block", SHELL)
def test_the_commands_of_a_block_are_understood(block):
    called = list(commands_of(block.text))
    assert called or "landsat-async " not in block.text.replace('"landsat-async', "")
    for arguments in called:
        parse(arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_in_sentences_and_in_python_are_understood(page):
    """`landsat-async run` in a sentence, and calls that Python blocks make."""
    text = page.read_text()
    shown = [found[1] for found in re.finditer(r"`(?:landsat-async|python -m landsat_async) ([a-z][^`\n]*)`", text)]
    shown += [found[1] for found in re.finditer(r'bash_command="landsat-async ([^"]+)"', text)]
    for line in shown:
        arguments = shlex.split(re.sub(r" (?:\.\.\.|…|[<>|] .*)", "", line))
        try:
            parse(arguments)
        except SystemExit as answered:  # --help, --version
            assert answered.code in (0, None)  # noqa: PT017


def put_config(folder, text):
    (folder / "config.toml").write_text(text)


def runnable(block):
    for arguments in commands_of(block.text):
        shown = " ".join(arguments)
        if not any(shown.startswith(one) for one in NOT_RUN):
            yield arguments


RUN_SHELL = [one for one in of("sh", "console") if any(runnable(one.values[0]))]


@pytest.mark.parametrize("block", RUN_SHELL)
def test_the_commands_of_a_block_end_well(block, desk, sim, capsys, monkeypatch):
    monkeypatch.setenv("SCRATCH", str(desk))
    config = the_block("README.md", "[search]").text
    arguments = list(runnable(block))
    if arguments[0][0] == "init":
        assert main(arguments.pop(0)) == 0
        Config.load(desk / "config.toml", environ={})
    for name in ("config.toml", "lake.toml"):
        (desk / name).write_text(config)
    (desk / "field.toml").write_text(the_block("only-my-area.md", "# field.toml").text)
    (desk / "ids.txt").write_text("LC80040532024187LGN00\n")
    (desk / "data").mkdir()
    for one in arguments:
        words = [os.path.expandvars(word).replace("/data", str(desk / "data")) for word in one]
        words = [str(desk / "lake.toml") if word.endswith("lake.toml") else word for word in words]
        assert main(words) == 0, (one, capsys.readouterr().err)


def test_curl_changes_the_archive_as_the_page_says():
    curl = shutil.which("curl") or pytest.skip("no curl here")
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(open_simulator()) as own:
        text = the_block("simulator.md", "curl").text.replace("curl ", f"{curl} --silent --fail ", 1)
        done = subprocess.run(
            ["sh", "-c", text], env={"CONTROL_URL": own.control_url, "NO_PROXY": "*"}, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr


# -- JSON and transcripts


@pytest.mark.parametrize("block", of("json"))
def test_a_block_of_json_has_the_shape_of_a_real_line(block):
    for text in block.text.splitlines():
        shown = json.loads(text)
        kind = {kind.__name__.lower(): kind for kind in vars(events).values() if isinstance(kind, type)}[shown["event"]]
        values = {key: value for key, value in shown.items() if key not in ("event", "time")}
        real = json.loads(json_line(kind(**values)))
        assert {"time": real["time"], **shown} == real


def test_the_sentence_of_a_scene_that_is_left_out_is_the_real_one():
    rule = Rule(b"", "", (), (0.0, 20.0), 0.0)
    reason = rule.refusal(CloudCount(1000, 1000, 632, None, None))
    scene = "LC08_L2SP_004053_20240705_20240714_02_T1"
    told = tables.left_out_lines([events.LeftOut(scene, reason, 1, scene)])
    assert [text.strip() for text in told] == [the_block("area.md", "left out: ").text.strip()]


def test_every_block_is_treated():
    for block in BLOCKS:
        if block.language in ("python", "py"):
            rows = [how for (page, phrase), how in PYTHON.items() if page == block.page and phrase in block.text]
            assert len(rows) == 1, f"{block}: say in PYTHON how it is run, or why it is compiled only"
        elif block.language not in ("toml", "sh", "console", "json"):
            assert (block.page, block.language) in OTHER_BLOCKS, f"{block}: say in OTHER_BLOCKS what tries it"


# -- Python


def namespace_of(block, **given):
    names = {"__name__": "example", **given}
    exec(compile(block.text, f"docs/{block}", "exec"), names)
    return names


def fetched(desk, sim, bands, **tables):
    """Return the summary of a run into the folder data."""
    config = at_simulator(sim, {"search": FRAME, "select": {"bands": bands}, **tables}, desk)
    return asyncio.run(download(config))


def run_main(block, desk):
    put_config(desk, the_block("README.md", "[search]").text)
    summary = asyncio.run(namespace_of(block)["main"]())
    assert summary.files_verified > 0


def run_script(block, desk, capsys):
    put_config(desk, the_block("README.md", "[search]").text)
    namespace_of(block)
    assert re.search(r"^[1-9]\d* new files, 0 failed$", capsys.readouterr().out, re.M)


def run_fetch(block, desk, sim):
    pytest.importorskip("geopandas")
    service = f'"service": {{"url": "{sim.service_url}"}}, "download": {{"min_free_bytes": 0}}, "search": {{'
    changed = dataclasses.replace(block, text=block.text.replace('"search": {', service))
    paths, frame = namespace_of(changed)["fetch"](mapping(box(*LAKE)))
    assert paths
    assert len(frame) >= len(paths)


def run_newest(block, sim):
    scenes = asyncio.run(namespace_of(block)["newest"](sim.service_url, sim.username, sim.token))
    assert scenes[0].display_id.startswith("L")


def run_example(block, capsys):
    asyncio.run(namespace_of(block)["example"]())
    assert re.match(r"http://127\.0\.0\.1:\d+/\S+ \S+ \S+\n$", capsys.readouterr().out)


def run_cube(block, desk, sim):
    pytest.importorskip("odc.stac")
    summary = fetched(desk, sim, ["red", "nir08", "lwir", "qa_pixel"], output={"stac": True})
    assert namespace_of(block, summary=summary)["cube"].sizes["time"] > 0


def run_stac(block, desk, sim):
    pytest.importorskip("odc.stac")
    pytest.importorskip("pystac")
    fetched(desk, sim, ["red", "nir08"], output={"stac": True})
    assert namespace_of(block)["cube"].red.sizes["time"] > 0


def run_parquet(block, desk, sim):
    pytest.importorskip("geopandas")
    pytest.importorskip("pyarrow")
    fetched(desk, sim, ["red"], output={"stac": True, "table": "parquet"})
    names = namespace_of(block)
    assert 0 < len(names["clear"]) <= len(names["items"])


def run_series(block, desk, capsys):
    pytest.importorskip("odc.stac")
    config = the_block("ndvi-series.md", "# ndvi.toml").text
    (desk / "ndvi.toml").write_text(config.replace('start = "1985', 'start = "2023'))
    namespace_of(block)
    assert "2024-" in capsys.readouterr().out


def run_field(block, desk):
    pytest.importorskip("rioxarray")
    (desk / "field.toml").write_text(the_block("only-my-area.md", "# field.toml").text)
    assert main(["run", "field.toml"]) == 0
    stack = namespace_of(block)["stack"]
    assert len((desk / "field.csv").read_text().splitlines()) > 1
    for axis in ("x", "y"):  # all on the grid of 30 m; the simulator's pixels are larger than its steps
        assert not (stack[axis].diff(axis) % 30).any()


def orchestrator(monkeypatch):
    """Put decorators in the place of Prefect's: what they decorate is called as it is."""

    def plain(function=None, **_):
        def decorated(function):
            function.submit = lambda *given: types.SimpleNamespace(result=lambda: function(*given))
            return function

        return decorated if function is None else decorated(function)

    module = types.SimpleNamespace(flow=plain, task=plain)
    monkeypatch.setitem(sys.modules, "prefect", module)
    monkeypatch.setitem(sys.modules, "prefect.cache_policies", types.SimpleNamespace(NO_CACHE=None))


@pytest.fixture
def calls(monkeypatch, capsys):
    """Calls of the program by `subprocess.run`, made in this process: their arguments."""
    made = []

    def run(command, *, stdout=None, **_):
        assert command[0] == "landsat-async"
        made.append(command[1:])
        capsys.readouterr()
        code = main(command[1:])
        return types.SimpleNamespace(returncode=code, stdout=capsys.readouterr().out)

    monkeypatch.setattr(subprocess, "run", run)
    return made


def run_shards(block, desk, monkeypatch, calls):
    orchestrator(monkeypatch)
    put_config(desk, the_block("README.md", "[search]").text)
    assert namespace_of(block)["fetch_all"](2) == [0, 0]
    assert len(calls) == 2


def run_flow(block, desk, monkeypatch, calls):
    orchestrator(monkeypatch)
    put_config(desk, the_block("README.md", "[search]").text)
    files = namespace_of(block)["sync"](str(desk / "config.toml"))
    assert len([*(desk / "data").rglob("*_SR_B3.TIF")]) == len([name for name in files if "SR_B3" in name]) > 0


def python_blocks():
    for block in BLOCKS:
        for (page, phrase), how in PYTHON.items():
            if page == block.page and phrase in block.text and not how.startswith("compiled: "):
                marks = [pytest.mark.slow, pytest.mark.filterwarnings("default")] if how in SLOW else []  # theirs
                yield pytest.param(block, how, id=str(block), marks=marks)


@pytest.mark.faults("P90")
@pytest.mark.parametrize(("block", "how"), [*python_blocks()])
def test_P90_a_block_of_python_does_what_it_says(block, how, request):
    function = globals()[how]
    names = function.__code__.co_varnames[1 : function.__code__.co_argcount]
    request.getfixturevalue("desk")
    function(block, **{name: request.getfixturevalue(name) for name in names})
