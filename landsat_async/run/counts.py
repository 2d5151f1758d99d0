"""The numbers of a run: how many bytes have come and are still to come, how fast, and how it has ended."""

from __future__ import annotations

from collections import deque

import msgspec

from landsat_async.events import Progress
from landsat_async.model import Unavailable
from landsat_async.rules.lifecycle import State
from landsat_async.run.file_states import FileStates
from landsat_async.run_summary import RunFiles, RunSummary
from landsat_async.transfer.session import TransferSession

RATE_WINDOW_S = 10.0
TRUST_SHARE = 0.1
"""Listed sizes count as right for this share of the run, whatever the first files were: a few small ones say little of
the rest, and the total would jump with each."""
KEPT_FAILURES = 100


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
