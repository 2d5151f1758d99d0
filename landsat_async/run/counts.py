"""Counts of a run, kept in step with the ledger: how many files are in which state, how many bytes have come."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping

from landsat_async.events import Progress
from landsat_async.model import RunSummary, Unavailable
from landsat_async.rules.lifecycle import IN_FLIGHT, OPEN, State

RATE_WINDOW_S = 10.0
KEPT_FAILURES = 100


class RunCounts:
    """The numbers that the end of the run, the progress line and the summary are made from."""

    def __init__(self, started_s: float) -> None:
        self.started_s = started_s
        self.scenes = 0
        self.states: Counter[State] = Counter()
        self.open = 0
        """Files that this run can still deliver."""
        self.verified = 0
        self.skipped = 0
        self.unlisted = 0
        """Selected things that never became a file: a missing band, an unknown scene."""
        self.failures: list[Unavailable] = []
        self.received: Callable[[], int] = lambda: 0
        """Body bytes from file hosts so far."""
        self.bytes_done = 0
        """Real bytes of the files that this run has proven."""
        self.nominal_done = 0
        """What the service lists for the same files."""
        self.nominal_left = 0
        """What the service lists for the files that are still to come."""
        self._active: dict[int, int] = {}
        self._samples: deque[tuple[float, int]] = deque()
        self.workers = 0
        self.staged_at_s: float | None = None
        """Monotonic time at which the last file in preparation is likely to be ready."""

    def load(self, states: Mapping[State, int]) -> None:
        """Start from what the ledger counts."""
        self.states = Counter(states)
        self.open = sum(self.states[state] for state in OPEN)

    def moved(self, before: State, after: State) -> None:
        """A file went from one state to another."""
        self.states[before] -= 1
        self.states[after] += 1
        self.open += (after in OPEN) - (before in OPEN)

    def replaced(self, before: State, states: Iterable[State]) -> None:
        """A file has left the run, and others have come in its place."""
        self.states[before] -= 1
        self.states.update(states)
        self.open = sum(self.states[state] for state in OPEN)

    @property
    def in_flight(self) -> int:
        """Files that the service has been asked for and that are not finished."""
        return sum(self.states[state] for state in IN_FLIGHT)

    @property
    def waiting(self) -> int:
        """Files that wait for an answer of the service."""
        return self.states[State.REQUESTED] + self.states[State.PREPARING]

    def failed(self, failure: Unavailable) -> None:
        """Keep the reason of a failure; the first ones are enough for a summary, the ledger has all."""
        if len(self.failures) < KEPT_FAILURES:
            self.failures.append(failure)

    def arrived(self, nominal_bytes: int, size_bytes: int) -> None:
        """A file is here: its real size is known now."""
        self.bytes_done += size_bytes
        self.nominal_done += nominal_bytes
        self.nominal_left -= nominal_bytes

    def expected(self, done_bytes: int) -> int | None:
        """Bytes of the whole run: what is here, and the rest as listed, corrected by how far listed sizes were off."""
        scale = self.bytes_done / self.nominal_done if self.nominal_done and self.bytes_done else 1.0
        return max(self.bytes_done + int(self.nominal_left * scale), done_bytes) or None

    def position(self, item_id: int, position_bytes: int) -> None:
        """A running transfer stands at `position_bytes`."""
        self._active[item_id] = position_bytes

    def leave(self, item_id: int) -> None:
        """A transfer is over, one way or the other."""
        self._active.pop(item_id, None)

    def progress(self, now_s: float, *, deferred: int = 0) -> Progress:
        """Return the state of the run; `deferred` files are ready at the service, but their host is not."""
        received = self.received()
        self._samples.append((now_s, received))
        while len(self._samples) > 1 and now_s - self._samples[0][0] > RATE_WINDOW_S:
            self._samples.popleft()
        first_s, first_bytes = self._samples[0]
        elapsed = now_s - first_s
        done = self.bytes_done + sum(self._active.values())
        return Progress(
            files_done=self.states[State.DONE],
            files_total=self.files_total,
            bytes_done=done,
            bytes_total=self.expected(done),
            rate_bytes_s=max(0.0, (received - first_bytes) / elapsed) if elapsed > 0 else 0.0,
            files_preparing=max(0, self.states[State.PREPARING] - deferred),
            workers=self.workers,
            staging_eta_s=None if self.staged_at_s is None else max(0.0, self.staged_at_s - now_s),
        )

    @property
    def files_total(self) -> int:
        """Everything that was selected."""
        return sum(self.states.values()) + self.unlisted

    def summary(self, now_s: float, exit_code: int) -> RunSummary:
        """The counts as they are now; total = verified + skipped + failed + pending by construction."""
        return RunSummary(
            scenes=self.scenes,
            files_total=self.files_total,
            files_verified=self.verified,
            files_skipped=self.states[State.DONE] - self.verified,
            files_failed=self.states[State.FAILED] + self.unlisted,
            files_pending=self.open,
            bytes_received=self.received(),
            elapsed_s=now_s - self.started_s,
            exit_code=exit_code,
            failures=tuple(self.failures),
        )
