"""What an answer to a range of a window says: whether it is of the file that the others are of.

A window is put together from several answers, so nothing but validators says that they are of one file. A strong ETag
does. Without one, all answers must give the same size and the same Last-Modified, and the index is asked for once more
at the end; such a window is recorded as of a weaker kind. With neither, the whole file is fetched.
"""

from __future__ import annotations

from msgspec.structs import replace

from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.transfer.headers import Reply, is_strong
from landsat_async.transfer.ranges import RangeMismatch, Span


def facts_of_first(span: Span, reply: Reply, *, named: bool) -> tuple[Checkpoint, int] | None:
    """Read the answer to the first range; None when it is not the beginning of the file.

    Returns what is known of the file from now on, and the end of the body. Without `source_bytes`, there is nothing in
    it that more ranges could be held against: it is the beginning of the whole file.
    """
    given = reply.range
    if reply.status != 206 or given is None or given.start != 0 or given.total is None or given.end is None:
        return None
    whole = given.end == min(span.end, given.total) and reply.length in (None, given.end)
    several = (reply.content_type or "").lower().startswith("multipart/")
    if not whole or several:
        return None
    known = Checkpoint(etag=reply.etag, last_modified=reply.last_modified, date=reply.date, named=named)
    if not (is_strong(reply.etag) or reply.last_modified):
        return replace(known, total=given.total), given.end
    return replace(known, source_bytes=given.total, joined_weakly=not is_strong(reply.etag)), given.end


def mismatch_of(span: Span, facts: Checkpoint, reply: Reply) -> RangeMismatch | None:
    """Judge the answer to a further range; None = take it. Statuses that are faults are not for this function."""
    if reply.status in (412, 416):
        return RangeMismatch.CHANGED
    if _differ(reply.etag, facts.etag) or _differ(reply.last_modified, facts.last_modified):
        return RangeMismatch.CHANGED
    given = reply.range
    if reply.status == 206 and given is not None and given.total not in (None, facts.source_bytes):
        return RangeMismatch.CHANGED
    right = (
        reply.status == 206
        and not reply.range_bad
        and given is not None
        and (given.start, given.end, given.total) == (span.start, span.end, facts.source_bytes)
        and reply.length in (None, span.end - span.start)
        and reply.encoding is None
        and not (reply.content_type or "").lower().startswith("multipart/")
        and (reply.etag == facts.etag if is_strong(facts.etag) else reply.last_modified == facts.last_modified)
    )
    return None if right else RangeMismatch.UNABLE


def _differ(here: str | None, there: str | None) -> bool:
    return here is not None and there is not None and here != there
