"""What comes quickly is received by threads: the same bytes, the same faults, and the loop can go on at any byte."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import ssl
import threading
import tracemalloc
import weakref
from asyncio import sslproto
from functools import partial
from types import SimpleNamespace

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.disk.fs_posix import PosixFs
from landsat_async.disk.io_threads import Threads
from landsat_async.transfer import burst, fast_path, sink
from landsat_async.transfer.burst import Burst, Bursts, is_quick, open_source, receive_burst
from landsat_async.transfer.transfer import Transfer
from landsat_async.transfer.types import Done, FileFailed
from tests.support.authority import Authority
from tests.support.raw_server import RawServer, named, ranged, whole
from tests.transfer.bench import KIB, no_search_for_garbage, noise

DATA = noise(5000 * KIB)


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture(params=["plain", "TLS"])
def server_side(request, bench, authority):
    """The context of the server, None without TLS; the bench trusts it."""
    if request.param == "plain":
        return None
    bench.net_options = {"tls": authority.client()}
    return authority.server()


@pytest.fixture
def taken(monkeypatch):
    """What each burst has brought."""
    bursts: list[Burst] = []

    def noted(*given):
        bursts.append(receive_burst(*given))
        return bursts[-1]

    monkeypatch.setattr(sink, "receive_burst", noted)
    return bursts


# -- decisions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size_bytes", "waited_s", "quick"),
    [
        (256 * KIB, 0.0, True),
        (256 * KIB, 0.007, True),
        (256 * KIB, 0.009, False),
        (256 * KIB - 1, 0.0, False),
        (4096 * KIB, 0.124, True),
        (4096 * KIB, 0.126, False),
        (0, 1.0, False),
    ],
)
def test_a_thread_is_worth_its_trip_from_32_MiB_a_second_on(size_bytes, waited_s, quick):
    assert is_quick(size_bytes, waited_s, 256 * KIB) is quick


class Taped:
    """A connection that brings what is on a tape: sizes of pieces, None = nothing there, an error, 0 = its end."""

    is_closed = False

    def __init__(self, tape):
        self.sent, self._tape, self.used = b"", list(tape), 0

    def begin(self):
        self.used += not self.is_closed
        return not self.is_closed

    def end(self):
        self.used -= 1

    def read(self, room):
        what = self._tape.pop(0) if self._tape else None
        if isinstance(what, Exception):
            raise what
        if what:
            what = min(what, len(room))
            room[:what] = piece = noise(what + 2, seed=len(self.sent))[:what]
            self.sent += bytes(piece)
        return what

    def is_silent(self):
        return not self._tape


steps = st.one_of(st.integers(0, 40), st.none(), st.just(ConnectionResetError()))


@given(st.lists(steps), st.integers(1, 500), st.integers(1, 16), st.integers(0, 9))
def test_what_was_read_is_kept_in_order_behind_what_was_held_and_never_more_than_wanted(tape, most, room, held):
    source, kept = Taped(tape), bytearray(b"before")
    begun = b"x" * held
    said = receive_burst(source, kept.extend, memoryview(begun), memoryview(bytearray(room)), most)
    assert kept == b"before" + begun + source.sent
    assert said.size_bytes == len(source.sent) <= most
    assert said.is_over is (said.size_bytes < most)
    assert said.error is None or said.has_ended
    assert source.used == 0


def test_a_burst_that_begins_after_its_waiter_has_gone_touches_nothing():
    source = Taped([4])
    source.is_closed = True
    said = receive_burst(source, pytest.fail, memoryview(b"held"), memoryview(bytearray(4)), 9)
    assert (said.size_bytes, said.has_ended, source.sent) == (0, True, b"")


def test_a_disk_that_fails_ends_the_burst_and_leaves_the_connection():
    source = Taped([4, 4])

    def full(piece):
        raise OSError(28, "full") if source.sent else None

    with pytest.raises(OSError, match="full"):
        receive_burst(source, lambda piece: source.sent and full(piece), memoryview(b""), memoryview(bytearray(4)), 9)
    assert (len(source.sent), source.used) == (4, 0)


# -- connections -------------------------------------------------------------------------------------------------------


async def connected(server_side, trusting):
    """Return the two ends of a connection: a transport of ours and a writer of the server."""
    ends: asyncio.Queue = asyncio.Queue()
    server = await asyncio.start_server(
        lambda reader, writer: ends.put((reader, writer)), "127.0.0.1", 0, ssl=server_side
    )
    port = server.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", port, ssl=trusting)
    _, writer = await ends.get()
    return server, transport, writer


@pytest.mark.faults("X126")
async def test_what_a_thread_leaves_on_a_connection_the_loop_goes_on_with(server_side, bench):
    """Bytes in the kernel, within a record and decrypted in part: at each size of the room."""
    server, transport, writer = await connected(server_side, bench.net_options.get("tls"))
    source = open_source(transport)
    assert source is not None
    room, got, sent = memoryview(bytearray(70 * KIB)), b"", noise(900 * KIB)
    feeding = asyncio.ensure_future(feed(writer, sent))
    by_loop = Collector()
    transport.set_protocol(by_loop)
    for size in (1, 16 * KIB, 5, 16 * KIB + 1, 70 * KIB, 1000):
        transport.pause_reading()
        await anyio.lowlevel.checkpoint()
        source.hold()
        got += by_loop.take()
        said = await anyio.to_thread.run_sync(
            partial(receive_burst, source, pieces_of(by_loop), memoryview(b""), room[: min(size, 1000)], size)
        )
        got += by_loop.take()
        assert said.size_bytes == size or said.is_over
        source.release()
        transport.resume_reading()
        before = by_loop.size
        with anyio.fail_after(5.0):
            while by_loop.size == before and len(got) + by_loop.size - before < len(sent):
                await by_loop.more.wait()
                by_loop.more = anyio.Event()
    await feeding
    while len(got) + len(by_loop.kept) < len(sent):
        await by_loop.more.wait()
        by_loop.more = anyio.Event()
    assert got + by_loop.take() == sent
    source.close()
    transport.close()
    writer.close()
    server.close()
    await server.wait_closed()


class Collector(asyncio.Protocol):
    def __init__(self):
        self.kept, self.size, self.more = bytearray(), 0, anyio.Event()

    def data_received(self, data):
        self.kept += data
        self.size += len(data)
        self.more.set()

    def take(self):
        kept, self.kept = bytes(self.kept), bytearray()
        return kept


def pieces_of(collector):
    return lambda piece: collector.kept.extend(piece)


async def feed(writer, data):
    for at in range(0, len(data), 10_000):
        writer.write(data[at : at + 10_000])
        await writer.drain()


def test_only_loops_of_asyncio_itself_leave_a_connection_to_threads():
    uvloop = pytest.importorskip("uvloop")

    async def source_there():
        server, transport, writer = await connected(None, None)
        source = open_source(transport)
        if source is not None:
            source.close()
        for end in (transport, writer, server):
            end.close()
        await server.wait_closed()
        return source is not None

    assert asyncio.run(source_there())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert not runner.run(source_there())


async def test_windows_is_left_to_the_loop(monkeypatch):
    """A socket that is duplicated there waits for bytes, so a thread would not come back."""
    server, transport, writer = await connected(None, None)
    monkeypatch.setattr(burst, "_IS_WINDOWS", True)
    assert open_source(transport) is None
    for end in (transport, writer, server):
        end.close()
    await server.wait_closed()


async def test_a_tls_that_looks_different_inside_is_left_to_the_loop(bench, authority):
    server, transport, writer = await connected(authority.server(), authority.client())
    inside = transport._ssl_protocol
    incoming, inside._incoming = inside._incoming, None
    assert open_source(transport) is None
    inside._incoming = incoming
    for end in (transport, writer, server):
        end.close()
    await server.wait_closed()


def inside_of_tls(decrypt):
    """What a thread uses of asyncio's TLS."""
    return SimpleNamespace(
        _transport=None,
        _sslobj=SimpleNamespace(read=decrypt),
        _incoming=ssl.MemoryBIO(),
        _outgoing=ssl.MemoryBIO(),
        _ssl_reading_paused=False,
        _control_ssl_reading=None,
    )


@pytest.fixture
def pair():
    """The two ends of a connection; the first does not wait."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


def received(source, keep=lambda piece: None):
    return receive_burst(source, keep, memoryview(b""), memoryview(bytearray(9)), 99)


def test_what_was_decrypted_before_an_error_is_handed_over_before_it_is_told(pair):
    def decrypt(size, room):
        if decrypted:
            raise ssl.SSLError("bad record mac")
        decrypted.append(size)
        room[:3] = b"abc"
        return 3

    decrypted = []
    kept = bytearray()
    said = received(burst._Tls(pair[0], inside_of_tls(decrypt)), kept.extend)
    assert (kept, said.size_bytes, said.has_ended) == (b"abc", 3, True)
    assert isinstance(said.error, ssl.SSLError)


@pytest.mark.faults("X131")
def test_what_a_broken_connection_leaves_refers_to_no_buffer(pair):
    """Errors stay until garbage is looked for: a bad line would leave a MiB with each connection that breaks."""
    source = burst._Tls(pair[0], inside_of_tls(want_more))
    source._own = SimpleNamespace(recv_into=broken, close=pair[0].close)
    room = memoryview(bytearray(9))
    gone = weakref.ref(room)
    said = receive_burst(source, lambda piece: None, memoryview(b""), room, 99)
    source.close()
    del room
    assert isinstance(said.error, ConnectionResetError)
    assert gone() is None


def test_nor_does_one_that_breaks_behind_the_last_byte_that_is_wanted(pair):
    come = [5]

    def decrypted(size, room):
        if come:
            return come.pop()
        raise ssl.SSLError(1, "a broken record")

    source = burst._Tls(pair[0], inside_of_tls(decrypted))
    room = memoryview(bytearray(9))
    gone = weakref.ref(room)
    assert source.read(room) == 5
    del room
    assert gone() is None
    with pytest.raises(ssl.SSLError, match="broken record"):
        source.read(memoryview(bytearray(9)))
    source.close()


def test_connections_over_tls_share_the_rooms_of_their_threads(pair):
    """There are few threads and many connections: a MiB for each of those would be there for its whole life."""
    ours, theirs = pair
    tracemalloc.start()
    sources = []
    for _ in range(16):
        sources.append(burst._Tls(ours, inside_of_tls(want_more)))
        theirs.send(b"a record")
        received(sources[-1])
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 2 * burst.PIECE_BYTES


def want_more(size, room):
    raise ssl.SSLWantReadError


def broken(room):
    raise ConnectionResetError


@pytest.mark.faults("X130")
def test_a_drip_that_never_pauses_is_for_the_loop_to_judge(monkeypatch):
    monkeypatch.setattr(burst, "MOST_S", 0.01)
    source = Taped([1])
    source.read = lambda room: 1
    said = receive_burst(source, lambda piece: None, memoryview(b""), memoryview(bytearray(9)), 1 << 40)
    assert said.is_over
    assert 0 < said.size_bytes < burst.MOST_S * burst.QUICK_BYTES_S


@pytest.mark.faults("X130")
def test_records_without_data_hold_no_thread_up(pair):
    """Session tickets and updates of keys come in any number; the thread looks at the time all the same."""
    ours, theirs = pair

    def decrypt(size, room):
        theirs.send(b"another ticket")
        raise ssl.SSLWantReadError

    said = received(burst._Tls(ours, inside_of_tls(decrypt)))
    assert (said.size_bytes, said.is_over, said.has_ended) == (0, True, False)


@pytest.mark.faults("X129")
async def test_tls_within_tls_is_left_to_the_loop(bench, authority):
    """Of a proxy that is asked over TLS: the socket brings records of the outer one."""
    server, transport, writer = await connected(authority.server(), authority.client())
    inside = transport._ssl_protocol
    below = inside._transport
    outer = {"sslcontext": inside._sslcontext, "socket": below.get_extra_info("socket")}
    inside._transport = SimpleNamespace(get_extra_info=lambda name, default=None: outer.get(name, default))
    assert open_source(transport) is None
    inside._transport = below
    for end in (transport, writer, server):
        end.close()
    await server.wait_closed()


@pytest.mark.faults("X126")
async def test_who_closes_a_connection_that_a_thread_has_does_not_touch_its_tls(bench, authority):
    """Two that use it at once get wrong bytes out of it, or end the process: a host program may close its session."""
    server, transport, writer = await connected(authority.server(), authority.client())
    source, inside = open_source(transport), transport._ssl_protocol
    tls = inside._sslobj, inside._incoming, inside._outgoing
    transport.pause_reading()
    await anyio.lowlevel.checkpoint()
    source.hold()
    assert not {id(inside._sslobj), id(inside._incoming), id(inside._outgoing)} & set(map(id, tls))
    transport.close()
    assert transport.is_closing()
    assert not tls[2].pending, "said good-bye"
    source.release()
    assert (inside._sslobj, inside._incoming, inside._outgoing) == tls
    source.close()
    transport.abort()
    for end in (writer, server):
        end.close()
    await server.wait_closed()


# -- whole transfers ---------------------------------------------------------------------------------------------------


async def test_long_bodies_come_in_bursts_and_their_connection_is_used_again(bench, server_side, taken):
    later = noise(2000 * KIB, seed=2)
    bench.right = [DATA, later]
    script = [whole(DATA, named(bench.name)), whole(later, named(bench.name))]
    async with RawServer(script, ssl=server_side) as server, bench.net() as net:
        for data in bench.right:
            assert isinstance(await bench.run(server, net=net), Done)
            assert bench.final_bytes() == data
            assert sum(one.size_bytes for one in taken) > 0
            taken.clear()
            bench.forget()
        assert server.connections == 1


@pytest.mark.parametrize("same", [True, False])
async def test_what_is_here_is_compared_before_a_thread_appends_anything(bench, server_side, taken, same):
    bench.right = [DATA]
    bench.tune(block_bytes=1024 * KIB)
    here = DATA[: 1500 * KIB] if same else DATA[: 1450 * KIB] + noise(50 * KIB, seed=5)
    bench.keep(here, total=len(DATA), etag='"v1"')
    async with RawServer([ranged(DATA)], ssl=server_side) as server:
        assert isinstance(await bench.run(server), Done)
    assert server.requests[0].start == 1436 * KIB
    assert any(one.size_bytes for one in taken)


@pytest.mark.parametrize("how", ["fin", "rst", "drop"])
async def test_a_connection_that_breaks_within_a_burst_costs_what_was_under_way_and_no_more(
    bench, server_side, taken, how
):
    bench.right = [DATA]

    async def broken(wire):
        await wire.head(200, ("Content-Length", str(len(DATA))), ("ETag", '"v1"'), ("Accept-Ranges", "bytes"))
        await wire.send(DATA[: 2500 * KIB])
        getattr(wire, how)()

    async with RawServer([broken, ranged(DATA)], ssl=server_side) as server:
        assert isinstance(await bench.run(server), Done)
    assert any(one.size_bytes for one in taken)
    if how == "fin":
        assert server.requests[1].start == 2500 * KIB - bench.policy.block_bytes  # the last block is compared


async def test_a_server_that_falls_silent_after_a_burst_is_given_up_in_time(bench, server_side, taken):
    bench.right = [DATA]

    async def stalls(wire):
        await wire.head(200, ("Content-Length", str(len(DATA))), ("ETag", '"v1"'), ("Accept-Ranges", "bytes"))
        await wire.send(DATA[: 2500 * KIB])
        await wire.server.release.wait()

    async with RawServer([stalls, ranged(DATA)], ssl=server_side) as server:
        began_s = anyio.current_time()
        assert isinstance(await bench.run(server), Done)
        assert anyio.current_time() - began_s < 2 * bench.policy.stall_timeout_s
    assert any(one.size_bytes for one in taken)
    assert server.requests[1].start == 2500 * KIB - bench.policy.block_bytes


async def test_a_slow_server_is_left_to_the_loop(bench, server_side, taken):
    bench.right = [DATA]
    bench.tune(min_rate_bytes_s=0.0)

    async def slowly(wire):
        await wire.head(200, ("Content-Length", str(len(DATA))), ("ETag", '"v1"'))
        for at in range(0, len(DATA), 64 * KIB):
            await wire.send(DATA[at : at + 64 * KIB])
            await asyncio.sleep(0.5)

    async with RawServer([slowly], ssl=server_side) as server:
        assert isinstance(await bench.run(server), Done)
    assert len(taken) <= 4, "at the beginning, while nothing is known"


async def test_more_than_was_announced_is_refused_after_a_burst(bench, taken):
    async def too_much(wire):
        await wire.head(200, ("Content-Length", str(len(DATA) - 9)))
        await wire.send(DATA)

    async with RawServer([too_much]) as server:
        outcome = await bench.run(server)
    assert isinstance(outcome, FileFailed)
    assert any(one.size_bytes for one in taken)


@pytest.mark.faults("X135", "X142")
@pytest.mark.parametrize("how", ["drop", "fin", "rst", "whole"])
async def test_an_answer_over_tls_leaves_nothing_for_the_search_for_garbage(bench, authority, how):
    """Some 256 KiB of asyncio's TLS and the whole transfer, for each connection and each break."""
    bench.right, bench.net_options = [DATA], {"tls": authority.client()}

    async def broken(wire):
        await wire.head(200, ("Content-Length", str(len(DATA))), ("ETag", '"v1"'), ("Accept-Ranges", "bytes"))
        await wire.send(DATA[: 2500 * KIB])
        getattr(wire, how)()

    script = [ranged(DATA)] if how == "whole" else [broken, ranged(DATA)]
    with no_search_for_garbage():
        async with RawServer(script, ssl=authority.server()) as server:
            async with bench.net() as net:
                assert isinstance(await bench.run(server, net=net), Done)
                assert not alive(sink.Sink, Transfer), "kept by a connection that may be used again"
            await anyio.sleep(0.1)
            assert not alive(sslproto.SSLProtocol)


def alive(*kinds):
    return [type(one).__name__ for one in gc.get_objects() if type(one) in kinds]


# -- threads that hang, and those who wait for them --------------------------------------------------------------------


class Hanging(PosixFs):
    """A write of some hundred KiB into the file hangs until it is let go."""

    def __init__(self):
        super().__init__()
        self.let_go, self.hangs = threading.Event(), threading.Event()

    def pwrite(self, fd, data, offset):
        if offset > 500 * KIB and not self.hangs.is_set():
            self.hangs.set()
            self.let_go.wait(20.0)
        return super().pwrite(fd, data, offset)


@pytest.mark.faults("X126")
async def test_a_burst_that_hangs_in_the_disk_keeps_its_connection_from_the_loop(bench, server_side, monkeypatch):
    """The waiter is let go after the grace period; the thread closes its end of the connection when it comes back."""
    bench.fs, sources = Hanging(), []
    bench.tune(grace_s=0.2)
    monkeypatch.setattr(
        fast_path, "open_source", lambda transport: sources.append(open_source(transport)) or sources[-1]
    )
    bench.fetch = lambda *given: Transfer(*given).run()
    async with RawServer([ranged(DATA)], ssl=server_side) as server, bench.net() as net:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(bench.run, server, net=net))
            while not bench.fs.hangs.is_set():
                await anyio.sleep(0.001)
            net.cancel_soon()
            tasks.cancel_scope.cancel()
        [source] = sources
        assert source.is_closed
        assert source._own.fileno() >= 0, "closed under a thread that still uses it"
    bench.fs.let_go.set()
    while source._own.fileno() >= 0:
        await anyio.sleep(0.001)
    for fd in os.listdir("/proc/self/fd"):  # left open on purpose, because the thread still used it
        if os.path.exists(link := f"/proc/self/fd/{fd}") and os.readlink(link) == bench.part:
            os.close(int(fd))


@pytest.mark.faults("X127")
async def test_who_gets_no_thread_goes_on_with_the_loop(monkeypatch):
    monkeypatch.setattr(burst.os, "cpu_count", lambda: 1)
    bursts, gate = Bursts(), threading.Event()
    said = []

    async def hang():
        assert await bursts.turn()
        said.append(await bursts.run(Threads(bursts._pool, 0.0), lambda: (gate.wait(20.0), "came back")[1]))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hang)
        tasks.start_soon(hang)
        await anyio.lowlevel.checkpoint()
        assert not await bursts.turn()
        before_s = anyio.current_time()
        assert not await bursts.turn()
        assert anyio.current_time() - before_s < burst.TURN_S, "waited again for what hangs"
        gate.set()
    assert said == ["came back", "came back"]
    assert await bursts.turn()
    assert await bursts.run(Threads(bursts._pool, 0.0), lambda: "done") == "done"
    bursts.close()


@pytest.mark.faults("X133")
async def test_a_turn_is_given_back_when_its_thread_comes_back_to_nobody(monkeypatch):
    """Else a disk that has hung for a while would leave a session without bursts, though it is quick again."""
    monkeypatch.setattr(burst.os, "cpu_count", lambda: 1)
    bursts, gate = Bursts(), threading.Event()
    threads = Threads(bursts._pool, 0.01)
    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            assert await bursts.turn()
            tasks.start_soon(bursts.run, threads, partial(gate.wait, 20.0))
        await anyio.lowlevel.checkpoint()
        threads.cancel_soon()
        tasks.cancel_scope.cancel()
    assert threads.lost
    assert not await bursts.turn()
    gate.set()
    with anyio.fail_after(10.0):
        while bursts._free.value < 2:
            await anyio.sleep(0.001)
    assert await bursts.turn()
    bursts.close()


@pytest.mark.faults("X133")
async def test_a_turn_is_given_back_although_another_thread_of_the_transfer_is_lost():
    bursts = Bursts()
    before, threads = bursts._free.value, Threads(bursts._pool, 0.0, lost=True)
    assert await bursts.turn()
    assert await bursts.run(threads, lambda: "done") == "done"
    assert bursts._free.value == before
    bursts.close()


@pytest.mark.faults("X127")
async def test_a_loop_that_was_held_up_gives_turns_again(monkeypatch):
    """The wait for a turn and the bursts are over in the same moment then: no burst is left to say that none hangs."""
    monkeypatch.setattr(burst.os, "cpu_count", lambda: 0)
    monkeypatch.setattr(burst, "TURN_S", 0.02)
    bursts = Bursts()
    turns = []

    async def wait_for_turn():
        turns.append(await bursts.turn())

    async with anyio.create_task_group() as tasks:
        for _ in range(bursts._free.value):
            bursts._free.acquire_nowait()
        tasks.start_soon(wait_for_turn)
        await anyio.sleep(burst.TURN_S)
    assert turns == [False]
    bursts._free.release()
    assert await bursts.turn()
    bursts.close()


async def test_a_long_body_begins_with_a_burst_and_goes_on_by_what_came():
    said = []
    source = SimpleNamespace(hold=lambda: None, release=lambda: said.append("loop"))
    transport = SimpleNamespace(pause_reading=lambda: None, is_closing=lambda: False)
    filler = SimpleNamespace(remaining=100, look_at=0, count=lambda size: None)
    outcomes = [Burst(30, is_over=False), Burst(5, is_over=True), None]

    async def take_burst(source, most_bytes, count):
        burst = outcomes.pop(0)
        said.append(burst and burst.size_bytes)
        return burst

    bursts = SimpleNamespace(piece_bytes=10, take_burst=take_burst)
    quick = fast_path._Quick(source, transport, filler, bursts, lambda *said: None)
    assert [await quick.went_on() for _ in range(3)] == [True, True, False]
    assert said == [30, 5, "loop"]
    assert filler.look_at == 90, "the loop looks again after a piece"
    quick.judge(10, 0.0)
    assert not await quick.went_on(), "there was no thread"
    assert filler.look_at == 90


@pytest.mark.faults("X126")
async def test_what_tls_has_planned_is_over_before_a_thread_receives():
    """It decrypts what it holds in the next turn of the loop, and lets the loop receive again after that."""
    told = []

    async def take_burst(source, most_bytes, count):
        told.append("burst")
        return Burst(most_bytes, is_over=False)

    source = SimpleNamespace(hold=lambda: told.append("hold"))
    transport = SimpleNamespace(pause_reading=lambda: told.append("pause"), is_closing=lambda: False)
    filler = SimpleNamespace(remaining=100, look_at=0, count=lambda size: None)
    bursts = SimpleNamespace(piece_bytes=10, take_burst=take_burst)
    quick = fast_path._Quick(source, transport, filler, bursts, lambda *said: None)
    quick.judge(10, 0.0)
    asyncio.get_running_loop().call_soon(told.append, "planned")
    assert await quick.went_on()
    assert await quick.went_on()
    assert told == ["pause", "planned", "hold", "burst", "burst"]
    quick.judge(10, 1.0)
    assert filler.look_at == 0, "or each receive would be looked at"
