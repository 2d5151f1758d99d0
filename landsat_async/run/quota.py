"""How much to ask for, and when to poll: the account's limits, room on the disk and the poll schedule as arithmetic.

Facts: at most 15,000 downloads may be requested in 15 minutes, 20,000 may be pending and 20,000 unattempted, each
counted per user and per address (M2M documentation of rate-limit-summary). Whether the window slides is not known;
a sliding window kept on our side is safe for both.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

WINDOW_S = 900.0
WINDOW_DOWNLOADS = 15_000
PENDING_LIMIT = 20_000
POLL_GROWTH_AFTER = 5
"""Rounds without news before polls become rarer."""
POLL_GROWTH_MAX = 10.0
"""Polls never become rarer than this many intervals: 30 s grow to 5 min."""


class Allowance(msgspec.Struct, frozen=True):
    """How many downloads may be requested now; 0 comes with the time to wait."""

    downloads: int
    wait_s: float = 0.0


def allowance(
    requested: Sequence[tuple[float, int]],
    now_s: float,
    *,
    want: int,
    in_flight: int,
    window_limit: int = WINDOW_DOWNLOADS,
    pending_limit: int = PENDING_LIMIT,
    share: float = 1.0,
) -> Allowance:
    """Decide how much of `want` fits the limits.

    Args:
        requested: (unix time, downloads) of earlier requests, any order.
        now_s: unix time.
        want: downloads that we would like to request.
        in_flight: downloads requested for and not yet fetched.
        window_limit: downloads that WINDOW_S may hold.
        pending_limit: downloads that may be in flight.
        share: part of both limits that this run may use, 0 to 1; other runs of the account use the rest.
    """
    window_limit, pending_limit = max(1, int(window_limit * share)), max(1, int(pending_limit * share))
    # A clock set back must not make an entry of the "future" block for ever: it counts as requested just now.
    recent, free = [], window_limit
    for at, count in requested:
        if at > now_s - WINDOW_S:
            recent.append((min(at, now_s), count))
            free -= count
    fits = min(want, free, pending_limit - in_flight)
    if fits > 0:
        return Allowance(fits)
    if free > 0:
        return Allowance(0, 0.0)  # in-flight limit: the end of a transfer, not the clock, makes room
    need = 1 - free
    for at, count in sorted(recent):
        need -= count
        if need <= 0:
            return Allowance(0, min(WINDOW_S, max(0.0, at + WINDOW_S - now_s)))
    return Allowance(0, WINDOW_S)


def fitting(
    sizes_bytes: Sequence[int | None],
    *,
    free_bytes: int,
    keep_bytes: int,
    coming_bytes: int,
    coming_files: int,
    scale: float = 1.0,
) -> int:
    """Return how many of the files, from the first on, have room beside those that are coming.

    Listed sizes are rounded, so one file is let through as long as there is any room and nothing is coming: its
    transfer will tell. A size that is not listed counts as nothing.

    Args:
        sizes_bytes: Of the files, in the order in which they would be requested.
        free_bytes: On the disk.
        keep_bytes: What is never filled (`[download] min_free_bytes`).
        coming_bytes: What files that were requested before will still take.
        coming_files: How many those are.
        scale: Real bytes for each listed one.
    """
    if free_bytes <= keep_bytes:
        return 0
    room = free_bytes - keep_bytes - coming_bytes
    fits = 0
    for size in sizes_bytes:
        room -= int((size or 0) * scale)
        if room < 0:
            break
        fits += 1
    return fits if fits or coming_files else min(1, len(sizes_bytes))


def poll_delay_s(interval_s: float, rounds_without_news: int, u: float) -> float:
    """Return the pause before the next poll round: the interval, growing slowly when nothing changes."""
    extra = max(0, rounds_without_news - POLL_GROWTH_AFTER)
    factor = min(POLL_GROWTH_MAX, 1.5 ** min(extra, 10))
    return interval_s * factor * (0.95 + 0.1 * u)


def eta_s(ages_s: Sequence[float], waiting: int, elapsed_s: float) -> float | None:
    """Estimate when the last of `waiting` files will be staged, from the staging times seen so far.

    None without any experience. The 90th percentile of what was seen, less what has passed already.
    """
    if not ages_s or waiting <= 0:
        return None
    ordered = sorted(ages_s)
    late = ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))]
    return max(0.0, late - elapsed_s)
