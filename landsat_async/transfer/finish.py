"""What becomes of a complete part: it is committed, and what came out of that decides what follows.

A file whose bytes came with several answers takes more, see `rules.joins`: what no sum inside it covers is compared
with the server once more, and after that it is committed again.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
from anyio import sleep_forever

from landsat_async.disk.target import Committed, InTheWay, PartLost
from landsat_async.errors import LandsatError
from landsat_async.events import Notice
from landsat_async.model import Identity
from landsat_async.proof.prove import Damaged, Proved
from landsat_async.rules.joins import Next, after_proof
from landsat_async.transfer.commit import (
    WHOLE_HINT,
    CommitResult,
    CommittedMembers,
    CommittedWindow,
    EmptyWindow,
    Joined,
    NotCut,
    commit,
    done,
    doubt_of_size,
)
from landsat_async.transfer.file_errors import AttemptFailed, fault_of_disk
from landsat_async.transfer.measure_part import MeasuredPart, NotMeasured
from landsat_async.transfer.member_outcomes import members_taken
from landsat_async.transfer.recheck import compare_again, gives_ranges
from landsat_async.transfer.retry import Fault, FaultKind, HostReport
from landsat_async.transfer.types import Counted, Done, FileFailed, NoData, Outcome

if TYPE_CHECKING:
    from landsat_async.transfer.transfer import Transfer

_LIMIT_OF_DAMAGED_COPIES = 3


class DamagedCopies(msgspec.Struct):
    """Complete copies of the file that were damaged."""

    sha256: set[str] = msgspec.field(default_factory=set)
    count: int = 0


async def finish(transfer: Transfer, *, length_known: bool, result: CommitResult | None = None) -> Outcome | Fault:
    """Commit the complete part and return what follows.

    Args:
        transfer: Whose part.
        length_known: See `commit`.
        result: What came out when the part was committed as its last bytes were written; None = it was not.
    """
    if result is None and transfer.joins.stretches:
        return await _compare(transfer, length_known=length_known)
    if result is None:
        if transfer.session.target.is_far:
            await transfer.checkpoint_if_new()  # killed on the way, the next run has only to bring it up
        work, known = transfer.threads, length_known
        # To a store it is brought in the same call: that waits for the network, and a thread for each core is too few.
        cuts = transfer.job.window is not None and not transfer.session.target.is_far
        if cuts:
            transfer.hooks.slot.leave()
        pool = transfer.session.computing if cuts else None
        result = await work.run(lambda: commit(transfer, length_known=known), pool=pool)
    if isinstance(result, OSError):
        return await _naming_fault(transfer, result)
    match result:
        case Committed():
            return done(transfer, result)
        case CommittedWindow():
            return _window_done(transfer, result)
        case CommittedMembers(results):
            return members_taken(transfer, results)
        case EmptyWindow(reason, record):
            return NoData(reason, transfer.bytes_received, record)
        case NotCut(reason):
            return _failed(transfer, f"no window can be cut from it: {reason}", WHOLE_HINT)
        case MeasuredPart(count):
            return Counted(count, transfer.part.facts.source_bytes or transfer.part.length, transfer.bytes_received)
        case NotMeasured(reason):
            return _failed(transfer, f"the area cannot be measured in it: {reason}", "")
        case InTheWay():
            name = transfer.job.relpath.rpartition("/")[2]
            return Fault(FaultKind.IN_THE_WAY, f"{name} exists and was not made by this program")
        case PartLost():
            return Fault(FaultKind.LOST, "the unfinished file was removed or changed by somebody else")
        case Damaged(reason):
            return _damage(transfer, reason, length_known=length_known)
        case Joined():
            return await _joined(transfer, result, length_known=length_known)
        case Proved():
            return _unproven(transfer)
    await sleep_forever()  # only a cancelled transfer stops its proof, and this raises
    raise AssertionError


def _window_done(transfer: Transfer, result: CommittedWindow) -> Done:
    identity = Identity.NAMED if transfer.part.facts.named else Identity.NONE
    committed = result.committed
    return Done(
        result.size_bytes, result.sha256, committed.proof, transfer.bytes_received, committed.mtime_ns, identity,
        result.record,
    )  # fmt: skip


def _damage(transfer: Transfer, reason: str, *, length_known: bool) -> Outcome | Fault:
    if not length_known:
        return Fault(FaultKind.UNPROVEN, f"the server gives no length; the file could not be verified: {reason}")
    copies, sha256 = transfer.damaged, transfer.part.sha256
    copies.count += 1
    if sha256 in copies.sha256:
        return _failed(
            transfer,
            f"the copy at USGS itself looks damaged: {reason}",
            "Fetched twice with the same bytes; tell USGS.",
        )
    if copies.count >= _LIMIT_OF_DAMAGED_COPIES:
        return _failed(transfer, f"damaged each time in another way: {reason}", "Try again later.")
    copies.sha256.add(sha256)
    return Fault(FaultKind.DAMAGED, f"the file is damaged: {reason}")


def _unproven(transfer: Transfer) -> Fault:
    if transfer.is_doubtful:
        return Fault(FaultKind.UNPROVEN, f"{doubt_of_size(transfer)}, and its content cannot be verified")
    return Fault(FaultKind.UNPROVEN, "the server gives no length, and the file could not be verified")


async def _joined(transfer: Transfer, result: Joined, *, length_known: bool) -> Outcome | Fault:
    """Go on with a file whose bytes came with several answers, and are proven as far as sums inside it go."""
    size, weakly = transfer.part.length, transfer.part.facts.joined_weakly
    ranges = gives_ranges(transfer)
    match after_proof(result.stretches, size=size, joined_weakly=weakly, ranges=ranges):
        case Next.COMPARE:
            transfer.joins.stretches = result.stretches
            return await _compare(transfer, length_known=length_known)
        case Next.FETCH_ANEW if weakly:
            return Fault(FaultKind.UNPROVEN, "resumed without a validator, and its content cannot be verified")
        case Next.FETCH_ANEW:
            return Fault(FaultKind.UNPROVEN, "it came in several answers, and its content cannot be verified")
        case Next.NAME_AND_SAY:
            text = "came in several answers and holds no sums to tell that they are of one version"
            told = f"{transfer.job.relpath} {text}; it is verified by {result.proof} only"
            transfer.hooks.notify(Notice(told, "warning"))
    transfer.joins.checked = True
    return await finish(transfer, length_known=length_known)


async def _compare(transfer: Transfer, *, length_known: bool) -> Outcome | Fault:
    """Hold against the server what no sum covers, then go on; what has been compared is not asked for again."""
    down = await transfer.host_down()
    if down is not None:
        return down
    try:
        await compare_again(transfer)
    except (AttemptFailed, OSError) as error:
        return await transfer.fault_of(error)
    transfer.hooks.health(transfer.host, HostReport.OK, "")
    return await finish(transfer, length_known=length_known)


async def _naming_fault(transfer: Transfer, error: OSError) -> Outcome | Fault:
    if error.errno == errno.ELOOP:
        return _failed(
            transfer,
            "a folder on the way to the final name is a symbolic link",
            "Remove the link, or choose another layout.",
        )
    if error.errno in (errno.ENAMETOOLONG, errno.EINVAL):
        return _failed(transfer, "the file system does not take the final name", "Choose another layout.")
    fault = fault_of_disk(error, transfer.session.target.parts_dir)
    if isinstance(fault, LandsatError):
        raise fault from None  # and nothing is cut: the part may have its final name already
    if fault.kind in (FaultKind.IN_USE, FaultKind.STORE):
        with suppress(OSError):
            await transfer.checkpoint_if_new()  # the next run has only to name it
    return fault


def _failed(transfer: Transfer, reason: str, hint: str) -> FileFailed:
    return FileFailed(reason, hint, transfer.bytes_received)
