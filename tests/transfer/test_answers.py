"""Answers that belong to other requests: doubled, late and swapped ones never end under a wrong name.

The long version is `python -m benchmarks.answers`.
"""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import replace

import aiohttp
import pytest

from landsat_async.connections import Answer
from landsat_async.events import Retrying
from landsat_async.transfer.quick_get import QuickAnswer
from landsat_async.transfer.retry import HostReport
from landsat_async.transfer.session import TransferSession
from landsat_async.transfer.types import Done
from tests.support.answers_lab import SIDES, Trust, play, seeded
from tests.support.raw_server import RawServer, named, ranged, status, whole
from tests.transfer.bench import KIB, noise

pytestmark = pytest.mark.faults("K41")
QUICK = SIDES[:5]
DATA, OTHER = noise(400 * KIB), noise(400 * KIB, seed=2)


@pytest.fixture(scope="module")
def trust(tmp_path_factory):
    return Trust.make(tmp_path_factory.mktemp("trust"))


@pytest.mark.parametrize("seed", range(40))
async def test_no_file_holds_what_belongs_to_another(seed, tmp_path, trust):
    schedule = seeded(seed, sides=QUICK)
    came = await play(schedule, tmp_path / "at", trust)
    assert (came.wrong, came.missing) == ([], []), str(schedule)


async def _play_all(tmp_path, trust, *, names, share=1.0):
    """Play schedules with files of equal sizes, and add up what came."""
    wrong, missing, displaced, requests, connections, files = 0, 0, 0, 0, 0, 0
    for seed in range(8):
        schedule = seeded(seed, sides=(SIDES[seed % 4],))
        plain = tuple(replace(file, hop=False, page=False, cut_at=1.0) for file in schedule.files)
        schedule = replace(schedule, files=plain, names=names, share=share, workers=1, connections=1, tls=False)
        came = await play(schedule, tmp_path / str(seed), trust)
        wrong, missing = wrong + len(came.wrong), missing + len(came.missing)
        requests, connections = requests + came.requests, connections + came.connections
        displaced, files = displaced + sum(came.displaced.values()), files + len(plain)
    return wrong, missing, displaced, requests, connections, files


async def test_without_names_and_with_equal_sizes_only_a_connection_of_its_own_helps(tmp_path, trust, monkeypatch):
    wrong, missing, displaced, requests, connections, files = await _play_all(tmp_path / "as it is", trust, names=False)
    assert (wrong, missing) == (0, 0)
    assert displaced == files
    assert requests - connections <= 8, "more than the first connection of a run served two requests"

    for kind in (Answer, QuickAnswer):
        monkeypatch.setattr(kind, "first", property(lambda answer: True, lambda answer, first: None))
        monkeypatch.setattr(kind, "last", lambda answer: None)
    monkeypatch.setattr(TransferSession, "_note_names", lambda *_, named: None)
    wrong, *_ = await _play_all(tmp_path / "believed", trust, names=False)
    assert wrong > 0, "looking at idle connections was enough; the schedules are too easy"


async def test_a_host_that_names_its_files_keeps_its_connections(tmp_path, trust):
    wrong, missing, _, requests, connections, files = await _play_all(tmp_path, trust, names=True, share=0.0)
    assert (wrong, missing, requests, connections) == (0, 0, files, 8), "one connection a run, one request a file"


async def test_a_name_on_the_answer_is_what_makes_a_used_connection_good(tmp_path, trust):
    wrong, missing, displaced, requests, *_, files = await _play_all(tmp_path, trust, names=True)
    assert (wrong, missing) == (0, 0)
    assert displaced > files / 2
    assert requests <= 2 * displaced + files


async def test_bytes_that_wait_on_an_idle_connection_close_it_unused(bench):
    """The copy is there before the next request, so nothing is asked on that connection, and no answer is dropped."""
    bench.right = [DATA, OTHER]

    async def twice(wire):
        for _ in range(2):
            await ranged(DATA, named(bench.name))(wire)
        wire.mark("twice")

    async with RawServer([twice, ranged(OTHER, named(bench.name))]) as server, bench.net() as net:
        assert isinstance(await bench.run(server, net=net), Done)
        assert bench.final_bytes() == DATA
        while not server.marks:
            await asyncio.sleep(0.01)
        os.unlink(bench.final)
        bench.store.facts = None
        assert isinstance(await bench.run(server, net=net), Done)
        assert bench.final_bytes() == OTHER
        assert [request.connection for request in server.requests] == [0, 1]


@pytest.mark.parametrize("size", [2 * KIB, 400 * KIB])
async def test_a_page_that_belongs_to_another_request_condemns_nothing(bench, size):
    """A late 404 says nothing about this file; it is asked for once more over a new connection."""
    data = noise(size)
    bench.right = [data]

    async def late(wire):
        await whole(b"gone", status=404)(wire)
        await whole(data, named(bench.name))(wire)

    script = [whole(data, named(bench.name)), late, whole(data, named(bench.name))]
    async with RawServer(script) as server, bench.net() as net:
        for _ in range(2):
            assert isinstance(await bench.run(server, net=net), Done)
            os.unlink(bench.final)
            bench.store.facts = None
        assert [request.connection for request in server.requests] == [0, 0, 1]


@pytest.mark.faults("W56")
@pytest.mark.parametrize("code", [429, 503])
async def test_too_much_is_believed_on_a_used_connection_as_well(bench, code):
    """It was asked again at once, over a new connection: nobody halved, and Retry-After was not seen."""
    bench.right = [DATA]
    good = ranged(DATA, named(bench.name))
    async with RawServer([good, status(code, ("Retry-After", "5")), good]) as server, bench.net() as net:
        for _ in range(2):
            bench.forget()
            assert isinstance(await bench.run(server, net=net), Done)
        assert [request.connection for request in server.requests] == [0, 0, 1]
    (told,) = [event for event in bench.events if isinstance(event, Retrying)]
    assert told.wait_s >= 5
    assert HostReport.SERVER in [report for _, report, _ in bench.health]


async def test_what_follows_a_large_body_and_is_no_answer_shows_that_the_length_was_wrong(bench):
    bench.right = [DATA]

    async def too_long(wire):
        await wire.head(200, ("Content-Length", str(len(OTHER))), named(bench.name))
        await wire.send(OTHER[: 300 * KIB])
        await asyncio.sleep(0.1)  # the head and the rest do not come together, so the fast way is taken
        await wire.send(OTHER[300 * KIB :] + b"more")

    async with RawServer([too_long, ranged(DATA, named(bench.name))]) as server:
        assert isinstance(await bench.run(server), Done)
        assert [request.connection for request in server.requests] == [0, 1]


async def test_a_lent_connector_may_have_been_used_by_others(bench):
    """Its owner's last answer was doubled, and the copy comes when our request is out."""
    bench.right = [DATA]

    async def copy_first(wire):
        await whole(OTHER)(wire)
        await whole(DATA)(wire)

    async with aiohttp.ClientSession() as host, RawServer([whole(OTHER), copy_first, whole(DATA)]) as server:
        async with host.get(server.url("/theirs")) as answer:
            assert await answer.read() == OTHER
        bench.net_options = {"connector": host.connector}
        assert isinstance(await bench.run(server), Done)
        assert [request.connection for request in server.requests] == [0, 0, 1]
        assert not host.closed


async def test_idle_connections_that_ended_in_numbers_cost_no_attempt(bench):
    data = [noise(2 * KIB, seed=seed) for seed in range(6)]
    bench.right = [*data]

    async def leave(wire):
        await whole(random.choice(data), named(bench.name))(wire)
        await asyncio.sleep(0.05)
        wire.fin()

    async with RawServer([leave]) as server, bench.net() as net:
        for _ in range(6):
            assert isinstance(await bench.run(server, net=net), Done)
            await asyncio.sleep(0.1)
            os.unlink(bench.final)
            bench.store.facts = None
        assert server.connections == len(server.requests) == 6
    assert not any(hasattr(event, "wait_s") for event in bench.events)
