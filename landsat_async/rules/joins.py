"""What is done about a file whose bytes came with more than one answer.

A strong ETag, or an old Last-Modified, promises that two answers are of one version. Servers break the promise: a
file is replaced and keeps its ETag, or a cache gives the old head of it. The length is right then, and every index.
So the bytes before the last join are believed only by sums inside the file (deflated tiles carry them) that the index
ties together. What carries none (texts, plain pixels, the indexes themselves) is asked for once more and compared, as
long as that is little.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence

import msgspec

MOST_COMPARED_BYTES = 16 * 1024 * 1024
"""So much is asked for once more, and not more: a text, the indexes of a bundle, a small band of plain pixels."""
_NEAR_BYTES = 64 * 1024
"""Stretches that lie this close are asked for together: a request costs more than the bytes between them."""
SAMPLE_BYTES = 128
"""Of the end of a tile, where the sum of its pixels stands, which tells of all of it."""
_FRAME_BYTES = 64
"""So little between two tiles is what frames them, and has been held against them."""

Stretch = tuple[int, int]
"""Offset of the first byte, and of the first byte behind."""


class Sums(msgspec.Struct):
    """Stretches of a file that have been held against a checksum of their own, in any order."""

    tied: list[Stretch] = msgspec.field(default_factory=list)
    """The index tells their lengths, which follow from their bytes: they are of the version that it is of."""
    alone: list[Stretch] = msgspec.field(default_factory=list)
    """Each is whole, and may be of another version than the next."""


def is_told_by_length(stored_bytes: int, plain_bytes: int) -> bool:
    """Tell whether the index, which holds how long a deflated tile is, tells it from that of another version.

    Other pixels, other lengths: but a tile that deflate did not make shorter is as long as any other such tile.
    """
    return stored_bytes < plain_bytes


class Next(enum.Enum):
    """What follows the proof of such a file."""

    NAME = "name"
    COMPARE = "compare"
    FETCH_ANEW = "fetch-anew"
    NAME_AND_SAY = "name-and-say"
    """It can be proven no further; the recorded proof is what was reached, and a warning tells it."""


def to_compare(sums: Sums, below: int, *, joined_weakly: bool, compared: int = 0) -> list[Stretch]:
    """Return the stretches of a file's first `below` bytes that are to be held against the server.

    Args:
        sums: What carries sums.
        below: The last join: bytes behind this came with one answer.
        joined_weakly: No strong validator ties the answers together, so nothing does where only sums of its own tell
            of a stretch. A strong one is believed there after two samples.
        compared: Bytes before this have been, as far as they had to be.
    """
    found = without_sums(sums.tied if joined_weakly else [*sums.tied, *sums.alone], below)
    if not joined_weakly:
        samples = _samples(sorted(one for one in sums.alone if one[1] <= below))
        found = sorted([*found, *(at for at in samples if not any(_holds(one, at) for one in found))])
    return [(max(start, compared), end) for start, end in found if end > compared]


def _samples(alone: Sequence[Stretch]) -> list[Stretch]:
    """Return the ends of two of them: a deflated tile ends with the sum of its pixels, which tells of all of it.

    The first is of the oldest answer: when that is of the server's version now, so are those that came after it.
    """
    ends = (alone[at] for at in {0, len(alone) // 2}) if alone else ()
    return [(max(start, end - SAMPLE_BYTES), end) for start, end in ends]


def _holds(outer: Stretch, inner: Stretch) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def without_sums(sums: Iterable[Stretch], below: int) -> list[Stretch]:
    """Return the stretches of a file's first `below` bytes that no sum covers, near ones as one.

    Args:
        sums: Stretches that need not be asked about, in any order.
        below: Bytes behind this are not asked about.
    """
    found: list[Stretch] = []
    at = 0
    for start, end in [*sorted(sums), (below, below)]:
        stop = min(start, below)
        if stop > at and (at == 0 or stop - at > _FRAME_BYTES):
            add_near(found, at, stop)
        at = max(at, end)
    return found


def add_near(found: list[Stretch], start: int, end: int) -> None:
    """Add a stretch behind those that were found before it; as one with the last where that is near."""
    if found and start - found[-1][1] <= _NEAR_BYTES:
        found[-1] = (found[-1][0], max(end, found[-1][1]))
    else:
        found.append((start, end))


def after_proof(stretches: Sequence[Stretch], *, size: int, joined_weakly: bool, ranges: bool) -> Next:
    """Decide what follows the proof of a file that came with several answers.

    Args:
        stretches: What no sum covers of the bytes before the last join.
        size: Bytes of the file.
        joined_weakly: No strong validator ties the answers together.
        ranges: The host may be asked for ranges of this file.
    """
    if not stretches:
        return Next.NAME
    if ranges and sum(end - start for start, end in stretches) <= MOST_COMPARED_BYTES:
        return Next.COMPARE
    if joined_weakly or size <= MOST_COMPARED_BYTES:  # each tile may be right, and of another version than the next
        return Next.FETCH_ANEW
    return Next.NAME_AND_SAY
