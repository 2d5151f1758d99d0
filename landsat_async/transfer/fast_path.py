"""The fast way for the bytes of a body: from the socket straight into the sink's buffer.

The plain way costs twice what the kernel needs: aiohttp makes a bytes object of each receive, parses it, queues it, and
the sink copies it. When the framing of a body is known beforehand (Content-Length, no transfer coding, no content
coding), nothing of it has to be parsed. So after the head has been read, the connection's transport gets another
protocol, a BufferedProtocol whose buffer is the sink's own; after exactly the announced bytes the old protocol gets the
transport back, and the connection can be used again.

Only public parts of aiohttp and asyncio are used: `response.connection`, `transport.set_protocol`,
`StreamReader.read_nowait` and `feed_eof`. Wherever one of them is not as expected, `can_go_direct` says no and the
plain way is taken; both ways refuse the same bodies, which the tests show by running on both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol, TypeAlias

import aiohttp
from aiohttp import hdrs
from anyio import Event, current_time, get_cancelled_exc_class, move_on_after
from anyio.lowlevel import checkpoint

from landsat_async.connections import what_follows
from landsat_async.transfer.burst import Burst, Source, is_quick, open_source
from landsat_async.transfer.file_errors import AttemptFailed, failed, fault_of_client
from landsat_async.transfer.max_rate import MaxRate
from landsat_async.transfer.retry import Fault, FaultKind

WORTH_BYTES = 256 * 1024
"""Shorter bodies mostly come along with the head; changing the protocol would cost more than it gives."""
SPILL_MOST_BYTES = 256 * 1024
"""What may come after a pause. The Proactor loop hands over 64 KiB at a time; more: somebody else reads on."""
TICK_S = 1.0
"""How often a body that fills no buffer is looked at."""
_NOBODY = asyncio.BufferedProtocol()
"""Takes the place of who has received: TLS keeps the methods of the last one that has a buffer."""


Watch: TypeAlias = Callable[[int, float, float], Fault | None]
"""(so many bytes, waited for so long, silent for so long): what is wrong with the connection, if anything is."""


class ReceiveBuffer(Protocol):
    """Where the bytes go: `sink.Sink`."""

    def room(self) -> memoryview:
        """The free end of the buffer; never empty after `make_room`."""

    def took(self, size: int) -> None:
        """So many bytes of the room have been filled."""

    def pass_on_now(self) -> bool:
        """Make room at once; False when that takes `make_room`, and some waiting."""

    async def make_room(self) -> None:
        """Look at the head, pass a full buffer on, or one that is old."""

    def leave(self, rest: bytes) -> None:
        """Take what had come when everything was stopped; does not wait."""


class BurstTarget(Protocol):
    """Where a thread may put them: `sink.Sink`."""

    piece_bytes: int
    """Received, written and hashed at a time."""

    async def take_burst(self, source: Source, most_bytes: int, count: Callable[[int], object]) -> Burst | None:
        """Have a thread receive up to so much, and tell `count`; None = the loop has to receive it."""


async def fill(target: ReceiveBuffer, piece: bytes | bytearray | memoryview) -> None:
    """Copy bytes into the room as it is made."""
    rest = memoryview(piece)
    while rest:
        room = target.room()
        fits = min(len(rest), len(room))
        room[:fits] = rest[:fits]
        target.took(fits)
        rest = rest[fits:]
        try:
            await target.make_room()
        except get_cancelled_exc_class():
            target.leave(bytes(rest))
            raise


class _Filler(asyncio.BufferedProtocol):
    """Fills the target's room until `remaining` bytes have come, no room is left, or the connection ends.

    The Proactor loop of Windows receives 64 KiB into a buffer of its own and puts that into ours, asking for as many
    as it takes, also after a pause: what has no room then waits in `spilled`.
    """

    def __init__(
        self, transport: asyncio.Transport, handler: asyncio.BaseProtocol, target: ReceiveBuffer, remaining: int,
        report: Callable[[int], None], max_rate: MaxRate | None,
    ) -> None:  # fmt: skip
        self._transport, self._handler, self._target, self._report = transport, handler, target, report
        self.remaining = remaining
        self._max_rate = max_rate
        self.spilled = bytearray()
        """Bytes that have come after the room was full; they go into the target before more is received."""
        self._spill: memoryview | None = None
        self.wake = Event()
        self.silent_s = 0.0
        """Time spent waiting since the last byte; waiting for the disk does not count."""
        self.ended = False
        self.error: Exception | None = None
        self.look_at = 0
        """With so many bytes to come it is looked at whether a thread should go on."""

    def get_buffer(self, sizehint: int) -> memoryview:
        """Never more room than there are bytes to come: what follows belongs to nobody."""
        most = self.remaining if self._max_rate is None else min(self.remaining, self._max_rate.piece_bytes)
        room = self._target.room()[:most]
        if room:
            return room
        if self.remaining and sizehint > 0 and len(self.spilled) < SPILL_MOST_BYTES:
            self._spill = memoryview(bytearray(min(sizehint, self.remaining)))
            return self._spill
        self.ended = True  # somebody else lets it receive: what comes now is of no answer
        self._transport.abort()
        return memoryview(bytearray(1))

    def buffer_updated(self, nbytes: int) -> None:
        """Some bytes have come."""
        if self.ended:
            return
        self.count(nbytes)
        if self._spill is not None:
            self.spilled += self._spill[:nbytes]
            self._spill = None
            return  # paused already
        self._target.took(nbytes)
        held = self._max_rate is not None and self._max_rate.is_used_up()
        if self.remaining > self.look_at and not held and (self._target.room() or self._target.pass_on_now()):
            return
        self._transport.pause_reading()
        self.wake.set()

    def count(self, nbytes: int) -> None:
        """Count bytes that have come, to the target or to a thread."""
        self.remaining -= nbytes
        self.silent_s = 0.0
        self._report(nbytes)

    def eof_received(self) -> bool:
        """The server has closed its side."""
        self.ended = True
        self.wake.set()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing will come any more; aiohttp has to know it too, or its session waits for this connection."""
        self.ended, self.error = True, exc
        if exc is not None:
            exc.__traceback__ = None  # leads to the connection, and aiohttp keeps it
        self._handler.connection_lost(exc)
        self.wake.set()

    def leave(self) -> None:
        """Nothing comes here any more, but aiohttp may keep the frames in which it was told of the end."""
        del self._transport, self._handler, self._target, self._report


def can_go_direct(response: aiohttp.ClientResponse, remaining: int | None) -> bool:
    """Tell whether the rest of the body can be received without a parser."""
    connection = response.connection
    return (
        remaining is not None
        and connection is not None
        and hdrs.CONTENT_LENGTH in response.headers
        and hdrs.TRANSFER_ENCODING not in response.headers
        and hdrs.CONTENT_ENCODING not in response.headers
        and connection.protocol is not None
        and isinstance(connection.transport, asyncio.Transport)
        and not connection.transport.is_closing()
        and (remaining >= WORTH_BYTES or not connection.transport.is_reading())  # begun this way, it goes on so
        and response.content.exception() is None
    )


def take_over(response: aiohttp.ClientResponse) -> bytes:
    """Return the body bytes that aiohttp has received already, and let it receive no more."""
    piece = b"".join(iter(response.content.read_nowait, b""))
    connection = response.connection
    if connection is not None and connection.protocol is not None and not response.content.is_eof():
        connection.protocol.pause_reading()  # stops its timer as well: the guards of this way are its own
    return piece


def left_over(content: aiohttp.StreamReader) -> bytes:
    """Return body bytes that were received before an error, and not handed out because of it.

    aiohttp has no public way to them, and they matter: a server that breaks off after every 100 KiB would otherwise
    never get a client any further.
    """
    pieces: Iterable[bytes] = getattr(content, "_buffer", ())
    offset: int = getattr(content, "_buffer_offset", 0)
    return b"".join(pieces)[offset:]


def unread_at_end(content: aiohttp.StreamReader) -> list[bytes]:
    """Return a list that is given, once the whole body has come, what of it nobody has read by then.

    The connection serves another answer from then on, and a late read would let aiohttp receive on it.
    """
    unread: list[bytes] = []

    def take_all() -> None:
        if content.exception() is None:
            unread.append(b"".join(iter(content.read_nowait, b"")))

    def soon() -> None:  # not at once: a read may be under way
        loop.call_soon(take_all)

    loop = asyncio.get_running_loop()
    content.on_eof(soon)
    return unread


async def receive_direct(
    response: aiohttp.ClientResponse,
    target: ReceiveBuffer,
    remaining: int,
    *,
    stall_s: float,
    watch: Watch,
    report: Callable[[int], None],
    max_rate: MaxRate | None = None,
    bursts: BurstTarget | None = None,
) -> None:
    """Receive exactly `remaining` more bytes, then give the connection back for reuse.

    To be called as soon as `take_over` has nothing to give: a reader of an older answer may let aiohttp receive again.
    `watch(size, waited_s, silent_s)` is asked at each look whether what comes is enough. `bursts` has a thread
    receive what comes quickly; None = the loop receives it all.

    Raises:
        AttemptFailed: a cut, a stall or a useless connection; what has come is in the target.
    """
    connection, host = response.connection, response.url.host or ""
    transport, handler = (None, None) if connection is None else (connection.transport, connection.protocol)
    if handler is None or not isinstance(transport, asyncio.Transport) or transport.is_closing():
        raise AttemptFailed(_fault_of_end(None, ""))
    filler = _Filler(transport, handler, target, remaining, report, max_rate)
    quick = None if bursts is None or max_rate is not None else _Quick.on(transport, filler, bursts, watch)
    transport.set_protocol(filler)
    try:
        while filler.remaining or filler.spilled:
            await target.make_room()
            if max_rate is not None:
                await max_rate.wait()
            if filler.spilled:
                spilled, filler.spilled = filler.spilled, bytearray()
                await fill(target, spilled)
            if not filler.remaining:
                break  # the rest has come while the disk was waited for
            if filler.ended:
                raise AttemptFailed(_fault_of_end(filler.error, host))
            if quick is not None and await quick.went_on():
                continue
            before, since_s = filler.remaining, current_time()
            transport.resume_reading()
            await _wait(filler, host, stall_s, watch)
            if quick is not None:
                quick.judge(before - filler.remaining, current_time() - since_s)
    finally:
        if quick is not None:
            quick.close()
        transport.pause_reading()
        # TLS keeps the methods of the last one that has a buffer, and with them all that is behind it.
        transport.set_protocol(_NOBODY)
        transport.set_protocol(handler)
        filler.leave()
    if follows := what_follows(transport):
        handler.force_close()
        if not b"HTTP/".startswith(follows[:5]):  # another answer says that this one has ended; anything else does not
            raise failed(FaultKind.OVERRUN, "the server sends more bytes than it announced")
    response.content.feed_eof()


class _Quick:
    """Decides whether the loop or a thread receives next, by what has come last."""

    def __init__(
        self, source: Source, transport: asyncio.Transport, filler: _Filler, bursts: BurstTarget, watch: Watch
    ) -> None:
        self._source, self._transport, self._filler, self._bursts = source, transport, filler, bursts
        self._watch = watch
        self._is_held = self._is_lost = False
        self._look_soon()
        self._is_quick = True  # where it is not, the first burst is over after a moment; to look first costs more

    @classmethod
    def on(cls, transport: asyncio.Transport, filler: _Filler, bursts: BurstTarget, watch: Watch) -> _Quick | None:
        """Return it for a connection; None where threads can receive nothing from that."""
        source = open_source(transport) if filler.remaining > 2 * bursts.piece_bytes else None
        return None if source is None else cls(source, transport, filler, bursts, watch)

    async def went_on(self) -> bool:
        """Have a thread go on where that is worth it; False = the loop is to receive."""
        if not self._is_quick or not await self._burst():
            self._give_back()
            return False
        return True

    def judge(self, size_bytes: int, waited_s: float) -> None:
        """Take in what the loop has received, and how long it has waited for that."""
        self._is_quick = is_quick(size_bytes, waited_s, self._bursts.piece_bytes)
        if not self._is_quick:
            self._filler.look_at = 0  # a full buffer will tell more

    def close(self) -> None:
        """Leave the connection to the loop."""
        if not self._is_lost:
            self._give_back()
        self._source.close()

    async def _burst(self) -> bool:
        filler = self._filler
        if not self._is_held:
            self._transport.pause_reading()
            await checkpoint()  # TLS has planned to decrypt in the next turn, and would go on receiving after that
            self._source.hold()
            self._is_held = True
        try:
            burst = await self._bursts.take_burst(self._source, filler.remaining, filler.count)
        except BaseException:  # a thread may still use it; and who knows where the bytes on the connection are
            self._is_lost = True
            self._transport.abort()
            raise
        if burst is None:
            self._look_soon()
            return False
        self._watch(burst.size_bytes, 0.0, 0.0)  # nobody has waited, so it finds no fault
        if burst.has_ended or self._transport.is_closing():  # somebody else may have closed it
            filler.ended, filler.error = True, burst.error
            self._transport.abort()
        elif burst.is_over:
            self._look_soon()
        return True

    def _look_soon(self) -> None:
        self._is_quick, self._filler.look_at = False, max(0, self._filler.remaining - self._bursts.piece_bytes)

    def _give_back(self) -> None:
        if self._is_held:
            self._is_held = False
            self._source.release()


async def _wait(filler: _Filler, host: str, stall_s: float, watch: Watch) -> None:
    """Wait until the buffer is full, the body complete, the connection over, or a tick. Raises AttemptFailed."""
    before, since_s = filler.remaining, current_time()
    with move_on_after(min(TICK_S, stall_s)):
        await filler.wake.wait()
    waited_s = current_time() - since_s
    filler.silent_s = 0.0 if filler.remaining != before else filler.silent_s + waited_s
    if filler.wake.is_set():
        filler.wake = Event()
    elif filler.silent_s >= stall_s:
        raise failed(FaultKind.NETWORK, f"{host} stopped sending")
    fault = watch(before - filler.remaining, waited_s, filler.silent_s)
    if fault is not None and filler.remaining:
        raise AttemptFailed(fault)


def _fault_of_end(error: Exception | None, host: str) -> Fault:
    if error is not None:
        return fault_of_client(error, host)
    return Fault(FaultKind.NETWORK, "the connection broke in the middle of the file")
