"""One attempt: one request, one answer, and as many of its bytes as come."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import aiohttp
import msgspec
from anyio import create_task_group, fail_after, get_cancelled_exc_class, move_on_after

from landsat_async.connections import Answer
from landsat_async.events import Notice
from landsat_async.proof.kinds import HEAD_BYTES, WrongBody, kind_of, sniff
from landsat_async.rules.backoff import parse_retry_after_s
from landsat_async.rules.links import is_staging
from landsat_async.rules.naming import served_name
from landsat_async.rules.observed import Fact
from landsat_async.transfer.body import receive
from landsat_async.transfer.brief_answer import BRIEF_BYTES
from landsat_async.transfer.commit import land
from landsat_async.transfer.file_errors import AttemptFailed, failed, one_error
from landsat_async.transfer.headers import Reply
from landsat_async.transfer.multi_range import SpanRefused, Split
from landsat_async.transfer.quick_get import whole_body
from landsat_async.transfer.ranges import PUSHED_BACK, Blame, RangeMismatch, blame, connections_for
from landsat_async.transfer.resume import (
    FROM_START,
    AcceptBody,
    Ask,
    AskPlainly,
    Complete,
    Reading,
    Refuse,
    Restart,
    next_ask,
    read_answer,
)
from landsat_async.transfer.retry import Fault, FaultKind, fault_of_status, may_refuse_range
from landsat_async.transfer.session import IDENTITY_ONLY, NEVER_S, Answered
from landsat_async.transfer.sink import Sink
from landsat_async.transfer.types import FileFailed, NameLearnt

if TYPE_CHECKING:
    from landsat_async.transfer.commit import CommitResult
    from landsat_async.transfer.transfer import Transfer

_PAGE_TIMEOUT_S = 5.0
_NOT_READY = "the service is still preparing the file"


class NameSeen(Exception):
    """The head of an answer has come for which only the name is wanted."""

    def __init__(self, name: str | None, begins: str) -> None:
        """`name`: None where it gives none that can be used; `begins`: how that has to begin."""
        super().__init__("the server has named the file")
        self.outcome = (
            NameLearnt(name)
            if name is not None
            else FileFailed(
                f"the server gives it no name that begins with {begins}",
                "Nothing is named by guess; try later, or choose another product.",
                0,
            )
        )


class Received(msgspec.Struct, frozen=True):
    """The body of one answer ended as announced."""

    complete: bool
    """The whole file is here, as far as headers can tell."""
    length_known: bool
    """The server has marked the end, so that a cut would have been noticed."""
    committed: CommitResult | None = None
    """What came out when the file was committed as its last bytes were written; None = it was not."""


async def ask(transfer: Transfer, headers: dict[str, str]) -> Answered:
    """Ask for the file; see `TransferSession.get`."""
    job, session, wait = transfer.job, transfer.session, transfer.wait
    policy, url = job.policy, transfer.url
    if session.max_rate is not None:
        await transfer.wait_for_rate()
    wait.begin(url.host or "", "has not answered yet", transfer.answer_timeout_s, session.clock())
    try:
        headers = headers | IDENTITY_ONLY if transfer.identity_only else headers
        return await session.get(url, headers, policy, None if job.name_begins else job.name, transfer.host)
    finally:
        wait.since_s = NEVER_S


async def attempt(transfer: Transfer, *, plainly: bool = False) -> Received:
    """Ask once and keep what comes. `plainly` leaves If-Range out.

    Raises:
        AttemptFailed: with the reason; what came before it is kept, durably.
        OSError: the disk failed.
        NameSeen: the job wants no more than the name.
    """
    session, host, here = transfer.session, transfer.host, transfer.part.now
    wanted = FROM_START if not here.durable else next_ask(here, session.range_support(host), whole=transfer.whole)
    if plainly:
        wanted = msgspec.structs.replace(wanted, if_range=None)
    transfer.tries += not plainly
    response: Answer | None = None
    try:
        try:
            response, reply, url, named = await ask(transfer, wanted.headers if wanted.start else {})
            staging = transfer.is_staging or (url is not transfer.url and is_staging(url))
            await check_head(transfer, response, reply, staging=staging)
        except AttemptFailed as failure:
            # Other files use several connections to the host: when it pushes back, they are too many.
            if failure.fault.kind in PUSHED_BACK and session.splits[host]:
                _leave_one(transfer)
            if response is None or not wanted.start or not may_refuse_range(response.status):
                raise
            response.close()
            transfer.whole = True  # whether it is the range that is refused, or the link, the whole file will tell
            return await attempt(transfer)
        if begins := transfer.job.name_begins:  # before any byte of it is kept, whatever its type is called
            if (page := await _read_page(transfer, response, reply)) is not None:
                raise AttemptFailed(_fault_of_page(page, staging=staging))
            raise NameSeen(served_name(begins, reply.filename, str(url)), begins)
        reading = read_answer(wanted, here, reply, named=named)
        if isinstance(reading, AcceptBody):
            committed = await _take_whole(transfer, response, reply, reading, staging=staging)
            if committed is not None:
                if response.room is not None:  # on every other way out a thread may still look at it
                    session.give_buffer(response.room)
                return Received(complete=True, length_known=True, committed=committed)
        received = await take_answer(transfer, wanted, reading, response, reply, staging=staging, plainly=plainly)
    finally:
        if response is not None and response.whole is None:
            response.close()  # no harm after a complete body: the connection is in the pool again by then
    return received or await attempt(transfer, plainly=True)


async def take_answer(
    transfer: Transfer,
    wanted: Ask,
    reading: Reading,
    response: Answer,
    reply: Reply,
    *,
    staging: bool,
    plainly: bool = False,
) -> Received | None:
    """Keep what comes with an answer whose head has been checked and read; None = ask again without If-Range.

    Raises AttemptFailed and OSError, see `attempt`.
    """
    part, session, host = transfer.part, transfer.session, transfer.host
    match reading:
        case AcceptBody():
            if wanted.start:
                _learn_ranges(transfer, wanted, reply, plainly=plainly)
            return await receive_body(transfer, response, reply, reading, staging=staging)
        case Complete():
            part.facts = msgspec.structs.replace(part.facts, total=part.length)
            return Received(complete=True, length_known=True)
        case Restart(reason, odd):
            raise failed(FaultKind.ODD_RANGE if odd else FaultKind.RESTART, reason)
        case Refuse(reason, resume_off):
            if resume_off:
                session.learn(host, resume_off=True)
            raise failed(FaultKind.ODD_RANGE if wanted.start else FaultKind.PROTOCOL, reason)
        case AskPlainly():
            return None


# -- the head ----------------------------------------------------------------------------------------------------------


async def check_head(transfer: Transfer, response: Answer, reply: Reply, *, staging: bool) -> None:
    """Raise AttemptFailed for an answer whose head already says that it is not the file."""
    status = reply.status
    if status not in (200, 206):
        fault = fault_of_status(status, parse_retry_after_s(reply.retry_after, time.time()))
        if fault is not None:
            if staging and status in (404, 503):
                fault = Fault(FaultKind.UNREADY, _NOT_READY)
            raise AttemptFailed(_with_page(fault, await _read_page(transfer, response, reply)))
    if status == 200 and staging and reply.length is None and not reply.disposition:
        raise failed(FaultKind.UNREADY, _NOT_READY)
    if reply.encoding is not None:
        raise failed(FaultKind.ENCODED, f"the server sends the file encoded ({reply.encoding!a})")
    if status == 200 and reply.length == 0:
        if staging:
            raise failed(FaultKind.UNREADY, _NOT_READY)
        raise failed(FaultKind.EMPTY, "USGS sends an empty file")
    total = reply.length if reply.range is None else reply.range.total
    if (total or 0) > transfer.max_bytes:
        raise failed(FaultKind.TOO_BIG, f"the server announces {total} bytes")


async def _read_page(transfer: Transfer, response: Answer, reply: Reply) -> WrongBody | None:
    """Look at the page that came with a bad status."""
    if "html" not in (reply.content_type or "").lower():
        return None
    try:
        with fail_after(_PAGE_TIMEOUT_S):
            head = await response.content.read(HEAD_BYTES)
    except (aiohttp.ClientError, OSError):
        return None
    transfer.count(len(head))
    return sniff(kind_of(transfer.job.name), head, reply.content_type)


def _with_page(fault: Fault, page: WrongBody | None) -> Fault:
    """Say what a page adds to a bad status: maintenance concerns the whole host, and a refusal may say why."""
    if page is not None and page.maintenance:
        return _fault_of_page(page)
    if page is not None and page.first_line and fault.kind is FaultKind.LINK_REFUSED:
        return replace(fault, reason=f'{fault.reason}: "{page.first_line}"')
    return fault


def _fault_of_page(wrong: WrongBody, *, staging: bool = False) -> Fault:
    """Say what a page or message in place of the file means."""
    said = f': "{wrong.first_line}"' if wrong.first_line else ""
    if wrong.maintenance:
        return Fault(FaultKind.MAINTENANCE, f"the host is being maintained{said}")
    if staging:
        return Fault(FaultKind.UNREADY, _NOT_READY)
    if wrong.login:
        page = "a login page" if wrong.what == "html" else f"{wrong.what}{said}"
        return Fault(FaultKind.LOGIN, f"the link has expired: {page} came in place of the file")
    return Fault(
        FaultKind.PAGE if wrong.page else FaultKind.WRONG_BODY, f"{wrong.what} came in place of the file{said}"
    )


def _learn_ranges(transfer: Transfer, wanted: Ask, reply: Reply, *, plainly: bool) -> None:
    """Remember what the answer to a range shows of its host."""
    session, host = transfer.session, transfer.host
    if reply.status == 206 and not session.range_support(host).gives_ranges:
        session.learn(host, gives_ranges=True)
    if reply.status == 206 and plainly:
        session.learn(host, dislikes_if_range=True)
    elif reply.status == 200 and wanted.if_range is None:
        session.learn(host, ignores_ranges=True)


# -- the body ----------------------------------------------------------------------------------------------------------


async def receive_body(
    transfer: Transfer, response: Answer, reply: Reply, accept: AcceptBody, *, staging: bool
) -> Received:
    """Receive the body that `accept` describes."""
    part = transfer.part
    policy, session = transfer.job.policy, transfer.session
    old_etag, old_length, total = part.facts.etag, part.length, accept.facts.total
    part.expected = total or 0
    connections = _connections(transfer, reply, accept)
    if connections > 1:
        # Nothing is here that a 200 could differ from, and ranges never do it.
        accept = msgspec.structs.replace(accept, overwrite=False)
    sink = Sink(transfer, accept, partial(_check_first_bytes, transfer, reply, staging))
    split = None if connections == 1 else Split(transfer, sink, accept, response, connections)
    rescue = sink.rescue if split is None else split.rescue
    transfer.begin_body(sink, total)
    try:
        if sink.fits and split is None:
            await receive(response, sink, accept.end, transfer, transfer.wait)
            committed = await sink.finish()
        else:
            committed = await _receive_large(transfer, response, sink, accept, split)
    except get_cancelled_exc_class():
        with move_on_after(policy.grace_s, shield=True):
            await rescue()
        raise
    except AttemptFailed as failure:
        await (sink.rewind() if failure.fault.kind is FaultKind.OVERRUN else rescue())
        await transfer.checkpoint_if_new()
        if split is not None:
            _learn_of_split(transfer, failure, opening=False)
        if isinstance(failure, SpanRefused):
            return Received(complete=False, length_known=True)  # the next attempt sees what has become of the file
        raise
    finally:
        transfer.sink = None
        if split is not None:
            split.close()
            if split.called_off is not None:
                _learn_of_split(transfer, split.called_off, opening=True)
        sink.close()
        etags_differ = None not in (old_etag, reply.etag) and old_etag != reply.etag
        if old_length and sink.adopted and session.observe is not None:
            equal = "other bytes" if sink.diverged else "the same bytes"
            fact = Fact("repeat", f"{equal}{' under another ETag' if etags_differ else ''}")
            session.observe((transfer.host, [fact]))
        if old_length and etags_differ and sink.adopted and not sink.diverged:
            session.learn(transfer.host, etag_unstable=True)
    return _received(transfer, accept, reply, committed)


async def _take_whole(
    transfer: Transfer, response: Answer, reply: Reply, accept: AcceptBody, *, staging: bool
) -> CommitResult | None:
    """Keep a small file that comes at once: one call of a thread does all that is left to do.

    None where it is to be received as it comes. Raises AttemptFailed and OSError, see `attempt`.
    """
    size, whole = accept.facts.total, response.whole
    if size is None or size > BRIEF_BYTES or transfer.part.length or transfer.job.window is not None:
        return None  # what is here is compared first
    if whole is None and transfer.session.max_rate is None:
        whole = await whole_body(response, size)
    if whole is None or not len(whole) == size == accept.end:
        return None
    transfer.begin_body(None, size)
    transfer.count(size)
    _check_first_bytes(transfer, reply, staging, bytes(whole[:HEAD_BYTES]))
    transfer.part.facts = accept.facts
    return await land(transfer, whole)


async def _receive_large(
    transfer: Transfer, response: Answer, sink: Sink, accept: AcceptBody, split: Split | None
) -> CommitResult | None:
    """Receive a body of several blocks, or over several connections: full blocks are written by tasks of their own."""
    if split is not None and sink.fits:
        with one_error():
            await split.run()
        return await sink.finish()
    committed: CommitResult | None = None
    with one_error():
        async with create_task_group() as sink.tasks:
            if split is None:
                await receive(response, sink, accept.end, transfer, transfer.wait)
            else:
                await split.run()
            committed = await sink.finish()
    return committed


def _check_first_bytes(transfer: Transfer, reply: Reply, staging: bool, head: bytes) -> None:
    """Raise AttemptFailed for a body that cannot be the file, judged by its first bytes."""
    wrong = sniff(kind_of(transfer.job.name), head, reply.content_type)
    if wrong is not None:
        raise AttemptFailed(_fault_of_page(wrong, staging=staging))


def _received(transfer: Transfer, accept: AcceptBody, reply: Reply, committed: CommitResult | None) -> Received:
    """Judge a body that ended without an error: for a body without announced length that means little."""
    part, total = transfer.part, accept.facts.total
    length = part.length
    if accept.end is not None and length < accept.end:
        raise failed(FaultKind.NETWORK, "the connection ended in the middle of the file")
    if not length:
        raise failed(FaultKind.EMPTY, "USGS sends an empty file")
    length_known = total is not None or (reply.chunked and reply.status == 200)
    if length_known and total is None:
        part.facts = msgspec.structs.replace(part.facts, total=length)
    return Received(complete=total in (None, length), length_known=length_known, committed=committed)


def fault_of_end(transfer: Transfer, before: int) -> Fault | None:
    """Judge an answer that ended well and did not complete the file; `before` bytes were here before it."""
    if transfer.part.length > before:
        return None  # a server may send less than was asked for
    return Fault(FaultKind.NETWORK, "the server sends nothing new")


# -- several connections -----------------------------------------------------------------------------------------------


def _connections(transfer: Transfer, reply: Reply, accept: AcceptBody) -> int:
    policy = transfer.job.policy
    if policy.connections == 1 or transfer.whole or transfer.one_connection:
        return 1
    support, here = transfer.session.range_support(transfer.host), transfer.part.length
    return connections_for(policy.connections, accept, reply, support, here=here, span_bytes=policy.span_bytes)


def _learn_of_split(transfer: Transfer, failure: AttemptFailed, *, opening: bool) -> None:
    """See to it that what several connections have led to does not come again."""
    transfer.breaks += 1
    changed = isinstance(failure, SpanRefused) and failure.mismatch is RangeMismatch.CHANGED
    match Blame.FILE if changed else blame(failure.fault.kind, opening=opening, breaks=transfer.breaks):
        case Blame.HOST:
            _leave_one(transfer)
        case Blame.FILE:
            transfer.one_connection = True


def _leave_one(transfer: Transfer) -> None:
    """Use one connection a file for the host from now on."""
    session, host = transfer.session, transfer.host
    if not session.range_support(host).one_connection:
        session.learn(host, one_connection=True)
        text = f"{host} does not serve a file over several connections; one a file from now on"
        transfer.hooks.notify(Notice(text, "warning"))
