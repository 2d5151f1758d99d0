"""What is put right between two attempts.

Bytes are given up, a part is opened again, or something is not asked for any more.
"""

from __future__ import annotations

from dataclasses import dataclass

from anyio import move_on_after

from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.disk.io_threads import Threads
from landsat_async.disk.part import PartFile, open_part
from landsat_async.transfer.attempt import TransferContext
from landsat_async.transfer.commit import Committer
from landsat_async.transfer.resume import CUT_BACK_BYTES
from landsat_async.transfer.retry import Fault, FaultKind
from landsat_async.transfer.session import TransferSession
from landsat_async.transfer.types import CheckpointStore, TransferJob


async def open_believed(
    job: TransferJob, net: TransferSession, threads: Threads, facts: Checkpoint | None, store: CheckpointStore
) -> PartFile:
    """Open the part as the last checkpoint says; when its bytes are others, forget them, the ledger first."""
    policy = job.policy
    part, believed = await open_part(
        job.part_path,
        facts,
        fs=net.fs,
        threads=threads,
        was=job.part_was,
        min_free_bytes=policy.min_free_bytes,
    )
    try:
        if not believed:
            await store.clear()
            await part.cut()
    except BaseException:
        with move_on_after(policy.grace_s, shield=True):
            await part.close()
        raise
    return part


@dataclass(slots=True)
class Repairs:
    """Remembers what has been put right in one transfer."""

    trip: TransferContext
    lander: Committer
    too_many_files: bool = False
    """The process had no descriptor left."""
    _slow: int = 0
    _cut_back: bool = False
    _restarted: bool = False
    _overran: bool = False

    async def after(self, fault: Fault) -> None:
        """Put part and trip into the state from which the next attempt begins. Raises OSError."""
        trip = self.trip
        match fault.kind:
            case FaultKind.MISMATCH:
                trip.net.count_mismatch(trip.host)
                keep = 0 if self._cut_back else max(0, trip.part.length - CUT_BACK_BYTES)
                self._cut_back = True
                await self._lower(keep)
            case FaultKind.RESTART:
                trip.whole = trip.whole or self._restarted  # once the file has changed; twice the server is odd
                self._restarted = True
                await self._lower(0)
            case FaultKind.ODD_RANGE:  # the part stays: a whole answer is compared with it
                trip.net.count_mismatch(trip.host)
                trip.whole = True
            case FaultKind.UNPROVEN | FaultKind.DAMAGED:
                trip.whole = True
                await self._lower(0)
            case FaultKind.OVERRUN:  # once it was an accident; the range of a host that always does ends nothing
                trip.whole = trip.whole or self._overran
                self._overran = True
            case FaultKind.DISK:
                await self._reopen(trip.part.facts if trip.part.facts.durable else None)
            case FaultKind.LOST:
                await trip.store.clear()
                await self._reopen(None)
            case FaultKind.FILES:
                self.too_many_files = True
            case FaultKind.ENCODED:
                trip.identity_only = True
            case FaultKind.SLOW:
                self._slow += 1
                trip.any_speed = self._slow >= trip.job.policy.slow_tries

    async def _lower(self, keep: int) -> None:
        """Give up the part's bytes from `keep` on: first in the ledger, then on disk."""
        part, store = self.trip.part, self.trip.store
        self.lander.forget()
        await part.digest_of(keep)
        if not keep:
            part.facts = Checkpoint()
            await store.clear()
        elif keep < part.facts.durable:
            part.facts = part.now
            await store.save(part.facts)
        await part.cut()

    async def _reopen(self, facts: Checkpoint | None) -> None:
        """Give up the descriptor and go back to the last checkpoint."""
        trip = self.trip
        self.lander.forget()
        await trip.part.close()
        trip.part = self.lander.part = await open_believed(trip.job, trip.net, trip.part.threads, facts, trip.store)
