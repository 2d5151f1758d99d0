"""What looking at a cluster again and again shows: nobody is there who could transfer, or somebody hangs.

A scheduler whose process hangs keeps its connections, so dask never finds out: only a question that is not answered
does. Of a worker that hangs it finds out after five minutes, in which its files wait: its heartbeat stands still.
Values in, values out; `scale.pool` asks, tells, and ends the run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from landsat_async.errors import SchedulerGone
from landsat_async.events import Retrying
from landsat_async.scale import join

LOOKS_S = 5.0
"""So often it is looked which processes are there."""
ANSWERS_S = 3.0
"""A scheduler that works answers in milliseconds."""
TELLS_EVERY = 6
"""After so many looks it is told again that nobody is there, or that somebody hangs."""
HANGS_S = 15.0
"""Workers have a heartbeat every half second, a thousand of them every six seconds."""
NOBODY = "the cluster has no workers that can be used; start some, scale it, or stop the run"
SILENT = "the scheduler of the cluster does not answer; see whether it hangs, or stop the run"


@dataclass(slots=True)
class Looks:
    """The looks of one run so far."""

    without: int = 0
    """How many in a row have shown nobody."""
    unanswered: int = 0
    """How many in a row were not answered."""
    silent_since_s: float = 0.0
    """When the first of those was asked."""
    heartbeats: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Address of a worker -> its last heartbeat by the clock of the scheduler, and since when that one is known."""
    hanging_told_s: float = -math.inf

    def see(self, fit: Set[str] | None, asked_s: float, now_s: float) -> Retrying | SchedulerGone | None:
        """Return what a look makes known, if anything; a SchedulerGone ends the run.

        Args:
            fit: Addresses of the processes that may be given files; None = the scheduler has not answered.
            asked_s: When it was asked.
            now_s: Now, by the same clock.
        """
        if fit is None:
            self.silent_since_s = self.silent_since_s if self.unanswered else asked_s
            self.unanswered += 1
            left_s = self.silent_since_s + join.GONE_S - now_s
            return Retrying(None, SILENT, self.unanswered, left_s) if left_s > 0 else join.gone(join.GONE_S)
        self.unanswered = 0
        self.without = 0 if fit else self.without + 1
        if self.without % TELLS_EVERY == 2:  # not those that are only started again
            return Retrying(None, NOBODY, 1 + self.without // TELLS_EVERY, LOOKS_S * TELLS_EVERY)
        return None

    def see_heartbeats(self, heartbeats: Mapping[str, float], now_s: float) -> Retrying | None:
        """Return a word on workers that hang, or None; `heartbeats` are the last ones, by address."""
        known = self.heartbeats
        self.heartbeats = {
            address: known[address] if address in known and known[address][0] == beat else (beat, now_s)
            for address, beat in heartbeats.items()
        }
        hanging = [address for address, (_, since_s) in self.heartbeats.items() if now_s - since_s >= HANGS_S]
        if not hanging or now_s < self.hanging_told_s + LOOKS_S * TELLS_EVERY:
            return None
        self.hanging_told_s = now_s
        others = f" and {len(hanging) - 1} more" if len(hanging) > 1 else ""
        reason = f"the worker {hanging[0]}{others} does not answer; end it if it hangs, its files go on elsewhere then"
        return Retrying(None, reason, 1, LOOKS_S * TELLS_EVERY)
