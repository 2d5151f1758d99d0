"""Telling about waits for a server while they last.

Nearly all waits are too short to be worth a word, and there are two for each small file. So a wait is only noted, and
all of them are looked at together, twice a second while there are any.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from types import TracebackType

TELL_AFTER_S = 4.0
"""So that the word is there within five seconds."""
TELL_AGAIN_S = 60.0
"""A server that sends a byte now and then makes a wait of each pause."""
_LOOK_EVERY_S = 0.5
NEVER_S = math.inf

Tell = Callable[[str, float], None]
"""tell(reason, wait_s): the wait goes on for so long at most, then something else is tried."""


class OpenWaits:
    """All connections of one event loop that may be waiting for their server."""

    def __init__(self) -> None:
        self.open: dict[Wait, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, wait: Wait) -> None:
        """Look at a wait from now on; take it out of `open` when it is over."""
        self.open[wait] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_LOOK_EVERY_S, self._look) if self.open else None
        now_s = loop.time()
        for wait in list(self.open):
            wait.look(now_s)


class LongWaits:
    """Tells the waits of one transfer that take long."""

    __slots__ = ("_tell", "_told", "open_waits")

    def __init__(self, tell: Tell, open_waits: OpenWaits | None = None) -> None:
        self._tell = tell
        self.open_waits = open_waits or OpenWaits()
        self._told: dict[str, float] = {}

    @classmethod
    def silently(cls) -> LongWaits:
        """Return one that tells nobody."""
        return cls(lambda reason, wait_s: None)

    def around(self, host: str, what: str, bound_s: float) -> Wait:
        """Return a context manager around a wait that ends within `bound_s`; `what` is what `host` does meanwhile."""
        wait = Wait(self)
        wait.begin(host, what, bound_s, asyncio.get_running_loop().time())
        return wait

    def say(self, reason: str, wait_s: float, now_s: float) -> None:
        """Tell a wait, unless it has just been told."""
        if wait_s > 0.0 and now_s >= self._told.get(reason, 0.0):
            self._told[reason] = now_s + TELL_AGAIN_S
            self._tell(reason, wait_s)


class Wait:
    """A connection that may be waiting for its server; watched inside its `with` block."""

    __slots__ = ("_bound_s", "_host", "_what", "since_s", "waits")

    def __init__(self, waits: LongWaits) -> None:
        self.waits = waits
        self._host = self._what = ""
        self._bound_s = math.inf
        self.since_s = NEVER_S
        """Loop time since which the server is waited for; `NEVER_S`: it is not the server that is waited for."""

    def __enter__(self) -> Wait:
        self.waits.open_waits.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del self.waits.open_waits.open[self]

    def begin(self, host: str, what: str, bound_s: float, now_s: float) -> None:
        """Note that a wait for `host` begins, which ends within `bound_s`."""
        self._host, self._what, self._bound_s, self.since_s = host, what, bound_s, now_s

    def silent(self, host: str, silent_s: float, bound_s: float) -> None:
        """Tell that nothing has come from `host` for `silent_s`, when that is long; at `bound_s` it will be a fault."""
        if silent_s >= TELL_AFTER_S:
            self.waits.say(f"{host} sends nothing", bound_s - silent_s, asyncio.get_running_loop().time())

    def look(self, now_s: float) -> None:
        """Tell the wait when it has become long."""
        waited_s = now_s - self.since_s
        if waited_s >= TELL_AFTER_S:
            self.waits.say(f"{self._host} {self._what}", self._bound_s - waited_s, now_s)
