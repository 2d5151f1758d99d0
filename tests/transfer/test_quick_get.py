"""Requests to a host that has been asked before are the same requests, and their answers are treated alike."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from contextlib import suppress
from dataclasses import replace

import aiohttp
import pytest
from yarl import URL

from landsat_async.connections import Answer
from landsat_async.disk.fs_posix import PosixFs
from landsat_async.transfer import quick_get
from landsat_async.transfer.brief_answer import BRIEF_BYTES, read_head
from landsat_async.transfer.fast_path import left_over
from landsat_async.transfer.file_errors import AttemptFailed
from landsat_async.transfer.quick_get import QuickAnswer
from landsat_async.transfer.retry import FaultKind
from landsat_async.transfer.types import Done, TransferPolicy
from tests.support.authority import Authority
from tests.support.raw_server import RawServer, named, whole
from tests.transfer.bench import CANARY, KIB, noise

NAME = "x.bin"
POLICY = TransferPolicy(min_free_bytes=0, header_timeout_s=5.0, stall_timeout_s=5.0)


def _named(body=b"body"):
    return whole(body, named(NAME))


async def _get(net, server, headers=None, path=f"/f/x.bin?requestSignature={CANARY}%2F%2B%7E", name=NAME):
    answered = await net.get(URL(server.url(path), encoded=True), headers or {}, POLICY, name)
    body = await answered.response.content.read()
    answered.response.close()
    return answered.response, body


@pytest.mark.parametrize(
    "headers", [{}, {"Range": "bytes=5-", "If-Range": '"v1"'}, {"Accept-Encoding": "identity;q=1, *;q=0"}]
)
async def test_the_second_request_says_what_aiohttp_would_say(bench, headers):
    async with RawServer([_named()]) as server, bench.net() as net:
        first, second = [(await _get(net, server, headers))[0] for _ in range(2)]
        assert (type(first), type(second)) == (Answer, QuickAnswer)
        assert (first.first, second.first) == (True, False)
        one, other = server.requests
        assert (one.method, one.target, one.headers) == (other.method, other.target, other.headers)
        assert server.connections == 1


async def test_a_pattern_carries_no_field_of_the_request_that_it_was(bench):
    async with RawServer([_named()]) as server, bench.net() as net:
        await _get(net, server, {"Range": "bytes=5-"})
        await _get(net, server, path="/g/x.bin")
        assert "range" not in server.requests[1].headers
        assert server.requests[1].target == "/g/x.bin"


async def test_a_connection_that_dies_as_it_is_used_is_replaced_once(bench):
    async def fall(wire):
        wire.mark("fell")
        wire.fin()

    async with RawServer([_named(), fall, _named(), fall, fall, _named()]) as server, bench.net() as net:
        await _get(net, server)
        assert (await _get(net, server))[1] == b"body"
        with pytest.raises(AttemptFailed) as failure:
            await _get(net, server)
        assert failure.value.fault.kind is FaultKind.NETWORK
        assert (server.marks, len(server.requests)) == (["fell"] * 3, 5)


async def test_what_is_no_answer_is_said_to_be_none(bench):
    async def noise(wire):
        await wire.send(b"SSH-2.0-OpenSSH\r\n\r\n")

    async with RawServer([_named(), noise]) as server, bench.net() as net:
        await _get(net, server)
        with pytest.raises(AttemptFailed) as failure:
            await _get(net, server)
        assert failure.value.fault.kind is FaultKind.PROTOCOL


async def test_heads_that_only_announce_another_one_are_passed_over(bench):
    async def early(wire):
        await wire.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        await _named()(wire)

    async with RawServer([_named(), early]) as server, bench.net() as net:
        await _get(net, server)
        answer, body = await _get(net, server)
        assert (answer.status, body) == (200, b"body")


async def test_a_server_that_is_silent_before_or_after_the_head_is_left(bench):
    async def no_head(wire):
        await wire.server.release.wait()

    async def no_body(wire):
        await wire.head(200, ("Content-Length", "4"), named(NAME))
        await wire.server.release.wait()

    async with RawServer([_named(), no_head, no_body]) as server, bench.net() as net:
        await _get(net, server)
        with pytest.raises(AttemptFailed, match="does not answer"):
            await _get(net, server)
        answered = await net.get(URL(server.url()), {}, POLICY, NAME)
        with pytest.raises(TimeoutError):
            await answered.response.content.read()
        answered.response.close()


async def test_an_answer_that_is_left_in_the_middle_takes_its_connection_with_it(bench):
    async def half(wire):
        await wire.head(200, ("Content-Length", "8"), named(NAME))
        await wire.send(b"half")
        await wire.server.release.wait()

    async with RawServer([_named(), half, half, _named()]) as server, bench.net() as net:
        await _get(net, server)
        for leave in (QuickAnswer.close, QuickAnswer.release):
            answered = await net.get(URL(server.url()), {}, POLICY, NAME)
            leave(answered.response)
            assert answered.response.connection is None
            with pytest.raises(Exception, match="Connection closed"):
                await answered.response.content.read()
        assert (await _get(net, server))[1] == b"body"
        assert server.requests[-1].connection == server.connections - 1 == 2


async def test_a_wait_for_an_answer_that_is_cancelled_closes_the_connection(bench):
    async def no_head(wire):
        wire.mark("asked")
        await wire.server.release.wait()

    async with RawServer([_named(), no_head, _named()]) as server, bench.net() as net:
        await _get(net, server)
        task = asyncio.create_task(_get(net, server))
        while not server.marks:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await _get(net, server))[1] == b"body"
        assert server.connections == 2


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\0b", "a\x7fb"])
async def test_a_field_cannot_become_two(bench, value):
    async with RawServer([_named()]) as server, bench.net() as net:
        await _get(net, server)
        with pytest.raises(AttemptFailed):
            await _get(net, server, {"If-Range": value})
        assert len(server.requests) == 1


async def test_who_must_be_alone_on_a_connection_is_asked_for_the_plain_way(bench):
    async with RawServer([whole(b"body")]) as server, bench.net() as net:
        answers = [(await _get(net, server, name=None))[0] for _ in range(3)]
        assert {type(answer) for answer in answers} == {Answer}
        assert server.connections == 3


@pytest.mark.faults("X75")
async def test_X75_who_reads_slowly_takes_no_answer_for_one_that_has_stalled(bench):
    policy, bench.net_options = replace(POLICY, stall_timeout_s=1.0), {"max_rate_bytes_s": 1_000_000}
    async with RawServer([_named(), _named(b"b" * 2_000_000)]) as server, bench.net() as net:
        await _get(net, server)
        answered = await net.get(URL(server.url("/f/x.bin")), {}, policy, NAME)
        assert isinstance(answered.response, QuickAnswer)
        await asyncio.sleep(1.5)  # aiohttp has stopped to read, for nobody takes what it has: no time runs then
        assert len(await answered.response.content.read()) == 2_000_000
        answered.response.close()


@pytest.mark.faults("X76")
@pytest.mark.parametrize("name", ["set_response_params", "start_timeout", "read_timeout", "upgraded"])
async def test_X76_with_another_aiohttp_every_request_goes_the_plain_way(bench, monkeypatch, name):
    monkeypatch.setattr(quick_get, "_USED", (f"{name}_of_tomorrow",))
    async with RawServer([_named()]) as server, bench.net() as net:
        assert [type((await _get(net, server))[0]) for _ in range(2)] == [Answer, Answer]


BODY = noise(9 * KIB)
PLAIN = f'HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\nContent-Disposition: attachment; filename="{NAME}"\r\n'
BRIEF = {
    "as nearly all are": PLAIN + "\r\n",
    "blanks around values, and fields without one": PLAIN
    + "X-A:\t a b \t\r\nX-B:\r\nX-A:c\r\nX-C: \t \r\nX-D: a \t  b\r\nConnection: Keep-Alive\r\n\r\n",
    "no reason": PLAIN.replace("200 OK", "200 ") + "\r\n",
    "a range": PLAIN.replace("200 OK", "206 Partial Content") + f"Content-Range: bytes 0-{len(BODY) - 1}/99999\r\n\r\n",
}
NOT_BRIEF = {
    "another status": PLAIN.replace("200 OK", "203 Non-Authoritative Information") + "\r\n",
    "an older version": PLAIN.replace("1.1", "1.0") + "\r\n",
    "the last of its connection": PLAIN + "Connection: close\r\n\r\n",
    "kept, and then the last": PLAIN + "Connection: keep-alive\r\nConnection: close\r\n\r\n",
    "its length twice": PLAIN + f"Content-Length: {len(BODY)}\r\n\r\n",
    "lengths that differ": PLAIN + "Content-Length: 7\r\n\r\n",
    "a length that is none": PLAIN.replace(str(len(BODY)), "+9216") + "\r\n",
    "a length with more digits than Python reads": PLAIN.replace(str(len(BODY)), f"{len(BODY):09000}") + "\r\n",
    "a length that no file has": PLAIN.replace(str(len(BODY)), "9" * 9000) + "\r\n",
    "a length and chunks": PLAIN + "Transfer-Encoding: chunked\r\n\r\n",
    "a folded field": PLAIN + "X-A: b\r\n c\r\n\r\n",
    "a field with a blank in its name": PLAIN + "X A: b\r\n\r\n",
    "other letters": PLAIN + "X-A: \xfc\r\n\r\n",
    "a lone line feed": PLAIN + "X-A: b\nX-B: c\r\n\r\n",
    "a long head": PLAIN + "X-A: b\r\n" + f"X-B: {'b' * 17_000}\r\n\r\n",
    "many fields": PLAIN + "X-A: b\r\n" * 110 + "\r\n",
    "a NUL": PLAIN + "X-A: b\0\r\n\r\n",
}


@pytest.mark.faults("Y110")
@pytest.mark.parametrize("what", [*BRIEF, *NOT_BRIEF])
async def test_a_brief_answer_is_read_as_aiohttp_reads_it_and_no_other_is(bench, what):
    """The first answer of a server is always read by aiohttp."""
    head = (BRIEF | NOT_BRIEF)[what].encode("latin-1")

    async def answer(wire):
        await wire.send(head + BODY)

    async def said_by(script):
        async with RawServer(script) as server, bench.net() as net:
            try:
                for _ in script:
                    answer, body = await _get(net, server)
            except AttemptFailed as failure:
                return None, failure.fault.kind
            return getattr(answer, "whole", None), [(answer.status, answer.headers.items(), body)]

    (_, plain), (whole_body, quick) = await said_by([answer]), await said_by([_named(), answer])
    assert quick == plain
    assert whole_body == (BODY if what in BRIEF else None)


@pytest.mark.faults("Y111")
def test_Y111_a_head_full_of_blanks_stops_nobody():
    head = read_head((PLAIN + f"X-A: a{' ' * 16_000}b\r\n\r\n").encode())
    assert head is not None
    assert head.headers["X-A"] == f"a{' ' * 16_000}b"
    began_s = time.perf_counter()
    for _ in range(20):
        read_head((PLAIN + f"X-A: a{' ' * 16_000}b\r\n\r\n").encode())
    assert time.perf_counter() - began_s < 10.0  # half a minute, where its end is looked for everywhere


@pytest.mark.parametrize("cuts", [(700,), (700, 701, 5000)], ids=len)
async def test_a_brief_answer_in_pieces_is_one(bench, cuts):
    async def pieces(wire):
        data = (PLAIN + "\r\n").encode() + BODY
        for begin, end in itertools.pairwise((0, *cuts, len(data))):
            await wire.send(data[begin:end])
            await asyncio.sleep(0.01)

    async with RawServer([_named(), pieces, _named()]) as server, bench.net() as net:
        await _get(net, server)
        answer, body = await _get(net, server)
        assert (answer.whole, body, answer.connection) == (BODY, BODY, None)
        assert (await _get(net, server))[1] == b"body"
        assert server.connections == 1


async def test_who_asks_gets_the_head_of_a_body_that_takes_its_time(bench):
    async def slowly(wire):
        await wire.send((PLAIN + "\r\n").encode() + BODY[:7])
        await wire.server.release.wait()

    async with RawServer([_named(), slowly]) as server, bench.net() as net:
        await _get(net, server)
        answered = await net.get(URL(server.url()), {}, POLICY, NAME)
        assert answered.response.whole is None
        assert await answered.response.content.readany() == BODY[:7]
        answered.response.close()


@pytest.mark.parametrize("end", ["fin", "rst"])
async def test_what_came_of_a_brief_answer_before_its_end_is_not_lost(bench, end):
    async def cut(wire):
        await wire.send((PLAIN + "\r\n").encode() + BODY[:7])
        await asyncio.sleep(0.05)
        getattr(wire, end)()

    async with RawServer([_named(), cut]) as server, bench.net() as net:
        await _get(net, server)
        answered = await net.get(URL(server.url()), {}, POLICY, NAME)
        assert left_over(answered.response.content) == BODY[:7]
        with pytest.raises(aiohttp.ClientPayloadError):
            await answered.response.content.read()
        answered.response.close()


async def test_bytes_behind_a_brief_answer_leave_nothing_to_be_asked_on_its_connection(bench):
    async def more(wire):
        await wire.send((PLAIN + "\r\n").encode() + BODY + b"HTTP/1.1 200 OK\r\n")

    async with RawServer([_named(), more, _named()]) as server, bench.net() as net:
        await _get(net, server)
        with suppress(AttemptFailed):
            assert (await _get(net, server))[1] == BODY
        assert (await _get(net, server))[1] == b"body"
        assert server.connections == 2


async def test_a_connection_knows_its_first_answer_and_is_kept_for_a_moment_only(bench):
    async with RawServer([_named()]) as server, bench.net() as net:
        await _get(net, server)
        both = await asyncio.gather(_get(net, server), _get(net, server))
        assert sorted(answer.first for answer, _ in both) == [False, True]
        assert [(await _get(net, server))[0].first for _ in range(3)] == [False] * 3
        await asyncio.sleep(1.0)  # by now aiohttp has both, which closes what is idle for long
        assert not any(net.quick._idle.values())
        assert sum(map(len, net.session.connector._conns.values())) == server.connections == 2
        assert (await _get(net, server))[0].first is False


class HeldDisk(PosixFs):
    """Holds every write until it may go on."""

    def __init__(self):
        super().__init__()
        self.writes, self.goes_on = threading.Event(), threading.Event()

    def pwrite_all(self, fd, data, offset):
        self.writes.set()
        assert self.goes_on.wait(60)
        super().pwrite_all(fd, data, offset)


async def test_what_a_thread_writes_from_is_not_filled_anew_meanwhile(bench):
    bench.fs, bench.right = HeldDisk(), [BODY]
    script = [whole(b"body", named(bench.name)), whole(BODY, named(bench.name)), whole(BODY[::-1], named(bench.name))]
    async with RawServer(script) as server, bench.net() as net:
        await _get(net, server, name=bench.name)
        landing = asyncio.create_task(bench.run(server, net=net))
        while not bench.fs.writes.is_set():
            await asyncio.sleep(0.001)
        other, _ = await _get(net, server, name=bench.name)
        assert other.whole == BODY[::-1]
        bench.fs.goes_on.set()
        assert isinstance(await landing, Done)
        assert bench.final_bytes() == BODY
        room = net.take_buffer(BRIEF_BYTES)  # and then it goes round
        assert room is not other.room
        assert BODY in bytes(room)


@pytest.mark.faults("X124")
async def test_X124_a_connection_of_tls_that_is_lost_and_closed_in_one_turn_leaves_nobody_waiting(bench):
    """asyncio's own end of it has gone by the time that we hear of the loss."""
    authority = Authority()
    bench.service, bench.net_options = "https://127.0.0.1:1/", {"tls": authority.client()}

    async def hang(wire):
        await wire.server.release.wait()

    async with RawServer([whole(b"body", named("x.bin")), hang], ssl=authority.server()) as server, bench.net() as net:
        response = (await net.get(URL(server.url("/f/x.bin")), {}, POLICY, "x.bin")).response
        await response.content.read()
        response.close()
        asked = asyncio.create_task(net.get(URL(server.url("/f/x.bin")), {}, POLICY, "x.bin"))
        while not net.quick._awaited:
            await asyncio.sleep(0)
        (gatherer,) = net.quick._awaited
        tls = gatherer.transport._ssl_protocol
        below = tls._transport
        tls.connection_lost(ConnectionResetError("lost"))
        gatherer.handler.close()
        async with asyncio.timeout(300):  # of virtual time
            with pytest.raises(AttemptFailed):
                await asked
        below.abort()
