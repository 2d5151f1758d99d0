"""Telling about waits for a server while they last.

Most waits are too short to be worth a word, so nothing is started for them but a timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

TELL_AFTER_S = 4.0
"""So that the word is there within five seconds: some waits are looked at once a second only."""
TELL_AGAIN_S = 60.0
"""A server that sends a byte now and then makes a wait of each pause."""

Tell = Callable[[str, float], None]
"""tell(reason, wait_s): the wait goes on for so long at most, then something else is tried."""


class LongWaits:
    """Tells the waits of one transfer that take long."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._told: dict[str, float] = {}

    @classmethod
    def silently(cls) -> LongWaits:
        """Return one that tells nobody."""
        return cls(lambda reason, wait_s: None)

    def silent(self, host: str, silent_s: float, bound_s: float) -> None:
        """Nothing has come from `host` for `silent_s`; at `bound_s` that will be a fault."""
        if silent_s >= TELL_AFTER_S:
            self._say(f"{host} sends nothing", bound_s - silent_s)

    def around(self, reason: str, bound_s: float) -> _Wait:
        """Return a context manager around a wait that ends within `bound_s`."""
        return _Wait(self, reason, bound_s)

    def _say(self, reason: str, wait_s: float) -> None:
        now_s = asyncio.get_running_loop().time()
        if wait_s > 0.0 and now_s >= self._told.get(reason, 0.0):
            self._told[reason] = now_s + TELL_AGAIN_S
            self._tell(reason, wait_s)


class _Wait:
    """A class, because one is made for each request: it costs a third of a generator."""

    __slots__ = ("_bound_s", "_reason", "_timer", "_waits")

    def __init__(self, waits: LongWaits, reason: str, bound_s: float) -> None:
        self._waits, self._reason, self._bound_s = waits, reason, bound_s

    def __enter__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TELL_AFTER_S, self._say)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def _say(self) -> None:
        self._waits._say(self._reason, self._bound_s - TELL_AFTER_S)
