"""What a notebook and a script get: progress in one line, calls without await, files, frames, areas and hints."""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
import types
from pathlib import Path

import pytest
from shapely.geometry import box, mapping, shape

from landsat_async import Config, ConfigError, Scene, blocking, download
from landsat_async import events as e
from landsat_async.model import Unavailable
from landsat_async.run.search import read_aoi
from landsat_async.run_summary import RunSummary
from landsat_async.show import progress_line
from landsat_async.show.progress_line import NotebookPlace, ProgressLine, TerminalPlace, place_for
from tests.show.fake_run import finished
from tests.whole.world import LAKE, open_world

GEOMETRY = '{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}'
PROJECT = Path(__file__).parents[1]


class Shown:
    """A cell's output: what its displays show now, and everything that was sent."""

    def __init__(self):
        self.now, self.sent = {}, 0

    def display(self, data, *, raw, display_id):
        assert (raw, display_id) == (True, True)
        key = len(self.now)
        self._put(key, data)
        return types.SimpleNamespace(update=lambda data, raw: self._put(key, data))

    def _put(self, key, data):
        self.now[key] = data["text/plain"]
        self.sent += len(json.dumps(data))


@pytest.mark.faults("P40")
def test_P40_a_thousand_events_a_second_are_one_small_line_in_a_notebook():
    shown, now = Shown(), [1_700_000_000.0]
    line = ProgressLine(NotebookPlace(shown.display), folder="data", now=lambda: now[0])
    for second in range(120):
        for i in range(1000):
            line.note(e.Transferred(f"{i}.TIF", second, 1000))
            if i % 100 == 0:
                line.note(e.Progress(second, 200, second << 20, 200 << 20, 1e6, files_running=5))
            now[0] += 0.001
    line.note(finished(0, verified=200, received=200 << 20))
    assert list(shown.now.values()) == ["200 new, 0 already here, 0 failed · 200 MiB in 2 s · in data"]
    assert shown.sent < 50_000


def test_the_line_on_a_terminal_is_replaced_and_tells_waits(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    stream, now = io.StringIO(), [1_700_000_000.0]
    line = ProgressLine(TerminalPlace(stream), folder="data", now=lambda: now[0])
    for event in (
        e.Searching(3, 240),
        e.Progress(1, 4, 10, 40, 0.0, files_preparing=3, staging_for_s=32.0, staging_limit_s=86400.0),
        e.Retrying(None, "M2M is down", 1, 60.0),
        e.Progress(1, 4, 10, 40, 0.0),
        finished(7, verified=1, pending=3),
    ):
        line.note(event)
        now[0] += 1
    lines = [text.removesuffix("\x1b[K") for text in stream.getvalue().split("\r")[1:]]
    assert lines[0] == "searching: 3 pages, 240 scenes so far"
    assert "3 files are being prepared by USGS, for 0:32 so far (limit 24 h)" in lines[1]
    assert "M2M is down · next try at " in lines[2]
    assert lines[4].startswith("1 new, 0 already here, 0 failed, 3 not here yet")
    assert lines[4].endswith("\n")


def test_a_run_that_ends_before_it_knows_its_files_counts_none():
    stream = io.StringIO()
    line = ProgressLine(TerminalPlace(stream), folder="data")
    line.note(finished(3, verified=0))
    assert "already here" not in stream.getvalue()
    assert "ended before it was known which files are wanted" in stream.getvalue()


def test_progress_goes_to_a_notebook_or_a_terminal_and_else_nowhere(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert place_for("auto") is None
    assert place_for(None) is None
    with pytest.raises(ValueError, match="progress is"):
        place_for("yes")
    kernel = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel=1))
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=print))
    assert isinstance(place_for("auto"), NotebookPlace)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: None))
    monkeypatch.setenv("TERM", "xterm")
    sys.stderr.isatty = lambda: True
    assert isinstance(place_for("auto"), TerminalPlace)


async def test_a_download_shows_its_progress_and_gives_its_files(tmp_path, monkeypatch):
    shown = Shown()
    monkeypatch.setattr(progress_line, "_display_of_notebook", lambda: shown.display)
    async with open_world(tmp_path) as world:
        summary = await download(world.config(), credentials=world.credentials)
    (text,) = shown.now.values()
    assert text.startswith(f"{summary.files_verified} new, 0 already here, 0 failed")
    assert len(summary.files) == summary.files_verified
    assert summary.paths() == sorted(str(path) for path in world.root.iterdir() if path.is_file())
    assert summary.paths(band="SR_B3") == summary.paths("green") == summary.paths("sr_b3")
    assert 0 < len(summary.paths("SR_B*")) < len(summary.files)
    one = next(file for file in summary.files if file.band == "SR_B3")
    assert os.path.getsize(one.path) == one.size_bytes
    assert one.acquired == dt.date.fromisoformat(f"{one.scene[17:21]}-{one.scene[21:23]}-{one.scene[23:25]}")
    assert (one.proof, one.names) == ("structure", ("green",))
    assert pickle.loads(pickle.dumps(summary)).files == summary.files
    _frames(summary)


def _frames(summary):
    pytest.importorskip("pandas")
    frame = summary.to_dataframe()
    assert list(frame["path"]) == [file.path for file in summary.files]
    assert frame["acquired"].dtype.kind == "M"
    pytest.importorskip("geopandas")
    shapes = summary.to_geodataframe()
    assert shapes.crs == "EPSG:4326"
    assert shapes.geometry.iloc[0].intersects(box(*LAKE))


def test_without_pandas_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match=r"to_dataframe\(\) needs pandas: pip install pandas"):
        RunSummary().to_dataframe()


def test_a_notebook_shows_a_summary_as_a_table():
    summary = RunSummary(files_verified=3, failures=(Unavailable("<b>.tar", "no & bundle"),))
    html = summary._repr_html_()
    assert "<td>new</td>" in html
    assert "&lt;b&gt;.tar: no &amp; bundle" in html


def test_a_scene_is_a_feature_with_a_date():
    scene = Scene("E", "D", "2024-07-05", 4.0, GEOMETRY)
    assert scene.date == dt.date(2024, 7, 5)
    assert scene.__geo_interface__["properties"]["cloud_cover"] == 4.0
    assert shape(scene).area == 0.5
    bare = Scene("E", "D", "soon", None, "{")
    assert (bare.date, bare.geometry, bare.__geo_interface__["geometry"]) == (None, None, None)


class _Field:
    """Anything with an outline."""

    __geo_interface__ = mapping(box(*LAKE))


@pytest.mark.parametrize(
    "area",
    [
        box(*LAKE),
        mapping(box(*LAKE)),
        {"type": "Feature", "properties": {}, "geometry": mapping(box(*LAKE))},
        _Field(),
        Path("lake.geojson"),
    ],
    ids=["shapely", "dict", "feature", "geo_interface", "path"],
)
async def test_an_area_is_a_geometry_a_dict_or_a_path(tmp_path, area):
    (tmp_path / "lake.geojson").write_text(json.dumps(mapping(box(*LAKE))))
    search = {"dataset": "landsat_ot_c2_l2", "aoi": area}
    config = Config.from_dict({"search": search}, base_dir=tmp_path)
    aoi = await read_aoi(config)
    assert aoi.bbox == pytest.approx(LAKE)


async def test_an_object_that_is_no_area_is_refused_like_a_file(tmp_path):
    with pytest.raises(ConfigError, match=r"search\.aoi"):
        Config.from_dict({"search": {"dataset": "landsat_ot_c2_l2", "aoi": 7}}, base_dir=tmp_path)
    config = Config.from_dict({"search": {"dataset": "landsat_ot_c2_l2", "aoi": {"type": "Nothing"}}})
    with pytest.raises(ConfigError, match=r"search\.aoi"):
        await read_aoi(config)


def test_hints_are_notes_of_the_exception():
    assert traceback.format_exception(ConfigError("no", hint="do this"))[-1] == "do this\n"


async def test_calls_without_await_work_inside_a_running_loop(tmp_path):
    """The loop that runs already is left as it is; here it serves the simulator meanwhile."""
    async with open_world(tmp_path) as world:
        config, credentials = world.config(), world.credentials
        planned = await asyncio.to_thread(_inside_a_loop, lambda: blocking.plan(config, credentials=credentials))
        found = await asyncio.to_thread(_inside_a_loop, lambda: blocking.scenes(config, credentials=credentials))
        got = await asyncio.to_thread(
            _inside_a_loop, lambda: blocking.download(config, credentials=credentials, progress=None)
        )
    assert [scene.display_id for scene in found] == [scene.display_id for scene in planned.scenes]
    assert got.files_verified == len(planned.files) == len(got.files)


def _inside_a_loop(call):
    async def cell():
        return call()

    return asyncio.run(cell())


INTERRUPTED = """
import os, signal, sys, threading, time
from pathlib import Path
from landsat_async import Config, Credentials
from landsat_async.blocking import download

def interrupt():
    while not list(Path(sys.argv[2]).glob(".landsat_async/parts/*.part")):
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
config = Config.from_dict({
    "service": {"url": sys.argv[1]}, "select": {"type": "bundle"}, "search": {"dataset": "landsat_ot_c2_l2"},
    "download": {"directory": sys.argv[2], "min_free_bytes": 0, "poll_interval_s": 0.05},
})
try:
    download(config, credentials=Credentials("demo", sys.argv[3]))
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.faults("P41")
async def test_P41_ctrl_c_in_a_call_without_await_is_a_clean_stop(tmp_path):
    async with open_world(tmp_path) as world:
        world.script.rate_bytes_s, world.workers_at_most = 20_000, 5
        arguments = [sys.executable, "-c", INTERRUPTED, world.sim.service_url, str(world.root), world.sim.token]
        done = await asyncio.to_thread(
            subprocess.run, arguments, cwd=PROJECT, capture_output=True, text=True, timeout=60
        )
        assert done.stdout == "interrupted\n", done.stderr
        assert world.ledger("SELECT exit_code FROM run") == [(7,)]
        assert world.service.account.keys == {}  # it has logged out
        world.script.rate_bytes_s = None


def test_nothing_of_this_is_left_running():
    names = {thread.name for thread in threading.enumerate()}
    assert "landsat_async" not in names
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
