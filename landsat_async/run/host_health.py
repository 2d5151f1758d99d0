"""Whether a file host or download system may be used: judged by what several of its files get, never by one alone.

The problem. A server that answers one file with 503, a login page or "come back in an hour" may be down, or it may have
a fault of this one file. Closing the host for the one delays all others; never closing it asks a dead host
ten thousand times.

What we do. Failures of a host stand in a row that ends as soon as it serves any file. The host is closed when WITNESSES
different files stand in the row and have used up their own tries, or have failed for RIPE_S; or with fewer, when there
are no other files of it that could be tried. What a file gets while others are served is that file's own fault.
Wrong content, structure, identity and length never stand in a row.

A closed host is left alone for a pause, then one file tries it (half-open): success opens it for all, failure makes
the next pause longer. The first pauses are short, because most faults are over within seconds. A pause is cut to what
is left of the patience, so that the last try comes at its end.

Values in, values out; `run/hosts.py` keeps one HostHealth a host and tells about changes.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

WITNESSES = 3
"""So many different files, none served in between, speak for the whole host."""
RIPE_S = 10.0
"""Files whose own tries are not used up speak for the host only after so long: short faults are theirs to repeat."""
ASIDES = 3
"""So often a file waits for what others of its host get, before it is judged alone."""
PROBE_S = 30.0
"""How long the others wait for a probe before one of them becomes the next probe."""
LAST_WAIT_S = 1.0
"""A rest of patience shorter than this is not worth one more try."""
ROW_KEPT = 100
"""Files of a row that are remembered."""


class HostFault(enum.StrEnum):
    """Faults that can be a host's."""

    NETWORK = "network"
    """Connections break, or nothing comes."""
    UNREACHABLE = "unreachable"
    """No connection at all: no file can cause that."""
    SERVER = "server"
    """429, 5xx and relatives."""
    MAINTENANCE = "maintenance"
    """A page says that the host is being maintained."""
    PROXY = "proxy"
    REFUSED = "refused"
    """A fresh link is refused, or leads to a login page."""
    PAGE = "page"
    """A web page or message in place of the file."""
    DISABLED = "disabled"
    """The service says that it does not give the file out for now."""


_REFUSALS = frozenset({HostFault.REFUSED, HostFault.PAGE, HostFault.DISABLED})
"""What one file can have for itself: alone, it is that file's failure."""
_OF_THE_HOST = frozenset({HostFault.UNREACHABLE, HostFault.MAINTENANCE, HostFault.PROXY})
"""What a single file is believed, when there is nobody else to ask."""
_QUICK = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 55.0)
_PAUSES_S: dict[HostFault, tuple[float, ...]] = {
    HostFault.NETWORK: _QUICK,
    HostFault.UNREACHABLE: _QUICK,
    HostFault.SERVER: _QUICK,
    HostFault.MAINTENANCE: (60.0, 300.0, 300.0, 600.0),
    HostFault.PROXY: (60.0, 300.0),
    HostFault.REFUSED: (5.0, 15.0, 60.0, 300.0),
    HostFault.PAGE: (5.0, 15.0, 60.0, 300.0),
    HostFault.DISABLED: (60.0, 300.0, 300.0, 600.0),
}
"""Pauses one after the other; the last one is repeated. Each lasts 80 to 120 % of it."""


class Circuit(enum.StrEnum):
    """What a host lets through."""

    CLOSED = "closed"
    """No fault: everybody may use the host (the term is that of circuit breakers)."""
    OPEN = "open"
    HALF_OPEN = "half-open"


class HostHealth(msgspec.Struct, frozen=True):
    """What is known of one host; immutable."""

    circuit: Circuit = Circuit.CLOSED
    row: frozenset[int] = frozenset()
    """Files that have failed since the host served one."""
    served: int = 0
    """How often it has served something."""
    first_failed: Mapping[int, int] = msgspec.field(default_factory=dict)
    """File -> `served` when it failed first; forgotten when it is served."""
    since_s: float = 0.0
    """Monotonic time of the first failure of the row."""
    failed_s: float = -math.inf
    """Monotonic time of the last failure that counted."""
    opened: int = 0
    """How often in a row it opened: each time the pause grows."""
    until_s: float = 0.0
    """Monotonic time before which nobody asks."""
    reason: str = ""

    def is_left_alone(self, now_s: float) -> bool:
        """Nobody may use it now."""
        return self.circuit is not Circuit.CLOSED and now_s < self.until_s

    def served_others_since(self, item: int) -> bool:
        """Whether it has served something since this file failed first."""
        return self.first_failed.get(item, self.served) < self.served


class Ruling(enum.Enum):
    """Whose fault a failure is."""

    WAIT = enum.auto()
    """The host is left alone already: this file waits with the others, and nothing counts against it."""
    OWN = enum.auto()
    """The file's: its own tries are counted."""
    ASIDE = enum.auto()
    """Not known yet: the file steps back for a moment, so that others of the host are tried."""
    HOST = enum.auto()
    """The host's: leave it alone."""


def on_served(health: HostHealth, item: int | None = None) -> HostHealth:
    """The host has given a file, or a good piece of it."""
    first = health.first_failed
    if first:
        first = {other: served for other, served in first.items() if other != item}
    return HostHealth(served=health.served + 1, first_failed=first)


def on_first_refusal(health: HostHealth, item: int) -> HostHealth:
    """A link was refused that may just have been old: no failure yet, but what is served from now on tells."""
    if item in health.first_failed:
        return health
    return replace(health, first_failed={**health.first_failed, item: health.served})


def forget(health: HostHealth, item: int) -> HostHealth:
    """The file is done with, one way or the other."""
    if item not in health.first_failed:
        return health
    first = {other: served for other, served in health.first_failed.items() if other != item}
    return replace(health, first_failed=first)


def on_failure(health: HostHealth, *, item: int, now_s: float, reason: str) -> HostHealth:
    """Count a failure; it changes nothing at a host that is left alone, or that has served others meanwhile."""
    paused = health.circuit is Circuit.OPEN and now_s < health.until_s
    if paused or health.served_others_since(item):
        return health
    return replace(
        health,
        row=health.row if len(health.row) >= ROW_KEPT else health.row | {item},
        first_failed={**health.first_failed, item: health.first_failed.get(item, health.served)},
        since_s=health.since_s if health.row else now_s,
        failed_s=now_s,
        reason=reason,
    )


def is_ripe(health: HostHealth, kind: HostFault, *, now_s: float) -> bool:
    """Whether failures of single attempts, files not yet through with their tries, are enough to leave it alone."""
    if health.circuit is not Circuit.CLOSED:
        return True  # the probe has failed
    unknown = health.served == 0 and kind not in _REFUSALS
    return now_s - health.since_s >= RIPE_S and (len(health.row) >= WITNESSES or (unknown and bool(health.row)))


def judge(health: HostHealth, kind: HostFault, *, item: int, others: bool, asides: int, now_s: float) -> Ruling:
    """Say whose fault it is that a file could not be had with all its own tries; the failure is counted already.

    Args:
        health: of the host, `on_failure` included.
        kind: of the failure.
        item: the file.
        others: the run has files of this host that do not stand in the row.
        asides: how often this file has stepped back.
        now_s: monotonic time.
    """
    if health.circuit is Circuit.OPEN and now_s < health.until_s:
        return Ruling.WAIT
    if kind is HostFault.UNREACHABLE and not others:
        return Ruling.HOST
    if health.served_others_since(item):
        return Ruling.OWN
    if health.circuit is not Circuit.CLOSED or len(health.row) >= WITNESSES:
        return Ruling.HOST
    if others and asides < ASIDES:
        return Ruling.ASIDE
    if kind in _REFUSALS:
        return Ruling.OWN
    return Ruling.HOST if kind in _OF_THE_HOST or health.served == 0 else Ruling.OWN


def leave_alone(
    health: HostHealth, kind: HostFault, *, now_s: float, u: float, patience_s: float = math.inf, wish_s: float = 0.0
) -> HostHealth:
    """Leave the host alone for the next pause.

    Args:
        health: so far, the failure counted.
        kind: of the failure.
        now_s: monotonic time.
        u: random number in [0, 1) for the jitter.
        patience_s: how long an outage is waited for; the pause ends with it at the latest.
        wish_s: what a Retry-After header wants.
    """
    pauses_s = _PAUSES_S[kind]
    pause_s = max(pauses_s[min(health.opened, len(pauses_s) - 1)] * (0.8 + 0.4 * u), wish_s)
    left_s = health.since_s + patience_s - now_s
    if left_s >= LAST_WAIT_S:
        pause_s = min(pause_s, left_s)
    return replace(health, circuit=Circuit.OPEN, opened=health.opened + 1, until_s=now_s + pause_s, failed_s=now_s)


def ask(health: HostHealth, now_s: float) -> tuple[HostHealth, float]:
    """May a file use the host now? Return the next state and the seconds to wait (0 = go on).

    The first to ask after the pause becomes the probe; the others wait for its result, at most PROBE_S.
    """
    if health.circuit is Circuit.CLOSED:
        return health, 0.0
    if now_s < health.until_s:
        return health, health.until_s - now_s
    return replace(health, circuit=Circuit.HALF_OPEN, until_s=now_s + PROBE_S), 0.0


def is_given_up(health: HostHealth, *, now_s: float, patience_s: float) -> bool:
    """Whether the patience is used up and the last try, at its end, has failed too."""
    if health.circuit is Circuit.CLOSED:
        return False
    end_s = health.since_s + patience_s
    last_try_failed = health.circuit is Circuit.OPEN and health.failed_s >= end_s - LAST_WAIT_S
    return last_try_failed or now_s >= end_s + max(120.0, patience_s)  # nobody came to try
