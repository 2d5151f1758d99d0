"""`--shard i/n`: machines that know nothing of each other fetch one selection, each its part, each part once."""

from __future__ import annotations

import anyio
import pytest

from landsat_async import download, plan
from landsat_async.sim.archive import Archive
from tests.whole.world import DATASET

LONG_WAITS = True
SHARDS = 4
BAND = {"type": "band", "bands": ["SR_B3"]}


def archive() -> Archive:
    return Archive.seeded(40, pixels=16, tile=16, paths=range(1, 12), rows=range(20, 60))


@pytest.mark.faults("V01")
async def test_V01_four_shards_at_once_are_the_unsharded_set_once(opened):
    async with opened(archive=archive()) as world:
        world.may_overlap = True  # of several machines: each by itself asks one thing at a time
        search, got = {"dataset": DATASET}, {}
        whole = await plan(world.config(search=search, select=BAND), credentials=world.credentials)

        async def one(shard: int) -> None:
            root = world.base / f"data-{shard}"
            config = world.config(root=root, search=search, select=BAND, service={"share": 1 / SHARDS})
            summary = await download(config.sharded(f"{shard}/{SHARDS}"), credentials=world.credentials)
            assert summary.exit_code == 0
            got[shard] = sorted(path.name for path in root.glob("*.TIF"))

        async with anyio.create_task_group() as machines:
            for shard in range(1, SHARDS + 1):
                machines.start_soon(one, shard)

        together = sorted(name for names in got.values() for name in names)
        assert together == sorted(planned.file.relpath for planned in whole.files)
        assert all(got.values()), "no shard is empty"
        codes = {entry.error_code for entry in world.log.entries} - {None}
        assert codes == {"RATE_LIMIT_USER"}, "the runs met at the service, and waited for each other"


async def test_a_limit_is_that_of_the_whole_selection(opened):
    async with opened(archive=archive()) as world:
        config = world.config(search={"dataset": DATASET, "limit": 10}, select=BAND)
        whole = await plan(config, credentials=world.credentials)
        parts = [await plan(config.sharded(f"{i}/3"), credentials=world.credentials) for i in range(3)]
        names = sorted(scene.display_id for part in parts for scene in part.scenes)
        assert names == sorted(scene.display_id for scene in whole.scenes)
        assert len(names) == 10


async def test_an_id_that_does_not_exist_is_told_by_one_shard(opened):
    async with opened(archive=archive()) as world:
        config = world.config(search={"dataset": DATASET, "scenes": ["LC80040532020187LGN00"]}, select=BAND)
        parts = [await plan(config.sharded(f"{i}/3"), credentials=world.credentials) for i in range(3)]
        assert sum(len(part.unavailable) for part in parts) == 1
