"""One file that a process of a cluster has: what was told of it so far, and what is waited for."""

from __future__ import annotations

from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream

from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.errors import LandsatError
from landsat_async.events import Started, Transferred
from landsat_async.scale.parcel import FetchSuperseded, Reply, checkpoint_of
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
        self.checkpoint: Checkpoint | None = None
        """What was told of its part and is not written down yet."""
        self.key = ""
        """Of its task."""
        self.given_s = 0.0
        self.has_begun = False
        """Something was told of it since it was given to the cluster."""
        self.given_to: set[str] | None = None
        """Addresses of the processes that may have it; None = all."""
        self.counted_from: int | None = None
        self.counted = 0

    def hear(self, reply: Reply) -> None:
        """Take the first reply; a task that dask has run again may send another, before the first or after it."""
        if self.reply is None or isinstance(self.reply, FetchSuperseded):
            self.reply = reply
            self.checkpoint = checkpoint_of(reply) or self.checkpoint
            self.waiting.cancel()

    async def later(self, within_s: float) -> Reply | None:
        """Wait for what the process says that had the file before; None = nothing."""
        with anyio.move_on_after(within_s) as self.waiting:
            await anyio.sleep_forever()
        return None if isinstance(self.reply, FetchSuperseded) else self.reply

    def told(self, facts: Checkpoint | None) -> None:
        """Take a checkpoint; it may come after the reply, which has said more, and took another way."""
        if facts is not None and (self.reply is None or isinstance(self.reply, FetchSuperseded)):
            self.checkpoint = facts

    async def keep(self) -> None:
        """Write down the newest checkpoint, unless that has been done."""
        facts, self.checkpoint = self.checkpoint, None
        if facts is not None:
            await self.hooks.store.save(facts)

    def fail(self, error: LandsatError) -> None:
        """Wait for no reply any more."""
        self.error = error
        self.waiting.cancel()

    def notify(self, event: Any) -> None:
        """Pass an event on, and count what came since the last."""
        self.has_begun = True
        if isinstance(event, Started):
            self.counted_from = event.offset_bytes
        elif isinstance(event, Transferred) and self.counted_from is not None:
            self.count(max(0, event.position_bytes - self.counted_from - self.counted))
        self.hooks.notify(event)

    def count(self, size: int) -> None:
        """Count received bytes."""
        self.counted += size
        self.hooks.count(size)


async def keep_all(told: MemoryObjectReceiveStream[Followed]) -> None:
    """Write down the checkpoints of files as they are told."""
    async with told:
        async for followed in told:
            await followed.keep()
