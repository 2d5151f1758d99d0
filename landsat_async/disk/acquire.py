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


class _Taking(Generic[T]):
    """One trip to a thread."""

    def __init__(self, take: Callable[[], T], give_back: Callable[[T], object]) -> None:
        self._take = take
        self._loop = asyncio.get_running_loop()
        self.handover = Handover(give_back)
        self._error: BaseException | None = None
        self.ended: asyncio.Future[None] = self._loop.create_future()

    def start(self, name: str) -> asyncio.Future[None]:
        """Start the thread; the future has a result when it has ended."""
        threading.Thread(target=self._main, name=name, daemon=True).start()
        return self.ended

    def _main(self) -> None:
        try:
            taken = self._take()
        except BaseException as error:  # handed to the waiter
            self._error = error
        else:
            self.handover.put(taken)
        with suppress(RuntimeError):  # that loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def result(self) -> T:
        """What was taken. Raises what the thread raised."""
        if self._error is not None:
            raise self._error
        return self.handover.take()


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
    taking = _Taking(take, give_back)
    try:
        ended = taking.start(f"landsat-{name}")
    except RuntimeError as error:
        raise resources_lacking(error) or error from None
    try:
        await wait_for_thread(ended, grace_s)
    except BaseException:
        taking.handover.drop()
        raise
    return taking.result()


async def wait_for_thread(ended: asyncio.Future[None], grace_s: float = GRACE_S) -> None:
    """Wait for the end of a thread; who is cancelled meanwhile stays for the grace period, then raises that."""
    try:
        await asyncio.wait([ended])
    except BaseException:
        # A plain task.cancel() knows no shields, so it may come again in here: the first one is raised all the same.
        with CancelScope(shield=True), suppress(asyncio.CancelledError):
            await asyncio.wait([ended], timeout=grace_s)
        raise
