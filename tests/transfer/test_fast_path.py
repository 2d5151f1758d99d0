"""The fast way shares its connections with aiohttp, whose readers of older answers may still be at work."""

from __future__ import annotations

import asyncio
import re

import aiohttp
import anyio

from landsat_async.connections import Answer
from landsat_async.transfer.body import receive
from tests.support.raw_server import RawServer
from tests.transfer.bench import KIB, idle_transfer, noise

EARLIER, LATER = noise(110 * KIB), noise(1000 * KIB, seed=2)


class Target:
    """Keeps what it gets; waits for the gate whenever its buffer is full."""

    def __init__(self, block_bytes):
        self.kept, self.gate, self.waits = b"", anyio.Event(), anyio.Event()
        self._buffer, self._filled = memoryview(bytearray(block_bytes)), 0

    @property
    def position(self):
        return len(self.kept) + self._filled

    async def put(self, piece):
        self.kept += piece
        await self.wait()

    async def wait(self):
        self.waits.set()
        await self.gate.wait()

    def room(self):
        return self._buffer[self._filled :]

    def took(self, size):
        self._filled += size
        if self.position == len(LATER):
            self.kept, self._filled = self.kept + self._buffer[: self._filled], 0

    def pass_on_now(self):
        return False

    async def make_room(self):
        if not self.room():
            await self.wait()
            self.kept, self._filled = self.kept + self._buffer, 0


async def take(response, target, end):
    any_transfer = idle_transfer(lambda size: None)
    await receive(response, target, end, any_transfer, any_transfer.wait)


async def test_a_late_reader_of_an_older_answer_does_not_disturb_the_one_that_has_its_connection_now():
    earlier, later = Target(KIB), Target(128 * KIB)
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, said: complaints.append(said["message"]))

    async def answer(wire):
        if wire.request.target == "/later":
            await wire.head(200, ("Content-Length", str(len(LATER))))
            await wire.send(LATER)
            return
        await wire.head(200, ("Transfer-Encoding", "chunked"))
        for piece in re.findall(b".{10240}", EARLIER, re.DOTALL):
            await wire.send(b"2800\r\n" + piece + b"\r\n")
            await earlier.waits.wait()
        await wire.send(b"0\r\n\r\n")

    session = aiohttp.ClientSession(response_class=Answer)
    async with RawServer([answer]) as server, session, anyio.create_task_group() as tasks:
        response = await session.get(server.url("/earlier"))
        tasks.start_soon(take, response, earlier, None)
        await response.content.wait_eof()
        second = await session.get(server.url("/later"))
        tasks.start_soon(take, second, later, len(LATER))
        await later.waits.wait()
        earlier.gate.set()
        await anyio.sleep(1)
        later.gate.set()
        await anyio.sleep(1)
        assert server.connections == 1, "the second answer came over the connection of the first"
    assert earlier.kept == EARLIER
    assert later.kept == LATER
    assert complaints == []
