"""Several connections for one file: cancelled, resumed, at a host that changes its file or its mind, on a bad disk."""

from __future__ import annotations

import asyncio
import errno
import os
import socket

import anyio
import pytest
from msgspec.structs import replace

from landsat_async.disk.fs_posix import PosixFs
from landsat_async.errors import DiskFull
from landsat_async.events import Notice, Transferred
from landsat_async.transfer.types import Done, FileFailed
from tests.support.raw_server import RawServer, ranged, status
from tests.transfer.bench import KIB, Bench, noise, open_files_below
from tests.transfer.span_host import DATA, OTHER, SPAN, STARTS, Host
from tests.transfer.test_cancel import interrupted


@pytest.fixture
def bench(bench):
    bench.tune(connections=4, span_bytes=SPAN)
    bench.right = [DATA]
    return bench


def told(bench):
    return [event.text for event in bench.events if isinstance(event, Notice)]


# -- stopped and continued -------------------------------------------------------------------------------------------


@pytest.mark.faults("L01", "L03")
@pytest.mark.parametrize("how", ["scope", "task"])
@pytest.mark.parametrize("prepared", ["fresh", "resumed"])
async def test_L01_L03_cancelled_at_many_awaits_nothing_runs_on_and_the_prefix_is_kept(tmp_path, how, prepared):
    data = noise(128 * KIB * 5)
    at, reached, points = 0, True, 0
    async with RawServer([host := Host(data)]) as server, Bench(str(tmp_path / "net")).net() as net:
        while reached:
            at += 3
            bench = Bench(str(tmp_path / f"{how}-{at}"))
            bench.tune(connections=3, span_bytes=128 * KIB, block_bytes=32 * KIB, checkpoint_bytes=64 * KIB)
            os.makedirs(bench.folder)
            if prepared == "resumed":
                bench.keep(data[: 90 * KIB], total=len(data), etag='"v1"')
            before = len(asyncio.all_tasks())
            host.asked.clear()
            count, ended_first = await interrupted(bench, server, net, at, how)
            reached = count >= at
            points += reached and not ended_first and bool(host.asked)
            assert open_files_below(bench.folder) == []
            for _ in range(5):  # resolvers and the server notice it a little later
                await asyncio.sleep(0.01)
            assert len(asyncio.all_tasks()) <= before + 3  # connections that the server keeps open
            assert not +net.splits
            facts = bench.store.facts
            if bench.final_bytes() is None:
                if facts is not None:
                    assert facts.durable == len(bench.part_bytes())
                    assert bench.part_bytes() == data[: facts.durable]
                assert isinstance(await bench.run(server, net=net), Done)
            assert bench.final_bytes() == data
            await asyncio.sleep(0.05)
    assert points >= 20, "too few cancellations met several connections"


async def test_cancelled_in_the_middle_it_keeps_all_that_is_in_order(bench):
    """Spans 1 to 4 have come when span 5 hangs: everything before that is kept, and what came of span 5."""
    host = Host()

    async def hang(host, wire, start, end):
        await wire.head(206, *host.fields(start, end))
        await wire.send(host.data[start : start + 100 * KIB])
        await wire.server.release.wait()

    host.faults[STARTS[5]] = hang
    async with RawServer([host]) as server:
        with anyio.move_on_after(20) as scope:
            await bench.run(server)
        assert scope.cancelled_caught
        assert bench.part_bytes() == DATA[: STARTS[5] + 100 * KIB]
        assert bench.store.facts.durable == STARTS[5] + 100 * KIB
        host.faults.clear()
        assert isinstance(await bench.run(server), Done)
    assert bench.final_bytes() == DATA


@pytest.mark.parametrize("kept", [70 * KIB, 300 * KIB, 1000 * KIB])
async def test_it_goes_on_from_a_checkpoint_with_several_connections(bench, kept):
    bench.keep(DATA[:kept], total=len(DATA), etag='"v1"')
    async with RawServer([host := Host()]) as server:
        outcome = await bench.run(server)
        assert server.requests[0].start == kept - 64 * KIB
    assert isinstance(outcome, Done)
    assert host.compared == [(0, max(start for start, _ in host.asked))]
    assert min(start for start, _ in host.asked) == kept - 64 * KIB + SPAN - 64 * KIB
    assert host.plain == 1
    assert bench.final_bytes() == DATA


async def test_little_that_is_left_comes_over_one_connection(bench):
    kept = len(DATA) - 4 * SPAN + 64 * KIB + 1
    bench.keep(DATA[:kept], total=len(DATA), etag='"v1"')
    async with RawServer([host := Host()]) as server:
        assert isinstance(await bench.run(server), Done)
    assert (host.asked, host.compared) == ([], [(0, kept - 64 * KIB)])


async def test_positions_never_go_back(bench):
    async with RawServer([Host()]) as server:
        await bench.run(server)
    positions = [event.position_bytes for event in bench.events if isinstance(event, Transferred)]
    assert positions == sorted(positions)


# -- another file at the server --------------------------------------------------------------------------------------


@pytest.mark.faults("F09", "F10")
@pytest.mark.parametrize("at", [1, 3, 4, 6, len(STARTS) - 1])
@pytest.mark.parametrize("if_range", [True, False], ids=["honoured", "ignored"])
async def test_F09_a_file_replaced_between_spans_is_one_of_the_two_and_never_a_mix(bench, at, if_range):
    bench.right = [DATA, OTHER]
    host = Host()

    async def replaced(host, wire, start, end):
        host.data, host.etag = OTHER, '"v2"'
        await again(host, wire, start, end)

    async def again(host, wire, start, end):
        if not if_range:
            wire.request.headers.pop("if-range", None)
        await host.span(wire, start, end)
        host.asked.pop()

    host.faults = dict.fromkeys(STARTS, again) | {STARTS[at]: replaced}
    async with RawServer([host]) as server:
        outcome = await bench.run(server)
        assert f"fault at {STARTS[at]}" in server.marks
    assert isinstance(outcome, Done)
    if at > 3:  # the first answer, which was still of the old file, had been given up
        assert bench.final_bytes() == OTHER


@pytest.mark.faults("F10")
async def test_F10_an_etag_that_differs_from_answer_to_answer_leads_to_one_connection(bench):
    class Fickle(Host):
        async def __call__(self, wire):
            wire.request.headers.pop("if-range", None)
            self.etag = f'"v{len(wire.server.requests)}"'
            await super().__call__(wire)

    async with RawServer([host := Fickle()]) as server:
        assert isinstance(await bench.run(server), Done)
    assert host.plain == 1
    assert len(host.asked) == 3


# -- hosts that want no more connections -----------------------------------------------------------------------------


@pytest.mark.faults("F08")
@pytest.mark.parametrize("answer", [None, status(429), status(503, ("Retry-After", "9")), status(403)])
async def test_a_host_that_does_not_do_it_is_asked_once_in_a_run(bench, answer):
    host = Host()

    async def refuse(host, wire, start, end):
        await (answer(wire) if answer is not None else host.rest(wire, None))

    host.faults = dict.fromkeys(STARTS, refuse)
    async with RawServer([host]) as server, bench.net() as net:
        assert isinstance(await bench.run(server, net=net), Done)
        asked = len(host.asked)
        assert 1 <= asked <= 3
        os.unlink(bench.final)
        bench.store.facts = None
        assert isinstance(await bench.run(server, net=net), Done)
        assert len(host.asked) == asked
    assert host.plain == 2
    assert len([text for text in told(bench) if "over several connections" in text]) == 1
    assert not any(hasattr(event, "wait_s") for event in bench.events)


async def test_connections_that_are_refused_leave_the_first_one_working(bench):
    """The listening socket is closed behind the first connection."""
    host = Host()

    class Closing(RawServer):
        async def _serve(self, reader, writer):
            self._server.close()
            await super()._serve(reader, writer)

    async with Closing([host]) as server, bench.net() as net:
        assert isinstance(await bench.run(server, net=net), Done)
        assert net.range_support(f"127.0.0.1:{server.port}").one_connection
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", server.port)) == errno.ECONNREFUSED
    assert (host.plain, host.asked) == (1, [])


async def test_a_file_that_is_pushed_back_while_another_has_several_connections_ends_that(bench, tmp_path):
    host, gate = Host(), asyncio.Event()

    async def wait(host, wire, start, end):
        await gate.wait()
        await host.span(wire, start, end)
        host.asked.pop()

    host.faults[STARTS[4]] = wait

    async def route(wire):
        if wire.request.target == "/other":
            wire.mark("503")
            await status(503)(wire)
        else:
            await host(wire)

    other = Bench(str(tmp_path / "other"))
    other.tune(attempts=1)
    async with RawServer([route]) as server, bench.net() as net, anyio.create_task_group() as tasks:
        tasks.start_soon(bench.run, server, "/x", net)
        while not server.marks:
            await anyio.sleep(0.01)
        beside = replace(net, target=other.target())
        assert isinstance(await other.run(server, "/other", beside), FileFailed)
        assert net.range_support(f"127.0.0.1:{server.port}").one_connection
        before = len(host.asked)
        gate.set()
    assert bench.final_bytes() == DATA
    assert len(host.asked) > before  # what had begun went on, over one connection
    assert host.plain == 1


# -- bad disks, bad lines --------------------------------------------------------------------------------------------


@pytest.mark.faults("X132")
@pytest.mark.parametrize("block_kib", [64, 8192], ids=["blocks", "one block"])
async def test_a_full_disk_stops_all_connections(bench, block_kib):
    bench.right = []
    bench.tune(block_bytes=block_kib * KIB, checkpoint_s=0.0)  # so that a block is passed on before it is full
    bench.fs = Full()
    async with RawServer([Host()]) as server, bench.net() as net:
        with pytest.raises(DiskFull):
            await bench.run(server, net=net)
        assert not +net.splits
    assert bench.part_bytes() == DATA[: bench.store.facts.durable]


class Full(PosixFs):
    def pwrite_all(self, fd, data, offset):
        if offset >= 700 * KIB:
            raise OSError(errno.ENOSPC, "full")
        super().pwrite_all(fd, data, offset)


async def test_a_file_whose_connections_keep_breaking_comes_over_one_in_the_end(bench):
    data = noise(6 * 1024 * KIB)
    bench.right = [data]

    class Breaking(Host):
        async def span(self, wire, start, end):
            since = len(self.asked) - sum(self.before)
            if since == 5:
                self.before.append(len(self.asked) + 1 - sum(self.before))
                wire.mark("cut")
                self.asked.append((start, end))
                await wire.head(206, *self.fields(start, end))
                await wire.send(data[start : start + 100 * KIB])
                wire.rst()
            await super().span(wire, start, end)

    host = Breaking(data)
    host.before = []
    async with RawServer([host]) as server:
        assert isinstance(await bench.run(server), Done)
        assert server.marks == ["cut"] * 3
        assert server.requests[-2].start is not None  # an open range
    assert host.plain == 4


async def test_a_page_as_long_as_a_file_leaves_nothing_behind(bench):
    """What follows its head could be anything, and must not be taken for the beginning of the file."""
    bench.right = []
    page = b"<html>Not today</html>".ljust(KIB) + DATA
    async with RawServer([Host(page)]) as server:
        outcome = await bench.run(server)
    assert isinstance(outcome, FileFailed)
    assert outcome.kind == "page"
    assert bench.part_bytes() == b""
    assert bench.store.saved == []


@pytest.mark.parametrize("span", [96, 128])
async def test_little_that_is_left_for_the_first_answer_is_received_the_way_it_began(bench, span):
    """Its connection was stopped after the first span: whatever reads the rest has to start it again."""
    bench.tune(connections=2, span_bytes=span * KIB, block_bytes=32 * KIB)
    bench.right = [data := DATA[: 4 * span * KIB]]
    host = Host(data)

    async def busy(host, wire, start, end):
        await status(503)(wire)

    host.faults[span * KIB - 64 * KIB] = busy
    async with RawServer([host]) as server:
        with anyio.fail_after(600):
            assert isinstance(await bench.run(server), Done)
        assert server.marks
    assert host.plain == 1


async def test_a_slow_span_at_the_head_does_not_keep_its_bytes_in_memory_for_long(bench):
    host = Host()

    async def slow(host, wire, start, end):
        await wire.head(206, *host.fields(start, end))
        for at in range(start, end, 20 * KIB):
            await wire.send(host.data[at : min(at + 20 * KIB, end)])
            await anyio.sleep(3)

    host.faults[STARTS[1]] = slow
    bench.tune(block_bytes=SPAN, checkpoint_s=5.0)
    async with RawServer([host]) as server:
        assert isinstance(await bench.run(server), Done)
    assert len([durable for durable in bench.store.saved if STARTS[1] + 64 * KIB < durable < STARTS[2]]) >= 2


async def test_ranges_are_not_given_by_a_host_that_only_says_so(bench):
    async with RawServer([ranged(DATA, ("Accept-Ranges", "bytes"))]) as server:  # knows open-ended ranges alone
        outcome = await bench.run(server)
        assert len(server.requests) == 4
    assert isinstance(outcome, Done)
    assert bench.final_bytes() == DATA
