"""Windows in whole runs: names, bytes, states, and what later runs make of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from landsat_async import Config
from landsat_async.errors import ConfigError
from landsat_async.events import Planned, Verified
from landsat_async.rules.naming import window_key
from landsat_async.run.plan import plan
from landsat_async.run.verify import status, verify
from landsat_async.show.jsonlines import json_line
from landsat_async.show.plan_page import plan_page
from landsat_async.show.program import SameJob
from landsat_async.show.run_summary import RunOverview
from landsat_async.show.status_page import state_of, status_page
from landsat_async.show.tables import end_lines
from landsat_async.sim import SMALL_RASTERS
from landsat_async.sim.archive import Archive
from tests.whole.world import DATASET, STATE, open_world

FIELD = [-67.80, 10.14, -67.70, 10.23]
SEARCH = {"dataset": DATASET, "bbox": FIELD, "start": "2024-07-05", "end": "2024-07-08"}
SELECT = {"bands": ["SR_B3", "QA_PIXEL", "ANG"], "window": "pixels"}


def archive() -> Archive:
    return Archive.demo(raster=SMALL_RASTERS)


def config(world, search=None, **select):
    return world.config(search=SEARCH | (search or {}), select=SELECT | select)


def rasters(names) -> list[str]:
    return sorted(name for name in names if name.endswith(".TIF"))


async def test_bands_come_as_windows_and_texts_whole(tmp_path):
    async with open_world(tmp_path, archive()) as world:
        wanted = config(world)
        seen = await plan(wanted, credentials=world.credentials)
        result = await world.run(wanted)
        assert result.summary.exit_code == 0
        key = next(iter(world.windows))
        assert {window_key(name) for name in rasters(result.verified)} == {key}
        assert any(name.endswith("_ANG.txt") for name in result.verified)
        assert {event.proof for event in result.of(Verified) if event.file.endswith(".TIF")} == {"window"}
        received, whole = result.summary.bytes_received, sum(len(world.content(name)) for name in world.created())
        assert received < whole / 3

        assert {planned.file.relpath for planned in seen.files} == {*result.verified}
        assert seen.bytes_nominal < seen.bytes_whole / 3
        assert seen.bytes_left == seen.bytes_nominal
        (planned,) = result.of(Planned)
        assert json.loads(json_line(planned))["bytes_whole"] == planned.bytes_whole == seen.bytes_whole

        rows = world.ledger("SELECT source, source_bytes, validator, transport, tiles, box, no_data FROM window")
        assert len(rows) == len(rasters(result.verified))
        for source, source_bytes, validator, transport, tiles, box, no_data in rows:
            assert (source_bytes, transport, no_data) == (len(world.content(source)), "ranges", "")
            assert validator.startswith('"')
            assert tiles > 0
            assert len(box.split(",")) == 4

        again = await world.run(wanted)
        assert again.skipped == result.verified
        assert again.summary.bytes_received == 0
        assert {file.state for file in (await plan(wanted, credentials=world.credentials)).files} == {"here"}
        shown = {file.file: file.proof for file in (await status(wanted)).files}
        assert {shown[name] for name in rasters(shown)} == {"window"}
        for content in (False, True):
            checked = [event async for event in verify(wanted, content=content)]
            assert [event.proof for event in checked if isinstance(event, Verified)].count("window") == len(rows)
            assert checked[-1].exit_code == 0


async def test_without_the_ledger_windows_are_adopted_and_not_fetched(tmp_path):
    async with open_world(tmp_path, archive()) as world:
        first = await world.run(config(world, bands=["SR_B3"]))
        for path in (world.root / STATE).glob("ledger*"):
            path.unlink()
        world.forget_log()
        again = await world.run(config(world, bands=["SR_B3"]))
        assert again.skipped == first.verified != []
        assert again.summary.bytes_received == 0

        name = rasters(first.verified)[0]
        for path in (world.root / STATE).glob("ledger*"):
            path.unlink()
        body = bytearray((world.root / name).read_bytes())
        body[-20] ^= 1
        world.put(name, bytes(body))
        spoilt = await world.run(config(world, bands=["SR_B3"]))
        assert name in spoilt.failed


async def test_another_area_is_another_file_and_a_host_without_ranges_gives_the_same_bytes(tmp_path):
    async with open_world(tmp_path, archive()) as world:
        first = await world.run(config(world, bands=["SR_B3"]))
        by_ranges = world.files()
        other = await world.run(config(world, {"bbox": [-67.80, 10.14, -67.70, 10.20]}, bands=["SR_B3"]))
        assert not {*first.verified} & {*other.verified}
        assert {*first.verified, *other.verified} == world.files().keys()

        world.script.ranges = False
        (tmp_path / "data").rename(tmp_path / "data-by-ranges")
        whole = await world.run(config(world, bands=["SR_B3"]))
        assert world.files() == {name: by_ranges[name] for name in whole.verified}
        assert {row[0] for row in world.ledger("SELECT transport FROM window")} == {"whole"}
        assert {row[0] for row in world.ledger("SELECT whole_proof FROM window")} <= {"structure", "content"}


async def test_tiles_are_those_of_the_file_and_a_margin_makes_the_box_larger(tmp_path):
    async with open_world(tmp_path, archive()) as world:
        tiles = await world.run(config(world, bands=["SR_B3"], window="tiles"))
        assert tiles.summary.exit_code == 0
        wide = await world.run(config(world, bands=["SR_B3"], window_buffer_m=3000))
        assert wide.summary.exit_code == 0
        boxes = {tuple(map(int, row[0].split(",")))[2:] for row in world.ledger("SELECT box FROM window")}
        assert len(boxes) >= 2


@pytest.mark.faults("X04")
async def test_X04_a_window_of_fill_alone_is_skipped_with_its_reason_and_never_asked_for_again(tmp_path):
    async with open_world(tmp_path, archive()) as world:
        (scene, *_) = (await plan(config(world), credentials=world.credentials)).scenes
        elsewhere = {"dataset": DATASET, "scenes": [scene.display_id], "bbox": [-60.0, 0.0, -59.9, 0.1]}
        wanted = world.config(search=elsewhere, select=SELECT | {"bands": ["SR_B3", "ANG"]})
        first = await world.run(wanted)
        assert first.summary.exit_code == 0
        (window,) = rasters(first.skipped)
        reasons = {event.file: event.reason for event in first.events if type(event).__name__ == "Skipped"}
        assert reasons[window] == "the area lies outside of it"
        assert window not in world.files()
        asked = len(world.created())
        again = await world.run(wanted)
        assert {*again.skipped} == {window, *first.verified}
        assert (len(world.created()), again.summary.bytes_received) == (asked, 0)
        seen = await plan(wanted, credentials=world.credentials)
        assert {file.file.relpath for file in seen.files if file.state == "empty"} == {window}
        assert {file.state for file in seen.files} == {"here", "empty"}
        assert seen.bytes_left == 0
        told = plan_page(seen, keep_bytes=0, width=120, again=SameJob("config.toml"))[1]
        assert "1 without data in the area · nothing to fetch" in told
        assert [event async for event in verify(wanted)][-1].exit_code == 0


@pytest.mark.faults("K75")
async def test_a_window_of_fill_alone_is_shown_as_no_file_anywhere(tmp_path, capsys):
    async with open_world(tmp_path, archive()) as world:
        (scene, *_) = (await plan(config(world), credentials=world.credentials)).scenes
        elsewhere = {"dataset": DATASET, "scenes": [scene.display_id], "bbox": [-60.0, 0.0, -59.9, 0.1]}
        outputs = {"stac": True, "vrt": True, "table": "csv"}
        wanted = world.config(search=elsewhere, select=SELECT | {"bands": ["SR_B3", "ANG"]}, output=outputs)
        result = await world.run(wanted)
        assert result.summary.exit_code == 0
        overview = RunOverview()
        for event in result.events:
            overview.note(event)
        (told, *_) = end_lines(overview.finished, overview, "data")
        assert told.startswith("2 new, 0 already here, 0 failed, 1 without data in the area")

        assert sorted(Path(path).name for path in result.summary.paths()) == sorted(result.verified)
        known = await status(wanted)
        assert [state_of(file, running=False) for file in known.files] == ["empty", "here", "here"]
        page = status_page(known, "data", 80, SameJob("config.toml"))
        assert page[0].endswith("2 here, 1 empty")
        assert page[-1].startswith("next: ")
        assert "status --paths" in page[-1]
        (item,) = (json.loads(path.read_text()) for path in world.root.glob(f"stac/**/{scene.display_id}.json"))
        assert not [asset for asset in item["assets"].values() if window_key(asset["href"])]
        assert len((await world.run(wanted)).summary.paths()) == 2


@pytest.mark.parametrize(
    ("search", "select", "words"),
    [
        ({"dataset": DATASET}, SELECT, "select.window: needs an area"),
        ({"scenes": ["LC80040532024187LGN00"], "dataset": DATASET}, SELECT, "select.window: needs an area"),
        (SEARCH, {"type": "bundle", "window": "pixels"}, 'type = "bundle" names none'),
        (SEARCH, {"type": "all", "window": "tiles"}, 'type = "all" names none'),
        (SEARCH, SELECT | {"window": "boxes"}, "select.window"),
        (SEARCH, SELECT | {"window_buffer_m": -1}, "select.window_buffer_m"),
    ],
)
def test_what_cannot_be_cut_is_refused_at_once(search, select, words):
    with pytest.raises(ConfigError) as refused:
        Config.from_dict({"search": search, "select": select})
    assert refused.value.exit_code == 2
    assert any(words in problem for problem in refused.value.problems)


def test_a_margin_without_a_window_is_said_to_do_nothing():
    made = Config.from_dict({"search": SEARCH, "select": {"bands": ["SR_B3"], "window_buffer_m": 30}})
    assert "select.window_buffer_m has no effect without select.window" in made.notes


@pytest.mark.faults("Y89")
async def test_Y89_unfinished_windows_of_an_area_that_is_no_longer_asked_for_are_not_waited_for(tmp_path):
    async with open_world(tmp_path, archive()) as world:
        old = config(world, bands=["SR_B3"])

        def stop(run, event):
            if isinstance(event, Planned):
                run.stop()

        assert (await world.run(old, watch=stop)).summary.exit_code == 7
        assert {file.state for file in (await status(old)).files} == {"planned"}
        new = config(world, {"bbox": [-67.78, 10.14, -67.70, 10.23]}, bands=["SR_B3"])
        result = await world.run(new)
        known = await status(new)
        assert sorted(file.file for file in known.files) == result.verified
        assert known.counts == {"done": len(result.verified)}
        assert (await world.run(old)).summary.exit_code == 0, "and the old area again"
        assert {file.state for file in (await status(old)).files} == {"done"}
