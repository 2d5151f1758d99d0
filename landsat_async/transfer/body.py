"""The body of one answer, from the connection to where it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import aiohttp
from anyio import get_cancelled_exc_class, move_on_after

from landsat_async.connections import Answer
from landsat_async.transfer.fast_path import (
    ReceiveBuffer,
    can_go_direct,
    left_over,
    receive_direct,
    take_over,
    unread_at_end,
)
from landsat_async.transfer.file_errors import AttemptFailed, failed, fault_of_client
from landsat_async.transfer.retry import Fault, FaultKind
from landsat_async.transfer.session import NEVER_S, Wait
from landsat_async.transfer.sink import Sink
from landsat_async.transfer.speed import Speed

if TYPE_CHECKING:
    from landsat_async.transfer.transfer import Transfer


class Receiver(ReceiveBuffer, Protocol):
    """Where `receive` puts a body, by itself or by way of `fast_path`."""

    @property
    def position(self) -> int:
        """Offset in the file of the next byte to come."""

    async def put(self, piece: bytes | memoryview) -> None:
        """Take some bytes."""


async def receive(response: Answer, sink: Receiver, end: int | None, transfer: Transfer, wait: Wait) -> None:
    """Read the whole body into `sink`. Raises AttemptFailed for a cut, a stall, or more than announced.

    Args:
        response: An answer whose head was read.
        sink: Where the bytes go.
        end: Offset in the file behind the body's last byte; None = not announced.
        transfer: Whose body it is: says what is too much and too little, and counts.
        wait: That of this connection.
    """
    policy, clock, report = transfer.job.policy, transfer.session.clock, transfer.count
    max_rate = transfer.session.max_rate
    host, most_bytes, stall_s = response.url.host or "", transfer.max_bytes, policy.stall_timeout_s

    async def keep(piece: bytes | memoryview) -> None:
        report(len(piece))
        behind = sink.position + len(piece)
        if end is not None and behind > end:
            raise failed(FaultKind.OVERRUN, "the server sends more bytes than it announced")
        if behind > most_bytes:
            raise failed(FaultKind.TOO_BIG, f"more than {most_bytes} bytes: no Landsat file is so large")
        await sink.put(piece)

    if response.whole is not None:
        await keep(response.whole)
        if response.room is not None:  # copied by now; where that failed, a thread may still look at it
            transfer.session.give_buffer(response.room)
        return
    content = response.content
    if content.is_eof() and content.exception() is None:  # most small bodies come together with their head
        piece = take_over(response)
        await keep(piece)
        return
    speed = Speed.of(policy, transfer.floor, any_speed=transfer.any_speed)
    transfer.floor = speed.floor

    def watch(size: int, waited_s: float, silent_s: float) -> Fault | None:
        wait.silent(host, silent_s, stall_s)
        return speed.fault(size, waited_s, host)

    while end is not None and can_go_direct(response, end - sink.position):
        if piece := take_over(response):
            await keep(piece)
            continue
        await receive_direct(
            response,
            sink,
            end - sink.position,
            stall_s=stall_s,
            watch=watch,
            report=report,
            max_rate=max_rate,
            bursts=sink if isinstance(sink, Sink) and sink.takes_bursts else None,
        )
        return
    late = unread_at_end(content)
    wait.begin(host, "sends nothing", stall_s, NEVER_S)
    try:
        while True:
            if max_rate is not None:
                await max_rate.wait()
            wait.since_s = before_s = clock()
            try:
                with move_on_after(stall_s) as patience:  # aiohttp wakes nobody when the coding of chunks is broken
                    piece = await content.readany() or (late.pop() if late else b"")
                if patience.cancelled_caught:
                    raise aiohttp.SocketTimeoutError
            except (aiohttp.ClientError, OSError, RuntimeError) as error:
                error.__traceback__ = None  # leads here, and aiohttp keeps the error with the answer
                await keep(left_over(content))
                if end is not None and sink.position == end:
                    return  # all is here: how the connection ended does not matter
                raise AttemptFailed(fault_of_client(error, host)) from None
            finally:
                wait.since_s = NEVER_S
            if not piece:
                return
            waited_s = clock() - before_s
            await keep(piece)
            fault = speed.fault(len(piece), waited_s, host)
            if fault is not None:
                raise AttemptFailed(fault)
    except get_cancelled_exc_class():
        left = b"".join((*late, left_over(content)))  # behind what `fill` has left of the last piece
        report(len(left))
        sink.leave(left)
        raise
