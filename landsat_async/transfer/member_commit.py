"""From a complete bundle to what is wanted of it under final names, in one call of a thread.

The bundle lies among the unfinished files and has been proven as if it were wanted itself. Each window is cut from its
member where that lies in the tar: no member is copied, and none is in memory whole. Names are given one by one, and
what was named before a kill is found to be the same when it is named again.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from landsat_async.disk.part import WINDOW_SUFFIX, discard_part, new_window_file
from landsat_async.disk.target import Committed
from landsat_async.model import Proof
from landsat_async.proof.bundle import base_name
from landsat_async.proof.byte_view import ByteView, Damage, stoppable
from landsat_async.proof.prove import Damaged, Proved
from landsat_async.proof.tar import Member, walk_tar
from landsat_async.raster.grid import BrokenRaster, UnsupportedRaster
from landsat_async.transfer.commit import (
    CommittedMember,
    CommittedMembers,
    NoMember,
    NotCut,
    WindowResult,
    is_to_end,
)
from landsat_async.transfer.types import WantedMember
from landsat_async.transfer.window_commit import WindowPart, cut_from, source_of_file

if TYPE_CHECKING:
    from landsat_async.raster.window import Read
    from landsat_async.transfer.transfer import Transfer

_STEP_BYTES = 2**20


def take_members(transfer: Transfer, whole: Proved) -> CommittedMembers | WindowResult:
    """Take what is wanted out of the complete bundle; for threads.

    A member that is damaged makes the whole bundle come once more, unless these very bytes have come before.

    Args:
        transfer: Whose part; its job names the members.
        whole: How the bundle was proven.

    Raises:
        OSError: the disk failed.
        Stopped: the transfer was cancelled meanwhile.
    """
    part = transfer.part
    try:
        found = walk_tar(ByteView(part.read, 0, part.length, partial(is_to_end, transfer)))
    except Damage as damage:
        return Damaged(str(damage))
    here = {base_name(member): member for member in found}
    has_come_before = part.sha256 in transfer.damaged.sha256
    results: list[WindowResult | CommittedMember | NoMember] = []
    for wanted in transfer.job.members:
        member = here.get(wanted.name)
        result = NoMember() if member is None else _take(transfer, wanted, member, whole)
        if isinstance(result, Damaged) and not has_come_before:
            return Damaged(f"{wanted.name}: {result.reason}")
        results.append(result)
    return CommittedMembers(tuple(results))


def _take(transfer: Transfer, wanted: WantedMember, member: Member, whole: Proved) -> WindowResult | CommittedMember:
    read = _reader(transfer, member)
    if wanted.window is None:
        return _copy(transfer, wanted, member, read)
    try:
        source = source_of_file(read, member.size, wanted.window, whole.proof)
    except BrokenRaster as broken:
        return Damaged(str(broken))
    except UnsupportedRaster as unsupported:
        return NotCut(str(unsupported))
    return cut_from(transfer, wanted, source)


def _reader(transfer: Transfer, member: Member) -> Read:
    """Return a reader of one member; never of what lies beside it."""
    read = stoppable(transfer.part.read, partial(is_to_end, transfer))

    def read_member(size: int, at: int) -> bytes:
        return read(max(0, min(size, member.size - at)), member.offset + at)

    return read_member


def _copy(transfer: Transfer, wanted: WantedMember, member: Member, read: Read) -> WindowResult | CommittedMember:
    """Give a member that comes whole, a text as a rule, its final name."""
    job, target = transfer.job, transfer.session.target
    path = transfer.part.path + WINDOW_SUFFIX
    part = WindowPart(path, new_window_file(target.fs, transfer.part.path, job.policy.min_free_bytes))

    def prove() -> Proved | Damaged:
        def read_copy(size: int, at: int) -> bytes:
            return target.fs.pread(part.fd, size, at)

        level, stop = Proof.STRUCTURE, partial(is_to_end, transfer)
        return transfer.session.prove(read_copy, part.length, wanted.name, level=level, published=None, stop=stop)

    try:
        for at in range(0, member.size, _STEP_BYTES):
            part.file.write(read(_STEP_BYTES, at))
        result = target.commit(part, wanted.relpath, prove=prove, needed=Proof.LENGTH, overwrite=job.policy.overwrite)
        if isinstance(result, Proved):
            return Damaged(f"{wanted.name} cannot be verified")
        return CommittedMember(result, part.length, part.sha256) if isinstance(result, Committed) else result
    finally:
        part.shut()
        discard_part(target.fs, path)
