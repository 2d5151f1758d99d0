"""Blocking calls of a thread that may be asked to stop: made in threads of their own, which it leaves behind then.

A request to a store cannot be cut off. Who waits for it with `at_once` is free as soon as a stop is asked for; what was
under way ends by itself, or with the process.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

from landsat_async.proof.byte_view import Stopped

_LOOK_S = 0.2
A = TypeVar("A")
T = TypeVar("T")


def at_once(
    call: Callable[[A], T], arguments: Iterable[A], threads: int, stop: Callable[[], bool]
) -> Iterator[tuple[A, T]]:
    """Yield each argument with what `call` returns for it, in their order.

    Args:
        call: Blocks; is called in other threads.
        arguments: Gone through in the thread of the caller, not far ahead of what is yielded.
        threads: So many calls are under way at the same time.
        stop: Looked at while a call is waited for.

    Raises:
        Stopped: `stop` said so; calls may still be under way.
    """
    jobs: SimpleQueue[tuple[Future[T], A] | None] = SimpleQueue()
    over = threading.Event()
    under_way: deque[tuple[A, Future[T]]] = deque()
    started: list[threading.Thread] = []

    def work() -> None:
        while (job := jobs.get()) is not None and not over.is_set():
            future, argument = job
            try:
                future.set_result(call(argument))
            except BaseException as error:
                future.set_exception(error)

    try:
        for argument in arguments:
            if len(under_way) >= threads:
                first, future = under_way.popleft()
                yield first, _result(future, stop)
            under_way.append((argument, Future()))
            jobs.put((under_way[-1][1], argument))
            if len(started) < threads:
                started.append(threading.Thread(target=work, name="landsat-request", daemon=True))
                started[-1].start()
        for first, future in under_way:
            yield first, _result(future, stop)
    finally:
        over.set()
        for _ in started:
            jobs.put(None)
        for thread in started:  # an error of one call is told when the others have ended, too
            while thread.is_alive() and not stop():
                thread.join(_LOOK_S)


def abandonable(call: Callable[[], T], stop: Callable[[], bool]) -> T:
    """Return what a blocking call returns. Raises what it raises, and Stopped while it may still be under way."""
    ((_, result),) = at_once(lambda _: call(), (None,), 1, stop)
    return result


def _result(future: Future[T], stop: Callable[[], bool]) -> T:
    while not stop():
        try:
            return future.result(_LOOK_S)
        except TimeoutError:
            if future.done():
                return future.result()
    raise Stopped
