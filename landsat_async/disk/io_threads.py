"""Blocking work in threads of ours.

The loop's default executor also resolves host names; six stalled writes in it would stop that. And a thread cannot be
cancelled: if its caller were, the thread's bytes would still land, perhaps after the file has been closed or given to
somebody else. So callers are shielded until their thread has come back. Only when somebody wants the whole transfer
to end (`cancel_soon`), the patience has a bound; a thread that is not back by then is lost, and so is what it works on.

Small files make many short trips to a thread, and what costs most of them is not the disk: each system call gives the
interpreter away and has to get it back, and each thread more is one more to fight with over it; each piece of work
wakes a thread, and each end the loop, on another core that sleeps. So there are as few threads as the disk can do with;
as long as it is quick, one of them does all short work that has gathered, and tells the loop of it when nothing is
left. What a slow or silent disk holds up is alone with its thread again within some milliseconds.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, TypeVar

import msgspec
from anyio import CancelScope, current_time

from landsat_async.disk.thread_call import BriefWait, ThreadCall, to_its_end
from landsat_async.errors import resources_lacking

T = TypeVar("T")

_FEW = 2
"""So many threads keep a fast disk busy."""
_LOOK_EVERY_S = 0.004
"""While work waits for a thread, it is looked at so often whether the disk is slow."""
_SLOW_S = 0.003
"""Work that takes so long waits for the disk, and more of it at a time is quicker. What takes less, waits for the
interpreter more than for the disk: more threads would only make that longer."""
_QUICK_S = 0.001
"""Work is over so soon that a thread less would do. (Measured with perf_counter: the other clock of Windows ticks every
15.6 ms in Python 3.11.)"""
_SHORT_S = 0.0008
"""Short work that takes longer as a rule waits for the disk: one after the other is too slow then."""
_HOLD_S = 0.004
"""The end of short work is told at the latest after so long, if more of it follows."""
_APART_S = 0.05
"""So long short work is not gathered after the disk has been slow, twice as long where it is slow again soon after."""
_APART_MOST_S = 1.0
_WORKED_OFF = object()
"""What comes of working short work off: each piece has its own end."""


class _Job(ThreadCall, eq=False):
    work: Callable[..., Any]
    arguments: tuple[object, ...] = ()
    took_s: float = 0.0

    def do(self) -> None:
        """Do the work; for a thread. What it works on is not kept until the loop hears of its end."""
        began_s = time.perf_counter()
        try:
            self.result = self.work(*self.arguments)
        except BaseException as error:
            self.error = error
        self.arguments = ()
        self.took_s = time.perf_counter() - began_s


def threads_wanted(threads: int, most: int, each_s: float, *, waiting: bool) -> int:
    """Return how many threads there should be, one more or less than now at most.

    Args:
        threads: So many there are.
        most: So many there may be.
        each_s: How long a piece of work took lately; infinite when none has ended.
        waiting: There is work that no thread has taken yet.
    """
    if waiting and each_s >= _SLOW_S:
        return min(threads + 1, most)
    if each_s <= _QUICK_S:
        return max(threads - 1, min(threads, _FEW, most))  # one is enough where all work is short
    return threads


class DiskPool(Executor):
    """Threads for one event loop: few while the disk answers quickly, up to `most` while it does not.

    They are no reason for the interpreter to stay: a thread that hangs in a broken disk does not keep a program alive.
    """

    def __init__(self, most: int, name: str = "disk") -> None:
        """Start no thread yet; `name` is what they are for."""
        self._most, self._name = most, name
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._ended: deque[_Job] = deque()
        self._notified = False
        self._threads = 0
        self._under_way = 0
        self._collected = 0
        self._worked_s = 0.0
        self._look: asyncio.TimerHandle | None = None
        self._short: deque[_Job] = deque()
        """Short work that no thread has taken yet."""
        self._is_worked_off = False
        """A thread works that off, or will soon."""
        self._short_ended: deque[_Job] = deque()
        self._short_s = 0.0
        """How long short work takes, averaged over the last dozen."""
        self._is_slow = False
        """It took too long, so the thread has left the rest to others."""
        self._apart_s = _APART_S
        self._apart_until_s = -math.inf
        self._wait = BriefWait()
        """Of the loop for short work."""

    def start(self, work: Callable[..., T], *arguments: object, short: bool = False) -> asyncio.Future[T]:
        """Run blocking work, see `begin`; what is cancelled is the wait for it, never the work itself."""
        future = self.begin(work, *arguments, short=short).future
        assert future is not None
        return future

    def begin(self, work: Callable[..., Any], *arguments: object, short: bool = False) -> ThreadCall:
        """Run blocking work, for `to_its_end`.

        `short`: on a quick disk it takes no longer than to wake a thread. So what is started while such work is under
        way is done by the same thread after it, and the ends are told together, as long as the disk is quick.

        Raises OutOfResources when there is no thread and none can be started; the work is not done then.
        """
        job = _Job(work, arguments, future=self._loop.create_future())
        if not short or self._loop.time() < self._apart_until_s:
            self._put(job)
            return job
        self._short.append(job)
        if not self._is_worked_off:  # else the thread that does such work just now comes to it
            self._is_worked_off = True
            self._loop.call_soon(self._pass_on)
        elif self._look is None:  # what is under way takes so long that nobody looks any more
            self._look_later()
        return job

    def submit(self, work: Callable[..., T], /, *arguments: Any, **named: Any) -> Future[T]:
        """Do the same for those who know executors only."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(work(*arguments, **named))
            except BaseException as error:
                future.set_exception(error)

        self._put(_Job(run))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the threads end after the work that is under way; never waits."""
        ends = self._threads
        if cancel_futures:
            self._short.clear()
            with suppress(Empty):
                while True:
                    ends += self._queue.get_nowait() is None  # meant for a thread that was to end already
        elif self._short:
            self._put(_Job(self._work_off))
        if self._look is not None:
            self._look.cancel()
        for _ in range(ends):
            self._queue.put(None)

    def _put(self, job: _Job) -> None:
        self._under_way += 1
        self._queue.put(job)
        if self._under_way > self._threads:
            if self._threads < min(_FEW, self._most):
                self._grow()
            elif self._look is None:
                self._look_later()

    def _pass_on(self) -> None:
        """Have a thread work off the short work of this turn of the loop."""
        try:
            self._wait.hand_over(self._put, _Job(self._work_off), len(self._short) or 1)
        except Exception as error:
            self._is_worked_off = False
            while self._short:
                job = self._short.popleft()
                job.error = error
                self._short_ended.append(job)
        finally:  # also when a Ctrl-C ends the wait: what has ended by then is told in no other way
            self._collect()
        if self._under_way and self._look is None:
            self._look_later()

    def _work_off(self) -> object:
        """Do the short work that has gathered, and what is added meanwhile; for a thread."""
        told_s = time.perf_counter()
        while self._short:
            try:
                job = self._short.popleft()
            except IndexError:  # somebody else has it
                break
            job.do()
            took_s = job.took_s
            self._short_ended.append(job)
            del job
            self._short_s += (min(took_s, _SLOW_S) - self._short_s) / 12
            if took_s >= _SLOW_S or self._short_s >= _SHORT_S:
                self._is_slow = True
                break
            if time.perf_counter() - told_s >= _HOLD_S:
                told_s = time.perf_counter()
                self._tell()
        self._is_worked_off = False
        return _WORKED_OFF

    def _spread(self) -> None:
        """Give each piece of short work to whichever thread is free: the disk is slow, or does not answer."""
        self._is_slow = False
        if self._short_s >= _SHORT_S:
            self._short_s, now_s = 0.0, self._loop.time()
            was_soon = now_s - self._apart_until_s < _APART_MOST_S
            self._apart_s = min(_APART_MOST_S, 2 * self._apart_s) if was_soon else _APART_S
            self._apart_until_s = now_s + self._apart_s
        while self._short:
            self._put(self._short.popleft())

    def _grow(self) -> None:
        """Start one more thread; where the system allows no more, those that are here do all the work."""
        thread = threading.Thread(target=self._main, name=f"landsat-{self._name}-{self._threads + 1}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            if self._threads:
                return
            self._under_way -= 1
            self._queue.get_nowait()  # without a thread it is the only one
            raise resources_lacking(error) or error from None
        self._threads += 1

    def _look_later(self) -> None:
        self._collected, self._worked_s = 0, 0.0
        self._look = self._loop.call_later(_LOOK_EVERY_S, self._look_now)

    def _look_now(self) -> None:
        """Work had to wait: see whether it was the disk's fault."""
        self._look = None
        self._collect()  # what has ended while the loop was busy counts
        each_s = self._worked_s / self._collected if self._collected else math.inf
        if self._short and not self._collected:
            self._short_s, self._is_worked_off = _SLOW_S, False
            self._spread()
        waiting = self._under_way > self._threads or bool(self._short)
        wanted = threads_wanted(self._threads, self._most, each_s, waiting=waiting)
        if wanted > self._threads:
            self._grow()
        elif wanted < self._threads:
            self._threads = wanted
            self._queue.put(None)
        if waiting:
            self._look_later()

    def _main(self) -> None:
        while (job := self._queue.get()) is not None:
            job.do()
            self._ended.append(job)
            del job
            self._tell()

    def _tell(self) -> None:
        """Let the loop know that something has ended."""
        if self._wait.is_waited_for:
            self._wait.wake(None)
        elif not self._notified:
            self._notified = True
            try:
                self._loop.call_soon_threadsafe(self._collect)
            except RuntimeError:  # that loop is closed: nobody waits any more
                pass

    def _collect(self) -> None:
        """Hand results over; runs in the loop."""
        self._notified = False  # first: what ends from now on notifies again
        while self._ended:
            self._under_way -= 1
            self._short_ended.append(self._ended.popleft())
        while self._short_ended:
            job = self._short_ended.popleft()
            if job.result is not _WORKED_OFF:
                self._collected += 1
                self._worked_s += job.took_s
                job.tell()
        if self._is_slow:
            self._spread()
        elif self._short and not self._is_worked_off:  # added when the thread had just seen that there is no more
            self._is_worked_off = True
            self._pass_on()


class _Waiting:
    """Made for each write of a large file, so a class: it costs a third of a generator."""

    __slots__ = ("_scope", "_threads")

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    def __enter__(self) -> None:
        self._scope = CancelScope(shield=True, deadline=self._threads.give_up_at_s)
        self._scope.__enter__()
        self._threads.waits.add(self._scope)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._threads.waits.discard(self._scope)
        caught = self._scope.__exit__(kind, error, trace)
        self._threads.lost = self._threads.lost or self._scope.cancelled_caught
        return bool(caught)


class Threads(msgspec.Struct, eq=False):
    """The way of one transfer to the pools that all transfers share."""

    pool: DiskPool
    _grace_s: float
    lost: bool = False
    """A thread has not come back in time; what it uses must be left to it."""
    give_up_at_s: float = math.inf
    waits: set[CancelScope] = msgspec.field(default_factory=set)
    """Scopes of those who wait for a thread and are not to be cancelled by others."""
    is_to_end: bool = False
    """The transfer is to end: what is under way in threads, and can, stops soon."""

    def run(
        self,
        work: Callable[..., T],
        *arguments: object,
        pool: DiskPool | None = None,
        short: bool = False,
        at_end: Callable[[], object] | None = None,
    ) -> Awaitable[T]:
        """Begin blocking work and return what waits for its end.

        Args:
            work: Called in a thread.
            arguments: What it is called with.
            pool: Other threads than those of the disk: for what needs a processor for some milliseconds, so that what
                is short and waits for the disk does not wait for it. None = those of the disk.
            short: It is over in less than a millisecond, where the disk is quick; see `DiskPool.start`.
            at_end: Called in the loop when the thread has come back, also when that is after the waiter has gone.

        Raises OutOfResources as `DiskPool.begin` does; `at_end` is not called then.
        """
        call = (pool or self.pool).begin(work, *arguments, short=short)
        call.at_end = at_end
        return to_its_end(call, self.waiting)

    def waiting(self) -> AbstractContextManager[None]:
        """Shield what waits for a thread."""
        return _Waiting(self)

    def cancel_soon(self) -> None:
        """The transfer is to end: threads have the grace period, counted from now, and no more."""
        self.is_to_end = True
        self.give_up_at_s = min(self.give_up_at_s, current_time() + self._grace_s)
        for scope in self.waits:
            scope.deadline = self.give_up_at_s
