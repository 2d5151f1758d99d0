"""Coming back gently: after a long outage, all requests together keep a distance for a while.

When a service returns, everything that waited for it is due at the same moment, here and in every other client. So for
the first minute after an outage of more than a minute, the calls of the API and the requests to all file hosts share
one queue with a gap of a second between two of them. Running transfers are not slowed down.
"""

from __future__ import annotations

LONG_OUTAGE_S = 60.0
EASE_S = 60.0
GAP_S = 1.0


class SlowStart:
    """Hands out turns. It knows no clock: every call is told the monotonic time."""

    def __init__(self) -> None:
        self.until_s = 0.0
        """Requests before then take turns; later ones need not ask."""
        self._next_s = 0.0

    def outage_ended(self, down_s: float, now_s: float) -> None:
        """Something works again that was down for `down_s`; the request that found out was the first of the queue."""
        if down_s > LONG_OUTAGE_S:
            self.until_s = now_s + EASE_S
            self._next_s = max(self._next_s, now_s + GAP_S)

    def turn(self, now_s: float) -> float:
        """Take a turn: the seconds to wait before the request may be sent, 0 outside the minute after an outage."""
        if now_s >= self.until_s:
            return 0.0
        at_s = max(now_s, self._next_s)
        self._next_s = at_s + GAP_S
        return at_s - now_s
