"""Clouds measured in the area before the rest of a scene is asked for, against the simulator."""

from __future__ import annotations

import datetime
import itertools
from collections import Counter
from dataclasses import replace

import pytest

from landsat_async import Config
from landsat_async.disk.folder import OutputFolder
from landsat_async.disk.ledger_reader import LedgerReader
from landsat_async.errors import ConfigError
from landsat_async.events import LeftOut, Measured, Notice, Planned, Requested
from landsat_async.run.measure_first import measure
from landsat_async.run.plan import plan
from landsat_async.sim import SMALL_RASTERS, Archive, Patch, Product, Script
from tests.whole.world import DATASET, open_world

LONG_WAITS = True
FIRST = datetime.date(2024, 7, 5)
CENTRE = Product("LC08", "L2SP", 4, 53, FIRST, FIRST).frame.centre_deg
BOX = [CENTRE[0] - 0.2, CENTRE[1] - 0.2, CENTRE[0] + 0.2, CENTRE[1] + 0.2]
SEARCH = {"dataset": DATASET, "bbox": BOX, "start": "2024-07-01", "end": "2024-12-31"}
SELECT = {"type": "band", "bands": ["SR_B3", "SR_B4"]}


def scene(number: int, level: str = "L2SP") -> Product:
    """One of several dates of the same place."""
    acquired = FIRST + datetime.timedelta(days=16 * number)
    return Product("LC08", level, 4, 53, acquired, acquired + datetime.timedelta(days=9), cloud=5.0)


def covered(share: float, kind: str = "cloud") -> list[Patch]:
    """A band over the west of the area: that share of it."""
    return [Patch(kind, -1e7, -1e7, 1e7 if share >= 1 else _west_of(share), 1e7)]


def _west_of(share: float) -> float:
    grid = SMALL_RASTERS.grid(scene(0))
    from landsat_async.sim.wrs import utm_from_lonlat

    west, _ = utm_from_lonlat(BOX[0], CENTRE[1], grid.zone)
    east, _ = utm_from_lonlat(BOX[2], CENTRE[1], grid.zone)
    return west + share * (east - west)


def archive(*shares: float | list[Patch], **more: Product) -> Archive:
    """Scenes of which so much of the area is cloud."""
    products = [scene(number) for number in range(len(shares))]
    skies = {
        product.entity_id: share if isinstance(share, list) else covered(share)
        for product, share in zip(products, shares, strict=True)
    }
    raster = replace(SMALL_RASTERS, sky=lambda product, grid: skies.get(product.entity_id, []))
    return Archive(products, raster=raster)


def names(*numbers: int, bands: tuple[str, ...] = ("SR_B3", "SR_B4")) -> list[str]:
    return sorted(scene(number).file_name(f"{band}.TIF") for number in numbers for band in bands)


async def test_only_scenes_that_are_clear_in_the_area_are_fetched(tmp_path):
    async with open_world(tmp_path, archive(0.0, 0.5, 0.1, 1.0)) as world:
        result = await world.run(world.config(search={**SEARCH, "aoi_cloud": [0, 20]}, select=SELECT))
        assert result.verified == names(0, 2)
        assert result.summary.exit_code == 0
        assert (result.summary.scenes, result.summary.files_total) == (2, 4)
        found = {event.scene: event for event in result.of(Measured)}
        assert {event.cloud for event in found.values()} != {None}
        for number, share in enumerate((0.0, 0.5, 0.1, 1.0)):
            assert found[scene(number).display_id].cloud == pytest.approx(100 * share, abs=1.5)
            assert found[scene(number).display_id].valid == 1.0
        refused = {event.what: event.reason for event in result.of(LeftOut)}
        assert refused.keys() == {scene(1).display_id, scene(3).display_id}
        assert "cloud in the area (aoi_cloud = [0, 20])" in refused[scene(3).display_id]
        assert sorted(world.files()) == names(0, 2)
        assert result.of(Planned)[0].files == 8
        assert [event.downloads for event in result.of(Requested)] == [4, 4]
        # Nothing but QA_PIXEL was asked for of the scenes that are left out.
        cloudy = {scene(1).display_id, scene(3).display_id}
        asked = {download for download in world.created() if download[:40] in cloudy}
        assert asked == {scene(number).file_name("QA_PIXEL.TIF") for number in (1, 3)}
        assert not list((world.root / ".landsat_async" / "parts").iterdir())


@pytest.mark.faults("X32")
async def test_figures_are_kept_and_nothing_is_measured_twice(tmp_path):
    async with open_world(tmp_path, archive(0.0, 0.5, 0.9)) as world:
        search = {**SEARCH, "aoi_cloud": [0, 20]}
        await world.run(world.config(search=search, select=SELECT))
        world.forget_log()
        again = await world.run(world.config(search=search, select=SELECT))
        assert (again.verified, again.skipped) == ([], names(0))
        assert world.log.of("download-request") == []
        assert len(again.of(Measured)) == 3
        assert len(again.of(LeftOut)) == 2
        # Other limits need no new measurement; scenes that pass now are fetched.
        wider = await world.run(world.config(search={**SEARCH, "aoi_cloud": [0, 60]}, select=SELECT))
        assert wider.verified == names(1)
        assert [event.downloads for event in wider.of(Requested)] == [2]
        # Another rule does.
        world.forget_log()
        rule = {**search, "aoi_cloud_counts": ["snow"]}
        snow = await world.run(world.config(search=rule, select=SELECT))
        assert snow.verified == names(2)
        assert [event.downloads for event in snow.of(Requested)] == [1, 2]


async def test_a_share_of_the_area_must_have_data(tmp_path):
    gap, whole = covered(0.4, "gap"), covered(1, "gap")
    async with open_world(tmp_path, archive(0.0, gap, whole)) as world:
        result = await world.run(world.config(search={**SEARCH, "aoi_valid": 0.8}, select=SELECT))
        assert result.verified == names(0)
        reasons = {event.what: event.reason for event in result.of(LeftOut)}
        assert "of the area (aoi_valid = 0.8)" in reasons[scene(1).display_id]
        assert reasons[scene(2).display_id] == "no data in the area"
        found = {event.scene: event for event in result.of(Measured)}
        assert found[scene(1).display_id].valid == pytest.approx(0.6, abs=0.02)
        assert found[scene(2).display_id].cloud is None


@pytest.mark.faults("X30")
async def test_a_scene_that_cannot_be_measured_is_kept_and_told(tmp_path):
    script = Script(unavailable=(scene(1).file_name("QA_PIXEL.TIF"),))
    script.fault_file(scene(2).file_name("QA_PIXEL.TIF"), "status", status=404, times=None)
    async with open_world(tmp_path, archive(0.0, 1.0, 1.0, 1.0), script) as world:
        config = world.config(search={**SEARCH, "aoi_cloud": [0, 20]}, select=SELECT, service={"patience_s": 1})
        result = await world.run(config)
        assert result.verified == names(0, 1, 2)
        assert result.summary.exit_code == 0
        unmeasured = [event.scene for event in result.of(Measured) if event.valid is None]
        assert sorted(unmeasured) == [scene(1).display_id, scene(2).display_id]
        told = [event.text for event in result.of(Notice) if "kept without being measured" in event.text]
        assert len(told) == 2


@pytest.mark.parametrize("kind", ["bundle", "band_group", "all"])
async def test_every_type_of_selection_waits_for_the_figure(kind, tmp_path):
    select = {"type": kind} | ({"file_groups": ["ls_c2l2_st_band"]} if kind == "band_group" else {})
    async with open_world(tmp_path, archive(0.0, 0.9)) as world:
        result = await world.run(world.config(search={**SEARCH, "aoi_cloud": [0, 20]}, select=select))
        assert result.summary.exit_code == 0
        assert result.verified
        assert {file[:40] for file in result.verified} == {scene(0).display_id}
        assert len(result.of(LeftOut)) == 1


async def test_the_users_own_qa_pixel_is_fetched_too(tmp_path):
    select = {"type": "band", "bands": ["QA_PIXEL", "SR_B3"]}
    async with open_world(tmp_path, archive(0.0, 0.9)) as world:
        result = await world.run(world.config(search={**SEARCH, "aoi_cloud": [0, 20]}, select=select))
        assert result.verified == names(0, bands=("QA_PIXEL", "SR_B3"))


async def test_staged_scenes_are_measured_when_they_are_ready(tmp_path):
    products = [replace(scene(number), storage="dds") for number in range(3)]
    raster = replace(SMALL_RASTERS, sky=lambda product, grid: covered(1) if product.acquired > FIRST else [])
    async with open_world(tmp_path, Archive(products, raster=raster), Script(staging_polls=2)) as world:
        result = await world.run(world.config(search={**SEARCH, "aoi_cloud": [0, 20]}, select=SELECT))
        assert result.verified == names(0)
        assert len(result.of(Measured)) == 3


@pytest.mark.faults("X31")
async def test_a_run_that_is_stopped_while_it_measures_goes_on(tmp_path):
    async with open_world(tmp_path, archive(0.0, 0.5, 0.1, 1.0)) as world:
        world.may_overlap = True  # the stop may cancel a call, which goes on at the service
        config = world.config(search={**SEARCH, "aoi_cloud": [0, 20]}, select=SELECT)

        def stop_at_first_figure(run, event):
            if isinstance(event, Measured):
                run.stop()

        stopped = await world.run(config, watch=stop_at_first_figure)
        assert stopped.summary.exit_code == 7
        assert stopped.summary.files_pending == stopped.summary.files_total - stopped.summary.files_verified
        known = await LedgerReader(OutputFolder(world.root)).status("data")
        assert not [one.file for one in known.files if "QA_PIXEL" in one.file]
        result = await world.run(config)
        assert sorted(world.files()) == names(0, 2)
        assert result.summary.files_total == 4
        # What an earlier run held back does not stay in a run without figures.
        plain = await world.run(world.config(search=SEARCH, select=SELECT))
        assert plain.summary.files_total == 8


async def test_plan_shows_what_is_known_and_measures_alone_when_told_so(tmp_path):
    async with open_world(tmp_path, archive(0.0, 0.5, 0.1)) as world:
        config = world.config(search={**SEARCH, "aoi_cloud": [0, 20]}, select=SELECT)
        before = await plan(config, credentials=world.credentials)
        assert (len(before.scenes), before.unmeasured, before.measured) == (3, 3, {})
        events = []
        await measure(config, credentials=world.credentials, on_event=events.append)
        assert sum(isinstance(event, Measured) for event in events) == 3
        told = " ".join(event.text for event in events if isinstance(event, Notice))
        assert "from QA_PIXEL of 3 scenes" in told
        assert "is fetched" not in told
        assert world.files() == {}
        after = await plan(config, credentials=world.credentials)
        assert {one.display_id for one in after.scenes} == {scene(0).display_id, scene(2).display_id}
        assert after.unmeasured == 0
        assert [dropped.scene.display_id for dropped in after.dropped] == [scene(1).display_id]
        assert "aoi_cloud" in after.dropped[0].reason
        assert after.measured.keys() == {scene(number).display_id for number in range(3)}
        world.forget_log()
        result = await world.run(config)
        assert result.verified == names(0, 2)
        assert [event.downloads for event in result.of(Requested)] == [4]


async def test_what_a_sensor_cannot_know_is_told_once(tmp_path):
    old = [
        Product("LT05", "L2SP", 4, 53, datetime.date(1990, 2, 15 + 3 * n), datetime.date(2020, 9, 18)) for n in range(2)
    ]
    raster = replace(SMALL_RASTERS, sky=lambda product, grid: covered(0.5, "cirrus"))
    search = {"dataset": "landsat_tm_c2_l2", "bbox": BOX, "aoi_cloud": [0, 20]}
    async with open_world(tmp_path, Archive(old, raster=raster)) as world:
        result = await world.run(world.config(search=search, select=SELECT))
        assert len(result.verified) == 4
        told = [event.text for event in result.of(Notice) if "does not know" in event.text]
        assert told == ["QA_PIXEL of LT05 does not know cirrus: not counted in the area's cloud for its scenes"]


def test_an_area_is_needed(tmp_path):
    with pytest.raises(ConfigError, match="aoi_cloud: needs an area"):
        Config.from_dict({"search": {"dataset": DATASET, "aoi_cloud": [0, 20]}}, base_dir=tmp_path)


def requested_at_s(world) -> list[float]:
    return [entry.time_s for entry in world.log.of("download-request")]


@pytest.mark.faults("X34")
async def test_scenes_that_pass_one_by_one_are_gathered_into_few_requests(tmp_path):
    scenes, script = 16, Script()
    script.fault_file("*_QA_PIXEL.TIF", "drip", bytes=6_000, seconds=2, times=None)
    async with open_world(tmp_path, archive(*([0.0] * scenes)), script) as world:
        config = world.config(search={**SEARCH, "end": "2027-12-31", "aoi_cloud": [0, 20]}, select=SELECT)
        measured = await world.run(config)
        times = requested_at_s(world)
        assert measured.summary.files_verified == 2 * scenes
        assert len(measured.of(Measured)) == scenes
        assert len(times) > 2
        assert all(after - before >= 10 for before, after in itertools.pairwise(times))
        # No barrier: the first bands are asked for while others are still measured.
        kinds = [type(event) for event in measured.events if isinstance(event, Measured | Requested)]
        second = [number for number, kind in enumerate(kinds) if kind is Requested][1]
        assert Measured in kinds[second:]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.faults("K70")
@pytest.mark.parametrize("poll_interval_s", [0.05, 30])
@pytest.mark.parametrize("shares", [(0.0,), (0.0, 0.5, 0.1, 1.0), (1.0,)], ids=["all pass", "half pass", "none passes"])
async def test_clouds_in_the_area_cost_few_calls_over_200_scenes(tmp_path, shares, poll_interval_s):
    count, script = 200, Script()
    script.fault_file("*_QA_PIXEL.TIF", "drip", bytes=20_000, seconds=1, times=None)
    small = replace(SMALL_RASTERS, pixel_m=600, columns=385, rows=390)
    products = [scene(number) for number in range(count)]
    skies = {product.entity_id: covered(shares[number % len(shares)]) for number, product in enumerate(products)}
    raster = replace(small, sky=lambda product, grid: skies[product.entity_id])
    calls, download = {}, {"poll_interval_s": poll_interval_s}
    for what, more in (("without", {}), ("with", {"aoi_cloud": [0, 20]})):
        (tmp_path / what).mkdir()
        async with open_world(tmp_path / what, Archive(products, raster=raster), script) as world:
            search = {**SEARCH, "end": "2034-12-31", **more}
            select = {"bands": ["SR_B3", "SR_B4", "QA_PIXEL"]}
            result = await world.run(world.config(search=search, select=select, download=download))
            assert result.summary.exit_code == 0
            times = requested_at_s(world)
            # Every call of the service counts, reports of files that have come with the others.
            calls[what] = Counter(e.target.rpartition("/")[2] for e in world.log.entries if e.host == "m2m")
    totals = {what: found.total() for what, found in calls.items()}
    lapses_s = [after - before for before, after in itertools.pairwise(times)]
    more = totals["with"] / totals["without"] - 1
    print(f"{totals}: {more:+.1%}; least {min(lapses_s, default=None)} s between two requests")
    assert all(lapse_s >= 10 for lapse_s in lapses_s)
    assert totals["with"] <= 1.1 * totals["without"], calls
