"""The fast way on connections that hand bytes over in pieces, as the Proactor loop of Windows does.

The fault that it had: its transport takes 64 KiB from the kernel and asks `get_buffer` for room until all of them are
put away. When they do not end where the sink's buffer ends, the second question comes after `pause_reading`, while the
full buffer waits for the disk: there was no room, the connection was aborted, and the transfer failed at exactly the
size of the buffer. The disk has to be slower than the line for that, or the file larger than two buffers.

The cure: what comes after the pause goes into a spill buffer of the protocol (never more than `remaining`, and never
more than one hand-over holds), is counted when it comes, and is put into the sink's room before the transport may read
on. Only bytes behind the announced end still belong nowhere.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import aiohttp
import pytest

from landsat_async.connections import Answer
from landsat_async.disk.fs_posix import PosixFs
from landsat_async.transfer.body import receive
from tests.support.proactor_like import proactor_like
from tests.support.raw_server import RawServer
from tests.transfer.bench import KIB, idle_transfer, noise

BODY = noise(1000 * KIB, seed=3)


class SlowTarget:
    """Has one buffer, and makes room only when it is waited for, as a sink does while its disk is busy."""

    def __init__(self, block_bytes):
        self.kept, self._buffer, self._filled = b"", memoryview(bytearray(block_bytes)), 0

    @property
    def position(self):
        return len(self.kept) + self._filled

    async def put(self, piece):
        for at in range(0, len(piece), 1000):
            part = piece[at : at + 1000]
            while part:
                room = self.room()
                fits = min(len(part), len(room))
                room[:fits], part = part[:fits], part[fits:]
                self.took(fits)
                await self.make_room()

    def room(self):
        return self._buffer[self._filled :]

    def took(self, size):
        self._filled += size

    def pass_on_now(self):
        return False

    async def make_room(self):
        if not self.room():
            await asyncio.sleep(0.001)
            self.empty()

    def empty(self):
        self.kept, self._filled = self.kept + self._buffer[: self._filled], 0


async def answer(wire):
    await wire.head(200, ("Content-Length", str(len(BODY))))
    await wire.send(BODY)


async def fetch(server, block_bytes):
    """Return what has come of the body by the fast way."""
    target, reported = SlowTarget(block_bytes), []
    async with aiohttp.ClientSession(response_class=Answer) as session:
        response = await session.get(server.url("/"))
        any_transfer = idle_transfer(reported.append)
        await receive(response, target, len(BODY), any_transfer, any_transfer.wait)
        target.empty()
        assert sum(reported) == len(BODY), "each byte is reported once"
        # The connection is whole, and serves the next file.
        async with session.get(server.url("/again")) as again:
            assert await again.read() == BODY
    assert server.connections == 1
    return target.kept


@pytest.mark.parametrize("block_bytes", [100 * KIB, 100 * KIB + 1, 300 * KIB])
@pytest.mark.faults("W02")
async def test_a_body_larger_than_the_buffer_arrives(block_bytes):
    async with RawServer([answer]) as server:
        assert await fetch(server, block_bytes) == BODY


@pytest.mark.parametrize("block_bytes", [100 * KIB, 100 * KIB + 1, 300 * KIB])
async def test_a_body_larger_than_the_buffer_arrives_in_pieces_too(block_bytes):
    with proactor_like():
        async with RawServer([answer]) as server:
            assert await fetch(server, block_bytes) == BODY


async def test_a_transfer_of_a_file_larger_than_two_buffers_needs_one_connection(bench):
    def slow_disk(operation, *arguments):
        if operation == "pwrite":
            time.sleep(0.02)  # in a thread of the disk

    bench.right, bench.fs = [BODY], PosixFs(slow_disk)
    bench.policy = replace(bench.policy, block_bytes=100 * KIB)
    with proactor_like():
        async with RawServer([answer]) as server:
            await bench.run(server)
            assert len(server.requests) == 1
