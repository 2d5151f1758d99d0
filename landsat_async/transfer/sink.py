"""Where the body of one answer is kept: in the part, after it has been looked at and compared.

`body.receive` reads, `Sink` keeps. Two buffers go round: while a thread writes and hashes one, the other is filled;
when both are full, nobody reads, and the server is slowed down by TCP itself. What comes quickly is received by a
thread (`burst`), with nothing in between. A checkpoint (fsync, then the ledger) runs beside that, one at a time. A body
that fits into one buffer needs nothing of this: one call of a thread writes it, proves the file and gives it its name.

Nothing is written before the first bytes have been looked at, and nothing is appended before the bytes that are
there already have been compared with what the server sends now.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from anyio import Event, Semaphore
from anyio.abc import TaskGroup
from msgspec.structs import replace

from landsat_async.disk.checkpoint import EMPTY_SHA256, Checkpoint
from landsat_async.proof.kinds import HEAD_BYTES
from landsat_async.transfer.burst import PIECE_BYTES, Burst, Source, receive_burst
from landsat_async.transfer.commit import CommitResult, land
from landsat_async.transfer.fast_path import fill
from landsat_async.transfer.file_errors import AttemptFailed, failed
from landsat_async.transfer.resume import AcceptBody
from landsat_async.transfer.retry import FaultKind

if TYPE_CHECKING:
    from landsat_async.transfer.transfer import Transfer

SMALL_BYTES = 256 * 1024
"""Bodies up to this long get a buffer of this size."""
CUT_BYTES = 1024 * 1024
"""Buffers of what windows are cut from when it is here: they are still held then, beside the pixels of the window."""


class Sink:
    """Takes body bytes in any portions; compares, writes, hashes and checkpoints them in large blocks."""

    def __init__(self, transfer: Transfer, accept: AcceptBody, check_head: Callable[[bytes], None]) -> None:
        """Begin with an empty buffer.

        Args:
            transfer: Whose body it is.
            accept: What it is.
            check_head: Raises AttemptFailed for a body that cannot be the file, judged by its first bytes.
        """
        self.tasks: TaskGroup | None = None
        """Where blocks are kept while the next one comes; a body that `fits` into one buffer can do without."""
        self._transfer, self._accept, self._check_head = transfer, accept, check_head
        self._part, self._store = transfer.part, transfer.hooks.store
        session = self._session = transfer.session
        policy = self._policy = transfer.job.policy
        self._looked = accept.start > 0  # a range is compared instead
        self.block_bytes = min(policy.block_bytes, session.block_bytes)
        self._is_cut = transfer.job.window is not None or bool(transfer.job.members)
        if self._is_cut:
            self.block_bytes = min(CUT_BYTES, self.block_bytes)
        size_bytes = None if accept.end is None else accept.end - accept.start
        is_small = size_bytes is not None and size_bytes <= min(SMALL_BYTES, self.block_bytes)
        if is_small or accept.facts.source_bytes is not None:  # ranges of windows: some hundred KiB each
            self.block_bytes = min(SMALL_BYTES, self.block_bytes)
        self.piece_bytes = min(PIECE_BYTES, self.block_bytes)
        self.fits = size_bytes is not None and size_bytes <= self.block_bytes
        """The whole body has room in one buffer."""
        self._buffer = session.take_buffer(self.block_bytes)
        self._filled = 0
        self._left = b""  # what had come, and found no room, when everything was stopped
        self._cursor = accept.start  # offset in the file of the buffer's first byte
        self._floor = self._part.length  # bytes here that this answer did not write
        self._broken = False  # a block is lost, or not the file's: nothing behind it may be written
        self._slot = None if self.fits else Semaphore(1)  # held while a block is being kept
        self._passed_on_s = self._saved_s = session.clock()
        self._saving: Event | None = None
        self.adopted = False
        """The comparison is over; the part now has this answer's validators."""
        self.diverged = False
        """The comparison found a difference, and this body replaced what was here."""

    @property
    def takes_bursts(self) -> bool:
        """Threads may receive for it: a long body, and nothing is cut from it meanwhile."""
        return self.tasks is not None and not self._is_cut

    @property
    def position(self) -> int:
        """Offset in the file of the next byte to come."""
        return self._cursor + self._filled

    async def put(self, piece: bytes | memoryview) -> None:
        """Take some bytes; waits while both buffers are full."""
        await fill(self, piece)

    def room(self) -> memoryview:
        """Return the free end of the buffer, to be filled and counted with `took`; never empty after `make_room`."""
        return self._buffer[self._filled :]

    def took(self, size: int) -> None:
        """Count bytes that were put into the room."""
        self._filled += size

    def pass_on_now(self) -> bool:
        """Pass the full buffer on if nobody has to wait for that; else False, and `make_room` will do it."""
        if not self._looked or self.tasks is None or self._slot is None or not self._slot.value:
            return False
        self._slot.acquire_nowait()
        self.tasks.start_soon(self._keep_and_return, *self._change_buffers())
        return True

    async def make_room(self) -> None:
        """Look at the head as soon as it is there; pass a full or an old buffer on, which waits for the disk."""
        if not self._looked and self._filled >= HEAD_BYTES:
            self._look_at_head()
        if self._looked and self._filled and (self._filled == self.block_bytes or self._is_old()):
            await self._pass_on()

    async def take_burst(self, source: Source, most_bytes: int, count: Callable[[int], object]) -> Burst | None:
        """Have a thread receive up to so much, behind what is in the buffer; None = the loop has to receive it.

        `count` is told how much has come, also when the disk fails then, or everything ends.
        """
        if not self._looked or self._slot is None:
            return None
        await self._slot.acquire()
        if self._part.length > self._cursor:
            await self._keep(self._buffer[: self._filled], self._cursor)
            self._cursor, self._filled = self.position, 0
        burst = None
        if self._part.length == self._cursor and await self._session.bursts.turn():  # else there is more to compare
            burst = await self._receive_in_thread(source, min(most_bytes, self._until_checkpoint_bytes()), count)
        if burst is not None:
            await self._checkpoint_if_due()
        self._slot.release()
        return burst

    async def _receive_in_thread(self, source: Source, most_bytes: int, count: Callable[[int], object]) -> Burst | None:
        if not self.adopted:
            self._adopt()
        held, room = self._buffer[: self._filled], self._session.take_buffer(self.piece_bytes)
        work = partial(receive_burst, source, self._part.put, held, room, most_bytes)
        before = self.position
        self._broken = True
        try:
            burst = await self._session.bursts.run(self._transfer.threads, work)
        finally:
            if not self._transfer.threads.lost:
                count(max(0, self._part.length - before))
        if burst is not None:
            self._cursor, self._filled, self._passed_on_s = self._part.length, 0, self._session.clock()
        self._broken = False
        self._session.give_buffer(room)
        return burst

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
        """Note that the bytes from `at` on come with another answer, which has carried the file's name, or not."""
        facts = self._accept.facts
        if (facts.joined, facts.named) != (at, facts.named and named):
            facts = replace(facts, joined=at, named=facts.named and named)
            self._accept = replace(self._accept, facts=facts)
            if self.adopted:
                self._part.facts = replace(self._part.facts, joined=facts.joined, named=facts.named)

    async def keep(self, buffer: memoryview, at: int, filled: int) -> None:
        """Do that, and pass it on, which waits for the disk."""
        self.hold(buffer, at, filled)
        await self._pass_on()

    async def finish(self) -> CommitResult | None:
        """The body is complete: keep the rest, and wait until all is written.

        Returns what came of proof and name, which a complete file gets in the same call of a thread; None when this is
        not the end of the file, or there is more to do first.
        """
        if not self._looked:
            self._look_at_head()
        if self._slot is not None:
            await self._slot.acquire()  # never given back: nothing follows
        block, at, end = self._buffer[: self._filled], self._cursor, self.position
        is_far, is_cut = self._session.target.is_far, self._transfer.job.window is not None
        # A checkpoint goes before it is brought; it is cut without a connection, and without these buffers.
        is_apart = end > SMALL_BYTES if is_far else is_cut
        if end == self._accept.facts.total and self._part.length == at and not is_apart:
            committed = await self._keep_and_commit(block)
            self._cursor, self._filled = end, 0
            return committed
        await self._keep(block, at)
        self._cursor, self._filled = end, 0
        if self._accept.overwrite and self._cursor < self._part.length:
            await self._diverge(self._cursor)
            self._adopt()
        return None

    async def rescue(self) -> None:
        """After a fault or a cancellation, when no task runs any more: keep all that has come."""
        if self._filled and not self._looked and not self._broken:
            with suppress(AttemptFailed):  # what there is of the head shows that this is not the file
                self._look_at_head()
        if self._filled and self._looked and not self._broken:
            await self._keep(self._buffer[: self._filled], self._cursor)
            self._cursor, self._filled = self.position, 0
        left = self._left if self._accept.end is None else self._left[: max(0, self._accept.end - self._cursor)]
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
        if not self._transfer.threads.lost:
            self._session.give_buffer(self._buffer)

    def _is_old(self) -> bool:
        """The server is slow: what has come shall not wait for a full buffer."""
        return self._session.clock() - self._passed_on_s >= self._policy.checkpoint_s

    def _look_at_head(self) -> None:
        broken, self._broken = self._broken, True
        self._check_head(bytes(self._buffer[: min(self._filled, HEAD_BYTES)]))
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
        self._passed_on_s = self._session.clock()
        self._buffer = self._session.take_buffer(self.block_bytes)
        return full, filled, at

    async def _keep_and_return(self, buffer: memoryview, filled: int, at: int) -> None:
        await self._keep(buffer[:filled], at)
        if not self._transfer.threads.lost:
            self._session.give_buffer(buffer)
        await self._checkpoint_if_due()
        if self._slot is not None:
            self._slot.release()

    async def _keep_and_commit(self, block: memoryview) -> CommitResult:
        """Write the end of the file, and give the file its name: in one call of a thread, most files are small."""
        if not self.adopted:
            self._adopt()
        if self._saving is not None:
            await self._saving.wait()  # it uses the descriptor, which is closed at the end of this
        transfer = self._transfer
        self._broken = True
        committed = await land(transfer, block)
        self._broken = transfer.threads.lost
        return committed

    async def _keep(self, block: memoryview, at: int) -> None:
        """Compare the block with what is here, and write what is new of it."""
        self._broken = True
        new = block[await self._compare(block, at) :]
        if new:
            await self._part.write(new)
        self._broken = self._transfer.threads.lost

    async def _compare(self, block: memoryview, at: int) -> int:
        """Return how many bytes of the block are here already. Raises AttemptFailed when they are others."""
        known = max(0, min(len(block), self._part.length - at))
        if known:
            same = await self._part.same_until(block[:known], at)
            if same < known and not self._accept.overwrite:
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
        old, new = self._part.facts, self._accept.facts
        # As a rule nothing is durable yet, and then there is nothing to carry over.
        self._part.facts = replace(new, durable=old.durable, sha256=old.sha256) if old.durable else new
        self.adopted = True

    def _until_checkpoint_bytes(self) -> int:
        """So much may come before `_checkpoint_if_due` has to be asked again, a piece at least."""
        due = self._policy.checkpoint_bytes * (1 if self._saving is None else 2)
        return max(self.piece_bytes, due - (self._part.length - self._part.facts.durable))

    async def _checkpoint_if_due(self) -> None:
        ahead = self._part.length - self._part.facts.durable
        late = self._session.clock() - self._saved_s >= self._policy.checkpoint_s
        if not ahead or not (late or ahead >= self._policy.checkpoint_bytes):
            return
        if self._part.length == self._accept.facts.total:
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
            await self._transfer.checkpoint(mark)
            self._saved_s = self._session.clock()
        finally:
            self._saving = None
            ended.set()
