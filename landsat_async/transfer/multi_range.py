"""One file over several connections.

The answer to the ordinary request is already flowing when this begins. Its first span is taken from it, while the
spans behind that are asked for over connections of their own. Each fills buffers; full ones are handed to the sink
strictly in order, so the part, its digest and the ledger only ever know a prefix, exactly as with one connection.
No more than `connections` + 1 spans are in memory.

The first answer is closed only when each of the other connections has given the span that it was asked for. A host
that ignores ranges, lies about them, or wants no more connections has lost nothing then: the first answer goes on to
the end of the file. Any later fault stops all connections, the bytes in order are kept, and the ordinary rules of
`transfer.retry` go on from there.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from anyio import CancelScope, Event, create_task_group, move_on_after

from landsat_async.connections import Answer
from landsat_async.proof.kinds import HEAD_BYTES
from landsat_async.rules.backoff import parse_retry_after_s
from landsat_async.transfer.body import receive
from landsat_async.transfer.fast_path import fill
from landsat_async.transfer.file_errors import AttemptFailed, failed
from landsat_async.transfer.ranges import RangeMismatch, Span, mismatch, spans
from landsat_async.transfer.resume import AcceptBody
from landsat_async.transfer.retry import Fault, FaultKind, fault_of_status
from landsat_async.transfer.session import IDENTITY_ONLY, TransferSession
from landsat_async.transfer.sink import Sink

if TYPE_CHECKING:
    from landsat_async.transfer.transfer import Transfer

_NOTHING = memoryview(b"")


class SpanRefused(AttemptFailed):
    """The host does not give the range that was asked for; one connection may do better."""

    def __init__(self, mismatch: RangeMismatch) -> None:
        super().__init__(Fault(FaultKind.PROTOCOL, mismatch))
        self.mismatch = mismatch


class _ShareTaken(Exception):
    """The first answer has given its span; what follows is not lost yet."""


class _Piece:
    """A span on its way: filled by `sink.receive`, emptied in buffers by those who append."""

    named = False
    """Its answer names the file."""

    def __init__(self, session: TransferSession, size: int, span: Span, tell: Callable[[], None]) -> None:
        self.span = span
        self.position = self.passed_on = span.start
        self._full: deque[tuple[memoryview, int]] = deque()
        self._session, self._size, self._tell = session, size, tell
        self._buffer: memoryview | None = None
        self._filled = 0

    @property
    def passed_on_all(self) -> bool:
        """The whole span has been handed over."""
        return self.passed_on == self.span.end

    async def put(self, piece: bytes | memoryview) -> None:
        """Take some bytes."""
        await fill(self, piece)

    def room(self) -> memoryview:
        """Return room for the next bytes; none at the end of the span."""
        if self.position == self.span.end:
            return _NOTHING
        if self._buffer is None:
            self._buffer = self._session.take_buffer(self._size)
        return self._buffer[self._filled : self._filled + self.span.end - self.position]

    def took(self, size: int) -> None:
        """Count bytes that were put into the room."""
        self._filled += size
        self.position += size
        if self._filled == self._size or self.position == self.span.end:
            self._turn()
            self._tell()

    def pass_on_now(self) -> bool:
        """No: room ends with the span."""
        return False

    async def make_room(self) -> None:
        """A piece has room for all of its span: there is nothing to wait for."""

    def leave(self, rest: bytes) -> None:
        """Take what had come when everything was stopped, as far as the span goes."""
        while rest and (room := self.room()):
            fits = min(len(rest), len(room))
            room[:fits] = rest[:fits]
            self.took(fits)
            rest = rest[fits:]

    def next_block(self, *, full: bool) -> tuple[memoryview, int, int] | None:
        """Hand over the next buffer, its offset in the file and how many bytes are in it; a `full` one, or any."""
        if not full and not self._full:
            self._turn()
        if not self._full:
            return None
        buffer, filled = self._full.popleft()
        at, self.passed_on = self.passed_on, self.passed_on + filled
        return buffer, at, filled

    def close(self) -> None:
        """Give all buffers back; when nothing fills them any more."""
        self._turn()
        while self._full:
            self._session.give_buffer(self._full.popleft()[0])

    def _turn(self) -> None:
        if self._buffer is not None and self._filled:
            self._full.append((self._buffer, self._filled))
            self._buffer, self._filled = None, 0


class _FirstPiece(_Piece):
    """The share of the answer that was there first."""

    beyond = b""
    """What has come with the share and lies behind it."""

    async def put(self, piece: bytes | memoryview) -> None:
        """Take what belongs to the share."""
        fits = self.span.end - self.position
        self.beyond = bytes(piece[fits:])
        await super().put(piece[:fits])
        await self.make_room()

    async def make_room(self) -> None:
        """Stop receiving at the end of the share."""
        if self.position == self.span.end:
            raise _ShareTaken

    def next_block(self, *, full: bool) -> tuple[memoryview, int, int] | None:
        """Hand over the next buffer, but not before there is enough in it to be looked at."""
        return super().next_block(full=full or self.position - self.span.start < HEAD_BYTES)


class Split:
    """The connections of one file and what they bring. `run` once, then `rescue` if that failed, then `close`."""

    def __init__(self, transfer: Transfer, sink: Sink, accept: AcceptBody, first: Answer, connections: int) -> None:
        assert accept.end is not None
        self._transfer, self._session, self._policy = transfer, transfer.session, transfer.job.policy
        self._sink, self._accept, self._first = sink, accept, first
        self._end = accept.end
        support = self._session.range_support(transfer.host)
        self._headers = {} if support.dislikes_if_range else {"If-Range": accept.facts.etag or ""}
        if transfer.identity_only:
            self._headers |= IDENTITY_ONLY
        self._changed = Event()
        self._spans = spans(accept.start, accept.end, self._policy.span_bytes)
        self._first_piece = _FirstPiece(self._session, sink.block_bytes, next(self._spans), self._tell)
        self._pieces: deque[_Piece] = deque([self._first_piece])
        """What is in memory, in the order of the file."""
        self._wanted = self._working = connections
        self._unanswered = connections - 1
        self._others = CancelScope()
        self._opening = True
        """The first answer is there to go on with, should the others come to nothing."""
        self._failure: AttemptFailed | None = None
        self.called_off: AttemptFailed | None = None
        """Why one connection has done it all."""

    async def run(self) -> None:
        """Receive the whole body into the sink. Raises AttemptFailed."""
        self._session.splits[self._transfer.host] += 1
        try:
            async with create_task_group() as tasks:
                tasks.start_soon(self._take_share)
                tasks.start_soon(self._fetch_others)
                await self._append()
        finally:
            self._session.splits[self._transfer.host] -= 1
        if self._failure is not None:
            raise self._failure
        if self.called_off is not None:
            await self._sink.put(self._first_piece.beyond)
            await self._receive(self._first, self._sink, self._end)

    async def rescue(self) -> None:
        """After a fault or a cancellation, when no task runs any more: keep the bytes that are in order."""
        await self._sink.rescue()
        with suppress(AttemptFailed):  # the head is not that of the file
            for block in self._in_order():
                self._sink.hold(*block)
                await self._sink.rescue()

    def close(self) -> None:
        """Give all buffers back."""
        for piece in self._pieces:
            piece.close()

    # -- the first answer --------------------------------------------------------------------------------------------

    async def _take_share(self) -> None:
        """Take the first span from the answer that is there, and close that once the others do as asked."""
        try:
            await self._receive(self._first, self._first_piece, self._end)
        except _ShareTaken:
            pass
        except AttemptFailed as failure:
            self._stop(failure)
        while self._unanswered and not self._ended:
            await self._changed.wait()
        if not self._ended:
            self._opening = False
            self._first.close()
            self._tell()

    # -- the others --------------------------------------------------------------------------------------------------

    async def _fetch_others(self) -> None:
        with self._others:
            async with create_task_group() as tasks:
                for _ in range(self._wanted - 1):
                    tasks.start_soon(self._fetch)
                while self._opening:
                    await self._changed.wait()
                await self._fetch()  # in place of the first
        if self.called_off is not None:
            while len(self._pieces) > 1:
                self._pieces.pop().close()
        self._tell()

    async def _fetch(self) -> None:
        """Fetch span after span over one connection."""
        opening = self._opening
        while (piece := await self._next_piece()) is not None:
            try:
                response, piece.named = await self._open(piece.span)
                try:
                    if opening:
                        opening = False
                        self._unanswered -= 1
                        self._tell()
                    await self._receive(response, piece, piece.span.end)
                finally:
                    response.close()
            except AttemptFailed as failure:
                self._stop(failure, of_first=False)
                return
        if opening:  # there are fewer spans than connections: none was left to ask for
            self._unanswered -= 1
            self._tell()

    async def _next_piece(self) -> _Piece | None:
        while len(self._pieces) > self._wanted:
            await self._changed.wait()
        if not self._opening and self._working > 1 and self._session.range_support(self._transfer.host).one_connection:
            self._working -= 1
            return None
        span = next(self._spans, None)
        if span is None:
            return None
        piece = _Piece(self._session, self._sink.block_bytes, span, self._tell)
        self._pieces.append(piece)
        return piece

    async def _open(self, span: Span) -> tuple[Answer, bool]:
        """Ask for a span; return the answer, which is one to just that, and whether it names the file.

        Raises AttemptFailed.
        """
        url, policy = self._transfer.url, self._policy
        await self._transfer.wait_for_rate()
        with self._transfer.wait.around(url.host or "", "has not answered yet", self._transfer.answer_timeout_s):
            response, reply, _, named = await self._session.get(
                url, {**self._headers, **span.headers}, policy, self._transfer.job.name
            )
        try:
            fault = fault_of_status(reply.status, parse_retry_after_s(reply.retry_after, time.time()))
            if fault is not None:
                raise AttemptFailed(fault)
            facts = self._accept.facts
            wrong = mismatch(span, facts.total or 0, facts.etag or "", reply)
            if wrong is not None:
                raise SpanRefused(wrong)
        except BaseException:
            response.close()
            raise
        return response, named

    async def _receive(self, response: Answer, target: Sink | _Piece, end: int) -> None:
        """Receive a body up to byte `end` of the file. Raises AttemptFailed."""
        with self._transfer.wait.beside() as wait:
            await receive(response, target, end, self._transfer, wait)
        if target.position < end:
            raise failed(FaultKind.NETWORK, "the connection ended in the middle of the file")

    # -- appending ---------------------------------------------------------------------------------------------------

    async def _append(self) -> None:
        """Hand buffers to the sink in order, until all are there or there is an end to it."""
        full = True
        while self._opening or self._sink.position < self._end:
            block = self._next_block(full=full and self._failure is None)
            full = True
            if block is not None:
                await self._sink.keep(*block)
            elif self._failure is not None or (self.called_off is not None and self._first_piece.passed_on_all):
                return
            else:
                with move_on_after(self._policy.checkpoint_s) as patience:
                    await self._changed.wait()
                full = not patience.cancelled_caught  # the server is slow: what has come shall not wait

    def _in_order(self) -> Iterator[tuple[memoryview, int, int]]:
        while (block := self._next_block(full=False)) is not None:
            yield block

    def _next_block(self, *, full: bool) -> tuple[memoryview, int, int] | None:
        """Return the next buffer in order: `full` ones only, or what there is."""
        while self._pieces:
            piece = self._pieces[0]
            block = piece.next_block(full=full)
            if block is not None and piece is not self._first_piece:
                self._sink.join(piece.span.start, named=piece.named)
            if block is not None or not piece.passed_on_all or (piece is self._first_piece and self._opening):
                return block
            self._pieces.popleft()
            self._tell()
        return None

    # -- among each other --------------------------------------------------------------------------------------------

    @property
    def _ended(self) -> bool:
        return self._failure is not None or self.called_off is not None

    def _stop(self, failure: AttemptFailed, *, of_first: bool = True) -> None:
        """Let all connections end; all but the first, while that can go on."""
        if self._opening and not of_first:
            self.called_off = self.called_off or failure
        else:
            self._failure = self._failure or failure
        self._others.cancel()
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = Event()
