"""Blocking work in a pool of ours.

The loop's default executor also resolves host names; six stalled writes in it would stop that. And a thread cannot be
cancelled: if its caller were, the thread's bytes would still land, perhaps after the file has been closed or given to
somebody else. So callers are shielded until their thread has come back. Only when somebody wants the whole transfer
to end (`hurry`), the patience has a bound; a thread that is not back by then is lost, and so is what it works on.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import TypeVar

from anyio import CancelScope, current_time, sleep_forever

T = TypeVar("T")


class Threads:
    """The way of one transfer to the pool that all transfers share."""

    def __init__(self, pool: Executor, grace_s: float) -> None:
        self.pool = pool
        self.lost = False
        """A thread has not come back in time; what it uses must be left to it."""
        self._grace_s = grace_s
        self._give_up_at_s = math.inf
        self._waits: set[CancelScope] = set()
        self._stops: set[Callable[[], object]] = set()

    async def run(self, work: Callable[..., T], *arguments: object, stop: Callable[[], object] | None = None) -> T:
        """Run blocking work and wait for its end; `stop` is what `hurry` may call to make that come soon."""
        if stop is not None:
            self._stops.add(stop)
        try:
            with self.waiting():
                return await asyncio.get_running_loop().run_in_executor(self.pool, work, *arguments)
        finally:
            if stop is not None:
                self._stops.discard(stop)
        await sleep_forever()  # lost, so we have been cancelled: this raises
        raise AssertionError

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Shield what waits for a thread."""
        with CancelScope(shield=True, deadline=self._give_up_at_s) as scope:
            self._waits.add(scope)
            try:
                yield
            finally:
                self._waits.discard(scope)
        self.lost = self.lost or scope.cancelled_caught

    def hurry(self) -> None:
        """The transfer is to end: threads have the grace period, counted from now, and no more."""
        self._give_up_at_s = min(self._give_up_at_s, current_time() + self._grace_s)
        for scope in self._waits:
            scope.deadline = self._give_up_at_s
        for stop in self._stops:
            stop()
