"""What looking at a cluster again and again shows: nobody is there who could transfer, or its scheduler says nothing.

A scheduler whose process hangs keeps its connections, so dask never finds out: only a question that is not answered
does. Values in, values out; `scale.pool` asks, tells, and ends the run.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from landsat_async.errors import SchedulerGone
from landsat_async.events import Retrying
from landsat_async.scale import join

LOOKS_S = 5.0
"""So often it is looked which processes are there."""
ANSWERS_S = 3.0
"""A scheduler that works answers in milliseconds."""
TELLS_EVERY = 6
"""After so many looks it is told again that nobody is there."""
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
