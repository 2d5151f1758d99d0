"""The body of one answer, from the connection to the part.

`receive` reads, `Sink` keeps. Two buffers go round: while a thread writes and hashes one, the other is filled; when
both are full, nobody reads, and the server is slowed down by TCP itself. A checkpoint (fsync, then the ledger) runs
beside that, one at a time. A body that fits into one buffer needs nothing of this: one trip to a thread writes it,
proves the file and gives it its name.

Nothing is written before the first bytes have been looked at, and nothing is appended before the bytes that are
there already have been compared with what the server sends now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

import aiohttp
from anyio import Event, Semaphore, get_cancelled_exc_class
from anyio.abc import TaskGroup

from landsat_async.disk.checkpoint import EMPTY_SHA256, Checkpoint
from landsat_async.disk.part import PartFile
from landsat_async.proof.sniff import HEAD_BYTES
from landsat_async.transfer.commit import Committer
from landsat_async.transfer.fast_path import Target, can_go_direct, fill, receive_direct, take_over, unread_at_end
from landsat_async.transfer.file_errors import AttemptFailed, failed, fault_of_client
from landsat_async.transfer.resume import AcceptBody
from landsat_async.transfer.retry import Fault, FaultKind
from landsat_async.transfer.session import TransferSession
from landsat_async.transfer.speed import Speed
from landsat_async.transfer.types import CheckpointStore, TransferPolicy
from landsat_async.transfer.waits import LongWaits

SMALL_BYTES = 256 * 1024
"""Bodies up to this long get a buffer of this size."""


class Receiver(Target, Protocol):
    """Where `receive` puts a body, by itself or by way of `direct`."""

    @property
    def position(self) -> int:
        """Offset in the file of the next byte to come."""

    async def put(self, piece: bytes) -> None:
        """Take some bytes."""


class Sink:
    """Takes body bytes in any portions; compares, writes, hashes and checkpoints them in large blocks."""

    def __init__(
        self,
        net: TransferSession,
        part: PartFile,
        store: CheckpointStore,
        policy: TransferPolicy,
        take: AcceptBody,
        look: Callable[[bytes], None],
        lander: Committer,
    ) -> None:
        self.tasks: TaskGroup | None = None
        """Where blocks are kept while the next one comes; a body that `fits` into one buffer can do without."""
        self._net, self._part, self._store, self._policy = net, part, store, policy
        self._take = take
        self._look = look  # raises AttemptFailed for a body that cannot be the file
        self._lander = lander
        self._looked = take.start > 0  # a range is compared instead
        self.block_bytes = min(policy.block_bytes, net.block_bytes)
        if take.end is not None and take.end - take.start <= min(SMALL_BYTES, self.block_bytes):
            self.block_bytes = min(SMALL_BYTES, self.block_bytes)
        self._buffer = net.take_buffer(self.block_bytes)
        self._filled = 0
        self._left = b""  # what had come, and found no room, when everything was stopped
        self._cursor = take.start  # offset in the file of the buffer's first byte
        self._floor = part.length  # bytes here that this answer did not write
        self._broken = False  # a block is lost, or not the file's: nothing behind it may be written
        self._slot = None if self.fits else Semaphore(1)  # held while a block is being kept
        self._passed_on_s = self._saved_s = net.clock()
        self._saving: Event | None = None
        self.adopted = False
        """The comparison is over; the part now has this answer's validators."""
        self.diverged = False
        """The comparison found a difference, and this body replaced what was here."""

    @property
    def fits(self) -> bool:
        """The whole body has room in one buffer."""
        return self._take.end is not None and self._take.end - self._take.start <= self.block_bytes

    @property
    def position(self) -> int:
        """Offset in the file of the next byte to come."""
        return self._cursor + self._filled

    async def put(self, piece: bytes) -> None:
        """Take some bytes; waits while both buffers are full."""
        await fill(self, piece)

    def room(self) -> memoryview:
        """Return the free end of the buffer, to be filled and counted with `took`; never empty after `settle`."""
        return self._buffer[self._filled :]

    def took(self, size: int) -> None:
        """Count bytes that were put into the room."""
        self._filled += size

    def pass_on_now(self) -> bool:
        """Pass the full buffer on if nobody has to wait for that; else False, and `settle` will do it."""
        if not self._looked or self.tasks is None or self._slot is None or not self._slot.value:
            return False
        self._slot.acquire_nowait()
        self.tasks.start_soon(self._keep_and_return, *self._change_buffers())
        return True

    async def settle(self) -> None:
        """Look at the head as soon as it is there; pass a full or an old buffer on, which waits for the disk."""
        if not self._looked and self._filled >= HEAD_BYTES:
            self._look_at_head()
        if self._looked and self._filled and (self._filled == self.block_bytes or self._is_old()):
            await self._pass_on()

    def leave(self, rest: bytes) -> None:
        """Take what had come when everything was stopped; `rescue` keeps it."""
        self._left += rest

    def hold(self, buffer: memoryview, at: int, filled: int) -> None:
        """Have a buffer that somebody else has filled, from offset `at` on, in place of the own empty one."""
        self.close()
        self._buffer, self._cursor, self._filled = buffer, at, filled
        if not self._looked:
            self._look_at_head()

    def join(self, at: int, *, named: bool) -> None:
        """The bytes from `at` on come with another answer, which has carried the name of the file, or not."""
        facts = self._take.facts
        if (facts.joined, facts.named) != (at, facts.named and named):
            facts = replace(facts, joined=at, named=facts.named and named)
            self._take = replace(self._take, facts=facts)
            if self.adopted:
                self._part.facts = replace(self._part.facts, joined=facts.joined, named=facts.named)

    async def take(self, buffer: memoryview, at: int, filled: int) -> None:
        """Do that, and pass it on, which waits for the disk."""
        self.hold(buffer, at, filled)
        await self._pass_on()

    async def finish(self) -> None:
        """The body is complete: keep the rest, and wait until all is written; a complete file gets its name too."""
        if not self._looked:
            self._look_at_head()
        if self._slot is not None:
            await self._slot.acquire()  # never given back: nothing follows
        block, at = self._buffer[: self._filled], self._cursor
        if self.position == self._take.facts.total and self._part.length == at:
            await self._keep_and_land(block)
        else:
            await self._keep(block, at)
        self._cursor, self._filled = self.position, 0
        if self._take.overwrite and self._cursor < self._part.length:
            await self._diverge(self._cursor)
            self._adopt()

    async def rescue(self) -> None:
        """After a fault or a cancellation, when no task runs any more: keep all that has come."""
        if self._filled and not self._looked and not self._broken:
            with suppress(AttemptFailed):  # what there is of the head shows that this is not the file
                self._look_at_head()
        if self._filled and self._looked and not self._broken:
            await self._keep(self._buffer[: self._filled], self._cursor)
            self._cursor, self._filled = self.position, 0
        left = self._left if self._take.end is None else self._left[: max(0, self._take.end - self._cursor)]
        if left and self._looked and not self._broken:
            await self._keep(memoryview(left), self._cursor)
            self._cursor += len(left)
        self._left = b""

    async def rewind(self) -> None:
        """Give up what this answer wrote; it cannot be trusted."""
        sha256 = await self._part.digest_of(min(self._floor, self._part.length))
        if self._part.facts.durable > self._part.length:
            lowered = replace(self._part.facts, durable=self._part.length, sha256=sha256)
            await self._store.save(lowered)
            self._part.facts = lowered
        await self._part.cut()

    def close(self) -> None:
        """Hand the buffer back."""
        if not self._part.abandoned:
            self._net.give_buffer(self._buffer)

    def _is_old(self) -> bool:
        """The server is slow: what has come shall not wait for a full buffer."""
        return self._net.clock() - self._passed_on_s >= self._policy.checkpoint_s

    def _look_at_head(self) -> None:
        broken, self._broken = self._broken, True
        self._look(bytes(self._buffer[: min(self._filled, HEAD_BYTES)]))
        self._looked, self._broken = True, broken

    async def _pass_on(self) -> None:
        """Let a task of its own keep the full buffer, and go on with another one."""
        if self._slot is not None:
            await self._slot.acquire()
        full, filled, at = self._change_buffers()
        if self.tasks is None:
            await self._keep_and_return(full, filled, at)
        else:
            self.tasks.start_soon(self._keep_and_return, full, filled, at)

    def _change_buffers(self) -> tuple[memoryview, int, int]:
        full, filled, at = self._buffer, self._filled, self._cursor
        self._cursor, self._filled = self.position, 0
        self._passed_on_s = self._net.clock()
        self._buffer = self._net.take_buffer(self.block_bytes)
        return full, filled, at

    async def _keep_and_return(self, buffer: memoryview, filled: int, at: int) -> None:
        await self._keep(buffer[:filled], at)
        if not self._part.abandoned:
            self._net.give_buffer(buffer)
        await self._checkpoint_if_due()
        if self._slot is not None:
            self._slot.release()

    async def _keep_and_land(self, block: memoryview) -> None:
        """Write the end of the file, and give the file its name: in one trip, most files are small."""
        if not self.adopted:
            self._adopt()
        if self._saving is not None:
            await self._saving.wait()  # it uses the descriptor, which is closed at the end of this
        part, lander, fs = self._part, self._lander, self._net.fs

        def keep_and_land() -> None:
            with fs.together():
                if block:
                    part.put(block)
                lander.land()

        self._broken = True
        await part.threads.run(keep_and_land, stop=lander.stop)
        self._broken = part.abandoned

    async def _keep(self, block: memoryview, at: int) -> None:
        """Compare the block with what is here, and write what is new of it."""
        self._broken = True
        new = block[await self._compare(block, at) :]
        if new:
            await self._part.write(new)
        self._broken = self._part.abandoned

    async def _compare(self, block: memoryview, at: int) -> int:
        """Return how many bytes of the block are here already. Raises AttemptFailed when they are others."""
        known = max(0, min(len(block), self._part.length - at))
        if known:
            same = await self._part.same_until(block[:known], at)
            if same < known and not self._take.overwrite:
                raise failed(FaultKind.MISMATCH, "what is here differs from what the server sends now")
            if same < known:
                await self._diverge(at + same)
                known = same
        if at + len(block) >= self._part.length and not self.adopted:
            self._adopt()
        return known

    async def _diverge(self, at: int) -> None:
        """Cut the part where this body begins to differ. The ledger goes first: it must never speak of lost bytes."""
        await self._store.lower(0)
        self._part.facts = replace(self._part.facts, durable=0, sha256=EMPTY_SHA256)
        await self._part.digest_of(at)
        await self._part.cut()
        self._floor = at
        self.diverged = True

    def _adopt(self) -> None:
        old = self._part.facts
        self._part.facts = replace(self._take.facts, durable=old.durable, sha256=old.sha256)
        self.adopted = True

    async def _checkpoint_if_due(self) -> None:
        ahead = self._part.length - self._part.facts.durable
        late = self._net.clock() - self._saved_s >= self._policy.checkpoint_s
        if not ahead or not (late or ahead >= self._policy.checkpoint_bytes):
            return
        if self._part.length == self._take.facts.total:
            return  # the end of the file is synced in any case
        if self._saving is not None and ahead >= 2 * self._policy.checkpoint_bytes:
            await self._saving.wait()  # the disk is slower than the line
        if self._saving is not None:
            return
        self._saving = Event()
        if self.tasks is None:
            await self._checkpoint(self._part.now, self._saving)
        else:
            self.tasks.start_soon(self._checkpoint, self._part.now, self._saving)

    async def _checkpoint(self, mark: Checkpoint, ended: Event) -> None:
        try:
            await checkpoint(self._part, self._store, mark)
            self._saved_s = self._net.clock()
        finally:
            self._saving = None
            ended.set()


async def checkpoint(part: PartFile, store: CheckpointStore, mark: Checkpoint) -> None:
    """Make the bytes that `mark` speaks of durable, then say so in the store.

    Not interrupted in between: the store would be ahead of what we know, and a full disk cuts the part to that.
    """
    await part.sync()
    with part.threads.waiting():
        await store.save(mark)
        part.facts = replace(part.facts, durable=mark.durable, sha256=mark.sha256)


async def receive(
    response: aiohttp.ClientResponse,
    sink: Receiver,
    end: int | None,
    max_bytes: int,
    speed: Speed | None,
    stall_s: float,
    report: Callable[[int], None],
    clock: Callable[[], float],
    waits: LongWaits | None = None,
) -> None:
    """Read the whole body into `sink`. Raises AttemptFailed for a cut, a stall, or more than announced.

    Args:
        response: An answer whose head was read.
        sink: Where the bytes go.
        end: Offset in the file behind the body's last byte; None = not announced.
        max_bytes: Bound for a body without announced end.
        speed: Watches for a useless connection; None = any speed will do, which is for tests.
        stall_s: No byte for so long is a fault.
        report: Called with the size of each portion.
        clock: The loop's time.
        waits: Tells when nothing comes for some time.
    """
    host = response.url.host or ""
    waits = waits or LongWaits.silently()

    async def keep(piece: bytes) -> None:
        report(len(piece))
        if end is not None and sink.position + len(piece) > end:
            raise failed(FaultKind.OVERRUN, "the server sends more bytes than it announced")
        if sink.position + len(piece) > max_bytes:
            raise failed(FaultKind.TOO_BIG, f"more than {max_bytes} bytes: no Landsat file is so large")
        await sink.put(piece)

    def watch(size: int, waited_s: float, silent_s: float) -> Fault | None:
        waits.silent(host, silent_s, stall_s)
        return speed.fault(size, waited_s, host) if speed is not None else None

    while end is not None and can_go_direct(response, end - sink.position):
        if piece := take_over(response):
            await keep(piece)
            continue
        await receive_direct(response, sink, end - sink.position, stall_s=stall_s, watch=watch, report=report)
        return
    content = response.content
    late = unread_at_end(content)
    try:
        with waits.around(host, "sends nothing", stall_s) as wait:
            while True:
                wait.begin(before_s := clock())
                try:
                    piece = await content.readany() or (late.pop() if late else b"")
                except (aiohttp.ClientError, OSError, RuntimeError) as error:
                    await keep(_left_over(content))
                    if end is not None and sink.position == end:
                        return  # all is here: how the connection ended does not matter
                    raise AttemptFailed(fault_of_client(error, host)) from None
                wait.pause()
                if not piece:
                    return
                waited_s = clock() - before_s
                await keep(piece)
                fault = speed.fault(len(piece), waited_s, host) if speed is not None else None
                if fault is not None:
                    raise AttemptFailed(fault)
    except get_cancelled_exc_class():
        left = b"".join((*late, _left_over(content)))  # behind what `fill` has left of the last piece
        report(len(left))
        sink.leave(left)
        raise


def _left_over(content: aiohttp.StreamReader) -> bytes:
    """Return body bytes that were received before an error, and not handed out because of it.

    aiohttp has no public way to them, and they matter: a server that breaks off after every 100 KiB would otherwise
    never get a client any further.
    """
    pieces: Iterable[bytes] = getattr(content, "_buffer", ())
    offset: int = getattr(content, "_buffer_offset", 0)
    return b"".join(pieces)[offset:]
