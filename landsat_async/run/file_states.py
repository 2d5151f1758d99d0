"""The one way in which the tasks of a run move a file from state to state: ledger, counts and waiters in one step.

The end of a run is a count ("no file is open"), so a count that disagrees with the ledger would end a run too early or
never. Therefore nobody counts but the object that moves, and only after the ledger has said what it did. It also wakes
those who wait for what has just happened.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import TypeAlias

import anyio

from landsat_async.disk.ledger import FinishedFile, Item, Ledger, Move
from landsat_async.disk.ledger_files import Claimed
from landsat_async.errors import LandsatError
from landsat_async.rules.lifecycle import IN_FLIGHT, OPEN, TARGET, State, Step

Claiming: TypeAlias = asyncio.Future[dict[int, Claimed]]
_WAKING = frozenset({Step.UNASK, Step.RELINK})
"""Steps after which a file wants to be requested."""


class Wakeups:
    """An event that happens again and again, and what it is about. Waiters see each one after they began to wait.

    One event for all of them: they are few, and each looks at the facts again anyway.
    """

    def __init__(self) -> None:
        self._event: anyio.Event | None = None  # there are many more notifications than waits
        self.waiting_for_capacity = False
        """The requester waits until less is in flight."""
        self.poll_now = False
        """The poller should look at once."""
        self.fatal: LandsatError | None = None
        """Why no more is requested; transfers that have their link go on to their end."""
        self.working = False
        """Files are being requested and fetched; before that the run is prepared."""
        self.next_look_s: float | None = None
        """Loop time of the poller's next look; None while it looks."""
        self.next_due_s: float | None = None
        """Loop time at which the next planned file may be requested; None = not known."""
        self.quota_until_s: float | None = None
        """Loop time at which the account may ask for files again; None = it may."""
        self.hook = ""
        """The hook that is being called; "" = none."""
        self.hook_since_s = 0.0
        """Loop time at which it was called."""

    def notify(self) -> None:
        """Wake every waiter."""
        event, self._event = self._event, None
        if event is not None:
            event.set()

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the next notification; False when `timeout_s` passed without one."""
        if self._event is None:
            self._event = anyio.Event()
        event = self._event
        if timeout_s is None:
            await event.wait()
            return True
        with anyio.move_on_after(timeout_s):
            await event.wait()
            return True
        return False

    def poll_soon(self) -> None:
        """Have the poller look at once."""
        self.poll_now = True
        self.notify()


class FileStates:
    """How many files of a run are in which state, and every change of that."""

    def __init__(self, ledger: Ledger, run_id: str) -> None:
        self.run_id = run_id
        self.wakeups = Wakeups()
        self.by_state: Counter[State] = Counter()
        self.open = 0
        """Files that this run can still deliver."""
        self.ended = True
        """Nothing is left that requester and poller could do."""
        self.in_flight = 0
        """Files that the service has been asked for and that are not finished."""
        self.unrecorded = 0
        """Files that are proven and have their names, and wait for a commit; they are `active` until then."""
        self.unrecorded_bytes = 0
        """Of these files."""
        self.deferred: dict[int, float] = {}
        """Files that are ready at the service and wait there: until the unix time, or as long as their host is left
        alone."""
        self.undelivered: set[int] = set()
        """Files whose links the requester has while the stream is full; at most one batch."""
        self.loop_time = asyncio.get_running_loop().time
        """Monotonic time of the event loop, in seconds."""
        self._started_s = self.loop_time()
        self._epoch_s = time.time() - self._started_s
        self._ledger = ledger

    def now(self) -> float:
        """Return the unix time for facts that outlive the process.

        It was read once and goes on with the loop's clock: a wall clock that jumps neither ends nor prolongs a wait.
        """
        return self._epoch_s + self.loop_time()

    def waited_s(self, item: Item) -> float:
        """Return how long this run has waited for a file to be prepared."""
        return min(self.now() - (item.requested_at or 0.0), self.loop_time() - self._started_s)

    def load(self, states: Mapping[State, int]) -> None:
        """Start from what the ledger counts."""
        self.by_state = Counter(states)
        self._add_up()

    def give_up(self, error: LandsatError) -> None:
        """End the run with `error` once the running transfers are through; the first error is the one that counts."""
        if self.wakeups.fatal is None:
            self.wakeups.fatal = error
        self.ended = True
        self.wakeups.notify()

    def _add_up(self) -> None:
        self.open = sum(self.by_state[state] for state in OPEN)
        self.ended = self.open == 0 or self.wakeups.fatal is not None
        self.in_flight = sum(self.by_state[state] for state in IN_FLIGHT)

    def replaced(self, item_id: int, before: State, states: Iterable[State]) -> None:
        """Count that a file has left the run, and that others have come in its place."""
        self.by_state[before] -= 1
        self.by_state.update(states)
        self._add_up()
        self.deferred.pop(item_id, None)
        self.wakeups.notify()

    async def apply(self, change: Awaitable[Sequence[Move]]) -> set[int]:
        """Wait for a change of states in the ledger and count it; returns the files that moved.

        A file does not move when it is no longer in a state that allows the change.
        """
        moved = set[int]()
        for move in await change:
            self._count(move)
            moved.update(move.item_ids)
        return moved

    def claim(self, items: Sequence[Item]) -> Claiming:
        """Begin to take ready files; each is waited for with `claimed`."""
        claiming = self._ledger.files.claim(items, self.now())
        claiming.add_done_callback(_seen)
        return claiming

    async def claimed(self, item_id: int, claiming: Claiming) -> Claimed | None:
        """Wait for a file and count that it has been taken: its row and its part. None when it was not ready any more.

        Others may wait for the same claim, so it is not cancelled with who waits.
        """
        if not claiming.done():
            await asyncio.wait([claiming])
        file = claiming.result().get(item_id)
        if file is not None:
            self._count(Move([item_id], State.READY, Step.CLAIM))
        return file

    def finish(self, files: Sequence[tuple[FinishedFile, bool]]) -> Awaitable[set[int]]:
        """Record proven files, each with whether it is reported to the service.

        Returns those that are recorded; the rows of others are in no state that allows it.
        """
        return self.apply(self._ledger.files.finish(files, self.now()))

    def _count(self, move: Move) -> None:
        """Keep the counts in step, and wake those who wait for what has just happened; most steps wake nobody."""
        before, step, number = move.before, move.step, len(move.item_ids)
        after = TARGET[step]
        self.by_state[before] -= number
        self.by_state[after] += number
        self.open += number * ((after in OPEN) - (before in OPEN))
        self.ended = self.open == 0 or self.wakeups.fatal is not None
        self.in_flight += number * ((after in IN_FLIGHT) - (before in IN_FLIGHT))
        if self.deferred and step is not Step.PREPARE:
            for item_id in move.item_ids:
                self.deferred.pop(item_id, None)
        if step in _WAKING or self.ended or self.wakeups.waiting_for_capacity:
            self.wakeups.notify()


def _seen(claiming: Claiming) -> None:
    """What fails when all who waited for it are gone concerns nobody any more, so it is not to be logged."""
    if not claiming.cancelled():
        claiming.exception()
