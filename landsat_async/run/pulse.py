"""Waking up tasks that wait for "something has changed"."""

from __future__ import annotations

import anyio


class Pulse:
    """An event that can happen again and again. Waiters see every beat after they began to wait."""

    def __init__(self) -> None:
        self._event: anyio.Event | None = None  # there are many more beats than waits

    def beat(self) -> None:
        """Wake every waiter."""
        event, self._event = self._event, None
        if event is not None:
            event.set()

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the next beat; False when `timeout_s` passed without one."""
        if self._event is None:
            self._event = anyio.Event()
        event = self._event
        if timeout_s is None:
            await event.wait()
            return True
        with anyio.move_on_after(timeout_s):
            await event.wait()
            return True
        return False
