"""What a thread takes is given back when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import threading

import anyio
import pytest

from landsat_async.disk.acquire import acquire_in_thread
from landsat_async.errors import OutOfResources


class Thing:
    """Something that can be taken, and that counts how often it was."""

    def __init__(self):
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.taken = self.given_back = 0

    def take(self):
        self.begun.set()
        assert self.may_end.wait(10)
        self.taken += 1
        return self

    def give_back(self):
        self.given_back += 1


async def _begun(thing):
    while not thing.begun.is_set():
        await anyio.sleep(0.001)


async def _given_back(thing):
    with anyio.fail_after(30):
        while not thing.given_back:
            await anyio.sleep(0.001)


@pytest.mark.faults("L31")
async def test_L31_what_was_taken_belongs_to_who_waited():
    thing = Thing()
    thing.may_end.set()
    assert await acquire_in_thread(thing.take, Thing.give_back) is thing
    assert (thing.taken, thing.given_back) == (1, 0)


@pytest.mark.faults("L31")
async def test_L31_a_plain_cancel_gives_back_before_the_waiter_goes():
    thing = Thing()
    task = asyncio.ensure_future(acquire_in_thread(thing.take, Thing.give_back))
    await _begun(thing)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()  # hosts cancel twice
    thing.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _given_back(thing)
    assert (thing.taken, thing.given_back) == (1, 1)


@pytest.mark.faults("L31")
async def test_L31_a_cancelled_scope_and_a_time_limit_give_back_before_they_end():
    for limit in (lambda: anyio.move_on_after(0.02), lambda: asyncio.timeout(0.02)):
        thing = Thing()
        threading.Timer(0.1, thing.may_end.set).start()
        try:
            if hasattr(limit(), "cancel"):
                with limit():
                    await acquire_in_thread(thing.take, Thing.give_back)
            else:
                async with limit():
                    await acquire_in_thread(thing.take, Thing.give_back)
        except TimeoutError:
            pass
        assert (thing.taken, thing.given_back) == (1, 1)


@pytest.mark.faults("L31", "L02")
async def test_L31_a_thread_that_hangs_holds_nobody_and_gives_back_when_it_comes_to_an_end():
    thing = Thing()
    task = asyncio.ensure_future(acquire_in_thread(thing.take, Thing.give_back, grace_s=0.05))
    await _begun(thing)
    task.cancel()
    with anyio.fail_after(30), pytest.raises(asyncio.CancelledError):
        await task
    assert thing.taken == 0
    thing.may_end.set()
    await _given_back(thing)
    assert (thing.taken, thing.given_back) == (1, 1)


async def test_an_error_of_the_thread_is_raised_where_it_was_waited_for():
    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await acquire_in_thread(fail, print)


async def test_no_thread_left_is_told_as_that(monkeypatch):
    def start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(OutOfResources, match="threads"):
        await acquire_in_thread(lambda: 1, print)
