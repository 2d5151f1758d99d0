"""A scripted service, and clients of it, in virtual time.

What they take is imported by the tests that ask for them: those of pure functions stand in this folder too, and begin
without aiohttp.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest


@pytest.fixture
def anyio_backend():
    from tests.support.virtual_loop import VirtualLoop

    return ("asyncio", {"loop_factory": VirtualLoop})


@pytest.fixture
async def service():
    from tests.m2m.server import scripted_service

    async with scripted_service() as running:
        yield running


@pytest.fixture
async def connect(service):
    """Make clients of the scripted service; `waits` of each client collects its ApiWait."""
    from landsat_async.m2m.client import M2MClient
    from tests.m2m.server import ACCOUNT

    async with AsyncExitStack() as stack:

        async def make(**options):
            waits = []
            client = M2MClient(options.pop("url", service.url), ACCOUNT, on_wait=waits.append, **options)
            await stack.enter_async_context(client)
            client.waits = waits
            return client

        yield make
