"""Many hits, totals that lie, and 20,000 files: nothing twice, nothing missing, memory flat."""

from __future__ import annotations

import gc
import os
from collections import Counter
from pathlib import Path

import pytest

from landsat_async import M2MClient, open_run, plan
from landsat_async.events import Finished, Planned, Ready, Started, Verified
from landsat_async.m2m.replies import HITS_MAX
from landsat_async.run import offers
from landsat_async.sim.archive import Archive
from landsat_async.sim.script import Script

DATASET = "landsat_ot_c2_l2"
ALL = {"dataset": DATASET}


def many(count: int, **options) -> Archive:
    return Archive.seeded(count, pixels=16, tile=16, paths=range(1, 12), rows=range(20, 60), **options)


def entity_ids(world) -> list[str]:
    return sorted(p.entity_id for p in world.sim.archive if p.dataset.alias == DATASET)


@pytest.mark.faults("C02", "C03", "C04")
@pytest.mark.parametrize(
    "script",
    [
        Script(),
        Script(hits="more"),
        Script(hits="fewer"),
        Script(next_record="null"),
        Script(next_record="zero"),
        Script(next_record="same"),
        Script(page_shift=3),
        Script(cloud_cover="string", footprints="none", unknown_cloud="absent"),
    ],
    ids=lambda script: f"{script.hits}-{script.next_record}-{script.page_shift}-{script.cloud_cover}",
)
async def test_1234_hits_come_complete_and_once(opened, script):
    async with opened(archive=many(1234), script=script) as world:
        shown = await plan(world.config(search=ALL), credentials=world.credentials)

        found = [scene.entity_id for scene in shown.scenes]
        assert len(found) == len(set(found))
        assert sorted(found) == entity_ids(world)
        assert len(found) == 1234
        assert len(shown.files) == 3 * 1234
        assert len({planned.file.relpath for planned in shown.files}) == len(shown.files)
        assert world.log.calls["scene-search"] >= 2
        assert not world.created(), "plan requests nothing"


@pytest.mark.faults("C04")
async def test_C04_pages_that_repeat_for_ever_end(opened):
    async with opened(archive=many(1234), script=Script(repeat_pages=True)) as world:
        async with M2MClient(world.sim.service_url, world.credentials) as m2m:
            found = [scene.entity_id async for scene in m2m.scene_search(DATASET)]

        assert len(found) == len(set(found)) == 1000
        assert world.log.calls["scene-search"] == 2


@pytest.mark.faults("C05")
async def test_C05_more_hits_than_the_service_hands_out_are_searched_by_halves_of_the_time(opened, monkeypatch):
    monkeypatch.setattr("landsat_async.m2m.client.HITS_MAX", 300)
    assert HITS_MAX == 50_000
    async with opened(archive=many(1234)) as world:
        search = ALL | {"start": "2014-01-01", "end": "2022-12-31"}
        shown = await plan(world.config(search=search), credentials=world.credentials)

        expected = sorted(
            p.entity_id
            for p in world.sim.archive
            if p.dataset.alias == DATASET and "2014-01-01" <= str(p.acquired) <= "2022-12-31"
        )
        assert len(expected) > 600
        assert sorted(scene.entity_id for scene in shown.scenes) == expected
        assert world.log.calls["scene-search"] > 4


async def test_many_scenes_are_asked_for_in_portions_and_each_file_once(opened, monkeypatch):
    assert offers.SCENES_PER_CALL == 500
    monkeypatch.setattr(offers, "SCENES_PER_CALL", 100)
    async with opened(archive=many(140, dds_share=0.3)) as world:
        two = {"type": "band", "bands": ["SR_B3", "ANG"]}
        result = await world.run(world.config(search=ALL, select=two, download={"queue_size": 100, "workers": 4}))

        assert result.summary.exit_code == 0
        assert len(result.verified) == 2 * 140
        assert max(Counter(world.created()).values()) == 1
        sizes = [len(entry.payload["downloads"]) for entry in world.log.of("download-request")]
        assert max(sizes) <= 100
        assert world.log.calls["scene-list-add"] == world.log.calls["scene-list-remove"] == 2


def resident_bytes() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.faults("I12", "E17", "L08")
@pytest.mark.parametrize("files", [20_000])
async def test_20_000_files_leave_memory_flat_and_the_stream_within_its_bound(tmp_path, monkeypatch, files):
    """The simulator runs in a process of its own, so that the memory is the client's alone."""
    from tests.whole.apart import UNPACED, simulator_apart

    monkeypatch.setattr("landsat_async.run.requester.allowance", UNPACED)  # else it would take a quarter of an hour
    async with simulator_apart(scenes=files // 10, pixels=16) as (config_of, credentials):
        config = config_of(tmp_path / "data", select={"type": "band", "bands": ["SR_B*", "QA_PIXEL", "ST_B10", "ANG"]})
        seen: Counter[str] = Counter()
        waiting, most, marks = 0, 0, []
        async with open_run(config, credentials=credentials) as run:
            async for event in run.events():
                match event:
                    case Planned():
                        planned = event.files
                    case Ready():
                        waiting += 1
                        most = max(most, waiting)
                    case Started():
                        waiting -= 1
                    case Verified(file=file):
                        seen[file] += 1
                        if len(seen) % (planned // 20) == 0:
                            marks.append(resident_bytes())
                    case Finished():
                        last = event
        print(f"{planned} files, {last.elapsed_s:.0f} s, resident MiB: {[mark >> 20 for mark in marks]}, queue {most}")
        assert last.exit_code == 0
        assert len(seen) == planned >= files
        assert max(seen.values()) == 1
        assert most <= config.download.queue_size + config.download.workers + 2
        assert marks[-1] - marks[2] < 16 << 20, "memory grows with the number of files"
