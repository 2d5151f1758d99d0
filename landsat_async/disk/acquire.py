"""Taking something in a thread: a lock, an open database.

A thread cannot be cancelled, only the wait for it. What it brings after its waiter has gone belongs to nobody, so it is
given back: by the waiter, when the thread ends while the waiter still has a moment, else by the thread itself.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from anyio import CancelScope

from landsat_async.errors import resources_lacking

T = TypeVar("T")

GRACE_S = 1.0
"""A cancelled waiter stays so long for the thread, so that what was taken is free again when it has gone. A thread that
hangs in a dead file system holds nobody any longer than that."""


class Handover(Generic[T]):
    """Between a thread that brings something and its waiter: the second of them finds what the first has left."""

    def __init__(self, give_back: Callable[[T], object]) -> None:
        self._give_back = give_back
        self._lock = threading.Lock()
        self._wanted = True
        self._brought: list[T] = []

    def put(self, thing: T) -> None:
        """Leave it for the waiter, or give it back when there is none any more; for the thread."""
        with self._lock:
            self._brought.append(thing)
            wanted = self._wanted
        if not wanted:
            self.drop()

    def take(self) -> T:
        """Return what was brought; for the waiter, once the thread has ended well."""
        return self._brought[0]

    def drop(self) -> None:
        """Give back what is here, and what comes later."""
        with self._lock:
            self._wanted = False
            brought, self._brought = self._brought, []
        for each in brought:
            self._give_back(each)


async def acquire_in_thread(
    take: Callable[[], T], give_back: Callable[[T], object], *, name: str = "acquire", grace_s: float = GRACE_S
) -> T:
    """Return what `take` brings from a thread of its own; `give_back` gets it if nobody waits for it any more.

    Args:
        take: Blocking.
        give_back: Quick and safe in any thread.
        name: Of the thread, for a look at a program that hangs.
        grace_s: How long a cancelled caller waits for the thread.

    Raises:
        OutOfResources: no thread can be started; nothing was taken.
        Exception: what `take` raises.
    """
    loop, handover, errors = asyncio.get_running_loop(), Handover(give_back), list[BaseException]()
    ended: asyncio.Future[None] = loop.create_future()

    def main() -> None:
        try:
            taken = take()
        except BaseException as error:  # handed to the waiter
            errors.append(error)
        else:
            handover.put(taken)
        with suppress(RuntimeError):  # that loop is closed: nobody waits any more
            loop.call_soon_threadsafe(end)

    def end() -> None:
        if not ended.done():
            ended.set_result(None)

    try:
        threading.Thread(target=main, name=f"landsat-{name}", daemon=True).start()
    except RuntimeError as error:
        raise resources_lacking(error) or error from None
    try:
        await wait_for_thread(ended, grace_s)
    except BaseException:
        handover.drop()
        raise
    if errors:
        raise errors.pop()
    return handover.take()


async def wait_for_thread(ended: asyncio.Future[None], grace_s: float = GRACE_S) -> None:
    """Wait for the end of a thread; who is cancelled meanwhile stays for the grace period, then raises that."""
    try:
        await asyncio.wait([ended])
    except BaseException:
        # A plain task.cancel() knows no shields, so it may come again in here: the first one is raised all the same.
        with CancelScope(shield=True), suppress(asyncio.CancelledError):
            await asyncio.wait([ended], timeout=grace_s)
        raise
