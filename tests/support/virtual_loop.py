"""An event loop whose clock jumps to the next timer when nothing else is ready.

Use it through the anyio plugin: a test module that wants virtual time defines

    @pytest.fixture
    def anyio_backend():
        return ("asyncio", {"loop_factory": VirtualLoop})

`anyio.sleep`, timeouts and aiohttp's timers all follow `loop.time()`. Work in threads needs real time: while a call
in an executor, in a worker thread of anyio, in the thread of a ledger or in the threads for disks is under way, nothing
jumps; otherwise only after GRACE_S of real silence, which is for bytes on their way between two sockets of the loop.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps

from anyio._backends._asyncio import AsyncIOBackend

from landsat_async.disk import acquire
from landsat_async.disk.io_threads import DiskPool
from landsat_async.disk.ledger_writer import LedgerWriter

GRACE_S = 0.004


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.jumped_s = 0.0
        self.busy_threads = 0

    def select(self, timeout=None):
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(min(timeout, GRACE_S))
        if not ready and timeout > GRACE_S and not self.busy_threads:
            self.jumped_s += timeout - GRACE_S
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def run_in_executor(self, executor, func, *args):
        return self.waits_for_thread(super().run_in_executor(executor, func, *args))

    def waits_for_thread(self, future):
        """The clock stands still until this has its result."""
        self._jumping.busy_threads += 1
        future.add_done_callback(self._thread_ended)
        return future

    @contextmanager
    def waiting_for_thread(self) -> Iterator[None]:
        """The clock stands still inside."""
        self._jumping.busy_threads += 1
        try:
            yield
        finally:
            self._jumping.busy_threads -= 1

    def _thread_ended(self, future) -> None:
        self._jumping.busy_threads -= 1

    def time(self) -> float:
        return super().time() + self._jumping.jumped_s


def _seen(start):
    @wraps(start)
    def seen(pool, *work):
        future = start(pool, *work)
        loop = future.get_loop()
        return loop.waits_for_thread(future) if isinstance(loop, VirtualLoop) else future

    return seen


def _seen_wait(function):
    @wraps(function)
    async def seen(*arguments, **named):
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualLoop):
            return await function(*arguments, **named)
        with loop.waiting_for_thread():
            return await function(*arguments, **named)

    return seen


DiskPool.start = _seen(DiskPool.start)
acquire._Taking.start = _seen(acquire._Taking.start)
LedgerWriter.call = _seen_wait(LedgerWriter.call)
LedgerWriter.aclose = _seen_wait(LedgerWriter.aclose)
AsyncIOBackend.run_sync_in_worker_thread = _seen_wait(AsyncIOBackend.run_sync_in_worker_thread)
