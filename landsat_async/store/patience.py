"""Requests that are made again while a store is down, and what is waited for meanwhile. For threads.

obstore itself tries a failing request once more within seconds. What lasts longer is waited out here, for as long as
the user's patience, and can be looked at: nothing is silent because a store is.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from landsat_async.disk.target import FarWait, StoreFailed

T = TypeVar("T")
PAUSES_S = (2.0, 5.0, 10.0, 20.0, 40.0, 60.0)


@dataclass(slots=True)
class _UnderWay:
    text: str
    began_s: float
    until_s: float
    attempt: int = 0


class StorePatience:
    """How long one store is waited for; shared by all threads that speak with it."""

    def __init__(self, patience_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience_s, self._clock = patience_s, clock
        self._lock, self._numbers = threading.Lock(), itertools.count()
        self._under_way: dict[int, _UnderWay] = {}
        self._down_since_s: float | None = None
        self._ended = threading.Event()

    def end(self) -> None:
        """Wait for nothing more: the run is being stopped."""
        self._ended.set()

    def until_answered(self, what: str, limit_s: float, ask: Callable[[], T], goes_on: Callable[[], bool]) -> T:
        """Return what `ask` brings; it is asked again while the store fails, and until patience is over.

        Args:
            what: Is being done, for people.
            limit_s: How long one request may take.
            ask: One request. Raises StoreFailed.
            goes_on: Looked at after each failure: whether to try again here at all.

        Raises:
            StoreFailed: the store refuses, or patience is over.
        """
        failing_since_s: float | None = None
        for attempt in itertools.count(1):
            try:
                with self._noted(f"the store has not answered yet; it was asked to {what}", limit_s, 0):
                    answer = ask()
            except StoreFailed as failed:
                if failing_since_s is None:
                    failing_since_s = self._clock()
                if (
                    failed.refused
                    or failed.is_lasting
                    or not goes_on()
                    or not self._pause(str(failed.strerror), attempt, failing_since_s)
                ):
                    raise
            else:
                self._down_since_s = None
                return answer
        raise AssertionError

    def _pause(self, reason: str, attempt: int, failing_since_s: float) -> bool:
        """Wait for the next try; False: patience is over, or there is nobody who waits.

        Patience with this request counts from its own first failure, though others succeed meanwhile.
        """
        now_s = self._clock()
        if self._down_since_s is None:
            self._down_since_s = now_s
        left_s = min(self._down_since_s, failing_since_s) + self._patience_s - now_s
        if left_s <= 0:
            return False
        pause_s = min(PAUSES_S[min(attempt, len(PAUSES_S)) - 1], left_s)
        with self._noted(reason, pause_s, attempt):
            return not self._ended.wait(pause_s)

    @contextmanager
    def _noted(self, text: str, limit_s: float, attempt: int) -> Iterator[None]:
        number, now_s = next(self._numbers), self._clock()
        with self._lock:
            self._under_way[number] = _UnderWay(text, now_s, now_s + limit_s, attempt)
        try:
            yield
        finally:
            with self._lock:
                del self._under_way[number]

    def wait(self) -> FarWait | None:
        """Return what has been waited for the longest; a pause before a request goes first. None: nothing."""
        with self._lock:
            each = sorted(self._under_way.values(), key=lambda one: (not one.attempt, one.began_s))
        if not each:
            return None
        one, now_s = each[0], self._clock()
        return FarWait(
            one.text, max(1, one.attempt), now_s - one.began_s, max(0.0, one.until_s - now_s), one.attempt > 0
        )
