"""Telling about waits for a server while they last.

Nearly all waits are too short to be worth a word, and there are one or two for each small file. So a wait is only
noted, and all of them are looked at together, twice a second while there are any.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from types import TracebackType

import msgspec

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
        self.timer: asyncio.TimerHandle | None = None

    def look_later(self) -> None:
        """Look at all of them from now on, as long as there are any."""
        self.timer = asyncio.get_running_loop().call_later(_LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        self.timer = None
        if self.open:
            self.look_later()
        now_s = asyncio.get_running_loop().time()
        for wait in list(self.open):
            wait.look(now_s)


def _nobody(reason: str, wait_s: float) -> None:
    pass


class Wait(msgspec.Struct, eq=False):
    """A connection that may be waiting for its server; watched from `begin` until it is taken out of the open ones.

    What one of them has told, the others of its transfer (`beside`) do not tell again soon.
    """

    _tell: Tell = _nobody
    _open_waits: OpenWaits = msgspec.field(default_factory=OpenWaits)
    _told: dict[str, float] = msgspec.field(default_factory=dict)
    _host: str = ""
    _what: str = ""
    _bound_s: float = math.inf
    since_s: float = NEVER_S
    """Loop time since which the server is waited for; `NEVER_S`: it is not the server that is waited for."""

    def begin(self, host: str, what: str, bound_s: float, now_s: float) -> None:
        """Note that a wait for `host` begins, which ends within `bound_s`; `what` is what it does meanwhile."""
        self._host, self._what, self._bound_s, self.since_s = host, what, bound_s, now_s
        waits = self._open_waits
        waits.open[self] = None
        if waits.timer is None:
            waits.look_later()

    def beside(self) -> Wait:
        """Return that of another connection of the same transfer."""
        return Wait(self._tell, self._open_waits, self._told)

    def around(self, host: str, what: str, bound_s: float) -> Wait:
        """Return a context manager around a wait of another connection, see `begin`."""
        wait = self.beside()
        wait.begin(host, what, bound_s, asyncio.get_running_loop().time())
        return wait

    def __enter__(self) -> Wait:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open_waits.open.pop(self, None)

    def silent(self, host: str, silent_s: float, bound_s: float) -> None:
        """Tell that nothing has come from `host` for `silent_s`, when that is long; at `bound_s` it will be a fault."""
        if silent_s >= TELL_AFTER_S:
            self._say(f"{host} sends nothing", bound_s - silent_s, asyncio.get_running_loop().time())

    def look(self, now_s: float) -> None:
        """Tell the wait when it has become long."""
        waited_s = now_s - self.since_s
        if waited_s >= TELL_AFTER_S:
            self._say(f"{self._host} {self._what}", self._bound_s - waited_s, now_s)

    def _say(self, reason: str, wait_s: float, now_s: float) -> None:
        """Tell a wait, unless it has just been told."""
        if wait_s > 0.0 and now_s >= self._told.get(reason, 0.0):
            self._told[reason] = now_s + TELL_AGAIN_S
            self._tell(reason, wait_s)
