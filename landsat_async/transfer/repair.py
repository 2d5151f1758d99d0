"""What is put right between two attempts.

Bytes are given up, a part is opened again, or something is not asked for any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from anyio import move_on_after

from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.disk.open_part import open_part
from landsat_async.disk.part import PartFile
from landsat_async.transfer.commit import Joins
from landsat_async.transfer.resume import CUT_BACK_BYTES
from landsat_async.transfer.retry import Fault, FaultKind

if TYPE_CHECKING:
    from landsat_async.transfer.transfer import Transfer


class Repairs(msgspec.Struct):
    """What has been put right in one transfer."""

    too_many_files: bool = False
    """The process had no descriptor left."""
    slow: int = 0
    """How often a connection was given up because it was slow."""
    cut_back: bool = False
    restarted: bool = False
    overran: bool = False


async def open_believed(transfer: Transfer, facts: Checkpoint) -> PartFile:
    """Open the part as the last checkpoint says; when its bytes are others, forget them, the ledger first."""
    job = transfer.job
    target = transfer.session.target
    part, believed = await open_part(
        target.fs.join(target.parts_dir, job.part_name),
        facts,
        fs=target.fs,
        threads=transfer.threads,
        was=job.part_was,
        min_free_bytes=job.policy.min_free_bytes,
        is_claim=job.part_is_claim,
    )
    if believed:
        return part
    try:
        await transfer.hooks.store.clear()
        await part.cut()
    except BaseException:
        with move_on_after(job.policy.grace_s, shield=True):
            await part.close()
        raise
    return part


async def repair(transfer: Transfer, fault: Fault) -> None:
    """Put the transfer into the state from which the next attempt begins. Raises OSError."""
    repairs, facts = transfer.repairs, transfer.part.facts
    match fault.kind:
        case FaultKind.MISMATCH:
            transfer.session.count_mismatch(transfer.host)
            keep = 0 if repairs.cut_back else max(0, transfer.part.length - CUT_BACK_BYTES)
            repairs.cut_back = True
            await keep_start(transfer, keep)
        case FaultKind.RESTART:
            transfer.whole = transfer.whole or repairs.restarted  # once the file has changed; twice the server is odd
            repairs.restarted = True
            await keep_start(transfer, 0)
        case FaultKind.ODD_RANGE:  # the part stays: a whole answer is compared with it
            transfer.session.count_mismatch(transfer.host)
            transfer.whole = True
        case FaultKind.UNPROVEN | FaultKind.DAMAGED:
            transfer.whole = True
            await keep_start(transfer, 0)
        case FaultKind.OVERRUN:  # once it was an accident; the range of a host that always does ends nothing
            transfer.whole = transfer.whole or repairs.overran
            repairs.overran = True
        case FaultKind.DISK:
            await _reopen(transfer, facts if facts.durable else None)
        case FaultKind.LOST:
            await transfer.hooks.store.clear()
            await _reopen(transfer, None)
        case FaultKind.FILES:
            repairs.too_many_files = True
        case FaultKind.ENCODED:
            transfer.identity_only = True
        case FaultKind.SLOW:
            repairs.slow += 1
            transfer.any_speed = repairs.slow >= transfer.job.policy.slow_tries


async def keep_start(transfer: Transfer, keep: int) -> None:
    """Give up the part's bytes from `keep` on: first in the ledger, then on disk."""
    part, store = transfer.part, transfer.hooks.store
    transfer.joins = Joins()
    await part.digest_of(keep)
    if not keep:
        part.facts = Checkpoint()
        await store.clear()
    elif keep < part.facts.durable:
        part.facts = part.now
        await store.save(part.facts)
    await part.cut()


async def _reopen(transfer: Transfer, facts: Checkpoint | None) -> None:
    """Give up the descriptor and go back to the last checkpoint."""
    transfer.joins = Joins()
    await transfer.part.close()
    transfer.part = transfer.new_part() if facts is None else await open_believed(transfer, facts)
