"""The pool of this machine, over a session of those who opened it; and slots for connections.

Slots: never more files than are allowed, none that waits for ever, few that are worked on beside.
"""

from __future__ import annotations

import asyncio
import inspect
import random

import anyio
import pytest

from landsat_async.transfer.pool import LocalPool, Slots, TransferPool
from landsat_async.transfer.types import Done, TransferHooks
from tests.support.raw_server import RawServer, ranged
from tests.transfer.bench import KIB, PATH, noise


async def test_a_pool_takes_a_job_and_hooks_and_gives_an_outcome(bench):
    bench.right = [data := noise(100 * KIB)]
    async with RawServer([ranged(data)]) as server, bench.net() as session:
        pool = LocalPool(session, 3)
        hooks = TransferHooks(bench.events.append, bench.store)
        assert isinstance(await pool.fetch(bench.job(server.url(PATH)), hooks), Done)
        await pool.aclose()
        bench.forget()
        assert isinstance(await pool.fetch(bench.job(server.url(PATH)), hooks), Done), "the session is still open"
    assert pool.slots == 3


def test_the_pool_of_this_machine_has_all_that_a_run_asks_of_a_pool():
    wanted = {name for name, _ in inspect.getmembers(TransferPool) if not name.startswith("_")}
    assert wanted == {"slots", "fetch", "cancel_soon", "aclose"}
    assert all(hasattr(LocalPool, name) for name in wanted - {"slots"})


async def settle() -> None:
    for _ in range(5):
        await anyio.lowlevel.checkpoint()


@pytest.mark.faults("X95")
async def test_X95_a_file_that_needs_no_connection_makes_room_for_the_next_but_few_do():
    slots = Slots(2, beside=1)
    first, second = await slots.take(), await slots.take()
    first.leave()
    third = await slots.take()
    second.leave()
    with anyio.move_on_after(0) as waiting:
        await slots.take()
    assert waiting.cancelled_caught, "one is worked on beside already, so the second has kept its slot"
    assert slots.busy == slots.most_busy == 2
    first.close()
    second.leave()
    await slots.take()
    for one in (second, third):
        one.close()
    assert slots.busy == 1


@pytest.mark.faults("X96")
async def test_X96_an_unfinished_file_does_not_wait_for_those_who_want_one():
    slots = Slots(1, beside=1)
    await slots.ask()
    slots.asked()
    one = await slots.take()
    one.leave()
    await slots.ask()  # for a file that does not come before this one has ended
    await one.rejoin()
    assert slots.busy == 1
    slots.asked()
    with anyio.move_on_after(0) as waiting:
        await slots.ask()
    assert waiting.cancelled_caught
    one.close()
    await slots.ask()


async def test_a_slot_is_that_of_the_next_file_too_unless_somebody_needs_it_more():
    slots = Slots(2, beside=1)
    one, other = await slots.take(), await slots.take()
    assert one.may_stay
    slots.allow(1)
    assert not one.may_stay
    slots.allow(2)
    other.leave()
    assert one.may_stay
    assert not other.may_stay
    assert other.may_take_ahead
    third = await slots.take()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other.rejoin)
        await settle()
        assert not one.may_stay
        assert not one.may_take_ahead
        third.close()
    assert slots.busy == 2


async def test_those_who_have_a_file_come_first_and_a_larger_number_wakes_all():
    slots, went = Slots(1), []

    async def ask() -> None:
        await slots.ask()
        went.append("asks")

    async def take() -> None:
        await slots.take()
        went.append("takes")

    one = await slots.take()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await settle()
        for _ in range(2):
            tasks.start_soon(take)
        await settle()
        one.close()
        await settle()
        assert went == ["takes"]
        slots.allow(3)
    assert sorted(went) == ["asks", "takes", "takes"]


@pytest.mark.faults("X99")
async def test_X99_who_has_an_unfinished_file_is_not_overtaken_by_who_gives_its_slot_back_and_asks_again():
    """As a worker does that finds one link after the other in the stream: it never leaves the loop in between."""
    slots, rejoined = Slots(1, beside=1), anyio.Event()
    damaged = await slots.take()
    damaged.leave()

    async def rejoin() -> None:
        await damaged.rejoin()
        rejoined.set()

    other = await slots.take()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(rejoin)
        await settle()
        other.close()
        with anyio.move_on_after(0) as waiting:
            await slots.ask()
        assert waiting.cancelled_caught
        await settle()
        assert rejoined.is_set()
    damaged.close()
    assert slots.busy == 0


@pytest.mark.faults("X99")
@pytest.mark.parametrize("workers", [2, 5])
async def test_X99_a_stream_that_never_runs_dry_keeps_no_file_waiting(workers):
    slots, files, waited = Slots(1, beside=1), iter(range(1000)), []

    async def work() -> None:
        await slots.ask()
        file = next(files, None)
        slots.asked()
        while file is not None:
            slot = await slots.take()
            if file == 0:
                slot.leave()
                await anyio.lowlevel.checkpoint()
                await slot.rejoin()
                waited.append(next(files, 1000))
            await anyio.lowlevel.checkpoint()
            slot.close()
            await slots.ask()
            file = next(files, None)
            slots.asked()

    async with anyio.create_task_group() as tasks:
        for _ in range(workers):
            tasks.start_soon(work)
    assert waited[0] < 10


async def test_who_is_cancelled_as_its_turn_comes_hands_it_on():
    slots = Slots(1)
    one = await slots.take()
    waiting = [asyncio.create_task(slots.take()) for _ in range(3)]
    await settle()
    waiting[0].cancel()
    await settle()
    one.close()
    waiting[1].cancel()
    await asyncio.wait(waiting)
    assert [task.cancelled() for task in waiting] == [True, True, False]
    assert slots.busy == 1


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_happens_there_are_never_too_many_and_all_come_to_an_end(seed):
    chance = random.Random(seed)
    slots = Slots(chance.randint(1, 4), beside=chance.randint(0, 3))
    left, done, beside = 40, 0, 0
    send, receive = anyio.create_memory_object_stream[int](0)

    async def one() -> None:
        nonlocal beside
        slot, is_beside = await slots.take(), False
        try:
            for _ in range(chance.randint(0, 4)):
                busy = slots.busy
                if chance.random() < 0.5:
                    slot.leave()
                    beside += slots.busy < busy
                    is_beside = is_beside or slots.busy < busy
                    assert beside <= slots.beside
                else:
                    await slot.rejoin()
                    assert slots.busy <= most
                    beside, is_beside = beside - is_beside, False
                await anyio.sleep(chance.random())
        finally:
            slot.close()
            beside -= is_beside

    async def work() -> None:
        nonlocal done
        while True:
            await slots.ask()
            try:
                await receive.receive()
            except anyio.EndOfStream:
                return
            finally:
                slots.asked()
            with anyio.move_on_after(chance.choice([0.5, 9])):
                await one()
            done += 1

    most = slots.allowed
    async with anyio.create_task_group() as tasks:
        for _ in range(4 + slots.beside):
            tasks.start_soon(work)
        for _ in range(left):
            await send.send(1)
            await anyio.sleep(chance.random() / 4)
        send.close()
    receive.close()
    assert (done, slots.busy, beside) == (left, 0, 0)
    assert slots.most_busy <= most
