"""The counts of a run: its files by state, which move with the ledger, and the bytes and times that follow from them.

The end of a run is a count ("no file is open"), so a count that disagrees with the ledger would end a run too early or
never. Therefore nobody counts states but `FileStates`, the one way in which the tasks of a run move a file from state
to state, and only after the ledger has said what it did. It also wakes those who wait for what has just happened.
`RunCounts` is what the progress line and the summary are made from.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import TypeAlias

import anyio
import msgspec

from landsat_async.disk.ledger import FinishedFile, Item, Ledger, Move
from landsat_async.disk.ledger_files import Claimed
from landsat_async.errors import LandsatError
from landsat_async.events import Progress
from landsat_async.model import Unavailable
from landsat_async.rules.lifecycle import IN_FLIGHT, OPEN, TARGET, State, Step
from landsat_async.run_summary import RunFiles, RunSummary
from landsat_async.transfer.session import TransferSession

Claiming: TypeAlias = asyncio.Future[dict[int, Claimed]]
_WAKING = frozenset({Step.UNASK, Step.RELINK})
"""Steps after which a file wants to be requested."""
RATE_WINDOW_S = 10.0
TRUST_SHARE = 0.1
"""Listed sizes count as right for this share of the run, whatever the first files were: a few small ones say little of
the rest, and the total would jump with each."""
KEPT_FAILURES = 100


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


class Limits(msgspec.Struct, frozen=True):
    """What the config says of a run's times and rates, for those who watch it."""

    staging_s: float = 86400.0
    rate_bytes_s: int = 0
    hook_s: float = 3600.0


class RunCounts:
    """What the progress line and the summary are made from."""

    def __init__(self, started_s: float, states: FileStates, *, limits: Limits | None = None) -> None:
        self.started_s = started_s
        """Monotonic time, on the clock that `summary` is called with."""
        self.states = states
        self.scenes = 0
        self.verified = 0
        self.skipped = 0
        self.run_files: RunFiles | None = None
        """Where the files of the run can be looked up."""
        self.unlisted = 0
        """Selected things that never became a file: a missing band, an unknown scene."""
        self.failures: list[Unavailable] = []
        self.measuring = 0
        """QA_PIXEL files of the run that are wanted for their figures alone: no files of the user."""
        self.held = 0
        """Files of scenes that are measured first; not in the run yet."""
        self.session: TransferSession | None = None
        """What counts the bytes that come; None before there is one."""
        self.bytes_done = 0
        """Real bytes of the files that this run has proven."""
        self.nominal_done = 0
        """What the service lists for the same files."""
        self.nominal_left = 0
        """What the service lists for the files that are still to come."""
        self.flowing_s = 0.0
        """Seconds in which bytes have come: what a rate is measured over."""
        self._limits = limits or Limits()
        self._preparing_since_s: float | None = None
        self.active: dict[int, int] = {}
        """File -> byte at which its transfer stands."""
        self._samples: deque[tuple[float, int]] = deque()
        self.workers = 0
        self.staged_at_s: float | None = None
        """Monotonic time at which the last file in preparation is likely to be ready."""

    def received(self) -> int:
        """Return the body bytes from file hosts so far."""
        return 0 if self.session is None else self.session.bytes_received

    def failed(self, failure: Unavailable, nominal_bytes: int = 0) -> None:
        """Keep the reason of a failure; the first ones are enough for a summary, the ledger has all."""
        self.nominal_left -= nominal_bytes
        if len(self.failures) < KEPT_FAILURES:
            self.failures.append(failure)

    def arrived(self, nominal_bytes: int, size_bytes: int) -> None:
        """A file is here: its real size is known now."""
        self.verified += 1
        self.bytes_done += size_bytes
        self.nominal_done += nominal_bytes
        self.nominal_left -= nominal_bytes

    def expected(self, done_bytes: int) -> int | None:
        """Bytes of the whole run: what is here, and the rest as listed, corrected by how far listed sizes were off.

        None while files are to come of whose size nothing is known: what has no size of its own (a later window out of
        a bundle, a row without a size) does not make what is here the whole.
        """
        if self.nominal_left <= 0 and self.states.open:
            return None
        return max(self.bytes_done + int(self.nominal_left * self.scale), done_bytes) or None

    @property
    def scale(self) -> float:
        """Real bytes for each listed one, by the files that are here; listed sizes are rounded, often up."""
        trusted = TRUST_SHARE * (self.nominal_done + self.nominal_left)
        known = self.nominal_done + trusted
        return (self.bytes_done + trusted) / known if known else 1.0

    def progress(self, now_s: float) -> Progress:
        """Return how far the run is; files that are ready at the service but put back are not being prepared."""
        received, states = self.received(), self.states
        if self._samples and received > self._samples[-1][1]:
            self.flowing_s += now_s - self._samples[-1][0]
            if self._samples[-1][1] == self._samples[0][1]:  # nothing had come before: the wait is not the line's speed
                self._samples = deque([self._samples[-1]])
        self._samples.append((now_s, received))
        while len(self._samples) > 1 and now_s - self._samples[0][0] > RATE_WINDOW_S:
            self._samples.popleft()
        first_s, first_bytes = self._samples[0]
        elapsed = now_s - first_s
        done = self.bytes_done + states.unrecorded_bytes + sum(self.active.values())
        preparing = max(0, states.by_state[State.PREPARING] - len(states.deferred))
        if not preparing:
            self._preparing_since_s = None
        elif self._preparing_since_s is None:
            self._preparing_since_s = now_s
        return Progress(
            files_done=self.states.by_state[State.DONE],
            files_total=self.files_total,
            bytes_done=done,
            bytes_total=self.expected(done),
            rate_bytes_s=max(0.0, (received - first_bytes) / elapsed) if elapsed > 0 else 0.0,
            files_preparing=preparing,
            workers=self.workers,
            staging_eta_s=None if self.staged_at_s is None else max(0.0, self.staged_at_s - now_s),
            files_failed=states.by_state[State.FAILED] + self.unlisted,
            files_running=states.by_state[State.ACTIVE] - states.unrecorded,
            files_ready=states.by_state[State.READY],
            staging_for_s=None if self._preparing_since_s is None else now_s - self._preparing_since_s,
            staging_limit_s=self._limits.staging_s,
            next_look_s=_until(states.wakeups.next_look_s, now_s),
            quota_s=_until(states.wakeups.quota_until_s, now_s),
            max_rate_bytes_s=self._limits.rate_bytes_s,
            hook=states.wakeups.hook,
            hook_for_s=now_s - states.wakeups.hook_since_s if states.wakeups.hook else 0.0,
            hook_limit_s=self._limits.hook_s,
        )

    @property
    def files_total(self) -> int:
        """Everything that was selected."""
        return sum(self.states.by_state.values()) + self.unlisted + self.held - self.measuring

    def summary(self, now_s: float, exit_code: int) -> RunSummary:
        """The counts as they are now; total = verified + skipped + failed + pending by construction."""
        return RunSummary(
            scenes=self.scenes,
            files_total=self.files_total,
            files_verified=self.verified,
            files_skipped=self.states.by_state[State.DONE] - self.verified,
            files_failed=self.states.by_state[State.FAILED] + self.unlisted,
            files_pending=self.states.open + self.held - self.measuring,
            bytes_received=self.received(),
            elapsed_s=now_s - self.started_s,
            exit_code=exit_code,
            failures=tuple(self.failures),
            run_files=self.run_files,
        )


def _until(at_s: float | None, now_s: float) -> float | None:
    return None if at_s is None else max(0.0, at_s - now_s)
