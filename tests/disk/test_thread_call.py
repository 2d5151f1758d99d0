"""Who must not leave before a thread has ended stays; the loop waits a moment for another thread, and never longer."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from functools import partial

import anyio
import pytest

from landsat_async.disk import thread_call
from landsat_async.disk.thread_call import BriefWait, ThreadCall, to_its_end


def call_of() -> ThreadCall:
    call = ThreadCall()
    call.future = asyncio.get_running_loop().create_future()
    return call


def ended(call: ThreadCall, result: object = None, error: BaseException | None = None) -> None:
    call.result, call.error = result, error
    call.tell()


def interrupted(wait: BriefWait, put, work, pieces: int = 1) -> None:
    """In place of `BriefWait.hand_over`: a Ctrl-C just when the other thread has told of an end."""
    wait.is_waited_for = True
    put(work)
    wait._woken.get(timeout=30)
    wait.is_waited_for = False
    raise KeyboardInterrupt


async def begin() -> tuple[ThreadCall, asyncio.Task[None], anyio.CancelScope, list[object]]:
    """Wait for a call in a scope of a task; returns call, task, scope, and what the task notes."""
    call, scope, got = call_of(), anyio.CancelScope(), list[object]()

    async def wait() -> None:
        with scope:
            try:
                got.append(await to_its_end(call))
            except ZeroDivisionError as error:
                got.append(type(error))
            got.append("goes on until the next wait")
            await anyio.sleep(0)
            got.append("is not reached")
        got.append("has left the scope")

    task = asyncio.create_task(wait())
    await anyio.sleep(0)
    return call, task, scope, got


@pytest.mark.parametrize("error", [None, ZeroDivisionError()])
@pytest.mark.parametrize("turns", range(4))
async def test_who_is_cancelled_by_a_scope_has_the_result_and_hears_of_it_at_the_next_wait(error, turns):
    call, task, scope, got = await begin()
    scope.cancel()
    for _ in range(turns):
        await anyio.sleep(0)
    assert not got
    ended(call, "result", error)
    await task
    what = type(error) if error else "result"
    assert got == [what, "goes on until the next wait", "has left the scope"]


async def test_who_is_cancelled_in_the_turn_in_which_the_thread_has_ended_has_the_result():
    call, task, scope, got = await begin()
    ended(call, "result")
    scope.cancel()
    await task
    assert got == ["result", "goes on until the next wait", "has left the scope"]


async def test_so_has_who_is_cancelled_between_the_end_and_his_turn():
    """Not by the scope itself, which lets such a task alone, but through a task that it cancels."""
    call, task, scope, got = await begin()
    ended(call, "result")
    task.cancel()
    scope.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert got[:1] == ["result"]


@pytest.mark.faults("X140")
@pytest.mark.parametrize("order", ["ended", "cancelled", "cancelled and waits"])
async def test_what_a_call_has_held_is_given_back_once_whenever_who_waits_is_cancelled(order):
    call, task, scope, got = await begin()
    given_back = list[str]()
    call.at_end = partial(given_back.append, "a turn")
    if order == "ended":  # he is told of both in one turn of the loop, first of the end
        asyncio.get_running_loop().call_soon(ended, call, "result")
    scope.cancel()
    if order == "cancelled and waits":
        await anyio.sleep(0)
    if order != "ended":
        ended(call, "result")
    await task
    assert got[0] == "result"
    assert given_back == ["a turn"]


async def test_a_task_that_is_cancelled_by_itself_goes_at_once():
    call, task, _, got = await begin()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not got
    ended(call, "result")  # nobody is there any more


async def test_a_shield_that_gives_up_lets_the_waiter_go():
    call = call_of()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await to_its_end(call, lambda: anyio.CancelScope(shield=True, deadline=anyio.current_time() + 0.01))
        raise AssertionError("not reached")
    assert scope.cancelled_caught
    ended(call, "late")


async def test_no_scope_is_made_where_nobody_is_cancelled(monkeypatch):
    monkeypatch.setattr(thread_call, "CancelScope", None)
    call = call_of()
    asyncio.get_running_loop().call_soon(ended, call, 7)
    assert await to_its_end(call, None) == 7


@pytest.fixture
def long_moment(monkeypatch):
    """However busy the machine is, the moment is not over."""
    monkeypatch.setattr(thread_call, "AT_MOST_S", 30.0)
    monkeypatch.setattr(thread_call, "WORTH_S", 30.0)


def other_thread(wait: BriefWait, work=lambda: None):
    """Return how work is put into another thread, which wakes who waits for its end."""

    def put(told: list[bool]) -> None:
        def main() -> None:
            work()
            told.append(wait.is_waited_for)
            if wait.is_waited_for:
                wait.wake(None)

        threading.Thread(target=main).start()

    return put


def test_who_waits_goes_on_when_the_other_thread_has_told_of_an_end(long_moment):
    wait, told = BriefWait(), list[bool]()
    for _ in range(100):
        wait.hand_over(other_thread(wait), told)
    assert told == [True] * 100


def test_what_ends_after_the_moment_is_told_otherwise(monkeypatch):
    monkeypatch.setattr(thread_call, "AT_MOST_S", 0.001)
    wait, told, go = BriefWait(), list[bool](), threading.Event()
    wait.hand_over(other_thread(wait, go.wait), told)
    go.set()
    while not told:
        time.sleep(0.001)
    assert told == [False]


def test_an_end_that_was_told_twice_wakes_the_next_wait_early_and_nothing_else(long_moment):
    wait, told = BriefWait(), list[bool]()
    wait.wake(None)
    wait.hand_over(other_thread(wait, partial(time.sleep, 0.01)), told)
    assert told in ([], [False])
    while not told:
        time.sleep(0.001)
    wait.hand_over(other_thread(wait), told)
    assert told == [False, True]


def test_nobody_is_waited_for_where_work_cannot_be_handed_over():
    wait = BriefWait()
    with pytest.raises(ZeroDivisionError):
        wait.hand_over(lambda _: 1 / 0, None)
    assert not wait.is_waited_for


class Clock:
    """Time goes on when it is told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s

    perf_counter = staticmethod(time.perf_counter)


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(thread_call, "time", clock)
    return clock


def waits(wait: BriefWait, put=lambda _: None, pieces: int = 1) -> bool:
    """Hand something over; whether that was waited for."""
    seen = []
    wait.hand_over(lambda given: (seen.append(wait.is_waited_for), put(given)), [], pieces)
    return seen == [True]


@pytest.mark.faults("X92")
@pytest.mark.parametrize("pieces", [1, 256])
def test_X92_after_a_moment_in_vain_nobody_waits_for_a_while_which_grows(monkeypatch, clock, pieces):
    monkeypatch.setattr(thread_call, "AT_MOST_S", 0.001)
    wait = BriefWait()
    for apart_s in (0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0, 1.0, 1.0):
        assert waits(wait, pieces=pieces)
        clock.now_s += apart_s - 0.001
        assert not waits(wait, pieces=pieces)
        clock.now_s += 0.002
    assert waits(wait)


def test_many_pieces_may_take_longer_together_than_is_worth_it_for_one(long_moment, monkeypatch, clock):
    monkeypatch.setattr(thread_call, "WORTH_S", 0.01)
    wait = BriefWait()
    for _ in range(30):
        assert waits(wait, other_thread(wait, partial(time.sleep, 0.02)), pieces=256)


@pytest.mark.faults("X92")
def test_X92_nor_where_work_takes_long_as_a_rule(monkeypatch, clock):
    """In the end the loop is held up for a fiftieth of the time."""
    monkeypatch.setattr(thread_call, "AT_MOST_S", 30.0)
    monkeypatch.setattr(thread_call, "WORTH_S", 0.0001)
    wait = BriefWait()
    for _ in range(10):
        while waits(wait, other_thread(wait, partial(time.sleep, 0.002))):
            pass
        clock.now_s += 1.001
    assert wait._apart_s == 1.0


def test_a_hiccup_is_forgiven(long_moment, monkeypatch, clock):
    wait = BriefWait()
    wait._apart_s = 1.0
    for _ in range(150):
        assert waits(wait, other_thread(wait))
    assert wait._apart_s == thread_call.APART_S
