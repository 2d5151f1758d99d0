"""Progress as plain lines, for logs, pipes and dumb terminals.

A progress line at most every 10 s, a line for each change of state, and a repeated fault once a minute with its
count and the time of the next try: "412 x connection reset (last 14:02:10, next try 14:02:18)". A wait for the
service or a host is never hidden in a count for longer than 10 s, and the progress line says it too.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from landsat_async.events import (
    Error,
    Event,
    Failed,
    Notice,
    Planned,
    Progress,
    Ready,
    Requested,
    Retrying,
    Skipped,
    Started,
    Verified,
)
from landsat_async.show.error_report import tell_error
from landsat_async.show.formatting import (
    clock_text,
    count_text,
    left_s,
    preparing_text,
    rate_text,
    size_text,
    span_text,
)
from landsat_async.show.output import Output
from landsat_async.show.run_summary import KEPT_KINDS, kind_of

if TYPE_CHECKING:
    from landsat_async.m2m.caller import ApiWait

LINE_EVERY_S = 10.0
HEARTBEAT_S = 60.0
"""A line that says nothing new comes this often, so that a long wait does not look hung."""


@dataclass(slots=True)
class _Repeat:
    text: str
    said_at: float
    unsaid: int = 0
    last: float = 0.0
    next_at: float = 0.0


class Repeats:
    """Says a thing at once the first time, then once a minute with the number of times."""

    def __init__(self, say: Callable[[str], None], now: Callable[[], float]) -> None:
        self._say = say
        self._now = now
        self._kinds: dict[str, _Repeat] = {}

    def note(
        self, kind: str, text: str, first: str | None = None, *, next_at: float = 0.0, every_s: float = math.inf
    ) -> None:
        """Count one more of `kind`; `text` names it in the count, `first` is said the first time.

        `next_at` is the time of the next try. `first` is said again when nothing was said of the kind for `every_s`.
        """
        known = self._kinds.get(kind)
        if known is not None and self._now() - known.said_at >= every_s:
            known.said_at, known.unsaid = self._now(), 0
            self._say(first or text)
            return
        if known is None:
            if len(self._kinds) >= KEPT_KINDS:
                self.flush(everything=True)
                self._kinds.clear()
            self._kinds[kind] = _Repeat(text, self._now())
            self._say(first or text)
            return
        known.text = text
        known.unsaid += 1
        known.last = self._now()
        known.next_at = next_at

    def flush(self, *, everything: bool = False) -> None:
        """Say the counts that are due."""
        for repeat in self._kinds.values():
            if repeat.unsaid and (everything or self._now() - repeat.said_at >= HEARTBEAT_S):
                then = f", next try {clock_text(repeat.next_at)}" if repeat.next_at > self._now() else ""
                self._say(f"{repeat.unsaid:,} x {repeat.text} (last {clock_text(repeat.last)}{then})")
                repeat.unsaid = 0
                repeat.said_at = self._now()


class PlainRenderer:
    """Writes what happens as lines on stderr."""

    def __init__(self, output: Output, now: Callable[[], float] = time.time) -> None:
        self._output = output
        self._now = now
        self._repeats = Repeats(self._say, now)
        self._progress: Progress | None = None
        self._wait_reason = ""
        self._wait_until = 0.0
        self._said_progress = ""
        self._said_at = now()

    def show(self, event: Event) -> None:
        """Take one event."""
        match event:
            case Progress():
                self._progress = event
            case Notice():
                self._output.message(event.text, urgent=event.level == "warning")
            case Error():
                tell_error(self._output, event)
            case Failed():
                reason = f"{event.file}: {event.reason}"
                self._repeats.note("failed " + kind_of(event.reason), f"failed: {reason}", f"failed: {reason}")
            case Retrying():
                self._note_retry(event)
            case _:
                text = state_text(event) or (file_text(event) if self._output.output_options.verbose else None)
                if text is not None:
                    self._say(text)
        self.tick()

    def tick(self) -> None:
        """Say what is due by now; called about once a second."""
        self._repeats.flush()
        since_s = self._now() - self._said_at
        if not self._output.output_options.progress or since_s < LINE_EVERY_S:
            return
        text = self._standing()
        if text and (text != self._said_progress or since_s >= HEARTBEAT_S):
            self._said_progress = text
            self._said_at = self._now()
            self._say(text)

    def close(self) -> None:
        """Say the counts that are left."""
        self._repeats.flush(everything=True)

    def _note_retry(self, event: Retrying) -> None:
        first = retry_text(event, self._now())
        next_at = self._now() + event.wait_s
        shared = event.file is None
        if shared and next_at >= self._wait_until:
            self._wait_reason, self._wait_until = event.reason, next_at
        every_s = LINE_EVERY_S if shared else math.inf
        self._repeats.note("again " + kind_of(event.reason), event.reason, first, next_at=next_at, every_s=every_s)

    def _standing(self) -> str:
        """How far it is, and what is waited for; "" when there is nothing to tell."""
        so_far = progress_text(self._progress) if self._progress is not None else ""
        if self._wait_until <= self._now():
            return so_far
        waiting = f"waiting for the next try at {clock_text(self._wait_until)} ({self._wait_reason})"
        return f"{so_far}, {waiting}" if so_far else waiting

    def _say(self, text: str) -> None:
        self._output.message(f"{clock_text(self._now())}  {text}")


def tell_retry(event: Retrying, output: Output) -> None:
    """Say that a command without a progress display waits, and until when."""
    if output.output_options.json:
        output.event(event)
    else:
        output.message(retry_text(event, time.time()))


def tell_wait(output: Output, wait: ApiWait) -> None:
    """Say that a call of a command waits."""
    tell_retry(Retrying(None, wait.reason, wait.attempt, wait.wait_s), output)


def retry_text(event: Retrying, now_unix_s: float) -> str:
    """Return a retry as one line with its next time."""
    what = f"{event.file}: {event.reason}" if event.file else event.reason
    if event.wait_s < 1:
        return f"{what}; trying again (attempt {event.attempt})"
    at = clock_text(now_unix_s + event.wait_s)
    return f"{what}; next try {at}, in {span_text(event.wait_s)} (attempt {event.attempt})"


def state_text(event: Event) -> str | None:
    """Return the line for a change of the whole run; None for events of one file."""
    match event:
        case Planned():
            nominal = f", about {size_text(event.bytes_nominal)}" if event.bytes_nominal else ""
            return f"planned {count_text(event.files, 'file')} of {count_text(event.scenes, 'scene')}{nominal}"
        case Requested():
            parts = [f"{event.available:,} available", f"{event.preparing:,} being prepared"]
            if event.failed:
                parts.append(f"{event.failed:,} refused")
            return f"requested {count_text(event.downloads, 'file')}: {', '.join(parts)}"
    return None


def file_text(event: Event) -> str | None:
    """Return the line for one file, as -v shows it."""
    match event:
        case Ready():
            return f"ready {event.file}"
        case Started():
            at = f" at {size_text(event.offset_bytes)}" if event.offset_bytes else ""
            return f"started {event.file}{at}"
        case Verified():
            return f"done {event.file}, {size_text(event.size_bytes)}, proof: {event.proof}"
        case Skipped():
            return f"skipped {event.file}: {event.reason}"
    return None


def progress_text(event: Progress) -> str:
    """Return the state of the whole run as one line; without shares or times where the total is unknown."""
    parts = [f"{event.files_done:,} of {count_text(event.files_total, 'file')}"]
    if event.bytes_total is not None and event.bytes_total >= event.bytes_done:
        parts.append(f"{size_text(event.bytes_done)} of {size_text(event.bytes_total)}")
    else:
        parts.append(size_text(event.bytes_done))
    if event.rate_bytes_s > 0:
        parts.append(rate_text(event.rate_bytes_s))
    left = left_s(event.bytes_done, event.bytes_total, event.rate_bytes_s)
    if left is not None:
        parts.append(f"{span_text(left)} left")
    if event.files_preparing:
        parts.append(preparing_text(event.files_preparing, event.staging_eta_s))
    return ", ".join(parts)
