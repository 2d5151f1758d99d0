"""What a run tells: typed facts, each the shape of one JSON line (contract, chapter 4).

`file` is always the path relative to the output directory, with forward slashes. Rendering is elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Planned:
    """Selection is done."""

    scenes: int
    files: int
    bytes_nominal: int


@dataclass(frozen=True, slots=True)
class Requested:
    """One portion was asked for."""

    label: str
    downloads: int
    available: int
    preparing: int
    failed: int


@dataclass(frozen=True, slots=True)
class Ready:
    """A file can be fetched now."""

    file: str


@dataclass(frozen=True, slots=True)
class Started:
    """A worker begins, or goes on at `offset_bytes`."""

    file: str
    offset_bytes: int
    size_bytes: int | None
    """Exact size; None as long as the server has not told."""


@dataclass(frozen=True, slots=True)
class Transferred:
    """Progress of one file; coalesced, never a JSON line of its own."""

    file: str
    position_bytes: int
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of the whole run, at most one a second."""

    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int | None
    rate_bytes_s: float
    files_preparing: int = 0
    """Files that the service is still preparing."""
    workers: int = 0
    """Workers that are allowed to run at the moment (adapts to the line)."""
    staging_eta_s: float | None = None
    """When the last of them is likely to be ready, by what staging took before; None = no experience yet."""


@dataclass(frozen=True, slots=True)
class Retrying:
    """Something will be tried again."""

    file: str | None
    """None: the service or a host, not one file."""
    reason: str
    attempt: int
    wait_s: float


@dataclass(frozen=True, slots=True)
class Verified:
    """A file has its final name."""

    file: str
    size_bytes: int
    sha256: str
    proof: str
    identity: str = "none"
    """What evidence there was that it is the file that it is named after: published, content, named or none."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file is already here and proven."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A file, scene or band that this run cannot deliver."""

    file: str
    reason: str
    hint: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something selected that some scenes have and others lack; no failure, and counted nowhere."""

    what: str
    """Band or file group, as the user asked for it."""
    reason: str
    scenes: int
    """How many scenes lack it."""
    example: str
    """Display id of one of them."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Talk for people: goes to stderr, never to JSON lines."""

    text: str
    level: str = "info"
    """"info" or "warning"."""


@dataclass(frozen=True, slots=True)
class Error:
    """The run cannot go on."""

    reference: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Always last. files_total = files_verified + files_skipped + files_failed + files_pending."""

    files_total: int
    files_verified: int
    files_skipped: int
    files_failed: int
    files_pending: int
    bytes_received: int
    elapsed_s: float
    exit_code: int


Event: TypeAlias = (
    Planned
    | Requested
    | Ready
    | Started
    | Transferred
    | Progress
    | Retrying
    | Verified
    | Skipped
    | Failed
    | LeftOut
    | Notice
    | Error
    | Finished
)
