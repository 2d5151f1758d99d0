"""Which range to ask for, and what an answer may do to the bytes that are there already.

The problem. A transfer of a gigabyte breaks, and nobody knows whether the file at the server is still the same, or
whether the server understands ranges at all. Asking for "the rest" and appending what comes, as most clients do,
splices two files into one that looks complete: the length is right and the exit code is 0.

What is done here
- A range always starts OVERLAP_BYTES before the end of what is there. These bytes are compared before anything is
  appended. That finds shifted bodies, other versions and error text that slipped into the part.
- A strong validator goes along in If-Range; a strong ETag, or a Last-Modified that is old enough.
- A 200 is always harmless: its body is compared with the part from byte 0, and overwrites it from the first
  difference on. So an ignored Range costs traffic, never correctness.
- Bytes of two answers that no strong validator ties together are remembered as `joined_weakly`; such a file must
  reach a stronger proof at the end.
- A validator is a promise of the server, and servers break it. So where the last join lies is remembered as well, and
  what came before it is verified by the sums inside the file, or compared with the server once more, see `rules.joins`.

What is knowingly not done: Accept-Ranges is not believed (these hosts have said `none` and honoured ranges), and HEAD
is never used. The companions are `transfer/attempt.py` (asks) and `disk/part.py` (holds the bytes).
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.transfer.headers import Reply, is_strong, is_strong_date
from landsat_async.value import Value

OVERLAP_BYTES = 64 * 1024
"""How much is fetched again and compared at each resume."""

CUT_BACK_BYTES = 1024 * 1024
"""How much is given up once when the overlap differs: enough for an error page written into the body."""


class RangeSupport(Value, frozen=True):
    """How a host treats ranges, learnt in this run."""

    ignores_ranges: bool = False
    dislikes_if_range: bool = False
    """Sends everything when If-Range is there, and ranges when it is not."""
    etag_unstable: bool = False
    """Gives the same bytes another ETag each time."""
    resume_off: bool = False
    """Sent wrong bytes for a range twice: never asked for one again."""
    gives_ranges: bool = False
    """Has answered a range with that range."""
    one_connection: bool = False
    """Pushed back, or gave wrong ranges, when a file came over several connections."""


class Ask(msgspec.Struct, frozen=True):
    """The range part of a request."""

    start: int
    """First byte wanted; 0 means no Range header at all."""
    if_range: str | None

    @property
    def headers(self) -> dict[str, str]:
        """Header fields to send."""
        if not self.start:
            return {}
        return {"Range": f"bytes={self.start}-"} | ({"If-Range": self.if_range} if self.if_range else {})


FROM_START = Ask(0, None)


class AcceptBody(msgspec.Struct, frozen=True):
    """Take the body. It begins at byte `start` of the file; what is already there is compared first."""

    start: int
    end: int | None
    """First byte NOT in the body; None = unknown."""
    facts: Checkpoint
    """Validators and total that hold once the comparison has passed (its `durable` and `sha256` are not set)."""
    overwrite: bool
    """What to do when the comparison fails: True = this body is right (200), False = it is not to be trusted (206)."""
    etag_unstable: bool = False
    """The same bytes come with another ETag; the host's ETags are no help."""


class Complete(msgspec.Struct, frozen=True):
    """Nothing is missing: the server says that the file has as many bytes as are here."""


class AskPlainly(msgspec.Struct, frozen=True):
    """Drop this answer and ask again without If-Range: the host may dislike it."""


class Restart(msgspec.Struct, frozen=True):
    """The part and this answer do not belong together: drop both and begin at byte 0."""

    reason: str
    odd: bool = False
    """The answer is none to the range that was asked for: no range of this file is asked for any more. The part may
    stay, a whole answer is compared with it."""


class Refuse(msgspec.Struct, frozen=True):
    """Drop this answer; the part stays. When it was one to a range, no range of this file is asked for any more."""

    reason: str
    resume_off: bool = False


Reading: TypeAlias = AcceptBody | Complete | AskPlainly | Restart | Refuse


def next_ask(part: Checkpoint, host: RangeSupport, *, whole: bool = False) -> Ask:
    """Decide what to ask for, given the bytes that are here. `whole` forbids ranges for this file."""
    start = part.durable - OVERLAP_BYTES
    if whole or start <= 0 or host.ignores_ranges or host.resume_off:
        return FROM_START
    tie = replace(part, etag=None) if host.etag_unstable else part
    return Ask(start, None if host.dislikes_if_range else _validator_of(tie))


def read_answer(ask: Ask, part: Checkpoint, reply: Reply, *, named: bool = False) -> Reading:
    """Decide what a 200, 206, 412 or 416 may do to the part. Other statuses are not for this function.

    Args:
        ask: What was asked for.
        part: What is here.
        reply: The head of the answer.
        named: It gives the body the name of the file that was asked for.
    """
    if reply.status == 416:
        return _read_416(ask, part, reply)
    if reply.status == 412:
        return AskPlainly() if ask.if_range else Refuse("status 412 to a request without conditions")
    if reply.range_bad:
        return Restart("unreadable Content-Range", odd=True) if ask.start else Refuse("unreadable Content-Range")
    if reply.status == 206 and (ask.start or not _is_all(reply)):
        return _read_206(ask, part, reply, named=named and part.named)
    return _read_200(ask, part, reply, named=named)


def _read_416(ask: Ask, part: Checkpoint, reply: Reply) -> Reading:
    if not ask.start:
        return Refuse("status 416 to a request without Range")
    said = reply.range.total if reply.range is not None and reply.range.start is None else None
    if said is not None and said == part.durable and part.total in (None, said):
        return Complete()
    if said is not None and said < part.durable:
        return Restart("the server has fewer bytes than are here")
    return Restart("the server refuses a range of bytes that it has", odd=True)


def _read_200(ask: Ask, part: Checkpoint, reply: Reply, *, named: bool) -> Reading:
    contained = reply.range
    if contained is not None and (contained.start != 0 or contained.end != contained.total):
        return Refuse("status 200 with the header of a partial answer")
    if ask.start and contained is None and part.total is not None and reply.length == part.total - ask.start:
        return Refuse("status 200 with the rest of the file only")
    if ask.if_range and ask.if_range in (reply.etag, reply.last_modified) and reply.length in (part.total, None):
        return AskPlainly()
    total = reply.length if contained is None else contained.total
    if reply.length not in (total, None):
        return Refuse("Content-Length and Content-Range contradict each other")
    facts = Checkpoint(total=total, etag=reply.etag, last_modified=reply.last_modified, date=reply.date, named=named)
    return AcceptBody(0, total, facts, overwrite=True)


def _read_206(ask: Ask, part: Checkpoint, reply: Reply, *, named: bool) -> Reading:
    if not ask.start:
        return Refuse("a partial answer that nobody asked for")
    if (reply.content_type or "").lower().startswith("multipart/"):
        return Refuse("several ranges in one answer", resume_off=True)
    contained = reply.range
    if contained is None or contained.start is None or contained.end is None:
        return Restart("partial answer without Content-Range", odd=True)
    if contained.start != ask.start:
        return Restart(f"asked for byte {ask.start}, got byte {contained.start}", odd=True)
    if reply.length not in (None, contained.end - contained.start):
        return Refuse("Content-Length and Content-Range contradict each other")
    if part.total is not None and contained.total not in (None, part.total):
        return Restart("the file at the server has another size now")
    total = part.total if contained.total is None else contained.total
    if total is not None and contained.end > total:
        return Restart("partial answer beyond the end of the file", odd=True)
    return _joined(ask, replace(part, total=total, named=named), reply, contained.end)


def _is_all(reply: Reply) -> bool:
    """Whether a partial answer says itself that its part is the whole file: some caches store ranges only."""
    given = reply.range
    return (
        given is not None and given.start == 0 and given.total is not None and given.end == given.total == reply.length
    )


def _joined(ask: Ask, part: Checkpoint, reply: Reply, end: int) -> Reading:
    """Decide how strongly a range that fits is tied to the part; of that, total and name are those of both."""
    total = part.total
    etags_differ = reply.etag is not None and part.etag is not None and reply.etag != part.etag
    if etags_differ and total is None:
        return Restart("another version, and no size to compare")
    by_etag = is_strong(part.etag) and reply.etag == part.etag
    by_date = ask.if_range is not None and ask.if_range == part.last_modified
    if by_date and reply.last_modified not in (None, part.last_modified):
        return Restart("the file at the server has another date now")
    tied = by_etag or (by_date and not etags_differ)
    weakly = part.joined_weakly or not tied
    last = part if reply.etag is None and reply.last_modified is None else reply
    facts = Checkpoint(
        total=total, etag=last.etag, last_modified=last.last_modified, date=last.date, joined_weakly=weakly,
        named=part.named, joined=ask.start,
    )  # fmt: skip
    return AcceptBody(ask.start, end, facts, overwrite=False, etag_unstable=etags_differ)


def _validator_of(known: Checkpoint) -> str | None:
    """Return the strong validator to send as If-Range; None without one."""
    if is_strong(known.etag):
        return known.etag
    return known.last_modified if is_strong_date(known.last_modified, known.date) else None
