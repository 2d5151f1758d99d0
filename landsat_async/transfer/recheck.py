"""Asking once more for bytes that are here, to see whether the server still sends the same."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from msgspec.structs import replace

from landsat_async.connections import Answer
from landsat_async.rules.backoff import parse_retry_after_s
from landsat_async.rules.joins import Stretch
from landsat_async.transfer.attempt import ask
from landsat_async.transfer.body import receive
from landsat_async.transfer.fast_path import fill
from landsat_async.transfer.file_errors import AttemptFailed, failed
from landsat_async.transfer.headers import Reply
from landsat_async.transfer.retry import FaultKind, fault_of_status

if TYPE_CHECKING:
    from landsat_async.transfer.transfer import Transfer

_BLOCK_BYTES = 256 * 1024
_DIFFERS = "the file came in several answers, and the server sends other bytes now"


def gives_ranges(transfer: Transfer) -> bool:
    """Tell whether the host may be asked for ranges of this file."""
    support = transfer.session.range_support(transfer.host)
    return not (transfer.whole or support.ignores_ranges or support.resume_off)


class _Enough(Exception):
    """The body goes on behind what has to be compared."""


async def compare_again(transfer: Transfer) -> None:
    """Ask for the stretches that no sum covers and compare them; what has been compared is taken off the list.

    Raises:
        AttemptFailed: UNPROVEN when the bytes differ or the server gives no ranges now, else what went wrong.
        OSError: the disk failed.
    """
    joins, part = transfer.joins, transfer.part
    async with kept_comparison(transfer):
        while joins.stretches:
            try:
                await _compare_next(transfer, joins.stretches)
            finally:
                if joins.stretches and joins.stretches[0][0] > part.facts.compared:
                    part.facts = replace(part.facts, compared=joins.stretches[0][0])
    joins.checked = True


@asynccontextmanager
async def kept_comparison(transfer: Transfer) -> AsyncIterator[None]:
    """Keep with the part what has been compared when the block fails: a link may be good for one request."""
    before = transfer.part.facts.compared
    try:
        yield
    except AttemptFailed:
        if transfer.part.facts.compared > before:  # the next link goes on there
            await transfer.checkpoint(transfer.part.now)
        raise


async def _compare_next(transfer: Transfer, stretches: list[Stretch]) -> None:
    start, end = stretches[0]
    response, reply, *_ = await ask(transfer, {"Range": f"bytes={start}-{end - 1}"})
    try:
        fault = fault_of_status(reply.status, parse_retry_after_s(reply.retry_after, time.time()))
        if fault is not None:
            raise AttemptFailed(fault)
        if _is_whole(reply, transfer.part.length):
            comparison = Comparison(transfer, (0, stretches[-1][1]), more=True)
            await receive_comparison(transfer, response, comparison, transfer.part.length)
            stretches.clear()
        elif _fits(reply, start, end, transfer.part.length):
            comparison = Comparison(transfer, (start, end))
            try:
                await receive_comparison(transfer, response, comparison, reply.range.end if reply.range else None)
            finally:
                stretches[:1] = [(comparison.compared, end)] if comparison.compared < end else []
        else:
            raise failed(FaultKind.UNPROVEN, "the file came in several answers, and cannot be compared with the server")
    finally:
        response.close()


async def receive_comparison(transfer: Transfer, response: Answer, comparison: Comparison, stop: int | None) -> None:
    """Compare a body that ends at byte `stop` of the file, as far as it has to be. Raises AttemptFailed."""
    try:
        try:
            await receive(response, comparison, stop, transfer, transfer.wait)
        except AttemptFailed:
            await comparison.flush()  # the next answer goes on behind what has come
            raise
        await comparison.flush()
    except _Enough:
        return
    if comparison.position < min(stop or comparison.end, comparison.end):
        raise failed(FaultKind.NETWORK, "the connection ended in the middle of the file")


def _is_whole(reply: Reply, total: int) -> bool:
    """Tell whether the server gives the whole file, as one may that knows no ranges."""
    return reply.status == 200 and reply.range is None and reply.length in (None, total) and reply.encoding is None


def _fits(reply: Reply, start: int, end: int, total: int) -> bool:
    """Tell whether an answer is the stretch that was asked for, or its beginning."""
    given = reply.range
    return (
        reply.status == 206
        and given is not None
        and given.start == start
        and given.end is not None
        and given.end <= end
        and given.total in (None, total)
        and reply.length in (None, given.end - start)
        and reply.encoding is None
    )


class Comparison:
    """Takes the bytes of a stretch, see `body.Receiver`, and holds them against the part."""

    def __init__(self, transfer: Transfer, stretch: Stretch, *, more: bool = False, at: int | None = None) -> None:
        """Compare a stretch of the file; `at`: where it begins in the part, None = as in the file itself."""
        self.compared, self.end = stretch
        self._shift = 0 if at is None else at - self.compared
        self._more = more
        self._part = transfer.part
        self._buffer = memoryview(bytearray(min(_BLOCK_BYTES, self.end - self.compared)))
        self._filled = 0

    @property
    def position(self) -> int:
        """Offset in the file of the next byte to come."""
        return self.compared + self._filled

    async def put(self, piece: bytes | memoryview) -> None:
        """Take some bytes."""
        await fill(self, piece)

    def room(self) -> memoryview:
        """Return the free end of the buffer."""
        return self._buffer[self._filled : self._filled + self.end - self.position]

    def took(self, size: int) -> None:
        """Count bytes that were put into the room."""
        self._filled += size

    def leave(self, rest: bytes) -> None:
        """Nothing of it has to be kept."""

    def pass_on_now(self) -> bool:
        """No: comparing waits for the disk."""
        return False

    async def make_room(self) -> None:
        """Compare a full buffer. Raises _Enough when more comes than has to be compared."""
        if self._filled == len(self._buffer) or self.position == self.end:
            await self.flush()
        if self._more and self.compared == self.end:
            raise _Enough

    async def flush(self) -> None:
        """Compare what there is. Raises AttemptFailed when it differs."""
        if not self._filled:
            return
        block = self._buffer[: self._filled]
        if await self._part.same_until(block, self.compared + self._shift) < len(block):
            raise failed(FaultKind.UNPROVEN, _DIFFERS)
        self.compared, self._filled = self.position, 0
