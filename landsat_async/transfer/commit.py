"""Proof and final name of a complete part, in one call of a thread; `finish` reads what came out."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from landsat_async.disk.target import Committed, TargetResult
from landsat_async.events import Notice
from landsat_async.model import Identity, Proof, WindowRecord
from landsat_async.proof.byte_view import Source
from landsat_async.proof.kinds import FileKind, is_doubtful, kind_of
from landsat_async.proof.layout_facts import HEAD_BYTES, facts_of_file
from landsat_async.proof.prove import Damaged, Proved, Stopped
from landsat_async.proof.tar import Member
from landsat_async.proof.tiles import sums_inside
from landsat_async.rules.joins import Stretch, to_compare
from landsat_async.rules.observed import Note
from landsat_async.transfer.measure_part import MeasureResult, measure_part
from landsat_async.transfer.types import Done

if TYPE_CHECKING:
    from landsat_async.transfer.transfer import Transfer


LAYOUTS_SEEN = 8
"""So many files of each kind and host are looked at for how they are laid out."""
SHORT_BYTES = 256 * 1024
"""On a quick disk, smaller files are written, proven and named before another thread would have woken up."""
is_to_end = attrgetter("threads.is_to_end")
"""Whether a transfer is to end."""
WHOLE_HINT = 'Files of this kind come whole with window = "off".'


class CommittedWindow(msgspec.Struct, frozen=True):
    """The window has its final name, durably."""

    committed: Committed
    size_bytes: int
    sha256: str
    record: WindowRecord


class EmptyWindow(msgspec.Struct, frozen=True):
    """There is nothing but fill in it."""

    reason: str
    record: WindowRecord


class NotCut(msgspec.Struct, frozen=True):
    """No window can be cut from such a file."""

    reason: str


class Joined(msgspec.Struct, frozen=True):
    """The proof is right, but the bytes came with several answers, and nothing in it ties these stretches together."""

    proof: Proof
    stretches: list[Stretch]


class NoMember(msgspec.Struct, frozen=True):
    """The bundle holds no such member."""


class CommittedMember(msgspec.Struct, frozen=True):
    """A member of a bundle has its final name, durably."""

    committed: Committed
    size_bytes: int
    sha256: str


class CommittedMembers(msgspec.Struct, frozen=True):
    """What has come of each member that was wanted, in the order of the job."""

    results: tuple[WindowResult | CommittedMember | NoMember, ...]


WindowResult: TypeAlias = TargetResult | CommittedWindow | EmptyWindow | NotCut
CommitResult: TypeAlias = WindowResult | CommittedMembers | MeasureResult | Proved | Joined | OSError | Stopped


class Joins(msgspec.Struct):
    """What has been found out about a part that came with several answers; other bytes, other findings."""

    stretches: list[Stretch] = msgspec.field(default_factory=list)
    """What is still to be compared with the server before the file may have its name."""
    checked: bool = False
    """That the bytes came with several answers does not matter any more."""
    proved: Proved | None = None
    """The proof of just these bytes: content takes a second for each 100 MB."""


def land(transfer: Transfer, block: memoryview) -> Awaitable[CommitResult]:
    """Write the end of the file, and give the file its name, in one call of a thread. Raises OSError of writing."""
    job, size_bytes = transfer.job, transfer.part.length + len(block)
    is_plain = job.window is None and job.measure is None and not job.members and not transfer.session.target.is_far
    return transfer.threads.run(put_and_commit, transfer, block, short=is_plain and size_bytes <= SHORT_BYTES)


def put_and_commit(transfer: Transfer, block: memoryview) -> CommitResult:
    """Write the end of the file, and give the file its name; for threads. Raises OSError of writing."""
    part = transfer.part
    with transfer.session.target.fs.together():
        whole = None if part.length else block
        if block:
            part.put(block)
        return commit(transfer, whole)


def commit(transfer: Transfer, whole: memoryview | None = None, *, length_known: bool = True) -> CommitResult:
    """Prove the complete part and give it its final name; for threads, does not raise.

    Args:
        transfer: Whose part.
        whole: All of its bytes, where they are still in memory: they need not be read again then.
        length_known: The server has said how long the file is, or marked its end.
    """
    job, session, part, joins = transfer.job, transfer.session, transfer.part, transfer.joins
    read = part.read if whole is None else partial(_read_memory, whole)
    stop = partial(is_to_end, transfer)
    joined = part.facts.joined > 0 and not joins.checked
    transfer.is_doubtful = is_doubtful(part.length, job.bytes_nominal)
    if joined:
        needed = Proof.PUBLISHED  # whatever else is reached, there is something to be done before it is named
    elif transfer.is_doubtful and kind_of(job.name).traits.has_pixels:  # texts are read to their end in any case
        needed = Proof.CONTENT
    else:
        needed = Proof.LENGTH if length_known else Proof.STRUCTURE

    def prove() -> Proved | Damaged:
        if joins.proved is not None:
            return joins.proved
        least, wanted = Proof.CONTENT if joined else needed, job.policy.proof
        level = wanted if wanted.rank > least.rank else least
        proved = session.prove(read, part.length, job.name, level=level, published=job.published, stop=stop)
        if session.observe is None or isinstance(proved, Damaged):
            return proved
        if session.is_sample(f"{kind_of(job.name)._name_} of {transfer.host}", LAYOUTS_SEEN):
            _observe_layout(transfer, proved.members, session.observe, read)
        return proved

    try:
        if job.measure is not None and part.facts.source_bytes is not None:
            return measure_part(transfer, job.measure)
        part.check_syncs()
        result: WindowResult | CommittedMembers | MeasureResult | Proved
        if job.window is None and not job.members:
            result = session.target.commit(
                part, job.relpath, prove=prove, needed=needed, overwrite=job.policy.overwrite, stop=stop
            )
        elif part.facts.source_bytes is not None:
            result = _cut(transfer, None)
        else:
            result = _take_from_whole(transfer, prove(), needed)
        if isinstance(result, Proved) and joined:
            joins.proved = result
            return Joined(result.proof, _to_compare(transfer))
        return result
    except (OSError, Stopped) as error:
        return error


def done(transfer: Transfer, result: Committed) -> Done:
    """Return what is told of a file that has its name."""
    part = transfer.part
    if transfer.is_doubtful:
        told = f"{transfer.job.relpath}: {doubt_of_size(transfer)}; its proof is {result.proof}"
        transfer.hooks.notify(Notice(told, "warning"))
    named = Identity.NAMED if part.facts.named else Identity.NONE
    identity = result.identity if result.identity.rank > named.rank else named
    return Done(
        part.length, part.sha256, result.proof, transfer.bytes_received, result.mtime_ns, identity, linked=result.linked
    )


def doubt_of_size(transfer: Transfer) -> str:
    """Say that the file is far from its listed size."""
    return f"it has {transfer.part.length:,} bytes where USGS lists {transfer.job.bytes_nominal:,}"


def _read_memory(block: memoryview, size: int, offset: int) -> memoryview:
    return block[offset : offset + size]


def _observe_layout(transfer: Transfer, members: Sequence[Member], observe: Note, read: Source) -> None:
    """Hand on how a file that has passed its proof is laid out."""
    size_bytes = transfer.part.length
    image = Member(transfer.job.name, 0, size_bytes)
    for one in members:
        if kind_of(one.name) is FileKind.TIFF:
            image = one
            break
    head = bytes(read(min(HEAD_BYTES, image.size), image.offset))
    observe((transfer.host, facts_of_file(size_bytes, members, image, head)))


def _take_from_whole(
    transfer: Transfer, proved: Proved | Damaged, needed: Proof
) -> WindowResult | CommittedMembers | MeasureResult | Proved:
    """Take what is wanted out of a file that is here whole, once that is proven as if it were wanted itself."""
    if isinstance(proved, Damaged) or proved.proof.rank < needed.rank:
        return proved
    if transfer.job.measure is not None:
        return measure_part(transfer, transfer.job.measure)
    if not transfer.job.members:
        return _cut(transfer, proved)
    from landsat_async.transfer.member_commit import take_members  # loads numpy: a tenth of a second

    return take_members(transfer, proved)


def _cut(transfer: Transfer, whole: Proved | None) -> WindowResult:
    from landsat_async.transfer.window_commit import cut_window  # loads numpy: a tenth of a second

    return cut_window(transfer, whole)


def _to_compare(transfer: Transfer) -> list[Stretch]:
    part, facts = transfer.part, transfer.part.facts
    below = min(facts.joined, part.length)
    sums = sums_inside(part.read, part.length, transfer.job.name, stop=partial(is_to_end, transfer))
    return to_compare(sums, below, joined_weakly=facts.joined_weakly, compared=facts.compared)
