"""Hours pass in an instant on a loop whose clock jumps; the simulator follows that clock."""

from __future__ import annotations

import anyio
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
