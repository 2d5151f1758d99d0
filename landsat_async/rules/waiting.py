"""What a run waits for when nothing flows: counts in, one reason with its time out.

A wait is told where it is decided (a host that is left alone, a quota, an outage of the service). This is the net
below: whatever else a run waits for has a reason and a time too, and no silence is longer than QUIET_S without them.
"""

from __future__ import annotations

import msgspec

QUIET_S = 3.0
"""After so long without a byte, an answer or a change of any file, the run says what it waits for."""
FILE_COVERS_S = 60.0
"""A wait that was told of one file speaks for the run only for so long."""
CAUSE_COVERS_S = 60.0
"""A wait that was told speaks for later silences of the same cause only for so long."""
REPEAT_S, REPEAT_LATE_S, LATE_S = 10.0, 60.0, 600.0
"""Where the service is asked more often than this (a look every half second), a wait is told for so long at once, and a
long one for a minute."""
UNKNOWN_S = 10.0
"""Told where nothing is known about the time."""


class Standing(msgspec.Struct, frozen=True):
    """Where a run stands, in numbers."""

    call: str | None = None
    """The API call that is under way."""
    call_left_s: float = 0.0
    """Until it is given up."""
    working: bool = False
    """Files are being fetched or waited for; before that only calls are waited for."""
    active: int = 0
    """Running transfers."""
    stall_left_s: float = 0.0
    """Until a connection that brings nothing is given up."""
    pausing: int = 0
    """Of the running transfers, those that wait for their next try."""
    pause_left_s: float = 0.0
    """Until the first of them is tried again."""
    preparing: int = 0
    deferred: int = 0
    """Ready at the service, but not to be fetched now."""
    requested: int = 0
    planned: int = 0
    quiet_s: float = 0.0
    """Since when nothing has flowed."""
    look_s: float | None = None
    """Until the service is asked for links again; None = not known."""
    due_s: float | None = None
    """Until the next deferred or planned file may be tried; None = not known."""
    hook: str = ""
    """The hook that is being called; "" = none."""
    hook_left_s: float = 0.0
    """Until it is ended."""


class Waiting(msgspec.Struct, frozen=True):
    """One reason and its time."""

    reason: str
    wait_s: float
    topic: str = ""
    """As in `events.Retrying`."""
    cause: str = ""
    """What it is that is waited for, in a word, whatever the numbers."""


def explain(standing: Standing) -> Waiting | None:
    """Name what is waited for; None when it is nothing but our own work."""
    s = standing
    if s.call is not None:
        reason = f"waiting for the answer of M2M to {s.call}"
        return Waiting(reason, max(1.0, s.call_left_s), cause=s.call)
    if not s.working:
        return None
    if s.active and s.pausing >= s.active:
        return Waiting(f"{_files(s.active)} waiting for the next try", max(1.0, s.pause_left_s), cause="pausing")
    if s.active:
        reason = f"{_files(s.active - s.pausing)} being fetched or verified, but no byte comes"
        if s.stall_left_s < 1.0:  # not the wait for a byte, which has its end, and is told as such
            return Waiting(reason, REPEAT_S, cause="active")
        return Waiting(f"{reason}; a dead connection is given up then", s.stall_left_s, cause="active")
    look_s, look = _look(s)
    due_s = UNKNOWN_S if s.due_s is None else max(1.0, s.due_s)
    if s.preparing:
        return Waiting(f"{_files(s.preparing)} being prepared by USGS; {look}", look_s, "staging", "staging")
    if s.deferred:
        reason = f"{_files(s.deferred)} put back until the host may be tried again"
        return Waiting(reason, look_s if s.due_s is None else due_s, cause="deferred")
    if s.requested:
        return Waiting(f"{_files(s.requested)} requested and not listed by USGS yet; {look}", look_s, cause="requested")
    if s.planned:
        return Waiting(f"{_files(s.planned)} waiting for the time of the next request", due_s, cause="planned")
    if s.hook:
        left_s = min(REPEAT_LATE_S, max(1.0, s.hook_left_s))
        return Waiting(f"waiting for the hook {s.hook} to end", left_s, "hook", "hook")
    return Waiting("waiting for the next step of the run", UNKNOWN_S)


def explain_store(reason: str, left_s: float, *, is_down: bool) -> Waiting:
    """Name what a store is waited for; `left_s`: until it is tried again, or given up."""
    if is_down:
        return Waiting(f"{reason}; you may stop, what is complete stays in the spool", max(1.0, left_s))
    return Waiting(f"{reason}; you may stop", max(1.0, min(REPEAT_LATE_S, left_s)))


def _look(s: Standing) -> tuple[float, str]:
    """Until the next look at what is ready, or for how long the looks go on if they come often."""
    look_s = UNKNOWN_S if s.look_s is None else max(1.0, s.look_s)
    for_s = REPEAT_LATE_S if s.quiet_s >= LATE_S else REPEAT_S
    if look_s >= for_s:
        return look_s, "you may stop, USGS goes on"
    return for_s, "looked for all the time; you may stop, USGS goes on"


def _files(count: int) -> str:
    return "1 file is" if count == 1 else f"{count:,} files are"


class Silence(msgspec.Struct):
    """How long nothing has flowed and what of it has been told. It knows no clock: every call is told the time."""

    since_s: float
    covered_until_s: float = 0.0
    """What was told in this silence speaks for it until then; the next one may have another cause."""
    _last: object = None
    _causes: dict[str, float] = msgspec.field(default_factory=dict)
    """Until when what was told of a cause speaks for further silences of the same cause: who brings a byte now and
    then would be told all the time."""

    def told(self, now_s: float, wait_s: float, *, of_file: bool, cause: str = "") -> None:
        """A wait was told, by whomever; by this net with its cause."""
        covers_s = min(wait_s, FILE_COVERS_S) if of_file else wait_s
        self.covered_until_s = max(self.covered_until_s, now_s + covers_s)
        if cause:
            self._causes[cause] = now_s + min(wait_s, CAUSE_COVERS_S)

    def is_to_be_told(self, now_s: float, flow: object) -> bool:
        """Look at what has flowed so far (any value that changes with it): whether it is time to say something."""
        if flow != self._last:
            self._last, self.since_s, self.covered_until_s = flow, now_s, 0.0
        return now_s - self.since_s >= QUIET_S and now_s >= self.covered_until_s

    def was_told(self, now_s: float, cause: str) -> bool:
        """Tell whether an earlier silence of the same cause was told, and not long ago."""
        return now_s < self._causes.get(cause, 0.0)
