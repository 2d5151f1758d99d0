"""Bundles that no storage system gives: their single files, where the config says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landsat_async.events import Notice
from landsat_async.run import plan
from landsat_async.sim import options
from landsat_async.sim.script import Script

VIRTUAL = True
BUNDLES = 6
FALLBACK = {"type": "bundle", "bundle_fallback": True}


@pytest.fixture
def both_systems(monkeypatch):
    """Both bundle rows of a scene can be requested; as a rule one of them can."""
    true = options.offer_of_row

    def offer(service, product, row):
        found = true(service, product, row)
        return replace(found, available=True) if row.kind == "bundle" else found

    monkeypatch.setattr(options, "offer_of_row", offer)


def singles(world):
    """Every single file of the scenes of the usual search."""
    scenes = {name.removesuffix(".tar") for name in world.bundles}
    return {
        product.file_name(suffix)
        for product in world.sim.archive
        if product.display_id in scenes
        for suffix in product.suffixes
    }


def said(result):
    return [notice.text for notice in result.of(Notice) if "bundle_fallback" in notice.text]


async def planned(world):
    made = await plan.plan(world.config(select={"type": "bundle"}), credentials=world.credentials)
    world.bundles = [file.file.name for file in made.files]
    assert len(world.bundles) == BUNDLES
    world.log.clear()


@pytest.mark.faults("C09", "A22")
async def test_bundles_that_every_system_refuses_come_as_single_files_and_stay_so(opened, both_systems):
    async with opened(script=Script(disabled_systems=("ls_zip", "dds_ms"))) as world:
        await planned(world)
        config = world.config(select=FALLBACK, service={"patience_s": 7200})
        result = await world.run(config)

        assert "temporarily disabled" in result.reasons
        assert said(result)
        assert result.summary.exit_code == 0
        assert set(result.verified) == set(world.files()) == singles(world)
        assert result.summary.files_total == len(singles(world))

        world.script.disabled_systems = ()
        asked = len(world.asked())
        again = await world.run(config)
        assert again.summary.exit_code == 0
        assert again.summary.files_skipped == len(singles(world))
        assert len(world.asked()) == asked

        bundles = await world.run(world.config(select={"type": "bundle"}))
        assert sorted(bundles.verified) == sorted(world.bundles), "without the key the bundles are wanted again"


@pytest.mark.faults("C09")
async def test_without_the_key_such_bundles_are_waited_for_and_nothing_else_comes(opened, both_systems):
    async with opened(script=Script(disabled_systems=("ls_zip", "dds_ms"))) as world:
        await planned(world)
        result = await world.run(world.config(select={"type": "bundle"}, service={"patience_s": 1200}))

        assert not said(result)
        assert result.summary.exit_code == 6
        assert world.files() == {}
        assert result.summary.files_pending == BUNDLES


@pytest.mark.faults("C09", "C06")
async def test_bundles_that_are_not_offered_at_all_come_as_single_files(opened):
    async with opened() as world:
        await planned(world)
        world.script.unavailable = ("ls_zip", "dds_ms")
        result = await world.run(world.config(select=FALLBACK))

        assert said(result)
        assert result.summary.exit_code == 0
        assert set(result.verified) == singles(world)


@pytest.mark.faults("C09")
async def test_a_bundle_that_is_damaged_on_every_system_comes_as_single_files(opened, both_systems):
    async with opened() as world:
        await planned(world)
        bad = world.bundles[0]
        fault = world.script.fault_file(bad, "status", status=404, times=None)
        result = await world.run(world.config(select=FALLBACK, service={"patience_s": 7200}))

        assert fault.served >= 2
        assert said(result)
        assert result.summary.exit_code == 0
        own = {name for name in singles(world) if name.startswith(bad.removesuffix(".tar"))}
        assert set(result.verified) == own | set(world.bundles) - {bad}


@pytest.mark.faults("C09")
async def test_a_bundle_whose_single_files_cannot_be_had_either_fails_by_name(opened, both_systems, monkeypatch):
    async with opened() as world:
        await planned(world)
        bad = world.bundles[0]
        world.script.fault_file(bad, "status", status=404, times=None)
        true = options.offer_of_file
        monkeypatch.setattr(options, "offer_of_file", lambda *which: replace(true(*which), available=False))
        result = await world.run(world.config(select=FALLBACK, service={"patience_s": 7200}))

        assert result.summary.exit_code == 4
        assert list(result.failed) == [bad]
        assert len(result.verified) == BUNDLES - 1
