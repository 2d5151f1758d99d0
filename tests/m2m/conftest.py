"""A scripted service, and clients of it, in virtual time."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from landsat_async.credentials import Credentials
from landsat_async.m2m.client import M2MClient
from tests.m2m.server import scripted_service
from tests.support.virtual_loop import VirtualLoop

TOKEN = "canary-token-4711"
USER = "canary-user"
ACCOUNT = Credentials(USER, TOKEN)


@pytest.fixture
def anyio_backend():
    return ("asyncio", {"loop_factory": VirtualLoop})


@pytest.fixture
async def service():
    async with scripted_service() as running:
        yield running


@pytest.fixture
async def connect(service):
    """Make clients of the scripted service; `waits` of each client collects its ApiWait."""
    async with AsyncExitStack() as stack:

        async def make(**options):
            waits = []
            client = M2MClient(options.pop("url", service.url), ACCOUNT, on_wait=waits.append, **options)
            await stack.enter_async_context(client)
            client.waits = waits
            return client

        yield make
