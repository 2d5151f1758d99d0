"""Records proven files, several in one commit, while their workers go on with the next ones.

A commit for each small file takes longer than all else that is done for the file in the ledger. So what has its final
name waits here for others: until the next claim, which is a commit too, or until nothing else is on its way, for a
moment at most, and never are there more than `AT_MOST`. A kill meanwhile leaves files that have their names and no row,
which the next run proves and adopts, as after a kill between name and commit. It knows them by their parts, which are
the same files: what has lost its part's name (no hard links, overwriting, a store) is not brought here. All that
follows from a record, the event first of all, comes after the commit; a stop, or an error, ends a run only when what
waits here has been recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from operator import attrgetter

import anyio
import msgspec

from landsat_async.disk.checkpoint import EMPTY_SHA256
from landsat_async.disk.ledger import FinishedFile, Item
from landsat_async.disk.part import part_name
from landsat_async.errors import LandsatError
from landsat_async.events import Skipped, Verified
from landsat_async.model import Proof
from landsat_async.rules.lifecycle import State
from landsat_async.run.context import RunContext
from landsat_async.transfer.session import TransferSession
from landsat_async.transfer.types import Done, NoData

TOGETHER_S = 0.05
"""So long the first of a commit waits for others; short beside all that a user sees."""
TOGETHER = 16
"""So many are not waited for any longer: more of them would hardly be cheaper."""
AT_MOST = 64
"""Who brings more waits: for the ledger, or for a slow reader of events."""
DISCARD_TOGETHER = 32
_CAME_BYTES = attrgetter("came_bytes")


class Proven(msgspec.Struct, frozen=True):
    """A file that has its final name, and whose folder has been synced."""

    item: Item
    done: Done
    came_bytes: int
    """For the file, or for the bundle that it came with."""
    proxied: bool
    """Its end is to be reported to the service."""


class Recorder:
    """Between the workers of a run and its ledger; `run` is a task beside them."""

    def __init__(self, context: RunContext, session: TransferSession) -> None:
        self._context = context
        self._states = context.states
        self._session = session
        self._used_parts: list[str] = []
        self._waiting: list[Proven] = []
        self._due, self._room, self._alone = asyncio.Event(), asyncio.Event(), asyncio.Event()
        """To be recorded now; there is room for more; no worker is left."""
        self._timer: asyncio.TimerHandle | None = None
        self._workers: list[anyio.CancelScope] = []

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """While a worker is in this block it may bring files, and `run` goes on; it is ended when `run` has failed."""
        with anyio.CancelScope() as scope:
            self._workers.append(scope)
            self._alone.clear()
            try:
                yield
            finally:
                self._workers.remove(scope)
                if not self._workers:
                    self._alone.set()
                    self._due.set()

    def flush(self) -> None:
        """Have what waits recorded now, as there is a commit for something else."""
        if self._waiting:
            self._due.set()

    async def put(self, file: Proven) -> None:
        """Have a file recorded soon; waits only while there are very many.

        It is recorded at once where a hook waits for it, or a kill would make it a stranger's.
        """
        if self._context.hooks is not None or not file.done.linked:
            await self.put_at_once(file)
            return
        self._waiting.append(file)
        states = self._states
        states.unrecorded += 1
        states.unrecorded_bytes += file.came_bytes
        if len(self._waiting) >= TOGETHER or states.by_state[State.ACTIVE] <= states.unrecorded:
            self._due.set()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TOGETHER_S, self._due.set)
        while len(self._waiting) >= AT_MOST:
            self._room.clear()
            await self._room.wait()

    async def run(self) -> None:
        """Record until no worker is left, and what waits then too, also when it is cancelled or fails meanwhile."""
        try:
            while self._workers or self._waiting:
                await self._due.wait()
                await self._write()
                await self._after_record()
        except BaseException:
            with anyio.CancelScope(shield=True):
                for scope in self._workers:
                    scope.cancel()
                if self._workers:  # they end soon, but what has its name by then is still brought
                    await self._alone.wait()
                with suppress(LandsatError, OSError):  # the first error is told
                    await self._write()
            raise
        finally:
            if self._timer is not None:
                self._timer.cancel()

    async def _write(self) -> None:
        proven, self._waiting = self._waiting, []
        self._due.clear()
        self._room.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not proven:
            return
        try:
            await self._record(proven)
        finally:
            self._states.unrecorded -= len(proven)
            self._states.unrecorded_bytes -= sum(map(_CAME_BYTES, proven))

    async def put_at_once(self, file: Proven) -> None:
        """Record a file that cannot wait for others."""
        if await self._record([file]):
            if self._context.hooks is not None:
                await self._context.hooks.file_done(file.item)
            await self._after_record()

    async def _record(self, proven: Sequence[Proven]) -> set[int]:
        """Record proven files in one commit, and return which are recorded.

        These are counted and told, even if the run ends here.
        """
        context, files = self._context, []
        for one in proven:
            item, done = one.item, one.done
            proof, identity = done.proof._value_, done.identity._value_  # `value` goes through two functions of enum
            facts = done.size_bytes, done.sha256, proof, done.mtime_ns, identity
            files.append((FinishedFile(item.item_id, item.relpath, *facts, window=done.window), one.proxied))
        recorded = await context.states.finish(files)
        for one, (file, _) in zip(proven, files, strict=True):
            if file.item_id in recorded:
                context.counts.arrived(one.item.bytes_nominal or 0, one.came_bytes)
                self._used_parts.append(part_name(file.item_id, one.item.generation))
                context.bus.tell(Verified(file.relpath, file.size_bytes, file.sha256, file.proof, file.identity))
        return recorded

    async def _after_record(self) -> None:
        """Do what may have to wait, for a reader of events or for the disk."""
        await self._context.bus.room()
        if len(self._used_parts) >= DISCARD_TOGETHER:  # last: what ends the run here takes nothing from what was shown
            await self.discard_parts()

    async def no_data(self, item: Item, outcome: NoData, *, proxied: bool) -> None:
        """Record that a window holds nothing but fill: there is no file, and nothing that another try would change."""
        context = self._context
        file = FinishedFile(
            item.item_id, item.relpath, 0, EMPTY_SHA256, Proof.WINDOW.value, 0,
            window=outcome.window, no_data=outcome.reason,
        )  # fmt: skip
        if not await context.states.finish([(file, proxied)]):
            return
        context.counts.nominal_left -= item.bytes_nominal or 0
        self.drop_part(item)
        await context.bus.emit(Skipped(item.relpath, outcome.reason))

    def drop_part(self, item: Item) -> None:
        """Have the part of a file removed with those of others."""
        self._used_parts.append(part_name(item.item_id, item.generation))

    async def discard_parts(self) -> None:
        """Remove the second names of finished files; together, because each call of a thread has its price."""
        names, self._used_parts = self._used_parts, []
        await self._session.pool.start(self._context.target.discard, names)
