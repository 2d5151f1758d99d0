"""How many files may use connections at a time, and how many are worked on beside them.

A window needs its connection until its last byte is here; to cut it takes a processor, and no line. So its slot is
given back there, and the next file asks for its bytes meanwhile. Files that are worked on beside the others hold a
part and a descriptor each, so there are few of them: when `beside` have none, the next one keeps its slot to its end.
One that turns out to be damaged takes a slot again before it asks for anything.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from anyio import Event


class ConnectionSlot(Protocol):
    """What a transfer has to do with the slot of its file."""

    @property
    def has_left(self) -> bool:
        """It was given back, so that `rejoin` may have to wait."""

    def leave(self) -> None:
        """Give the slot back, as what follows needs no connection."""

    async def rejoin(self) -> None:
        """Wait until there is a slot again, where it was given back."""


class Kept:
    """The slot of a file that keeps it to its end."""

    has_left = False

    def leave(self) -> None:
        """Do nothing: nobody waits for it."""

    async def rejoin(self) -> None:
        """Do nothing: it was never given back."""


KEPT = Kept()


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


class Slot:
    """The slot of one file, from `Slots.take` until `close`."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self.has_left = False

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
