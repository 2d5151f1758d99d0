"""Bundles that no storage system gives: their single files, where the config says so."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from landsat_async.events import Notice, Ready, Verified
from landsat_async.m2m.client import M2MClient
from landsat_async.run import fallback, plan
from landsat_async.run.hosts import Hosts
from landsat_async.run.verify import status, verify
from landsat_async.sim import options
from landsat_async.sim.script import Script

LONG_WAITS = True
BUNDLES = 6
FALLBACK = {"type": "bundle", "bundle_fallback": True}


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


@pytest.mark.faults("C09", "A22")
async def test_the_other_row_of_a_bundle_counts_only_if_it_can_be_requested(opened):
    async with opened(script=Script(disabled_systems=("dds_ms",))) as world:
        await planned(world)
        result = await world.run(world.config(select=FALLBACK, service={"patience_s": 7200}))

        assert "temporarily disabled" in result.reasons
        assert result.summary.exit_code == 0
        whole = {name for name in result.verified if name.endswith(".tar")}
        assert 0 < len(whole) < BUNDLES
        scenes = {name.removesuffix(".tar") for name in set(world.bundles) - whole}
        assert set(result.verified) - whole == {
            name for name in singles(world) if any(name.startswith(scene) for scene in scenes)
        }


@pytest.mark.faults("C09", "E20")
async def test_bundles_of_a_host_that_is_down_wait_if_their_single_files_lie_there_too(opened):
    async with opened() as world:
        await planned(world)
        world.sim.take_down("landsatlook")

        async def repair():
            await anyio.sleep(3000)
            await world.sim.bring_up("landsatlook")

        async with anyio.create_task_group() as group:
            group.start_soon(repair)
            config = world.config(select=FALLBACK, service={"patience_s": 7200}, download={"poll_interval_s": 30})
            result = await world.run(config)

        assert "landsatlook" in result.reasons or "127.0.0.1" in result.reasons
        assert result.summary.exit_code == 0
        assert result.verified == sorted(world.bundles)
        assert max(map(world.asked().count, world.asked())) == 1, "what waited was not asked for again"


@pytest.mark.faults("C09", "X141")
async def test_bundles_of_a_host_that_comes_back_while_their_single_files_are_looked_up_stay_bundles(
    opened, monkeypatch
):
    """They can be had then, as they lie at the same host, and so can the bundles."""
    asked, has_served = [], anyio.Event()
    options, ok = M2MClient.download_options, Hosts.ok

    async def late(*given, **how):
        found = await options(*given, **how)
        asked.append(anyio.current_time())
        if len(asked) == 2:  # the first is that of the run itself
            await world.sim.bring_up("landsatlook")
            await has_served.wait()
        return found

    def noted_ok(*given):
        was_left_alone = ok(*given)
        if was_left_alone:
            has_served.set()
        return was_left_alone

    async with opened() as world:
        await planned(world)
        monkeypatch.setattr(M2MClient, "download_options", late)
        monkeypatch.setattr(Hosts, "ok", noted_ok)
        world.sim.take_down("landsatlook")
        result = await world.run(world.config(select=FALLBACK, service={"patience_s": 7200}))

    assert asked[1] - asked[0] >= fallback.FALLBACK_AFTER_S
    assert result.summary.exit_code == 0
    assert result.verified == sorted(world.bundles)


@pytest.mark.faults("C09", "H01")
async def test_single_files_that_an_earlier_run_has_left_are_taken_over_as_they_are(opened, both_systems):
    async with opened(script=Script(rate_bytes_s=20_000)) as world:
        await planned(world)
        bands = world.config(select={"type": "band", "bands": ["SR_B3", "SR_B5", "ANG"]}, download={"workers": 2})

        def stop(run, event):
            if isinstance(event, Verified) and len(world.files()) >= 3:
                run.stop()

        first = await world.run(bands, watch=stop)
        left = world.ledger("SELECT state, count(*) FROM item GROUP BY state")
        assert dict(left)["done"] < sum(number for _, number in left), "some were on their way"
        lost, *_ = first.verified
        (world.root / lost).unlink()

        world.script.rate_bytes_s = None
        world.script.disabled_systems = ("ls_zip", "dds_ms")
        config = world.config(select=FALLBACK, service={"patience_s": 7200})
        with anyio.fail_after(20_000):
            result = await world.run(config)

        assert result.summary.exit_code == 0
        assert set(world.files()) == singles(world)
        assert lost in result.verified
        assert set(first.verified) - {lost} <= set(result.skipped)


async def test_plan_status_and_verify_know_of_the_single_files(opened, both_systems):
    async with opened(script=Script(disabled_systems=("ls_zip", "dds_ms"))) as world:
        await planned(world)
        config = world.config(select=FALLBACK, service={"patience_s": 7200})
        before = await plan.plan(config, credentials=world.credentials)
        assert [file.file.name for file in before.files] == world.bundles

        await world.run(config)

        after = await plan.plan(config, credentials=world.credentials)
        assert {file.file.name for file in after.files} == singles(world)
        assert {file.state for file in after.files} == {"here"}
        assert any("bundle_fallback" in note for note in after.notes)
        assert (await status(config)).counts == {"done": len(singles(world))}
        assert len([event async for event in verify(config) if isinstance(event, Verified)]) == len(singles(world))


async def test_a_bundle_that_is_here_is_not_replaced(opened):
    async with opened() as world:
        await planned(world)
        await world.run(world.config(select={"type": "bundle"}))
        result = await world.run(world.config(select=FALLBACK))
        assert result.summary.files_skipped == BUNDLES

        world.script.unavailable = ("ls_zip", "dds_ms")
        result = await world.run(world.config(select=FALLBACK))
        assert not result.of(Ready)
        assert result.summary.exit_code == 0
        assert result.summary.files_skipped == BUNDLES


@pytest.mark.faults("C06")
@pytest.mark.parametrize("select", [{"type": "bundle"}, {"type": "band", "bands": ["SR_B3"]}])
async def test_C06_what_is_here_is_no_failure_when_the_service_does_not_offer_it_any_more(opened, select):
    async with opened() as world:
        config = world.config(select=select, download={"layout": "{path}/{year}"})
        first = await world.run(config)
        assert first.summary.exit_code == 0
        gone, *_ = first.verified
        (world.root / gone).unlink()

        world.script.unavailable = ("ls_zip", "dds_ms", "dds", "ls_s3")
        shown = await plan.plan(config, credentials=world.credentials)
        assert not shown.unavailable
        assert sorted(file.state for file in shown.files) == ["here"] * (BUNDLES - 1) + ["missing"]

        again = await world.run(config)
        assert again.skipped == sorted(set(first.verified) - {gone})
        assert list(again.failed) == [gone]
        assert "not available" in again.failed[gone] or "does not offer" in again.failed[gone]
