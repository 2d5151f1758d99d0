"""Networks that are half there: a broken address family, a connection that died in silence, a block page (group G)."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import contextmanager

import aiohttp
import anyio
import pytest

from landsat_async.connections import USED_AT_MOST
from landsat_async.m2m.transport import Transport, Unanswered
from landsat_async.transfer.types import Done, NeedsLink
from tests.support.raw_server import RawServer, named, ranged, status
from tests.transfer.bench import KIB, noise

DATA = noise(300 * KIB + 5)


@contextmanager
def black_hole(port: int):
    """An IPv6 address whose connections are never made: its queue is full, and nobody accepts."""
    with socket.socket(socket.AF_INET6) as listener:
        listener.bind(("::1", port))
        listener.listen(0)
        crowd = [socket.socket(socket.AF_INET6) for _ in range(4)]
        try:
            for one in crowd:
                one.setblocking(False)
                one.connect_ex(("::1", port))
            yield
        finally:
            for one in crowd:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.close()


@pytest.mark.faults("G07")
async def test_G07_an_address_family_that_leads_nowhere_is_passed_over(bench, monkeypatch):
    bench.right = [DATA]

    async def both(resolver, host, port=0, family=socket.AF_INET):
        return [
            {"hostname": host, "host": address, "port": port, "family": kind, "proto": 0, "flags": 0}
            for address, kind in (("::1", socket.AF_INET6), ("127.0.0.1", socket.AF_INET))
        ]

    monkeypatch.setattr(aiohttp.DefaultResolver, "resolve", both)
    async with RawServer([ranged(DATA)]) as server:
        with black_hole(server.port):
            with socket.socket(socket.AF_INET6) as probe:
                probe.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    probe.connect(("::1", server.port))
            with anyio.fail_after(31):  # of the loop's clock: less than what a connection may take
                outcome = await bench.run(server.url().replace("127.0.0.1", "localhost"))
    assert isinstance(outcome, Done)
    assert len(server.requests) == 1


@pytest.mark.faults("G09")
async def test_G09_a_kept_connection_that_died_in_silence_is_given_up_for_a_new_one(bench):
    bench.right = [DATA]

    async def dead(wire):
        wire.mark(f"silent on connection {wire.request.connection}")
        await wire.server.release.wait()

    async with RawServer([status(503, named(bench.name)), dead, ranged(DATA)]) as server, bench.net() as net:
        outcome = await bench.run(server, net=net)
        assert isinstance(outcome, Done)
        assert server.marks == ["silent on connection 0"], "the kept connection was not used again"
        assert server.requests[-1].connection != 0


@pytest.mark.faults("G15")
async def test_G15_a_block_page_is_told_and_no_browser_is_played(bench):
    page = b"<html><head><title>Request blocked by policy 7</title></head><body>Go away.</body></html>"
    async with RawServer([status(403, ("Content-Type", "text/html"), body=page)]) as server:
        outcome = await bench.run(server)
    assert isinstance(outcome, NeedsLink)
    assert "Request blocked by policy 7" in outcome.reason
    agents = {request.headers["user-agent"] for request in server.requests}
    assert all(agent.startswith("landsat_async") and "Mozilla" not in agent for agent in agents)


class Greeter(asyncio.Protocol):
    """A server of another protocol, which speaks first."""

    connections = 0

    def connection_made(self, transport):
        Greeter.connections += 1
        transport.write(b"220 files.example.org ready\r\n")


@pytest.mark.faults("Y90")
async def test_Y90_a_server_that_speaks_before_it_is_asked_is_not_connected_to_without_end(bench, monkeypatch):
    monkeypatch.setattr(Greeter, "connections", 0)
    bench.tune(attempts=2)
    async with await asyncio.get_running_loop().create_server(Greeter, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        outcome = await bench.run(f"http://127.0.0.1:{port}/data/{bench.name}")
        transport = Transport(f"http://127.0.0.1:{port}/", session=None, context=None, trust_env=False)
        with pytest.raises(Unanswered) as refused:
            await transport.post("login-token", b"{}", key=None, limit_s=20.0, max_bytes=1000)
        await transport.close()
    assert not isinstance(outcome, Done)
    assert not refused.value.sent
    assert Greeter.connections <= 10 * USED_AT_MOST
