"""Whether a connection that is alive brings enough.

Two measures. A line that is slow may be so because of this one connection, so a new one is tried, a few times; then
slow is what the line is, and it goes on. But there is always a floor below which nothing is worth the wait: at one
byte a second a band takes half a year. The floor is measured over all connections of a transfer, so that breaking
them off in between does not help.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from landsat_async.transfer.retry import Fault, FaultKind

FLOOR_BYTES_S = 1024.0
FLOOR_WINDOW_S = 600.0


class Bounds(Protocol):
    """Of a `TransferPolicy`."""

    @property
    def min_rate_bytes_s(self) -> float:
        """Slower than this over `min_rate_window_s` is slow."""

    @property
    def min_rate_window_s(self) -> float:
        """Seconds."""


class Window(msgspec.Struct):
    """Counts what comes in windows of time spent waiting for the server; a slow disk of ours is not blamed on it."""

    least_bytes_s: float
    window_s: float
    _waited_s: float = 0.0
    _bytes: int = 0

    def below(self, size: int, waited_s: float) -> bool:
        """Count a read; True when a whole window has brought less than the least rate."""
        self._waited_s += waited_s
        self._bytes += size
        if self._waited_s < self.window_s:
            return False
        below = self._bytes < self.least_bytes_s * self._waited_s
        self._waited_s, self._bytes = 0.0, 0
        return below


class Speed(msgspec.Struct):
    """Watches over one connection."""

    floor: Window
    """One for all connections of a transfer."""
    line: Window | None = None
    """None = any speed above the floor will do."""

    @classmethod
    def of(cls, bounds: Bounds, floor: Window | None, *, any_speed: bool) -> Speed:
        """Return the watch over a connection; `floor` is that of another one of the transfer, None = there is none."""
        line = None if any_speed else Window(bounds.min_rate_bytes_s, bounds.min_rate_window_s)
        return cls(floor or Window(FLOOR_BYTES_S, FLOOR_WINDOW_S), line)

    def fault(self, size: int, waited_s: float, host: str) -> Fault | None:
        """Count a read, and say what is wrong with the connection, if anything is."""
        if self.floor.below(size, waited_s):
            least, minutes = int(self.floor.least_bytes_s), round(self.floor.window_s / 60)
            return Fault(FaultKind.USELESS, f"{host} sent less than {least} bytes a second over {minutes} minutes")
        if self.line is not None and self.line.below(size, waited_s):
            return Fault(FaultKind.SLOW, f"{host} sends too slowly")
        return None
