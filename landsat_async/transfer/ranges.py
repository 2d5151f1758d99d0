"""Whether one file may come over several connections, in which ranges, and what an answer to one of them must be.

The first answer is that to the ordinary request, so whatever decides about the bytes that are here has decided
already. What is left is cut into spans of equal length, which are asked for side by side and appended in order. Each
begins OVERLAP_BYTES before the end of the one before, so that shifted bytes are noticed as at each resume, and each
answer must be exactly the span of exactly the version that the first answer was of: a strong ETag says which.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator

import msgspec

from landsat_async.transfer.headers import ContentRange, Reply, is_strong
from landsat_async.transfer.resume import OVERLAP_BYTES, AcceptBody, RangeSupport
from landsat_async.transfer.retry import FaultKind

WORTH_SPANS = 4
"""With fewer spans left, one connection does."""
BREAKS = 3
"""So many broken connections of one file, and it comes over one."""
_UNREACHED = frozenset((FaultKind.UNREACHABLE, FaultKind.HANDSHAKE))
PUSHED_BACK = _UNREACHED | {FaultKind.BUSY}
"""Answers to the first request for a file that may mean: there are too many connections for others."""
_OF_THE_LINE = frozenset((FaultKind.NETWORK, FaultKind.SLOW))
_OF_THE_HOST = frozenset(
    (
        FaultKind.BUSY,
        FaultKind.PROTOCOL,
        FaultKind.ENCODED,
        FaultKind.MISMATCH,
        FaultKind.OVERRUN,
        FaultKind.STATUS,
        FaultKind.FILES,
    )
)


class Span(msgspec.Struct, frozen=True):
    """A range of a file."""

    start: int
    end: int
    """First byte NOT in it."""

    @property
    def headers(self) -> dict[str, str]:
        """Header field to send."""
        return {"Range": f"bytes={self.start}-{self.end - 1}"}


class RangeMismatch(enum.StrEnum):
    """Why the answer to a span is not to be taken."""

    CHANGED = "the file at the server is another one now"
    UNABLE = "the server does not give the ranges that it is asked for"


class Blame(enum.Enum):
    """Who gets one connection from now on, in this run."""

    NOBODY = "nobody"
    FILE = "file"
    HOST = "host"


def connections_for(
    wanted: int, accept: AcceptBody, reply: Reply, host: RangeSupport, *, here: int, span_bytes: int
) -> int:
    """Return how many connections may fetch the body that `accept` describes, of which `here` bytes are here."""
    proved = reply.status == 206 or reply.accepts_ranges or host.gives_ranges
    refused = host.ignores_ranges or host.resume_off or host.etag_unstable or host.one_connection
    tied = is_strong(accept.facts.etag) and reply.etag == accept.facts.etag and not accept.etag_unstable
    new = not here or not accept.overwrite  # a body that is still to be compared with a part comes in one piece
    whole = accept.end is not None and accept.end == accept.facts.total
    if not (proved and tied and new and whole) or refused:
        return 1
    assert accept.end is not None
    return wanted if accept.end - accept.start >= WORTH_SPANS * span_bytes else 1


def spans(start: int, end: int, span_bytes: int) -> Iterator[Span]:
    """Yield the spans of a body; the first is the share of the answer that is there already."""
    while True:
        stop = min(start + span_bytes, end)
        yield Span(start, stop)
        if stop == end:
            return
        start = stop - OVERLAP_BYTES


def mismatch(span: Span, total: int, etag: str, reply: Reply) -> RangeMismatch | None:
    """Judge the head of an answer to a span; None = take it. Statuses that are faults are not for this function."""
    if reply.status in (412, 416) or (reply.etag is not None and reply.etag != etag):
        return RangeMismatch.CHANGED
    right = (
        reply.status == 206
        and reply.etag == etag
        and reply.range == ContentRange(span.start, span.end, total)
        and reply.length in (None, span.end - span.start)
        and reply.encoding is None
    )
    return None if right else RangeMismatch.UNABLE


def blame(kind: FaultKind, *, opening: bool, breaks: int) -> Blame:
    """Decide what a fault of one of several connections means for those that are to come.

    Args:
        kind: What happened.
        opening: The others were just being opened, and the first one was doing well.
        breaks: How often connections of this file have broken, this time included.
    """
    if kind in _OF_THE_LINE or (kind in _UNREACHED and not opening):  # a line may break for any reason
        return Blame.FILE if breaks >= BREAKS else Blame.NOBODY
    return Blame.HOST if opening or kind in _OF_THE_HOST else Blame.NOBODY
