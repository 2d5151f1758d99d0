"""One attempt at a window: the ranges that it takes, one behind the other, into the part.

The first request asks for the head of the file. A 206 shows that the host gives ranges, and the index in it says which
are next. A 200 is the whole file, and is taken as that: the window is cut from it when it is here. Nothing is asked for
twice to find out which of the two it is.

Bytes stand in the part in the order in which they were asked for, with checkpoints as for any file, so a window is
resumed in the middle of a range; the index is not, each piece of it comes with one answer. Up to a megabyte of bytes
stays in memory until a checkpoint is due, and a window that takes no more is cut from there: no line waits for the disk
between two ranges. What nothing in the file ties to the last answer is compared with the server at the end. Whatever is
odd about an answer ends with the whole file, never with a guess.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from landsat_async.connections import Answer
from landsat_async.model import Proof
from landsat_async.raster.cog import HEAD_BYTES
from landsat_async.raster.grid import BrokenRaster
from landsat_async.raster.range_plan import HeldRange, NotWorthIt, RangePlan
from landsat_async.rules.links import is_staging
from landsat_async.transfer.attempt import Received, ask, attempt, check_head, receive_body, take_answer
from landsat_async.transfer.file_errors import AttemptFailed, failed
from landsat_async.transfer.headers import Reply, is_strong
from landsat_async.transfer.ranges import RangeMismatch, Span
from landsat_async.transfer.recheck import Comparison, kept_comparison, receive_comparison
from landsat_async.transfer.repair import keep_start
from landsat_async.transfer.resume import FROM_START, AcceptBody, read_answer
from landsat_async.transfer.retry import FaultKind, may_refuse_range
from landsat_async.transfer.window_answers import facts_of_first, mismatch_of

if TYPE_CHECKING:
    from landsat_async.raster.window import Read
    from landsat_async.transfer.transfer import Transfer

_HEAD = Span(0, HEAD_BYTES)
_ALL_HERE = Received(complete=True, length_known=True)


def wants_ranges(transfer: Transfer) -> bool:
    """Tell whether the next attempt at a window asks for ranges; else the whole file is fetched."""
    support, facts = transfer.session.range_support(transfer.host), transfer.part.facts
    refused = transfer.whole or support.ignores_ranges or support.resume_off
    holds_file = transfer.part.length > 0 and facts.source_bytes is None
    return not (refused or holds_file or transfer.job.policy.proof is Proof.PUBLISHED)


async def attempt_window(transfer: Transfer) -> Received:
    """Fetch what the window takes: ranges where the host gives them, else the whole file.

    Raises AttemptFailed and OSError, see `attempt.attempt`, and UnsupportedRaster.
    """
    part = transfer.part
    if not wants_ranges(transfer):
        if part.facts.source_bytes is not None:
            await _keep_head(transfer)
        return await attempt(transfer)
    transfer.tries += 1
    if not part.length:
        received = await _fetch_first(transfer)
        if received is not None:
            return received
    return await _fetch_rest(transfer)


async def _fetch_first(transfer: Transfer) -> Received | None:
    """Ask for the head of the file; None when it is here, else what came of the whole file."""
    response: Answer | None = None
    try:
        try:
            response, reply, url, named = await ask(transfer, _HEAD.headers)
            staging = transfer.is_staging or is_staging(url)
            await check_head(transfer, response, reply, staging=staging)
        except AttemptFailed:
            if response is None or not may_refuse_range(response.status):
                raise
            transfer.whole = True
            return await _without_ranges(transfer, response)
        if reply.status == 200:
            transfer.session.learn(transfer.host, ignores_ranges=True)
            reading = read_answer(FROM_START, transfer.part.now, reply, named=named)
            received = await take_answer(transfer, FROM_START, reading, response, reply, staging=staging)
            assert received is not None
            return received
        first = facts_of_first(_HEAD, reply, named=named)
        if first is None:
            transfer.whole = True
            return await _without_ranges(transfer, response)
        facts, end = first
        transfer.session.learn(transfer.host, gives_ranges=True)
        if not transfer.session.target.is_far:
            transfer.part.stay_in_memory()
        body = AcceptBody(0, end, facts, overwrite=False)
        received = await receive_body(transfer, response, reply, body, staging=staging)
        if facts.source_bytes is not None:
            return None
        transfer.whole = True
        return received if received.complete else await attempt(transfer)
    finally:
        if response is not None:
            response.close()


async def _without_ranges(transfer: Transfer, response: Answer) -> Received:
    response.close()
    return await attempt(transfer)


async def _keep_head(transfer: Transfer) -> None:
    """Make a part that holds ranges the beginning of the whole file, which then is asked for.

    A link may be good for one request: with the next one, the whole is asked for at once. Raises OSError.
    """
    part, total = transfer.part, transfer.part.facts.source_bytes
    await keep_start(transfer, min(_HEAD.end, total or 0, part.length))
    part.facts = replace(part.facts, total=total, source_bytes=None, joined=0, joined_weakly=False, compared=0)
    if part.facts.durable:
        await transfer.checkpoint(part.now)


async def _fetch_rest(transfer: Transfer) -> Received:
    """Ask for one range after the other, beginning in the middle of one where an earlier attempt has ended."""
    part, spec = transfer.part, transfer.job.window
    assert spec is not None
    plan, transfer.plan = _range_plan(transfer), None
    try:
        while True:
            if plan.layout is None and not (part.in_memory and spec.is_simple):
                await transfer.threads.run(plan.follow, part.length, part.read)
            else:
                plan.follow(part.length, part.read)  # in memory; of what holds tiles, bytes are counted and not read
            wanted = plan.wanted()
            if wanted is None:
                break
            begins = plan.length if plan.layout is None else part.length
            await _fetch_range(transfer, Span(wanted[0] + begins - plan.length, wanted[1]), begins)
    except NotWorthIt:
        transfer.whole = True
        await _keep_head(transfer)
        return _ALL_HERE if part.length == part.facts.total else await attempt(transfer)
    except BrokenRaster as broken:
        raise failed(FaultKind.DAMAGED, f"the file is damaged: {broken}") from None
    if not transfer.joins.checked:
        await _compare(transfer, plan)
    transfer.plan = plan
    return _ALL_HERE


def followed_plan(transfer: Transfer, read: Read) -> RangePlan:
    """Return the plan of a part that holds ranges, as far as they are there; for threads.

    It is the one that was followed while they came, where that is known. Raises as `RangePlan.follow` does.
    """
    plan, length = transfer.plan, transfer.part.length
    if plan is None or plan.length != length:
        plan = _range_plan(transfer)
        plan.follow(length, read)
    return plan


def _range_plan(transfer: Transfer) -> RangePlan:
    spec, total = transfer.job.window, transfer.part.facts.source_bytes
    assert spec is not None
    assert total is not None
    return RangePlan(total, spec.ground, spec.mode, weakly=transfer.part.facts.joined_weakly)


async def _fetch_range(transfer: Transfer, span: Span, begins: int) -> None:
    """Ask for a range that belongs in the part from byte `begins` on; what is here of it is compared.

    Raises AttemptFailed.
    """
    part = transfer.part
    response, reply, named = await _ask_range(transfer, span)
    try:
        known = replace(part.facts, named=part.facts.named and named, joined=begins, compared=0)
        body = AcceptBody(begins, begins + span.end - span.start, known, overwrite=False)
        await receive_body(transfer, response, reply, body, staging=False)
    finally:
        response.close()


async def _ask_range(transfer: Transfer, span: Span) -> tuple[Answer, Reply, bool]:
    """Return an answer that is one to just this range of just this file. Raises AttemptFailed."""
    facts, support = transfer.part.facts, transfer.session.range_support(transfer.host)
    tied = is_strong(facts.etag) and not support.dislikes_if_range
    tie = {"If-Range": facts.etag or ""} if tied else {}
    response, reply, _, named = await ask(transfer, {**span.headers, **tie})
    try:
        await check_head(transfer, response, reply, staging=False)
        match mismatch_of(span, facts, reply):
            case RangeMismatch.CHANGED as wrong:
                raise failed(FaultKind.RESTART, wrong.value)
            case RangeMismatch.UNABLE as wrong if reply.status == 200 and tie and reply.etag == facts.etag:
                transfer.session.learn(transfer.host, dislikes_if_range=True)
                raise failed(FaultKind.NETWORK, wrong.value)
            case RangeMismatch.UNABLE as wrong:
                raise failed(FaultKind.ODD_RANGE, wrong.value)
    except BaseException:
        response.close()
        raise
    return response, reply, named


async def _compare(transfer: Transfer, plan: RangePlan) -> None:
    """Ask once more for what the file itself does not tie to the last answer, and for nothing a third time."""
    part = transfer.part
    below = part.facts.joined or (0 if plan.is_one_answer else part.length)  # an older version did not say
    async with kept_comparison(transfer):
        for held in plan.to_compare(below, part.facts.compared):
            await _compare_stretch(transfer, held)
    transfer.joins.checked = True


async def _compare_stretch(transfer: Transfer, held: HeldRange) -> None:
    """Hold some bytes of the part against the server. Raises AttemptFailed."""
    part = transfer.part
    response, _, _ = await _ask_range(transfer, Span(held.start, held.end))
    comparison = Comparison(transfer, (held.start, held.end), at=held.at)
    try:
        await receive_comparison(transfer, response, comparison, held.end)
    finally:
        response.close()
        part.facts = replace(part.facts, compared=held.at + comparison.compared - held.start)
