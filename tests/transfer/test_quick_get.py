"""Requests to a host that has been asked before are the same requests, and their answers are treated alike."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from yarl import URL

from landsat_async.connections import Answer
from landsat_async.transfer import quick_get
from landsat_async.transfer.file_errors import AttemptFailed
from landsat_async.transfer.quick_get import QuickAnswer
from landsat_async.transfer.retry import FaultKind
from landsat_async.transfer.types import TransferPolicy
from tests.support.raw_server import RawServer, named, whole
from tests.transfer.conftest import CANARY

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
