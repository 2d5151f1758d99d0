"""One file that a process of a cluster has: what was told of it so far, and what is waited for."""

from __future__ import annotations

from typing import Any

import anyio

from landsat_async.errors import LandsatError
from landsat_async.events import Started, Transferred
from landsat_async.scale.parcel import Reply
from landsat_async.transfer.types import TransferHooks, TransferJob


class Followed:
    """What is told of one file while a process has it."""

    def __init__(self, job: TransferJob, hooks: TransferHooks) -> None:
        """Follow a file; `hooks` are those of the run."""
        self.job, self.hooks = job, hooks
        self.reply: Reply | None = None
        self.error: LandsatError | None = None
        self.waiting = anyio.CancelScope()
        """Around the wait for the reply."""
        self.given_to: set[str] | None = None
        """Addresses of the processes that may have it; None = all."""
        self.counted_from: int | None = None
        self.counted = 0

    def hear(self, reply: Reply) -> None:
        """Take the first reply; a task that dask has run again may send another."""
        if self.reply is None:
            self.reply = reply
            self.waiting.cancel()

    def fail(self, error: LandsatError) -> None:
        """Wait for no reply any more."""
        self.error = error
        self.waiting.cancel()

    def notify(self, event: Any) -> None:
        """Pass an event on, and count what came since the last."""
        if isinstance(event, Started):
            self.counted_from = event.offset_bytes
        elif isinstance(event, Transferred) and self.counted_from is not None:
            self.count(max(0, event.position_bytes - self.counted_from - self.counted))
        self.hooks.notify(event)

    def count(self, size: int) -> None:
        """Count received bytes."""
        self.counted += size
        self.hooks.count(size)
