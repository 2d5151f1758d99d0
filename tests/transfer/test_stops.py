"""A stop at any instant keeps what has come, also in the first second and before the head was looked at (K46)."""

from __future__ import annotations

import asyncio
import contextlib

import anyio
import pytest

from landsat_async.transfer import body
from landsat_async.transfer.types import Done
from tests.disk.whole_files import HTML
from tests.support.raw_server import RawServer, ranged
from tests.transfer.bench import KIB, noise
from tests.transfer.test_cancel import interrupted

pytestmark = pytest.mark.faults("K46")

DATA = noise(3000 * KIB)
PIECE = 12 * KIB
EVERY_S = 0.01


class Paced:
    """Sends 1.2 MB a second in small pieces, the first one of `first` bytes, and counts them."""

    def __init__(self, first: int, framing: str) -> None:
        self.first, self.framing, self.sent = first, framing, 0

    async def __call__(self, wire):
        self.sent = 0
        framing = {
            "length": ("Content-Length", str(len(DATA))),
            "chunked": ("Transfer-Encoding", "chunked"),
            "close": ("Connection", "close"),
        }
        await wire.head(200, framing[self.framing], ("ETag", '"v1"'))
        while self.sent < len(DATA):
            piece = DATA[self.sent : self.sent + (PIECE if self.sent else self.first)]
            await wire.send(b"%x\r\n%b\r\n" % (len(piece), piece) if self.framing == "chunked" else piece)
            self.sent += len(piece)
            await anyio.sleep(EVERY_S)


async def stopped(after_s, host, bench, server, net) -> int:
    """Stop a transfer, and return how many bytes had been sent by then; the last ones may not have been read yet."""
    sent = 0

    def stop():
        nonlocal sent
        sent = host.sent
        scope.cancel()

    with anyio.CancelScope() as scope:
        asyncio.get_running_loop().call_later(after_s, stop)
        await bench.run(server, net=net)
    assert scope.cancelled_caught
    return sent


@pytest.mark.parametrize("after_s", [0.105, 0.333, 0.505, 0.995, 1.015, 1.405])
@pytest.mark.parametrize("first", [1, 300, 3609])
@pytest.mark.parametrize("way", ["direct", "plain", "chunked", "close"])
async def test_K46_what_came_is_kept_at_any_instant(bench, monkeypatch, way, first, after_s):
    bench.right = [DATA]
    bench.tune(block_bytes=4096 * KIB, checkpoint_bytes=16384 * KIB)
    if way == "plain":
        monkeypatch.setattr(body, "can_go_direct", lambda response, remaining: False)
    host = Paced(first, way if way in ("chunked", "close") else "length")
    async with RawServer([host]) as server, bench.net() as net:
        sent = await stopped(after_s, host, bench, server, net)
    kept = bench.store.facts.durable if bench.store.facts is not None else 0
    assert kept >= sent - 2 * PIECE
    assert bench.part_bytes()[:kept] == DATA[:kept]
    assert net.bytes_received == kept


@pytest.mark.parametrize("way", ["direct", "plain"])
async def test_K46_all_that_was_received_is_kept_wherever_it_stops(tmp_path, monkeypatch, way):
    """At each await of a transfer whose buffers go round."""
    from tests.transfer.bench import Bench

    if way == "plain":
        monkeypatch.setattr(body, "can_go_direct", lambda response, remaining: False)
    data = noise(330 * KIB)
    at, reached, points = 0, True, 0
    async with RawServer([ranged(data)]) as server, contextlib.AsyncExitStack() as nets:
        net = await nets.enter_async_context(Bench(str(tmp_path / "net")).net())
        while reached:
            at += 1
            bench = Bench(str(tmp_path / str(at)))
            bench.tune(block_bytes=16 * KIB, checkpoint_bytes=32 * KIB)
            (tmp_path / str(at)).mkdir()
            before = net.bytes_received
            count, ended_first = await interrupted(bench, server, net, at, "scope")
            reached = count >= at
            if ended_first or bench.final_bytes() is not None:
                continue
            points += reached
            kept = bench.store.facts.durable if bench.store.facts is not None else 0
            assert kept == net.bytes_received - before
            assert bench.part_bytes() == data[:kept]
    assert points >= 15


async def test_K46_several_connections_keep_what_is_in_order(bench):
    """The first answer's share is all that comes: the others have not said a word yet."""
    bench.right = [DATA]
    bench.tune(connections=3, span_bytes=512 * KIB, block_bytes=1024 * KIB)
    host = Paced(300, "length")

    async def answer(wire):
        if "range" in wire.request.headers:
            await wire.server.release.wait()
        await wire.head(200, ("Content-Length", str(len(DATA))), ("ETag", '"v1"'), ("Accept-Ranges", "bytes"))
        while host.sent < 300 * KIB:
            piece = DATA[host.sent : host.sent + (PIECE if host.sent else 300)]
            await wire.send(piece)
            host.sent += len(piece)
            await anyio.sleep(EVERY_S)
        await wire.server.release.wait()

    async with RawServer([answer]) as server:
        async with bench.net() as net:
            sent = await stopped(0.205, host, bench, server, net)
        assert len(server.requests) == 3
    assert bench.store.facts.durable >= sent - 2 * PIECE
    assert bench.part_bytes() == DATA[: bench.store.facts.durable]


async def test_K46_the_head_of_a_page_is_not_kept(bench):
    async def page(wire):
        await wire.head(200, ("Content-Length", str(len(DATA))), ("ETag", '"v1"'))
        await wire.send(HTML[:90])
        await wire.server.release.wait()

    async with RawServer([page]) as server:
        with anyio.move_on_after(0.5):
            await bench.run(server)
    assert bench.store.facts is None
    assert bench.part_bytes() == b""


async def test_what_a_stop_has_kept_is_gone_on_with(bench):
    bench.right = [DATA]
    bench.tune(block_bytes=4096 * KIB)
    async with RawServer([Paced(300, "length"), ranged(DATA)]) as server:
        with anyio.move_on_after(0.5):
            await bench.run(server)
        assert isinstance(await bench.run(server), Done)
        assert server.requests[1].start == bench.store.calls[0][1] - 64 * KIB
    assert bench.final_bytes() == DATA
