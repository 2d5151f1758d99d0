"""A connection that is not in step is seen in the moment of its use."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from landsat_async.connections import ALONE, OutOfStep, checked
from tests.support.raw_server import RawServer, whole

pytestmark = pytest.mark.faults("K41")


async def test_an_answer_knows_whether_it_is_the_first_of_its_connection():
    async with RawServer([whole(b"x")]) as server, aiohttp.ClientSession(**checked(lent=False)) as session:
        firsts = []
        for _ in range(3):
            async with session.get(server.url()) as answer:
                await answer.read()
                firsts.append(answer.first)
        assert firsts == [True, False, False]


async def test_over_a_lent_connector_what_others_asked_counts():
    async with RawServer([whole(b"x")]) as server, aiohttp.ClientSession() as host:
        async with host.get(server.url()) as answer:
            await answer.read()
        ours = aiohttp.ClientSession(connector=host.connector, connector_owner=False, **checked(lent=True))
        async with ours as session, session.get(server.url()) as answer:
            assert not answer.first
        assert server.connections == 1


@pytest.mark.parametrize("lent", [True, False])
async def test_a_request_that_wants_to_be_alone_gets_no_used_connection_and_leaves_none(lent):
    async with RawServer([whole(b"x")]) as server, aiohttp.ClientSession(**checked(lent=lent)) as session:
        async with session.get(server.url()) as answer:
            await answer.read()
        with pytest.raises(OutOfStep):
            await session.get(server.url(), headers=ALONE)
        assert len(server.requests) == 1, "something was sent on a connection that was not in step"
        for _ in range(2):
            async with session.get(server.url(), headers=ALONE) as answer:
                assert answer.first
                await answer.read()
        assert [request.connection for request in server.requests] == [0, 1, 2]


async def test_bytes_that_come_before_anything_was_asked_are_no_answer():
    """aiohttp keeps them, and takes them for the answer to the first request."""
    got = []

    async def speak_first(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")
        got.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(speak_first, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    class Slow(aiohttp.TCPConnector):
        async def connect(self, *given, **named):
            connection = await super().connect(*given, **named)
            await asyncio.sleep(0.05)
            return connection

    async with server, aiohttp.ClientSession(connector=Slow(), **checked(lent=False)) as session:
        with pytest.raises(OutOfStep):
            await session.get(f"http://127.0.0.1:{port}/")
        await asyncio.sleep(0.05)
    assert got == [b""], "a request went out on that connection"


@pytest.mark.parametrize("extra", [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong", b"\0", b"HTTP/1.1 200"])
async def test_whatever_waits_behind_an_answer_closes_the_connection(extra):
    async def more(wire):
        await whole(b"right")(wire)
        await asyncio.sleep(0.02)
        await wire.send(extra)

    async with RawServer([more, whole(b"right")]) as server:
        async with aiohttp.ClientSession(**checked(lent=False)) as session:
            async with session.get(server.url()) as answer:
                await answer.read()
            await asyncio.sleep(0.1)
            while True:
                try:
                    async with session.get(server.url()) as answer:
                        assert await answer.read() == b"right"
                        break
                except OutOfStep:
                    assert len(server.requests) == 1
        if extra != b"HTTP/1.1 200":  # aiohttp's parser keeps half a head to itself; the other half would be no answer
            assert [request.connection for request in server.requests] == [0, 1]
