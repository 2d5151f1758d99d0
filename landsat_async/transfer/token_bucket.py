"""How long to wait so that no more bytes come than `[download] max_rate` allows. Pure: every call is told the time.

A bucket that may go into debt: what has come is charged, and nobody receives more before the debt is paid. So the sum
over any span is right whatever the size of the pieces; `piece_bytes` and `advance_bytes` keep the debt small.
"""

from __future__ import annotations

import msgspec

SAVED_S = 0.2
"""What was not used is saved for so long: a wake-up that comes late costs nothing, and no burst is longer."""
PIECES_A_SECOND = 100
PIECE_LEAST_BYTES, PIECE_MOST_BYTES = 1024, 256 * 1024
ADVANCE_S = 0.25
ADVANCE_MOST_BYTES = 256 * 1024
WINDOW_LEAST_BYTES, WINDOW_MOST_BYTES = 8 * 1024, 1024 * 1024


class TokenBucket(msgspec.Struct):
    """One rate for all that share it."""

    rate_bytes_s: float
    paid_until_s: float = 0.0
    """At this time the rate has paid for all that was charged."""

    @property
    def piece_bytes(self) -> int:
        """The most that is to be received at once."""
        return max(PIECE_LEAST_BYTES, min(PIECE_MOST_BYTES, int(self.rate_bytes_s / PIECES_A_SECOND)))

    @property
    def window_bytes(self) -> int | None:
        """How much the system and the parser may hold of one connection; None = as they like.

        At a quarter of a second's worth, one connection still reaches the rate over a round trip of 0.2 s.
        """
        window = int(self.rate_bytes_s * ADVANCE_S)
        return None if window >= WINDOW_MOST_BYTES else max(WINDOW_LEAST_BYTES, window)

    def charge(self, now_s: float, size_bytes: int) -> None:
        """Take so many bytes out; a negative number puts back what was taken too much."""
        self.paid_until_s = max(self.paid_until_s, now_s - SAVED_S) + size_bytes / self.rate_bytes_s

    def wait_s(self, now_s: float) -> float:
        """Return the seconds until more may come; 0 = now."""
        return max(0.0, self.paid_until_s - now_s)

    def advance_bytes(self, expected_bytes: int | None) -> int:
        """Return what to charge before a request: the body of a small file comes together with its head."""
        most = min(ADVANCE_MOST_BYTES, int(self.rate_bytes_s * ADVANCE_S))
        return most if expected_bytes is None else max(0, min(most, expected_bytes))
