"""The simulator runs under any event loop; uvloop's transports are no subclasses of asyncio's."""

from __future__ import annotations

import asyncio
import math

import anyio
import pytest

from landsat_async.sim.listen import Connection
from tests.sim.client import box
from tests.sim.test_file_faults import true_bytes


class Transport:
    """As much of a transport as a connection begins with."""

    limits = None

    def set_write_buffer_limits(self, high, low):
        self.limits = (high, low)


async def test_a_transport_of_another_make_is_accepted():
    transport = Transport()
    assert not isinstance(transport, asyncio.Transport)
    accepted, queue = anyio.create_memory_object_stream[Connection](math.inf)
    link = Connection(accepted)
    with accepted, queue:
        link.connection_made(transport)
        assert queue.receive_nowait() is link
    assert transport.limits == (1, 0)


def test_a_file_comes_under_uvloop():
    pytest.importorskip("uvloop")

    async def fetch():
        async with box() as (sim, client):
            status, _, body = await client.get(await client.link(), Range="bytes=50000-")
            assert (status, body) == (206, true_bytes(sim)[50_000:])

    anyio.run(fetch, backend_options={"use_uvloop": True})
