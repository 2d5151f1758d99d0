"""Scenes whose files are all here are not asked about again, and whatever speaks against that has them asked about."""

from __future__ import annotations

import pytest

from landsat_async.run import scene_cache
from landsat_async.sim.archive import Archive
from landsat_async.sim.script import Script

SEARCH = {"dataset": "landsat_ot_c2_l2"}
BANDS = {"type": "band", "bands": ["SR_B2", "SR_B3"]}


def archive() -> Archive:
    return Archive.seeded(4, pixels=16, tile=16, paths=range(1, 12), rows=range(20, 60))


async def run(world, **tables):
    """Run, and return the result with the scenes that the service was asked about."""
    asked = len(world.log.of("scene-list-add"))
    result = await world.run(world.config(search=SEARCH, **({"select": BANDS} | tables)))
    return result, [entity for entry in world.log.of("scene-list-add")[asked:] for entity in entry.payload["entityIds"]]


async def test_a_finished_folder_asks_the_service_for_scenes_only(opened):
    async with opened(archive=archive()) as world:
        first, asked = await run(world)
        assert (first.summary.files_verified, len(asked)) == (8, 4)
        again, asked = await run(world)
        assert asked == []
        assert again.summary.exit_code == 0
        assert again.summary.files_skipped == again.summary.files_total == 8
        assert world.log.calls["download-options"] == 1


@pytest.mark.parametrize("harm", ["deleted", "changed"])
async def test_a_scene_of_which_a_file_is_not_as_recorded_is_asked_about_and_mended(opened, harm):
    async with opened(archive=archive()) as world:
        first, _ = await run(world)
        victim = first.verified[3]
        path = world.root / victim
        if harm == "deleted":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes() + b"!")
        again, asked = await run(world)
        scene = next(p for p in world.sim.archive if victim.startswith(p.display_id))
        assert asked == [scene.entity_id]
        assert again.verified == [victim]
        assert again.summary.files_skipped == 7
        assert (await run(world))[1] == []


@pytest.mark.parametrize(
    "tables",
    [{"select": {"type": "band", "bands": ["SR_B2"]}}, {"select": {"type": "bundle"}}, {"download": {"layout": "x"}}],
    ids=str,
)
async def test_another_choice_of_files_asks_about_everything(opened, tables):
    async with opened(archive=archive()) as world:
        await run(world)
        other, asked = await run(world, **tables)
        assert len(asked) == 4
        assert other.summary.exit_code == 0
        assert (await run(world, **tables))[1] == []


async def test_only_new_scenes_are_asked_about(opened):
    async with opened(archive=archive()) as world:
        await run(world)
        old = next(p for p in world.sim.archive if p.dataset.alias == SEARCH["dataset"])
        world.sim.archive.reprocess(old.display_id)
        again, asked = await run(world)
        assert asked == [old.entity_id]
        assert (again.summary.files_verified, again.summary.files_skipped) == (2, 6)


async def test_a_scene_that_lacked_something_is_asked_about_again(opened):
    """A file that is not offered now, and a band that the scene has not (yet)."""
    lacking = Script(unavailable=("*_SR_B3.TIF",))
    async with opened(archive=archive(), script=lacking) as world:
        first, _ = await run(world)
        assert first.summary.files_failed == 4
        lacking.unavailable = ()
        again, asked = await run(world)
        assert len(asked) == 4
        assert (again.summary.files_verified, again.summary.exit_code) == (4, 0)
        with_typo = {"select": {"type": "band", "bands": ["SR_B2", "SR_B22"]}}
        await run(world, **with_typo)
        assert len((await run(world, **with_typo))[1]) == 4


async def test_bundles_that_may_be_replaced_are_settled_like_others(opened):
    async with opened(archive=archive()) as world:
        tables = {"select": {"type": "bundle", "bundle_fallback": True}}
        assert len((await run(world, **tables))[1]) == 4
        assert (await run(world, **tables))[1] == []


async def test_after_a_day_everything_is_asked_about(opened, monkeypatch):
    async with opened(archive=archive()) as world:
        await run(world)
        monkeypatch.setattr(scene_cache, "CACHED_FOR_S", -1.0)
        assert len((await run(world))[1]) == 4
