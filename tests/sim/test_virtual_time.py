"""Hours pass in an instant on a loop whose clock jumps; the simulator follows that clock."""

from __future__ import annotations

import sys
import time

import anyio
import anyio.to_thread
import pytest

from landsat_async.sim import Script
from tests.sim.client import L2, box
from tests.support.virtual_loop import VirtualLoop

STAGED = "LC80040532024203LGN00"


@pytest.fixture
def anyio_backend():
    return ("asyncio", {"loop_factory": VirtualLoop})


async def test_keys_links_quotas_and_staging_age_in_virtual_time():
    async with box(script=Script(staging_s=3 * 3600, link_lifetime_s=3600, recent_limit=1)) as (_, client):
        made = await client.request(await client.want_bundle(L2, STAGED))
        again = {"downloads": await client.want_files(L2, STAGED, "SR_B1.TIF")}
        assert await client.error("download-request", again) == "RATE_LIMIT_USER_DL"
        await anyio.sleep(901)
        assert await client.call("download-request", again)
        await anyio.sleep(7201)
        assert await client.error("permissions") == "AUTH_EXPIRED"
        await client.login()
        assert (await client.get(made["preparingDownloads"][0]["url"]))[0] == 403  # an hour has passed
        assert (await client.call("download-retrieve", {"label": "a-label"}))["available"] == []
        await anyio.sleep(3600)
        (ready,) = (await client.call("download-retrieve", {"label": "a-label"}))["available"]
        assert (await client.get(ready["url"]))[0] == 200


async def test_what_is_computed_takes_no_time_and_a_wait_exactly_its_own():
    began_s = anyio.current_time()
    time.sleep(0.02)
    await anyio.sleep(3600)
    assert anyio.current_time() - began_s == pytest.approx(3600, abs=1e-3)


async def test_no_clock_jumps_while_a_program_runs():
    with anyio.fail_after(60):
        done = await anyio.run_process([sys.executable, "-c", "print('here')"])
    assert done.stdout.split() == [b"here"]


async def test_no_clock_jumps_while_a_thread_is_at_work():
    with anyio.fail_after(60):
        await anyio.to_thread.run_sync(time.sleep, 0.05)
