"""One file over several connections: the right bytes or none, whatever any of them does."""

from __future__ import annotations

import asyncio
import gzip

import anyio
import pytest

from landsat_async.events import Retrying
from landsat_async.model import Identity, Proof
from landsat_async.proof.byte_view import ByteView
from landsat_async.proof.tiff import walk_tiff
from landsat_async.transfer import body
from landsat_async.transfer.types import Done, NeedsLink
from tests.disk.whole_files import PRODUCT, tiff
from tests.support.raw_server import RawServer, status
from tests.transfer.bench import CANARY, KIB, of_done, sha
from tests.transfer.span_host import DATA, OTHER, SPAN, STARTS, Host

OPENING = [STARTS[1], STARTS[3]]
LATE = [STARTS[4], STARTS[6], STARTS[-1]]


@pytest.fixture(params=["direct", "plain"])
def way(request, monkeypatch):
    if request.param == "plain":
        monkeypatch.setattr(body, "can_go_direct", lambda response, remaining: False)
    return request.param


@pytest.fixture
def bench(bench):
    bench.tune(connections=4, span_bytes=SPAN)
    bench.right = [DATA]
    return bench


# -- faults of one span ----------------------------------------------------------------------------------------------


def cut(how, part=0.5):
    async def answer(host, wire, start, end):
        await wire.head(206, *host.fields(start, end))
        await wire.send(host.data[start : start + int((end - start) * part)])
        getattr(wire, how)()

    return answer


async def no_answer(host, wire, start, end):
    wire.rst()


async def stall(host, wire, start, end):
    await wire.head(206, *host.fields(start, end))
    await wire.send(host.data[start : start + 100 * KIB])
    await wire.server.release.wait()


def code(number, *fields):
    async def answer(host, wire, start, end):
        await status(number, *fields)(wire)

    return answer


async def everything(host, wire, start, end):
    await host.rest(wire, None)


def lie(fields, data=None):
    async def answer(host, wire, start, end):
        await wire.head(206, *fields(host, start, end))
        await wire.send((data or host.data)[start:end])

    return answer


async def short_span(host, wire, start, end):
    await wire.head(206, *host.fields(start, end - 10))
    await wire.send(host.data[start : end - 10])


async def packed(host, wire, start, end):
    data = gzip.compress(host.data[start:end])
    fields = [("Content-Length", str(len(data))), ("Content-Encoding", "gzip"), *host.fields(start, end)[1:]]
    await wire.head(206, *fields)
    await wire.send(data)


async def several(host, wire, start, end):
    await wire.head(206, ("Content-Type", "multipart/byteranges; boundary=x"), ("Content-Length", "5"))
    await wire.send(b"--x\r\n")


async def shifted(host, wire, start, end):
    await wire.head(206, *host.fields(start, end))
    await wire.send(host.data[start + 1 : end + 1].ljust(end - start, b"x"))


async def too_long(host, wire, start, end):
    await wire.head(206, *host.fields(start, end)[1:], ("Transfer-Encoding", "chunked"))
    data = host.data[start:end] + b"more"
    await wire.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data))


async def page(host, wire, start, end):
    text = b"<html>Sign In</html>"
    await wire.head(200, ("Content-Length", str(len(text))), ("Content-Type", "text/html"))
    await wire.send(text)


LINE = {
    "cut": cut("fin"),
    "reset": cut("rst"),
    "cut at once": cut("fin", 0),
    "no answer": no_answer,
    "stall": stall,
}
BUSY = {
    "429": code(429, ("Retry-After", "1")),
    "503": code(503),
    "500": code(500),
}
LIES = {
    "everything": everything,
    "wrong start": lie(lambda host, start, end: host.fields(start + 1, end + 1)),
    "wrong end": lie(lambda host, start, end: [host.fields(start, end)[0], *host.fields(start, end + 1)[1:]]),
    "wrong total": lie(lambda host, start, end: host.fields(start, end, total=len(DATA) + 1)),
    "no Content-Range": lie(lambda host, start, end: [host.fields(start, end)[0], ("ETag", host.etag)]),
    "no ETag": lie(lambda host, start, end: host.fields(start, end)[:2]),
    "weak ETag": lie(lambda host, start, end: host.fields(start, end, etag='W/"v1"')),
    "another ETag": lie(lambda host, start, end: host.fields(start, end, etag='"v2"'), OTHER),
    "short": short_span,
    "shifted": shifted,
    "encoded": packed,
    "multipart": several,
    "too long": too_long,
    "a page": page,
    "204": code(204),
    "416": code(416),
}
LINKS = {"401": code(401), "403": code(403), "410": code(410), "404": code(404)}


def each_in_one_way(faults, places):
    """Each fault at each place, in turn over the two ways that a body takes; the other way round with -m slow."""
    return [
        pytest.param(way, fault, at, marks=() if (number + place + turn) % 2 else pytest.mark.slow)
        for number, fault in enumerate(faults)
        for place, at in enumerate(places)
        for turn, way in enumerate(("direct", "plain"))
    ]


# -- as it should be -------------------------------------------------------------------------------------------------


async def test_four_connections_bring_the_right_bytes(bench, way):
    async with RawServer([host := Host()]) as server:
        outcome = await bench.run(server)
    assert of_done(outcome) == (len(DATA), sha(DATA), Proof.LENGTH, outcome.bytes_received)
    assert bench.final_bytes() == DATA
    assert [start for start, _ in sorted(host.asked)] == STARTS[1:]
    assert host.plain == 1
    assert host.compared == [(0, STARTS[-1])]  # it holds no sums that could tell that all ranges are of one version
    overlaps = 64 * KIB * (len(STARTS) - 1) + STARTS[-1]
    assert len(DATA) + overlaps <= outcome.bytes_received <= len(DATA) + overlaps + 256 * KIB
    assert bench.store.saved == sorted(bench.store.saved)
    assert not any(hasattr(event, "wait_s") for event in bench.events)


async def test_the_connections_work_side_by_side(bench):
    """No span is served before all connections have asked for one."""
    host = Host()

    async def together(host, wire, start, end):
        while len(host.asked) < (3 if start <= STARTS[3] else 7):
            await anyio.sleep(0.01)
        await host.span(wire, start, end)
        host.asked.pop()

    host.faults = dict.fromkeys(STARTS[1:8], together)
    async with RawServer([host]) as server:
        assert isinstance(await bench.run(server), Done)
        assert len(server.marks) == 7


@pytest.mark.faults("N07")
@pytest.mark.parametrize(("compression", "tells"), [(8, "damaged"), (1, "several answers")])
async def test_N07_ranges_of_two_versions_under_one_validator_are_never_a_mix(bench, compression, tells):
    """Two machines behind one name, of which one is late; what differs is not where ranges overlap."""
    bench.name = f"{PRODUCT}_SR_B3.TIF"
    bench.right = [data := tiff(side=1000, tile=64, pages=1, compression=compression)]

    class TwoVersions(Host):
        async def span(self, wire, start, end):
            if start == STARTS[3]:
                at = start + 100 * KIB
                self.data = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
            await super().span(wire, start, end)
            self.data = data

    async with RawServer([TwoVersions(data)]) as server:
        outcome = await bench.run(server)
        assert len(server.requests) > len(data) // SPAN
    assert isinstance(outcome, Done)
    assert any(tells in event.reason for event in bench.events if isinstance(event, Retrying))


@pytest.mark.faults("N07", "X144")
@pytest.mark.parametrize("change", [1, 2, 4, 7, 10])
async def test_X144_ranges_of_two_versions_that_one_index_fits_are_never_a_mix(bench, change):
    """A file is replaced, and keeps its ETag, while its ranges come; no tile says which of the two it is of."""
    bench.name = f"{PRODUCT}_SR_B3.TIF"
    old, new = (tiff(side=1000, tile=64, pages=1, seed=seed) for seed in range(2))
    index = walk_tiff(ByteView(lambda size, at: old[at : at + size], 0, len(old), lambda: False)).pages[0]
    for at, count in zip(index.offsets, index.counts, strict=True):
        if any(start - count < at < start + 64 * KIB for start in STARTS[1:]):  # what comes twice has to be the same
            new = new[:at] + old[at : at + count] + new[at + count :]
    bench.right = [old, new]

    class Replaced(Host):
        async def span(self, wire, start, end):
            self.data = new if start >= STARTS[change] or end - start < 64 * KIB else old  # short ones compare
            await super().span(wire, start, end)

    async with RawServer([Replaced(old)]) as server:
        assert isinstance(await bench.run(server), Done)
    assert bench.final_bytes() in bench.right


@pytest.mark.faults("N07")
async def test_N07_a_file_is_named_only_when_all_its_ranges_were(bench):
    class Forgetful(Host):
        def fields(self, *args, **more):
            return super().fields(*args, **more)[:3]

    for kind, identity in ((Host, Identity.NAMED), (Forgetful, Identity.NONE)):
        async with RawServer([kind(name=bench.name)]) as server:
            outcome = await bench.run(server)
        assert isinstance(outcome, Done)
        assert outcome.identity is identity
        bench.forget()


async def test_ranges_go_along_with_the_validator_and_reuse_their_connections(bench):
    async with RawServer([Host(name=bench.name)]) as server:
        await bench.run(server)
        ranged = [one for one in server.requests if not one.headers.get("range", "bytes=0-").startswith("bytes=0-")]
        assert {request.headers["if-range"] for request in ranged} == {'"v1"'}
        assert server.connections <= 5
        assert all(CANARY in request.target for request in ranged)


@pytest.mark.parametrize("spans", [4, 6])
@pytest.mark.parametrize("connections", [2, 5, 16])
async def test_there_may_be_fewer_spans_than_connections(bench, connections, spans):
    data = DATA[: spans * SPAN]
    bench.right = [data]
    bench.tune(connections=connections)
    async with RawServer([host := Host(data)]) as server:
        with anyio.fail_after(600):
            assert isinstance(await bench.run(server), Done)
    assert len(host.asked) == len([start for start in STARTS if start < len(data) - 64 * KIB]) - 1


async def test_no_more_spans_are_in_memory_than_promised(bench):
    """The second span stalls: the others may run ahead of it by the window and no more."""
    host = Host()
    gate = asyncio.Event()

    async def late(host, wire, start, end):
        await wire.head(206, *host.fields(start, end))
        await gate.wait()
        await wire.send(host.data[start:end])

    host.faults[STARTS[1]] = late
    async with RawServer([host]) as server, bench.net() as net, anyio.create_task_group() as tasks:
        tasks.start_soon(bench.run, server, "/x", net)
        while len(host.asked) < 5:
            await anyio.sleep(0.01)
        await anyio.sleep(20)
        assert [start for start, _ in sorted(host.asked)] == STARTS[1:6]  # the first one has been passed on
        gate.set()
    assert bench.final_bytes() == DATA


async def test_small_files_are_not_split(bench):
    host = Host(DATA[: 4 * SPAN - 1])
    bench.right = [host.data]
    async with RawServer([host]) as server:
        assert isinstance(await bench.run(server), Done)
    assert host.asked == []


@pytest.mark.parametrize("host", [Host(etag='W/"v1"'), Host(etag=None), Host(accept=False)], ids=["weak", "none", "?"])
async def test_without_proved_ranges_and_a_strong_validator_one_connection_does(bench, host):
    async with RawServer([host]) as server:
        outcome = await bench.run(server)
        assert len(server.requests) == 1
    assert of_done(outcome) == (len(DATA), sha(DATA), Proof.LENGTH, len(DATA))


async def test_a_host_that_has_given_a_range_needs_not_say_so(bench):
    bench.keep(DATA[: 300 * KIB], total=len(DATA), etag='"v1"')
    async with RawServer([host := Host(accept=False)]) as server:
        assert isinstance(await bench.run(server), Done)
    assert len(host.asked) > 3


# -- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.faults("F01", "F02", "F07", "F08", "F12", "F13", "F14", "F15", "F18", "F19", "F20", "F21", "F24", "F27")
@pytest.mark.parametrize(
    ("way", "fault", "at"), each_in_one_way([*LINE, *BUSY, *LIES, *LINKS], OPENING), indirect=["way"]
)
async def test_a_fault_while_the_connections_open_costs_nothing(bench, way, fault, at):
    host = Host()
    host.faults[at] = (LINE | BUSY | LIES | LINKS)[fault]
    async with RawServer([host]) as server:
        outcome = await bench.run(server)
        assert server.marks == [f"fault at {at}"]
    assert isinstance(outcome, Done)
    assert bench.final_bytes() == DATA


@pytest.mark.faults("F01", "F02", "F07", "F08", "F12", "F13", "F14", "F15", "F18", "F19", "F24", "F27")
@pytest.mark.parametrize(("way", "fault", "at"), each_in_one_way([*LINE, *BUSY, *LIES], LATE), indirect=["way"])
async def test_a_fault_of_a_later_span_is_overcome(bench, way, fault, at):
    host = Host()
    host.faults[at] = (LINE | BUSY | LIES)[fault]
    async with RawServer([host]) as server:
        outcome = await bench.run(server)
        assert server.marks == [f"fault at {at}"]
        assert host.plain == (1 if fault == "no answer" else 2)  # a reused connection that is dead is no fault
        if fault not in LINE:
            asked = [request.headers.get("range", "-") for request in server.requests]
            asked = [one for one in asked if not one.startswith("bytes=0-")]  # which compare what was joined
            assert "-" not in asked[-1][:-1]  # one connection from now on
    assert isinstance(outcome, Done)
    assert bench.final_bytes() == DATA


@pytest.mark.faults("F20", "F21", "F22")
@pytest.mark.parametrize("at", LATE)
@pytest.mark.parametrize("fault", LINKS)
async def test_a_link_that_expires_in_the_middle_keeps_the_bytes_in_order(bench, way, fault, at):
    host = Host()
    host.faults[at] = LINKS[fault]
    async with RawServer([host]) as server:
        outcome = await bench.run(server)
        assert isinstance(outcome, NeedsLink)
        assert outcome.expired is (fault != "404")
        kept = bench.store.facts.durable
        assert kept >= at - 3 * SPAN
        assert bench.part_bytes() == DATA[:kept]
        assert isinstance(await bench.run(server, path="/fresh"), Done)
    assert bench.final_bytes() == DATA
