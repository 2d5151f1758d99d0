"""Who must not leave before a thread has ended stays, and no scope is made as long as nobody is cancelled."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import anyio
import pytest

from landsat_async.disk import thread_call
from landsat_async.disk.thread_call import ThreadCall, to_its_end


def call_of() -> ThreadCall:
    call = ThreadCall()
    call.future = asyncio.get_running_loop().create_future()
    return call


def ended(call: ThreadCall, result: object = None, error: BaseException | None = None) -> None:
    call.result, call.error = result, error
    call.tell()


async def begin(got: list[object], scope: anyio.CancelScope) -> tuple[ThreadCall, asyncio.Task[None]]:
    call = call_of()

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
    return call, task


@pytest.mark.parametrize("error", [None, ZeroDivisionError()])
@pytest.mark.parametrize("turns", range(4))
async def test_who_is_cancelled_by_a_scope_has_the_result_and_hears_of_it_at_the_next_wait(error, turns):
    got: list[object] = []
    scope = anyio.CancelScope()
    call, task = await begin(got, scope)
    scope.cancel()
    for _ in range(turns):
        await anyio.sleep(0)
    assert not got
    ended(call, "result", error)
    await task
    what = type(error) if error else "result"
    assert got == [what, "goes on until the next wait", "has left the scope"]


async def test_who_is_cancelled_in_the_turn_in_which_the_thread_has_ended_has_the_result():
    got: list[object] = []
    scope = anyio.CancelScope()
    call, task = await begin(got, scope)
    ended(call, "result")
    scope.cancel()
    await task
    assert got == ["result", "goes on until the next wait", "has left the scope"]


async def test_so_has_who_is_cancelled_between_the_end_and_his_turn():
    """Not by the scope itself, which lets such a task alone, but through a task that it cancels."""
    got: list[object] = []
    scope = anyio.CancelScope()
    call, task = await begin(got, scope)
    ended(call, "result")
    task.cancel()
    scope.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert got[:1] == ["result"]


async def test_a_task_that_is_cancelled_by_itself_goes_at_once():
    got: list[object] = []
    call, task = await begin(got, anyio.CancelScope())
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
