"""How many workers may run at the moment, between 1 and the configured ceiling.

More connections help until the line is full, and harm the server after that. So the number grows while growing pays,
goes back by what did not pay, and is halved as soon as the server pushes back (429, 503, refused connections). Until
the first step back it doubles, because a slow beginning costs much when the server is far away; later it grows by half.
USGS publishes no limit for these hosts; five at a time is what its own notebook uses.
"""

from __future__ import annotations

from dataclasses import replace

from landsat_async.value import Value

FIRST = 5
"""Begin with so many, or the ceiling if that is lower."""
WINDOW_S = 1.0
"""Throughput is judged over this time."""
SHORT_WINDOW_S = 0.25
"""Over this time, where so many files come that it tells as much."""
FILES_OF_A_WORKER = 8
"""So many files for each worker tell as much as WINDOW_S does."""
FILE_WORTH_BYTES = 100_000
"""A finished file counts as so many bytes of throughput: with small files, round trips are the work."""
PAYS = 1.05
"""Growing has paid when throughput grew by so much."""
ROUND_S = 10.0
"""Files that are pushed back repeat their requests within this time: until then nobody knows whether halving helped."""
HOLD_S = 30.0
"""After a step back, nothing grows for so long."""


class ConcurrencyLimit(Value, frozen=True):
    """The number of workers and what it is judged by."""

    ceiling: int
    allowed: int
    rate: float = 0.0
    """Throughput of the last window, in any unit that is comparable (bytes/s plus a share for each file)."""
    grown_by: int = 0
    """What the last window added; 0 = it was steady."""
    hold_until_s: float = 0.0
    pushed_by: int | None = None
    """The file that was pushed back last: one bad file must not slow all others down."""

    @classmethod
    def start(cls, ceiling: int) -> ConcurrencyLimit:
        """Begin."""
        return cls(ceiling, min(FIRST, ceiling))


def window_is_over(lasted_s: float, files: int, allowed: int) -> bool:
    """Tell whether throughput can be judged: a second has passed, or enough files have come in less."""
    return lasted_s >= WINDOW_S or (lasted_s >= SHORT_WINDOW_S and files >= FILES_OF_A_WORKER * allowed)


def after_window(size: ConcurrencyLimit, rate: float, *, busy: int, now_s: float) -> ConcurrencyLimit:
    """Judge a window in which `busy` workers had something to do and `rate` came through."""
    if now_s < size.hold_until_s or busy < size.allowed:
        return replace(size, rate=rate, grown_by=0)
    if size.grown_by and rate < size.rate * PAYS:
        smaller = max(1, size.allowed - size.grown_by)
        return replace(size, allowed=smaller, rate=rate, grown_by=0, hold_until_s=now_s + HOLD_S)
    wish = size.allowed // 2 if size.hold_until_s else size.allowed
    step = min(size.ceiling - size.allowed, max(1, wish))
    return replace(size, allowed=size.allowed + step, rate=rate, grown_by=step)


def after_push_back(size: ConcurrencyLimit, item: int, now_s: float) -> ConcurrencyLimit:
    """The server refused `item` because it is too much. Answers of the round of the last halving do not count again."""
    if item == size.pushed_by or (size.pushed_by is not None and now_s < size.hold_until_s - HOLD_S + ROUND_S):
        return size
    smaller = max(1, size.allowed // 2)
    return replace(size, allowed=smaller, grown_by=0, hold_until_s=now_s + HOLD_S, pushed_by=item)
