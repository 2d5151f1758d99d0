"""Windows from bundles in whole runs: the same bytes as those of single bands, and the bundle comes once."""

from __future__ import annotations

import json

import pytest

from landsat_async import Config
from landsat_async.events import Planned, Verified
from landsat_async.run import selection
from landsat_async.run.plan import plan
from landsat_async.run.verify import status, verify
from landsat_async.show.jsonlines import json_line
from landsat_async.sim import SMALL_RASTERS
from landsat_async.sim.archive import Archive
from tests.whole.test_windows import SEARCH, rasters
from tests.whole.world import STATE, open_world

BANDS = ["SR_B3", "QA_PIXEL", "ANG"]
SELECT = {"type": "bundle", "bands": BANDS, "window": "pixels"}


def archive() -> Archive:
    return Archive.demo(raster=SMALL_RASTERS)


def config(world, **select):
    return world.config(search=SEARCH, select=SELECT | select)


async def test_members_come_as_windows_with_the_bytes_of_single_bands_and_each_bundle_once(tmp_path):
    async with open_world(tmp_path, archive()) as world:
        bands = await world.run(world.config(search=SEARCH, select={"bands": BANDS, "window": "pixels"}))
        by_bands = world.files()
        (tmp_path / "data").rename(tmp_path / "data-by-bands")
        before = set(world.created())

        wanted = config(world)
        seen = await plan(wanted, credentials=world.credentials)
        result = await world.run(wanted)
        assert result.summary.exit_code == 0
        assert result.verified == bands.verified
        assert world.files() == by_bands
        created = [name for name in world.created() if name not in before]
        assert len(created) == len(seen.scenes)
        assert all(name.endswith(".tar") for name in created)

        tars = sum(len(world.content(name)) for name in created)
        assert tars <= result.summary.bytes_received < 1.01 * tars
        assert seen.bytes_nominal == seen.bytes_whole
        (planned,) = result.of(Planned)
        assert json.loads(json_line(planned))["files"] == len(seen.files) == len(bands.verified)
        rows = world.ledger("SELECT source, transport, whole_proof FROM window")
        assert {source.rpartition("_")[2] for source, _, _ in rows} == {"B3.TIF", "PIXEL.TIF"}
        assert {transport for _, transport, _ in rows} == {"whole"}
        assert {event.proof for event in result.of(Verified) if event.file.endswith(".TIF")} == {"window"}

        again = await world.run(wanted)
        assert again.skipped == result.verified
        assert again.summary.bytes_received == 0
        assert {file.state for file in (await plan(wanted, credentials=world.credentials)).files} == {"here"}
        shown = {file.file: file.proof for file in (await status(wanted)).files}
        assert {shown[name] for name in rasters(shown)} == {"window"}
        checked = [event async for event in verify(wanted, content=True)]
        assert checked[-1].exit_code == 0


async def test_what_was_deleted_comes_alone_and_without_the_ledger_windows_are_adopted(tmp_path):
    async with open_world(tmp_path, archive()) as world:
        first = await world.run(config(world))
        name = rasters(first.verified)[0]
        (world.root / name).unlink()
        second = await world.run(config(world))
        assert second.verified == [name]
        for path in (world.root / STATE).glob("ledger*"):
            path.unlink()
        third = await world.run(config(world))
        assert third.skipped == first.verified
        assert third.summary.bytes_received == 0


async def test_a_member_that_the_bundle_lacks_fails_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(selection, "_singles", lambda *_: [])  # what bundles of the sensor hold as a rule
    async with open_world(tmp_path, archive()) as world:
        result = await world.run(config(world, bands=["SR_B3", "MTL.json"]))
        assert result.summary.exit_code == 4
        assert {name.rpartition("_")[2] for name in result.failed} == {"MTL.json"}
        assert all("holds no" in why for why in result.failed.values())
        assert len(rasters(result.verified)) == len(result.verified) == len(result.failed) > 0


async def test_what_stands_in_the_place_of_one_window_is_kept_and_the_others_come(tmp_path):
    async with open_world(tmp_path, archive()) as world:
        seen = await plan(config(world), credentials=world.credentials)
        names = [planned.file.relpath for planned in seen.files]
        world.put(names[0], b"a letter to my aunt")
        result = await world.run(config(world))
        assert list(result.failed) == names[:1]
        assert result.verified == sorted(names[1:])


async def test_a_bundle_that_cannot_be_had_fails_all_that_was_wanted_of_it_and_is_asked_for_once(tmp_path):
    async with open_world(tmp_path, archive()) as world:
        seen = await plan(config(world), credentials=world.credentials)
        world.script.fault_file("*.tar", "status", status=404, times=None)
        result = await world.run(config(world))
        assert result.summary.exit_code == 4
        assert sorted(result.failed) == sorted(planned.file.relpath for planned in seen.files)
        assert len(world.created()) <= 2 * len(seen.scenes)


def test_bands_without_a_window_still_do_not_go_with_bundles():
    made = Config.from_dict({"search": SEARCH, "select": SELECT})
    assert made.select.cuts_bundles
    assert not made.select.may_replace_bundles
    with pytest.raises(Exception, match="bands"):
        Config.from_dict({"search": SEARCH, "select": SELECT | {"window": "off"}})
