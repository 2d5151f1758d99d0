"""What was asked of the simulator and what it answered, for tests to prove that something really happened."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

import msgspec


class Entry(msgspec.Struct, kw_only=True):
    """One request."""

    time_s: float
    """Clock of the event loop."""
    host: str
    """m2m, landsatlook or dds."""
    what: str
    """Endpoint, or name of the file."""
    method: str
    target: str
    headers: Mapping[str, str]
    payload: Any = None
    """Decoded JSON of an API call."""
    status: int | None = None
    """None while nothing has been sent, or when the connection ended instead."""
    error_code: str | None = None
    sent_bytes: int = 0
    """Body bytes, counted as they are about to go out."""
    fault: str | None = None
    """Kind of the scripted fault that was served."""

    @property
    def range(self) -> str | None:
        """Range header as sent."""
        return self.headers.get("range")


class Log:
    """Entries (bounded) and counters (complete)."""

    def __init__(self, keep: int = 50_000) -> None:
        self.entries: deque[Entry] = deque(maxlen=keep)
        self.calls: Counter[str] = Counter()
        """API calls by endpoint."""
        self.requests: Counter[str] = Counter()
        """Requests by host."""
        self.files: Counter[str] = Counter()
        """Requests by file."""
        self.file_bytes: Counter[str] = Counter()
        """Body bytes sent by file, of good and bad answers alike."""
        self.faults: Counter[str] = Counter()
        """Scripted faults served, by kind."""
        self.errors: Counter[str] = Counter()
        """Error codes answered."""
        self.overlaps = 0
        """API calls that came while another of the account was under way."""
        self.connections: Counter[str] = Counter()
        """Connections accepted, by host."""
        self.peak_transfers: Counter[str] = Counter()
        """Most transfers at one time, by host."""

    def add(self, entry: Entry) -> None:
        """Enter a request."""
        self.entries.append(entry)
        self.requests[entry.host] += 1

    def count_file_bytes(self, entry: Entry, count: int) -> None:
        """Note that body bytes of a file are about to go out."""
        self.file_bytes[entry.what] += count

    def saw_transfers(self, host: str, at_once: int) -> None:
        """Note how many transfers of a host are under way."""
        self.peak_transfers[host] = max(self.peak_transfers[host], at_once)

    def of(self, what: str) -> list[Entry]:
        """Entries of one endpoint or file."""
        return [entry for entry in self.entries if entry.what == what]

    def summary(self) -> dict[str, Any]:
        """Counters as plain JSON."""
        names = ("calls", "requests", "files", "file_bytes", "faults", "errors", "connections", "peak_transfers")
        return {"overlaps": self.overlaps, **{name: dict(getattr(self, name)) for name in names}}

    def clear(self) -> None:
        """Start again from nothing."""
        vars(self).update(vars(Log(self.entries.maxlen or 0)))
