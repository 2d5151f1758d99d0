"""What has come of the members of a bundle that were wanted, as outcomes of a transfer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from landsat_async.disk.target import InTheWay
from landsat_async.model import Identity
from landsat_async.proof.prove import Damaged
from landsat_async.transfer.commit import (
    WHOLE_HINT,
    CommittedMember,
    CommittedWindow,
    EmptyWindow,
    NoMember,
    NotCut,
    WindowResult,
)
from landsat_async.transfer.retry import RULES, FaultKind
from landsat_async.transfer.types import Done, FileFailed, MembersTaken, NoData, WantedMember

if TYPE_CHECKING:
    from landsat_async.transfer.transfer import Transfer

_Result: TypeAlias = WindowResult | CommittedMember | NoMember


def members_taken(transfer: Transfer, results: Sequence[_Result]) -> MembersTaken:
    """Return the outcome of a bundle, given what has come of each member in the order of the job."""
    pairs = zip(transfer.job.members, results, strict=True)
    outcomes = tuple((one.relpath, _outcome(transfer, one, result)) for one, result in pairs)
    return MembersTaken(outcomes, transfer.part.length, transfer.bytes_received)


def _outcome(transfer: Transfer, wanted: WantedMember, result: _Result) -> Done | NoData | FileFailed:
    """Return what has come of one member; what was received for it is counted with the bundle."""
    named = Identity.NAMED if transfer.part.facts.named else Identity.NONE
    match result:
        case CommittedWindow(committed, size_bytes, sha256, record):
            return Done(size_bytes, sha256, committed.proof, 0, committed.mtime_ns, named, record)
        case CommittedMember(committed, size_bytes, sha256):
            identity = max(named, committed.identity, key=lambda one: one.rank)
            return Done(size_bytes, sha256, committed.proof, 0, committed.mtime_ns, identity)
        case EmptyWindow(reason, record):
            return NoData(reason, 0, record)
        case NotCut(reason):
            return FileFailed(f"no window can be cut from it: {reason}", WHOLE_HINT, 0)
        case NoMember():
            return FileFailed(f"{transfer.job.name} holds no {wanted.name}", "Its single file may exist.", 0)
        case Damaged(reason):
            told = f"the copy at USGS itself looks damaged: {reason}"
            return FileFailed(told, "Fetched twice with the same bytes; tell USGS.", 0)
        case InTheWay():
            told = f"{wanted.relpath.rpartition('/')[2]} exists and was not made by this program"
            return FileFailed(told, RULES[FaultKind.IN_THE_WAY].hint, 0, FaultKind.IN_THE_WAY)
    raise AssertionError(result)  # what concerns the whole bundle is no result of one member
