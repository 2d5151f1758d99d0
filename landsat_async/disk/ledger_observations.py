"""The ledger's part of what was seen of the service: counts by host, topic and value, bounded in number."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Mapping
from typing import NamedTuple

from landsat_async.disk.ledger_writer import LedgerWriter
from landsat_async.rules.observed import Seen, code_of

ROWS_MOST = 4000


class Observed(NamedTuple):
    """One value of one topic at one host."""

    host: str
    topic: str
    value: str
    seen: Seen
    first: float
    """Unix time."""
    last: float


class ObservationRecords:
    """What runs add."""

    def __init__(self, writer: LedgerWriter) -> None:
        self._writer = writer

    def add(self, news: Mapping[tuple[str, str, str], Seen], now: float) -> Awaitable[None]:
        """Add counts to those of earlier runs; when there are too many, what was seen longest ago goes."""
        rows = [(*key, *seen, now, now) for key, seen in news.items()]

        def write(c: sqlite3.Connection) -> None:
            c.executemany(_ADD, rows)
            c.execute(_BOUND, (ROWS_MOST,))

        return self._writer.call(write)


_ADD = """
INSERT INTO observed VALUES(?,?,?,?,?,?,?,?) ON CONFLICT(host, topic, value) DO UPDATE SET
  count=count + excluded.count, last=excluded.last,
  low=CASE WHEN low IS NULL OR excluded.low < low THEN coalesce(excluded.low, low) ELSE low END,
  high=CASE WHEN high IS NULL OR excluded.high > high THEN coalesce(excluded.high, high) ELSE high END"""
_BOUND = """
DELETE FROM observed WHERE (host, topic, value) IN (
  SELECT host, topic, value FROM observed ORDER BY last DESC, count DESC LIMIT -1 OFFSET ?)"""


def observed(connection: sqlite3.Connection) -> list[Observed]:
    """Return all that was seen, and from the times of preparation their range by download system."""
    rows = connection.execute("SELECT * FROM observed ORDER BY host, topic, count DESC, value")
    found = [Observed(host, topic, value, Seen(count, low, high), first, last)
             for host, topic, value, count, low, high, first, last in rows]  # fmt: skip
    staged = "SELECT system, count(*), min(waited_s), max(waited_s), min(at), max(at) FROM staged GROUP BY system"
    for system, count, low, high, first, last in connection.execute(staged):
        found.append(
            Observed(
                "the service",
                "preparing",
                code_of(system, r"[a-z]{2,10}(_[a-z0-9]{1,5})?"),
                Seen(count, low, high),
                first,
                last,
            )
        )
    return found
