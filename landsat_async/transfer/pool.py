"""Where transfers run, and how many of them may use connections at a time.

A pool is an interface: for the transfers of this process, and for what runs them elsewhere. Whoever hands a file to it
has taken a slot for the file before, so that never more than the user allows use connections.

A window needs its connection until its last byte is here; to cut it takes a processor, and no line. So its slot is
given back there, and the next file asks for its bytes meanwhile. Files that are worked on beside the others hold a
part and a descriptor each, so there are few of them: when `beside` have none, the next one keeps its slot to its end.
One that turns out to be damaged takes a slot again before it asks for anything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec
from anyio import Event

from landsat_async.transfer.session import TransferSession
from landsat_async.transfer.transfer import Transfer
from landsat_async.transfer.types import Outcome, TransferHooks, TransferJob

if TYPE_CHECKING:  # who uses transfers alone has no config
    from contextlib import AbstractAsyncContextManager

    from landsat_async.config import Config
    from landsat_async.disk.folder import OutputFolder
    from landsat_async.events import Notice, Retrying


class TransferPool(Protocol):
    """Runs transfers. What concerns one file is an `Outcome`; what concerns the whole run is raised by `fetch`."""

    @property
    def slots(self) -> int:
        """How many transfers it can run at a time."""

    def fetch(self, job: TransferJob, hooks: TransferHooks) -> Awaitable[Outcome]:
        """Transfer one file; see `transfer.transfer`. For tasks that only a task group cancels, see `cancel_soon`."""

    def cancel_soon(self) -> None:
        """Let all transfers end, also those that are only beginning; called as soon as their tasks are cancelled."""

    async def aclose(self) -> None:
        """Give back what the pool itself has made."""


@runtime_checkable
class ClusterPool(TransferPool, Protocol):
    """A pool of other processes, which have to be there and fit before anything is asked of the service."""

    def serving(
        self, config: Config, folder: OutputFolder, file_mode: int, tell: Callable[[Notice | Retrying], None]
    ) -> AbstractAsyncContextManager[None]:
        """Work for one run, until the block is left; `tell` hears of waits, and of what its user should be warned of.

        Raises:
            ConfigError: its processes cannot do what the config asks for.
            SchedulerGone: nobody is there.
        """

    def host_changed(self, host: str, wait_s: float) -> None:
        """Have what is under way ask a host nothing for so long, 0 = it may again; what begins asks its hooks."""


class LocalPool:
    """Transfers in this process, over one session."""

    def __init__(self, session: TransferSession, slots: int) -> None:
        self.slots = slots
        self._session = session

    def fetch(self, job: TransferJob, hooks: TransferHooks) -> Awaitable[Outcome]:
        """Transfer one file."""
        return Transfer(job, self._session, hooks).run()

    def cancel_soon(self) -> None:
        """Let all transfers end: threads have the grace period, and no more."""
        self._session.cancel_soon()

    async def aclose(self) -> None:
        """Do nothing: the session belongs to those who opened it."""


# -- slots -------------------------------------------------------------------------------------------------------------


class Slots:
    """Those of one run. For the tasks of one event loop.

    Who wants a file `asks` first, so that no more files are taken than there are slots, and then takes a `Slot`.
    Those who have a file come before those who want one: to have an unfinished file wait for one that may never come
    would be a deadlock.
    """

    def __init__(self, allowed: int, beside: int = 0) -> None:
        self.allowed = allowed
        """Files that may use connections; change it with `allow`."""
        self.beside = beside
        """Files that may be worked on without one."""
        self.busy = 0
        """Files that have a slot."""
        self.most_busy = 0
        """The most since this was set back."""
        self._asking = 0
        self._left = 0
        self.with_file: deque[Event] = deque()
        """Who has a file and waits for a slot."""
        self._without: deque[Event] = deque()

    def allow(self, allowed: int) -> None:
        """Change how many files may use connections; what has one keeps it."""
        self.allowed = allowed
        self._wake()
        while self._without:
            self._without.popleft().set()

    async def ask(self) -> None:
        """Wait until one more file may be taken; `asked` must follow."""
        while self._asking + self.busy >= self.allowed:
            await self._wait(self._without)
        self._asking += 1

    def asked(self) -> None:
        """The file that was asked for is here, or there is none."""
        self._asking -= 1
        self._wake()

    async def take(self) -> Slot:
        """Wait for a slot."""
        await self.enter()
        return Slot(self)

    async def enter(self) -> None:
        """Wait until there is a slot, and count it as taken; for `Slot`."""
        if self.busy < self.allowed:  # then nobody waits
            self._count()
        else:
            await self._wait(self.with_file)  # who hands it on counts it

    def leave(self) -> bool:
        """Count a slot as free, unless there are enough files without one; tell whether it is."""
        if self._left >= self.beside:
            return False
        self._left += 1
        self.free()
        return True

    def free(self) -> None:
        """Count a slot as free."""
        self.busy -= 1
        self._wake()

    def back(self) -> None:
        """Count a file no more as one without a slot."""
        self._left -= 1

    async def _wait(self, among: deque[Event]) -> None:
        event = Event()
        among.append(event)
        try:
            await event.wait()
        except BaseException:
            if not event.is_set():
                among.remove(event)
            elif among is self.with_file:
                self.free()
            else:
                self._wake()  # that was for somebody who goes on
            raise

    def _count(self) -> None:
        self.busy += 1
        self.most_busy = max(self.busy, self.most_busy)

    def _wake(self) -> None:
        """Wake those who can go on; who has a file gets a free slot, counted as taken.

        A slot that is only offered would be gone each time: who has given it back asks for the next file, and takes
        it again, before the loop comes round to those who wait.
        """
        while self.with_file and self.busy < self.allowed:
            self._count()
            self.with_file.popleft().set()
        if self._asking + self.busy < self.allowed and self._without:
            self._without.popleft().set()


class Slot(msgspec.Struct, eq=False):
    """The slot of one file, from `Slots.take` until `close`."""

    _slots: Slots
    has_left: bool = False

    def leave(self) -> None:
        """Give the slot back, as what follows needs no connection; kept where too many files have none."""
        if not self.has_left:
            self.has_left = self._slots.leave()

    async def rejoin(self) -> None:
        """Wait until there is a slot again, where it was given back."""
        if self.has_left:
            await self._slots.enter()
            self.has_left = False
            self._slots.back()

    @property
    def may_take_ahead(self) -> bool:
        """Whether the next file may be taken before this one is recorded: no file is kept waiting by that."""
        slots = self._slots
        return slots.busy <= slots.allowed and (self.has_left or not slots.with_file)

    @property
    def may_stay(self) -> bool:
        """Whether it may be that of the next file too: nobody who has one waits, and there are not too many."""
        slots = self._slots
        return not self.has_left and slots.busy <= slots.allowed and not slots.with_file

    def close(self) -> None:
        """The file is done with."""
        if self.has_left:
            self._slots.back()
        else:
            self._slots.free()
