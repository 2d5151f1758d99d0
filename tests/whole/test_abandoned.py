"""Generators and runs that their user leaves behind (fault catalogue, L11)."""

from __future__ import annotations

import asyncio
import gc
import weakref

import anyio
import pytest

from landsat_async import M2MClient, open_run
from landsat_async.events import Verified
from landsat_async.run.verify import verify
from tests.whole.world import DATASET

LONG_WAITS = True
FILES = 18


async def abandon(generator):
    """Take one value, drop the generator where it stands and collect it; it was suspended, not ended."""
    value = await anext(generator)
    assert generator.ag_frame is not None, "it stands at a yield"
    gone = weakref.ref(generator)
    del generator
    gc.collect()
    await anyio.sleep(0.01)  # the loop ends what was collected
    gc.collect()
    assert gone() is None, "nobody holds it"
    return value


@pytest.mark.faults("L11")
async def test_L11_events_that_nobody_reads_to_their_end_leave_the_run_alone(opened):
    async with opened() as world:
        before = asyncio.all_tasks()
        async with open_run(world.config(), credentials=world.credentials) as run:
            await abandon(run.events())
            summary = await run.wait()
        assert summary.files_verified == FILES
        assert asyncio.all_tasks() == before


@pytest.mark.faults("L11")
async def test_L11_a_search_that_is_left_holds_no_turn_and_no_connection(opened):
    async with opened() as world:
        async with M2MClient(world.sim.service_url, world.credentials, patience_s=60) as m2m:
            scene = await abandon(m2m.scene_search(DATASET, page_size=1))
            assert scene.entity_id
            with anyio.fail_after(5):
                assert len([one async for one in m2m.scene_search(DATASET, page_size=1)]) > 3
        assert world.log.overlaps == 0


@pytest.mark.faults("L11")
async def test_L11_a_verification_that_is_left_stops(opened):
    async with opened() as world:
        await world.run()
        before = asyncio.all_tasks()
        event = await abandon(verify(world.config()))
        assert isinstance(event, Verified)
        assert asyncio.all_tasks() == before
        assert len([one async for one in verify(world.config()) if isinstance(one, Verified)]) == FILES


@pytest.mark.faults("L30")
async def test_L30_events_that_are_left_early_and_still_held_leave_the_run_alone(opened):
    async with opened() as world:
        async with open_run(world.config(), credentials=world.credentials) as run:
            run.bus._limit = 3  # so that this run has more to tell than fits
            events = run.events()
            async for _ in events:
                break
            with anyio.fail_after(3600):
                summary = await run.wait()
        assert summary.files_verified == FILES
        await events.aclose()
