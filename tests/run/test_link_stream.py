"""The bounded stream of links: nothing is lost, nothing comes twice, the order stays, and it ends."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_left
from types import SimpleNamespace

import anyio
import pytest

from landsat_async.rules.links import SecretUrl
from landsat_async.rules.observed import NOTED_MOST, Fact, Observations
from landsat_async.run.link_stream import Link, LinkAges, LinkStream


def links(*numbers):
    return [Link(number, SecretUrl("https://host/x"), "host", 0.0, False) for number in numbers]


async def _taken(stream):
    while not (taken := stream.take(1)) and await stream.wait():
        pass
    return taken[0].item if taken else None


async def test_who_puts_links_in_waits_for_room_for_a_portion():
    stream = LinkStream(8, 1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.put, links(*range(12)))
        await anyio.wait_all_tasks_blocked()
        assert (len(stream), stream.room) == (8, 0)
        assert await _taken(stream) == 0
        await anyio.wait_all_tasks_blocked()
        assert len(stream) == 7  # a portion is two
        assert await _taken(stream) == 1
        await anyio.wait_all_tasks_blocked()
        assert len(stream) == 8
        assert [await _taken(stream) for _ in range(8)] == list(range(2, 10))
        await anyio.wait_all_tasks_blocked()
        assert [await _taken(stream) for _ in range(2)] == [10, 11]
    assert stream.take(3) == []


async def test_it_ends_after_the_last_link_when_all_senders_have_ended():
    stream, got = LinkStream(4, 2), []

    async def take():
        while (number := await _taken(stream)) is not None:
            got.append(number)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(take)
        await anyio.wait_all_tasks_blocked()
        with stream.sending():
            await stream.put(links(1))
        await anyio.wait_all_tasks_blocked()
        with stream.sending():
            await stream.put(links(2, 3))
    assert sorted(got) == [1, 2, 3]


async def test_who_is_cancelled_as_it_is_woken_leaves_the_link_to_another():
    stream = LinkStream(4, 1)
    takers = [asyncio.create_task(_taken(stream)) for _ in range(3)]
    await anyio.wait_all_tasks_blocked()
    takers[1].cancel()
    await anyio.wait_all_tasks_blocked()
    assert stream.room == 6
    await stream.put(links(7))
    takers[0].cancel()
    assert await takers[2] == 7
    assert takers[0].cancelled()


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_happens_each_link_comes_once_and_there_are_never_too_many(seed):
    chance = random.Random(seed)
    size = chance.choice([1, 2, 5, 16])
    stream, got = LinkStream(size, 2), []

    async def send(numbers):
        with stream.sending():
            while numbers:
                count = chance.randint(1, 2 * size)
                await stream.put(links(*numbers[:count]))
                assert len(stream) <= size + 3
                del numbers[:count]
                await anyio.sleep(chance.random() / 100)

    async def take():
        while (number := await _taken(stream)) is not None:
            got.append(number)
            await anyio.sleep(chance.random() / 100)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send, list(range(40)))
        tasks.start_soon(send, list(range(100, 140)))
        for _ in range(3):
            tasks.start_soon(take)
    assert sorted(got) == [*range(40), *range(100, 140)]


def link_at(host, item_id=1):
    return SimpleNamespace(host=host, item=SimpleNamespace(item_id=item_id))


@pytest.mark.faults("E12")
def test_a_refused_link_halves_the_age_unless_an_older_one_has_worked():
    ages = LinkAges(1800.0)
    assert not ages.is_too_old(link_at("h"), 1800.0)
    assert ages.refused(link_at("h"), 100.0)
    assert ages.is_too_old(link_at("h"), 51.0)
    assert not ages.is_too_old(link_at("another"), 51.0)
    ages.worked("h", 40.0)
    assert not ages.refused(link_at("h"), 39.0), "its age was not to blame"
    assert not ages.is_too_old(link_at("h"), 50.0)
    assert ages.refused(link_at("h"), 45.0)
    assert ages.is_too_old(link_at("h"), 41.0)
    assert not ages.is_too_old(link_at("h"), 40.0)


@pytest.mark.faults("E12")
def test_age_is_blamed_once_for_each_file_while_no_link_works():
    ages = LinkAges(1800.0)
    assert ages.refused(link_at("h"), 100.0)
    assert ages.refused(link_at("h", 2), 100.0)
    assert ages.refused(link_at("another"), 100.0)
    assert not ages.refused(link_at("h"), 100.0), "perhaps the host refuses links of any age"
    ages.worked("h", 10.0)
    assert ages.refused(link_at("h"), 100.0)


def test_links_that_have_worked_are_told_together():
    ages = LinkAges(1800.0)
    assert [ages.worked("h", age_s) for age_s in (5.0, 3.0, 9.0)] == [True, False, False]
    assert list(ages.told("h")) == [Fact("links", "worked at this age", 3.0, 9.0, 3)]
    assert ages.worked("h", 1.0)
    assert list(ages.told("h")) == [Fact("links", "worked at this age", 1.0, 1.0, 1)]


@pytest.mark.faults("X137")
def test_X137_links_are_told_of_also_after_what_was_noted_of_them_is_lost():
    """As by a loop that comes to no counting, while more is noted than is kept."""
    ages, seen, host = LinkAges(1800.0), Observations(), "h"
    for _ in range(3 * NOTED_MOST):
        if ages.worked(host, 5.0):
            seen.note((host, ages.told(host)))
        seen.note((host, ()))
    assert [(key[1], value.times) for key, value in seen.take().items()] == [("links", 3 * NOTED_MOST)]


@pytest.mark.faults("E12")
def test_the_age_recovers_while_links_work():
    ages = LinkAges(1800.0)
    ages.refused(link_at("h"), 2.0)
    for _ in range(2000):
        limit = bisect_left(range(1801), True, key=lambda s: ages.is_too_old(link_at("h"), float(s))) - 1
        ages.worked("h", float(limit))
    assert not ages.is_too_old(link_at("h"), 1800.0)
