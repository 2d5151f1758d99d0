"""A call that a thread makes for a coroutine: what has come of it, and who waits for that.

What is cancelled is the wait, never the call. Who must not leave before it has ended stays with `to_its_end`.

Two threads that both have something to do fight over the interpreter: each system call of one gives it to the other,
and on idle cores each change wakes one of them: some twenty times a small file. Work that is over within a moment
is done sooner, and for less, when nobody disturbs it; and its end needs no turn of the loop. So whoever hands such
work over waits for it (`BriefWait`), bounded: a disk that hangs holds the loop up for `AT_MOST_S`, and then not for a
while, which grows with each wait in vain.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import msgspec
from anyio import CancelScope, current_effective_deadline, sleep_forever

T = TypeVar("T")

AT_MOST_S = 0.005
"""As long as the interpreter lets another thread have it in any case (`sys.getswitchinterval`)."""
WORTH_S = 0.001
"""Work that takes longer as a rule waits for the disk: the loop has better things to do."""
APART_S = 0.02
"""So long nobody waits after that, twice as long after the next time, and so on: a machine has its hiccups."""
APART_MOST_S = 1.0
_FORGIVEN = 0.97
"""What is left of that after each wait that was worth it: hardly anything after a hundred."""


class ThreadCall(msgspec.Struct, eq=False, kw_only=True):
    """Made in the loop of who waits; the thread sets `result` or `error`, and then the loop calls `tell`."""

    future: asyncio.Future[Any] | None = None
    """Of who waits; None where nobody does."""
    result: Any = None
    error: BaseException | None = None
    is_over: bool = False
    """Its loop knows what has come of it."""
    at_end: Callable[[], object] | None = None
    """Called once in the loop then, also when nobody waits any more: gives back what the call has held."""

    def tell(self) -> None:
        """Let who waits have what has come of it; `again` brings it to who is cancelled before he has it."""
        self.is_over, future = True, self.future
        if self.at_end is not None:
            at_end, self.at_end = self.at_end, None  # once: `again` may come here as well
            at_end()
        if future is None or future.done():
            return
        if self.error is not None:
            future.set_exception(self.error)
        else:
            future.set_result(self.result)

    def again(self) -> asyncio.Future[Any]:
        """Return another future for the same end, for who was cancelled while it waited for the first."""
        assert self.future is not None
        self.future = self.future.get_loop().create_future()
        if self.is_over:
            self.tell()
        return self.future


_SHIELD = partial(CancelScope, shield=True)


async def to_its_end(call: ThreadCall, shield: Callable[[], AbstractContextManager[object]] = _SHIELD) -> Any:
    """Wait for a call, also when a scope round the waiter is cancelled meanwhile: then in what `shield` returns.

    As a rule nobody is cancelled, so a scope is made only then: it costs as much as all the rest of the trip. What
    scopes have to say is said again at the next wait; `task.cancel()` is said once, so that is raised here. Who is let
    go by a shield with a deadline has left the call to itself.
    """
    assert call.future is not None
    try:
        return await call.future
    except asyncio.CancelledError:
        if current_effective_deadline() > -math.inf:
            raise
    with shield():
        return await call.again()
    await sleep_forever()  # the shield has given up, so we have been cancelled: this raises
    raise AssertionError


class BriefWait:
    """Lets the thread of a loop wait a moment for another thread; for one loop and one hand-over at a time."""

    is_waited_for = False
    """For the other thread, which calls `wake(None)` then, after it has left what has ended where it is found.

    When the moment is over just then, nothing is lost: who waited looks for what has ended after that.
    """

    def __init__(self) -> None:
        self._woken = SimpleQueue[None]()
        self.wake = self._woken.put
        self._took_s = 0.0
        """How long a piece of work took, averaged over the last dozen."""
        self._apart_s = APART_S
        self._apart_until_s = 0.0

    def hand_over(self, put: Callable[[T], object], work: T, pieces: int = 1) -> None:
        """Put work where another thread finds it, and wait until that has ended some, where this is worth it.

        `pieces`: of so many; how long one takes decides whether to wait for the next. Raises what `put` raises.
        """
        if time.monotonic() < self._apart_until_s:
            put(work)
            return
        began_s = time.perf_counter()
        self.is_waited_for = True
        try:
            put(work)
            with suppress(Empty):
                self._woken.get(timeout=AT_MOST_S)
        finally:
            self.is_waited_for = False
        waited_s = time.perf_counter() - began_s
        self._took_s += (waited_s / pieces - self._took_s) / 12
        if self._took_s >= WORTH_S or waited_s >= AT_MOST_S:
            self._took_s = 0.0
            self._apart_until_s = time.monotonic() + self._apart_s
            self._apart_s = min(APART_MOST_S, 2 * self._apart_s)
        else:
            self._apart_s = max(APART_S, _FORGIVEN * self._apart_s)
