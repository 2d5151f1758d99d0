"""From the tasks of a run to those who watch it.

Life-cycle events wait in a buffer of fixed size: a reader that is slow slows the run down, so memory does not grow with
the number of files. Before anybody reads, the oldest are dropped; after the reader has left, all are. Progress is
coalesced: only the latest of each file and of the run is kept, and it never waits for anybody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable

from landsat_async.events import Event, Progress, Transferred
from landsat_async.run.pulse import Pulse

BUFFER_EVENTS = 1000


class EventBus:
    """One reader through `events()`, any number of synchronous listeners."""

    def __init__(self, buffer_events: int = BUFFER_EVENTS) -> None:
        self._buffer: deque[Event] = deque()
        self._limit = buffer_events
        self._latest: dict[str, Event] = {}
        self._news, self._room = Pulse(), Pulse()
        self._reading = False
        self._ended = False
        self._muted = False
        self._listeners: list[Callable[[Event], None]] = []

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` for every event, at once; it must return quickly and may not raise."""
        self._listeners.append(listener)

    def mute(self) -> None:
        """Nobody will read `events()`: keep nothing."""
        self._muted = True
        self._buffer.clear()
        self._latest.clear()
        self._room.beat()

    def tell(self, event: Event) -> None:
        """Emit without waiting: progress, and anything told while cleaning up."""
        for listener in self._listeners:
            listener(event)
        if self._muted:
            return
        if isinstance(event, Transferred):
            self._latest[event.file] = event
        elif isinstance(event, Progress):
            self._latest[""] = event
        else:
            if not self._reading and len(self._buffer) >= self._limit:
                self._buffer.popleft()
            self._buffer.append(event)
        self._news.beat()

    async def emit(self, event: Event) -> None:
        """Emit a life-cycle event; waits while a reader has not taken the earlier ones."""
        self.tell(event)
        while self._reading and not self._muted and len(self._buffer) > self._limit:
            await self._room.wait()

    def end(self) -> None:
        """No event follows; progress that nobody took yet is out of date."""
        self._latest.clear()
        self._ended = True
        self._news.beat()

    async def events(self) -> AsyncIterator[Event]:
        """Yield events until the run has ended. One reader; leaving early is fine."""
        self._reading = True
        try:
            while True:
                while self._buffer or self._latest:
                    yield self._take()
                if self._ended:
                    return
                await self._news.wait()
        finally:
            self._reading = False
            self.mute()

    def _take(self) -> Event:
        if self._buffer:
            event = self._buffer.popleft()
            if len(self._buffer) <= self._limit // 2:
                self._room.beat()
            return event
        return self._latest.pop(next(iter(self._latest)))
