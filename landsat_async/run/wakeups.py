"""What requester, poller and workers of one run tell each other: that something has changed, and what is due next."""

from __future__ import annotations

import anyio

from landsat_async.errors import LandsatError


class Wakeups:
    """An event that happens again and again, and what it is about. Waiters see each one after they began to wait.

    One event for all of them: they are few, and each looks at the facts again anyway.
    """

    def __init__(self) -> None:
        self._event: anyio.Event | None = None  # there are many more notifications than waits
        self.waiting_for_capacity = False
        """The requester waits until less is in flight."""
        self.poll_now = False
        """The poller should look at once."""
        self.fatal: LandsatError | None = None
        """Why no more is requested; transfers that have their link go on to their end."""
        self.working = False
        """Files are being requested and fetched; before that the run is prepared."""
        self.next_look_s: float | None = None
        """Loop time of the poller's next look; None while it looks."""
        self.next_due_s: float | None = None
        """Loop time at which the next planned file may be requested; None = not known."""
        self.quota_until_s: float | None = None
        """Loop time at which the account may ask for files again; None = it may."""

    def notify(self) -> None:
        """Wake every waiter."""
        event, self._event = self._event, None
        if event is not None:
            event.set()

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the next notification; False when `timeout_s` passed without one."""
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

    def poll_soon(self) -> None:
        """Have the poller look at once."""
        self.poll_now = True
        self.notify()

    def give_up(self, error: LandsatError) -> None:
        """End the run with `error` once the running transfers are through; the first error is the one that counts."""
        if self.fatal is None:
            self.fatal = error
        self.notify()
