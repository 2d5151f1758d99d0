"""From the tasks of a run to those who watch it.

Life-cycle events wait in a buffer of fixed size: a reader that is slow slows the run down, so memory does not grow with
the number of files. Before anybody reads, the oldest are dropped; after the reader has left, all are. Progress is
coalesced: only the latest of each file and of the run is kept, and it never waits for anybody.

A reader that breaks off its loop and still holds the generator cannot be seen: to Python it looks like one that is
slow. But a task that waits for the end of the run is not reading, and neither is one that is over; for those the run
does not stop. The oldest events are dropped meanwhile, and should the reader come back after all, it learns how many.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio

from landsat_async.events import Event, Notice, Progress, Searching, Transferred

BUFFER_EVENTS = 1000
_COALESCED = (Transferred, Progress, Searching)
TOGETHER_S = 0.01
"""A reader is woken no more often: with three events for each small file it would be most of what the loop does."""
ABSENT_S = 60.0
"""A reader that takes nothing for so long while another task waits for the end of the run does not read any more."""


class EventBus:
    """One reader through `events()`, any number of synchronous listeners."""

    def __init__(self, buffer_events: int = BUFFER_EVENTS) -> None:
        self._buffer: deque[Event] = deque()
        self._limit = buffer_events
        self._latest: dict[str | None, Event] = {}
        self._news, self._room = asyncio.Event(), asyncio.Event()
        """Set by each event and each place that becomes free; cleared before waiting for the next one."""
        self._sleeping = False
        """The reader has taken all that there was, and waits for news."""
        self._woken_s = -math.inf
        """Loop time of the last wake."""
        self._is_full = False
        """An event waits for room. Both spare small files what nobody waits for."""
        self._reading = False
        self._reader: asyncio.Task[object] | None = None
        """The task that has read last."""
        self._waiting: list[asyncio.Task[object] | None] = []
        """Tasks that wait for the end of the run."""
        self._dropped = 0
        """Events that a reader who came late, or went away for a while, does not get."""
        self._ended = False
        self._muted = False
        self.not_read: tuple[type[Event], ...] = ()
        """Kinds of events that the reader has no use for: only listeners get them."""
        self._listeners: list[tuple[type, Callable[[Any], None]]] = []

    def listen(self, listener: Callable[[Any], None], kind: type = object) -> None:
        """Call `listener` for every event of a kind, at once; it must return quickly and may not raise."""
        self._listeners.append((kind, listener))

    def mute(self) -> None:
        """Nobody will read `events()`: keep nothing."""
        self._muted = True
        self._buffer.clear()
        self._latest.clear()
        self._room.set()

    def tell(self, event: Event) -> None:
        """Emit without waiting: progress, and anything emitted while cleaning up."""
        for kind, listener in self._listeners:
            if isinstance(event, kind):
                listener(event)
        if self._muted or isinstance(event, self.not_read):
            return
        if isinstance(event, _COALESCED):
            self._latest[event.file if isinstance(event, Transferred) else ""] = event
        else:
            while not self._reading and len(self._buffer) >= self._limit:
                self._buffer.popleft()
                self._dropped += 1
            self._buffer.append(event)
            if self._latest:  # how far its file was is out of date, and would be read after this
                self._latest.pop(getattr(event, "file", None), None)
        if self._sleeping:
            self._sleeping = False
            asyncio.get_running_loop().call_at(self._woken_s + TOGETHER_S, self._wake)  # at once, after a pause

    def _wake(self) -> None:
        self._woken_s = asyncio.get_running_loop().time()
        self._news.set()

    async def emit(self, event: Event) -> None:
        """Emit a life-cycle event; waits while a reader has not taken the earlier ones."""
        self.tell(event)
        if len(self._buffer) > self._limit:
            await self.room()

    async def room(self) -> None:
        """Wait while a reader has not taken what was told."""
        while len(self._buffer) > self._limit and self._must_wait():
            self._room.clear()
            self._is_full = True
            with anyio.move_on_after(ABSENT_S) as absent:
                await self._room.wait()
            if absent.cancelled_caught and self._waiting:
                self._reading = False

    def _must_wait(self) -> bool:
        """There is somebody who will make room."""
        if self._reading and (self._reader in self._waiting or (self._reader is not None and self._reader.done())):
            self._reading = False
        return self._reading and not self._muted

    @contextmanager
    def somebody_waits(self) -> Iterator[None]:
        """The task that runs the block waits for the end of the run inside, so it reads nothing."""
        task = asyncio.current_task()
        self._waiting.append(task)
        self._room.set()
        try:
            yield
        finally:
            self._waiting.remove(task)

    def end(self) -> None:
        """No event follows; progress that nobody took yet is out of date."""
        self._latest.clear()
        self._ended = True
        self._news.set()

    async def events(self) -> AsyncIterator[Event]:
        """Yield events until the run has ended. One reader; leaving early is fine."""
        self._dropped = 0  # who comes late has missed the beginning, and knows that
        try:
            while True:
                self._reading, task = True, asyncio.current_task()
                if task is not None and task is not self._reader:
                    task.add_done_callback(lambda _: self._room.set())
                    self._reader = task
                if self._dropped and (self._buffer or self._latest):
                    missed, self._dropped = self._dropped, 0
                    yield Notice(f"{missed:,} events were not read in time and were left out", "warning")
                elif self._buffer:
                    event = self._buffer.popleft()
                    if self._is_full and len(self._buffer) <= self._limit // 2:
                        self._is_full = False
                        self._room.set()
                    yield event
                elif self._latest:
                    yield self._latest.pop(next(iter(self._latest)))
                elif self._ended:
                    return
                else:
                    self._news.clear()
                    self._sleeping = True
                    await self._news.wait()
        finally:
            self._reading = False
            self.mute()
