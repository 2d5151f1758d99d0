"""Circuit breaker for one file host or one download system: a value and functions that return the next value.

Opens after OPEN_AFTER failures in a row over at least two files, or at once for faults that concern the whole host
(maintenance page, certificate). While it is open nobody asks the host; files of other hosts go on. After the pause
exactly one file probes it (half-open); success closes it, failure opens it for longer.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

OPEN_AFTER = 5
_PAUSE_S = {
    "network": (15.0, 55.0),
    "server": (15.0, 55.0),
    "maintenance": (300.0, 600.0),
    "certificate": (1800.0, 1800.0),
    "refused": (60.0, 300.0),
}


class Gate(enum.StrEnum):
    """What a breaker lets through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class Breaker:
    """State of one host; immutable, so a decision is a comparison."""

    gate: Gate = Gate.CLOSED
    failures: int = 0
    """In a row."""
    last_item: int | None = None
    items: int = 0
    """Different files among the failures in a row (counted up to 2)."""
    opened: int = 0
    """How often in a row it opened: each time the pause grows."""
    until_s: float = 0.0
    """Monotonic time before which nobody asks."""
    since_s: float | None = None
    """Monotonic time of the first opening in a row; None while closed."""
    reason: str = ""


def on_success(breaker: Breaker) -> Breaker:
    """A host answered properly: close."""
    return Breaker() if breaker != Breaker() else breaker


def on_failure(
    breaker: Breaker,
    *,
    kind: str,
    item: int,
    now_s: float,
    u: float,
    reason: str,
    at_once: bool = False,
    wish_s: float | None = None,
) -> Breaker:
    """Count a failure of `kind` (a key of the pause table) and open when it is time.

    Args:
        breaker: state so far.
        kind: network, server, maintenance, certificate or refused.
        item: the file that failed; one bad file alone must not close a host.
        now_s: monotonic time.
        u: random number in [0, 1) for the jitter.
        reason: short text for people.
        at_once: the fault concerns the whole host.
        wish_s: what a Retry-After header asked for.
    """
    items = breaker.items + (1 if item != breaker.last_item and breaker.items < 2 else 0)
    failures = breaker.failures + 1
    counted = replace(breaker, failures=failures, last_item=item, items=items, reason=reason)
    probe_failed = breaker.gate is Gate.HALF_OPEN
    if not (at_once or probe_failed or (failures >= OPEN_AFTER and items >= 2)):
        return counted
    if breaker.gate is Gate.OPEN and now_s < breaker.until_s:
        # A transfer that was still running when it opened: no news, unless the server names a later time.
        return replace(counted, until_s=max(breaker.until_s, now_s + (wish_s or 0.0)))
    first_s, cap_s = _PAUSE_S[kind]
    pause_s = min(cap_s, first_s * 2.0 ** min(breaker.opened, 8)) * (0.8 + 0.4 * u)
    return replace(
        counted,
        gate=Gate.OPEN,
        opened=breaker.opened + 1,
        until_s=now_s + max(pause_s, wish_s or 0.0),
        since_s=breaker.since_s if breaker.since_s is not None else now_s,
    )


def ask(breaker: Breaker, now_s: float) -> tuple[Breaker, float]:
    """May a file use the host now? Return the next state and the seconds to wait (0 = go on).

    The first to ask after the pause becomes the probe; the others wait for its result, at most PROBE_S.
    """
    if breaker.gate is Gate.CLOSED:
        return breaker, 0.0
    if now_s < breaker.until_s:
        return breaker, breaker.until_s - now_s
    return replace(breaker, gate=Gate.HALF_OPEN, until_s=now_s + PROBE_S), 0.0


PROBE_S = 30.0
"""How long the others wait for a probe before one of them becomes the next probe."""
