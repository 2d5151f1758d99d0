"""Progress as plain lines, for logs, pipes and dumb terminals.

A progress line at most every 10 s, a line for each change of state, and a repeated fault once a minute with its
count and the time of the next try: "412 x connection reset (last 14:02:10, next try 14:02:18)". A wait for the
service or a host is never hidden in a count for longer than 10 s, and the progress line says it too. Which files have
failed is told once, at the end; the progress line counts them, and `status --failed` tells them in between.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from landsat_async.events import (
    Error,
    Event,
    Failed,
    Measured,
    Notice,
    Planned,
    Progress,
    Ready,
    Requested,
    Retrying,
    Searching,
    Skipped,
    Started,
    Verified,
)
from landsat_async.rules.quantities import count_text, size_text, span_text
from landsat_async.show import standing
from landsat_async.show.error_report import tell_error
from landsat_async.show.formatting import clock_text
from landsat_async.show.output import Output
from landsat_async.show.program import command
from landsat_async.show.run_summary import KEPT_KINDS, kind_of

if TYPE_CHECKING:
    from landsat_async.m2m.caller import ApiWait

LINE_EVERY_S = 10.0
SAME_EVERY_S = 20.0
"""A line that says nothing new comes this often, so that a wait does not look hung."""
HEARTBEAT_S, LATE_S = 60.0, 600.0
"""From the tenth minute of one wait on, that is enough."""
_PATIENCE_TOLD_AT = 3
"""Two tries are over within seconds, as a rule."""


class _Repeat(msgspec.Struct):
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
                then = f", next try {clock_text(repeat.next_at, self._now())}" if repeat.next_at > self._now() else ""
                self._say(f"{repeat.unsaid:,} x {repeat.text} (last {clock_text(repeat.last)}{then})")
                repeat.unsaid = 0
                repeat.said_at = self._now()


class PlainRenderer:
    """Writes what happens as lines on stderr."""

    def __init__(self, output: Output, now: Callable[[], float] = time.time, *, doing: str = "") -> None:
        self._output = output
        self._now = now
        self._doing, self._looked_at = doing, 0
        self._repeats = Repeats(self._say, now)
        self._progress: Progress | None = None
        self._wait_reason = ""
        self._wait_until = 0.0
        self._searching: Searching | None = None
        self._said: object = None
        self._said_at = self._changed_at = now()

    def show(self, event: Event) -> None:
        """Take one event."""
        self._looked_at += isinstance(event, Verified | Failed)
        match event:
            case Ready() | Started() | Verified() if not self._output.output_options.verbose:
                return  # three for each small file, and none of them is shown
            case Progress():
                self._progress = event
            case Searching():
                self._searching = event
            case Notice():
                self._output.notice(event)
            case Error():
                tell_error(self._output, event)
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
        facts, text = self._standing()
        if facts != self._said:
            self._said, self._changed_at = facts, self._now()
        elif since_s < (HEARTBEAT_S if self._now() - self._changed_at >= LATE_S else SAME_EVERY_S):
            return
        if text:
            self._said_at = self._now()
            self._say(text)

    def close(self) -> None:
        """Say the counts that are left."""
        self._repeats.flush(everything=True)

    def _note_retry(self, event: Retrying) -> None:
        if event.topic and self._progress is not None:
            return  # the progress line tells these from the counts, which are newer
        first = retry_text(event, self._now())
        next_at = self._now() + event.wait_s
        shared = event.file is None
        if shared and next_at >= self._wait_until:
            self._wait_reason, self._wait_until = event.reason, next_at
        every_s = LINE_EVERY_S if shared else math.inf
        self._repeats.note("again " + kind_of(event.reason), event.reason, first, next_at=next_at, every_s=every_s)

    def _standing(self) -> tuple[object, str]:
        """What does not change by itself, and the line: how far it is, and what is waited for."""
        now, p = self._now(), self._progress
        held_up = self._wait_until > now
        texts: list[str | None] = []
        facts: list[object] = []
        if p is not None:
            texts.append(progress_text(p, held_up=held_up))
            texts += [standing.staging_text(p), standing.quota_text(p, now), standing.hook_text(p)]
            facts = [texts[0], p.files_preparing, p.quota_s is None, p.hook]
        elif self._searching is not None and self._searching.pages:
            texts.append(searching_text(self._searching))
            facts = [texts[0]]
        elif self._doing:
            texts.append(looked_text(self._doing, self._looked_at))
            facts = [texts[0]]
        if held_up:
            texts.append(standing.next_try_text(self._wait_reason, self._wait_until, now))
            facts.append(self._wait_reason)
        return facts, " · ".join(filter(None, texts))

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


def tell_long_wait(output: Output, wait: ApiWait) -> None:
    """Say that a call waits which may do so for a day; once, what a person can do meanwhile."""
    tell_wait(output, wait)
    if wait.attempt == _PATIENCE_TOLD_AT:
        text = "it is tried again until [service] patience_s has passed; you may stop, and ask for the cause: "
        output.message(f"{text}`{command('doctor')}`")


def retry_text(event: Retrying, now_unix_s: float) -> str:
    """Return a retry as one line with its next time."""
    what = f"{event.file}: {event.reason}" if event.file else event.reason
    if event.wait_s < 1:
        return f"{what}; trying again (attempt {event.attempt})"
    at = clock_text(now_unix_s + event.wait_s, now_unix_s)
    return f"{what}; next try {at}, in {span_text(event.wait_s)} (attempt {event.attempt})"


def state_text(event: Event) -> str | None:
    """Return the line for a change of the whole run; None for events of one file."""
    match event:
        case Planned():
            if event.files and not event.scenes:  # what was asked for by name, and does not exist
                return f"planned nothing: {count_text(event.files, 'name')} of what was asked for cannot be had"
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
            return f"verified {event.file}, {size_text(event.size_bytes)}, proof: {event.proof}"
        case Failed():
            return f"failed {event.file}: {event.reason}"
        case Measured():
            return f"measured {event.scene}: {measured_text(event)}"
        case Skipped():
            return f"skipped {event.file}: {event.reason}"
    return None


def looked_text(doing: str, files: int) -> str:
    """Return what a command does with files that are here, and how far it is; "" of one that does nothing with them."""
    return f"{doing}: {count_text(files, 'file')} so far" if doing and files else doing


def searching_text(event: Searching) -> str:
    """Return how far the search is as one line."""
    scenes = count_text(event.scenes, "scene")
    if event.choosing:
        return f"choosing the files of {scenes}"
    return f"searching: {count_text(event.pages, 'page')}, {scenes} so far"


def measured_text(event: Measured) -> str:
    """Return the figures of a scene as a sentence."""
    if event.valid is None:
        return "not possible"
    if event.cloud is None:
        return "no data in the area"
    return f"{event.cloud:.1f} % cloud in the area, data in {event.valid:.0%} of it"


def progress_text(event: Progress, *, held_up: bool = False) -> str:
    """Return the state of the whole run as one line; without shares or times where the total is unknown."""
    return ", ".join([*standing.headline(event, held_up=held_up), *standing.counts(event)])
