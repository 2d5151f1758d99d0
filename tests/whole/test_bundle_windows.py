"""Windows from bundles in whole runs: the same bytes as those of single bands, and the bundle comes once."""

from __future__ import annotations

import json

import pytest
from shapely.geometry import box

from landsat_async import Config
from landsat_async.events import Planned, Verified
from landsat_async.proof.byte_view import ByteView
from landsat_async.proof.tar import walk_tar
from landsat_async.raster.range_plan import window_on
from landsat_async.raster.ranges import stretch_of
from landsat_async.raster.spec import WindowSpec
from landsat_async.raster.window import WindowMode, layout_of
from landsat_async.rules.naming import bundle_name
from landsat_async.rules.quantities import size_text
from landsat_async.run import selection
from landsat_async.run.plan import plan
from landsat_async.run.verify import status, verify
from landsat_async.show.jsonlines import json_line
from landsat_async.show.plan_command import STATES
from landsat_async.show.plan_page import file_rows, plan_page
from landsat_async.show.program import SameJob
from landsat_async.sim import SMALL_RASTERS
from landsat_async.sim.archive import Archive
from landsat_async.transfer import commit
from tests.whole.test_windows import FIELD, SEARCH, rasters
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

        name = rasters(result.verified)[0]
        (world.root / name).unlink()
        assert (await world.run(wanted)).verified == [name]
        for path in (world.root / STATE).glob("ledger*"):
            path.unlink()
        adopted = await world.run(wanted)
        assert adopted.skipped == result.verified
        assert adopted.summary.bytes_received == 0


@pytest.mark.faults("K72")
async def test_plan_gives_the_bytes_of_a_bundle_to_the_bundle_and_all_of_them_while_one_member_is_missing(tmp_path):
    async with open_world(tmp_path, archive()) as world:
        wanted = config(world)
        await world.run(wanted)
        last = sorted(world.files())[-1]
        (world.root / last).unlink()
        seen = await plan(wanted, credentials=world.credentials)
        assert [planned.file.relpath for planned in seen.files if planned.state != "here"] == [last]
        of_scene = [planned.file for planned in seen.files if planned.file.name[:40] == last[:40]]
        assert seen.bytes_left == sum(file.bytes_nominal for file in of_scene) > 1_000_000
        page = [
            " ".join(line.split()) for line in plan_page(seen, keep_bytes=0, width=120, again=SameJob("config.toml"))
        ]
        bundles = len(seen.scenes)
        assert any(line.endswith(f"bundles {bundles} {size_text(seen.bytes_nominal)} not kept") for line in page)
        assert any(line.endswith(f"ANG {bundles} in them {bundles}") for line in page)
        rows = file_rows(seen.files, STATES)
        assert rows[0][0] == bundle_name(rows[1][0][:40])
        assert [row[1] for row in rows].count("in it") == len(seen.files) == len(rows) - bundles


async def test_a_member_that_the_bundle_lacks_fails_alone_as_does_one_in_whose_place_something_stands(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(selection, "_singles", lambda *_: [])  # what bundles of the sensor hold as a rule
    async with open_world(tmp_path, archive()) as world:
        wanted = config(world, bands=["SR_B3", "SR_B4", "MTL.json"])
        stranger, name, lacking = (
            planned.file.relpath for planned in (await plan(wanted, credentials=world.credentials)).files
        )
        world.put(stranger, b"a letter to my aunt")
        result = await world.run(wanted)
        assert result.summary.exit_code == 4
        assert result.failed.keys() == {stranger, lacking}
        assert "something is in the way" in result.failed[stranger]
        assert "holds no" in result.failed[lacking]
        assert result.verified == [name]


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


def tile_at(tar: bytes, band: str) -> int:
    """Offset in a bundle of a byte in the middle of a tile that the window of a band takes."""
    (member,) = [one for one in walk_tar(ByteView(at(tar), 0, len(tar), lambda: False)) if one.name.endswith(band)]
    image = tar[member.offset : member.offset + member.size]
    layout = layout_of(at(image), len(image))
    spec = WindowSpec.of(box(*FIELD), WindowMode.PIXELS)
    (column, row), *_ = window_on(layout, spec.ground, spec.mode).tiles
    start, end = stretch_of(layout, column, row)
    return member.offset + (start + end) // 2


def at(data: bytes):
    return lambda size, offset: data[offset : offset + size]


@pytest.mark.faults("K60")
async def test_K60_a_damaged_member_brings_the_bundle_once_more_and_then_fails_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(commit, "is_doubtful", lambda *_: False)  # else its proof finds it, and all of it fails
    async with open_world(tmp_path, archive()) as world:
        (scene,) = (await plan(config(world), credentials=world.credentials)).scenes
        broken = tile_at(world.content(f"{scene.display_id}.tar"), "_SR_B3.TIF")
        world.script.fault_file("*.tar", "flip", at_bytes=broken, times=None)
        result = await world.run(config(world))
        ((name, why),) = result.failed.items()
        assert "_SR_B3.w" in name
        assert "the copy at USGS itself looks damaged" in why
        assert len(result.verified) == 2
        (tar,) = set(world.created())
        assert 2 <= result.summary.bytes_received / len(world.content(tar)) < 2.1

        world.script.file_faults.clear()
        world.script.fault_file("*.tar", "cut", fraction=0.6)
        again = await world.run(config(world))
        assert again.verified == [name]
        assert again.summary.bytes_received < 1.05 * len(world.content(tar))
