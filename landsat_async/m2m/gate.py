"""One API call at a time, and what all callers know about the service.

M2M refuses a second call of an account while the first is running. Everything that talks for one account therefore
shares one gate. The gate also remembers an outage, so that while the service is down all callers together send one
probe per interval, and it lets calls start slowly after a long outage (rules/slow_start.py).
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import anyio

from landsat_async.errors import ServiceError
from landsat_async.m2m.api_retry import Outage, after_failure
from landsat_async.rules.slow_start import SlowStart


@dataclass(frozen=True, slots=True)
class ApiWait:
    """A call is about to wait."""

    endpoint: str
    reason: str
    attempt: int
    """Failures in a row so far."""
    wait_s: float


@dataclass(frozen=True, slots=True)
class CallUnderWay:
    """A request that has no answer yet; times are monotonic."""

    endpoint: str
    begun_s: float
    limit_s: float


class Gate:
    """Shared by all clients of one account in one event loop; `easing` is shared with whatever else comes back then."""

    def __init__(self, easing: SlowStart | None = None) -> None:
        self._lock = anyio.Lock()
        self._easing = easing or SlowStart()
        self.outage: Outage | None = None
        self.under_way: CallUnderWay | None = None
        self.calls = 0
        """Requests that have ended, one way or the other."""

    @contextmanager
    def sending(self, endpoint: str, limit_s: float) -> Iterator[None]:
        """A request is under way inside."""
        self.under_way = CallUnderWay(endpoint, anyio.current_time(), limit_s)
        try:
            yield
        finally:
            self.under_way = None
            self.calls += 1

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold the only call slot."""
        async with self._lock:
            yield

    async def pace(self) -> None:
        """Wait before a request, in the time after a long outage."""
        wait_s = self._easing.turn(anyio.current_time())
        if wait_s > 0:
            await anyio.sleep(wait_s)

    def closed_for_s(self) -> float:
        """Seconds until somebody may ask again; 0 when the gate is open or a probe is due."""
        return max(0.0, self.outage.closed_until_s - anyio.current_time()) if self.outage else 0.0

    def lives(self) -> None:
        """The service answered: the outage is over for everybody."""
        if self.outage is not None:
            now_s = anyio.current_time()
            self._easing.outage_ended(now_s - self.outage.since_s, now_s)
        self.outage = None

    def failed(self, error: ServiceError, patience_s: float) -> None:
        """The service is down or busy; who has found that out waits for `patience_s` at most."""
        now_s = anyio.current_time()
        self.outage = after_failure(self.outage, error, now_s, random.random(), patience_s=patience_s)
