"""The order book of the account: downloads from request to completion, and the limits."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from landsat_async.sim.links import FileLink
from landsat_async.sim.script import Script, matches

STATUS = {
    "preparing": ("Q", "Staging"),
    "available": ("A", "Available"),
    "proxied": ("P", "Proxied"),
    "complete": ("C", "Complete"),
    "failed": ("F", "Failed"),
    "cleared": ("X", "Cleared"),
}


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that can be asked for: one line of download-options, resolved to a file."""

    product_id: str
    product_code: str
    product_name: str
    system: str
    entity_id: str
    display_id: str
    dataset_id: str
    dataset_alias: str
    collection_name: str
    bytes_nominal: int
    file: str
    available: bool

    @property
    def is_proxied(self) -> bool:
        """Landsatlook serves it without staging; the API cannot see the transfer."""
        return self.system.startswith("ls_")


class Download(msgspec.Struct):
    """One requested download."""

    id: int
    offer: Offer
    label: str
    requested_s: float
    entered_ms: int
    state: str
    polls: int = 0
    attempted: bool = False
    link: FileLink | None = None

    @property
    def is_active(self) -> bool:
        """Still waits to be fetched."""
        return self.state in ("preparing", "available", "proxied")


def _first_id() -> int:
    """Return an id that no simulator has used before: the service never gives one twice.

    A client remembers downloads that were given up, and would take a new one of such an id for the old one.
    """
    return 790_721_113 + (time.time_ns() // 1_000_000 - 1_700_000_000_000)


def _draw(*numbers: int) -> float:
    """Return a number from 0 to 1 that these always give."""  # checksums of ids in a row are too much alike for it
    digest = hashlib.sha256(repr(numbers).encode()).digest()
    return int.from_bytes(digest[:4]) / 2**32


@dataclass(slots=True)
class Downloads:
    """All downloads of the account."""

    by_id: dict[int, Download] = field(default_factory=dict)
    _by_label: dict[str, dict[int, Download]] = field(default_factory=dict)
    _newest: dict[tuple[str, str], Download] = field(default_factory=dict)
    _recent: deque[float] = field(default_factory=deque)
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(_first_id()))
    pending: int = 0
    unattempted: int = 0

    def add(self, offer: Offer, label: str, state: str, now_s: float, entered_ms: int) -> Download:
        """Enter a new download."""
        download = Download(next(self._ids), offer, label, now_s, entered_ms, "new")
        self.by_id[download.id] = download
        self._by_label.setdefault(label, {})[download.id] = download
        self._newest[offer.entity_id, offer.product_id] = download
        self._recent.append(now_s)
        self.move(download, state)
        return download

    def move(self, download: Download, state: str) -> None:
        """Change a state and keep the counts of the limits right."""
        self.pending += (state == "preparing") - (download.state == "preparing")
        waited = download.state == "available" and not download.attempted
        self.unattempted += (state == "available" and not download.attempted) - waited
        download.state = state

    def attempt(self, download: Download) -> None:
        """Note that a transfer was begun."""
        if not download.attempted:
            self.unattempted -= download.state == "available"
            download.attempted = True

    def active_twin(self, offer: Offer, label: str | None) -> Download | None:
        """Return the download of the same product that still waits to be fetched."""
        twin = self._newest.get((offer.entity_id, offer.product_id))
        if twin is None or not twin.is_active or (label is not None and twin.label != label):
            return None
        return twin

    def of_label(self, label: str | None) -> list[Download]:
        """Return the downloads of a label; of the whole account without one."""
        found = self.by_id if label is None else self._by_label.get(label, {})
        return list(found.values())

    def labels(self) -> Iterator[tuple[str, list[Download]]]:
        """Return the labels and their downloads."""
        for label, downloads in self._by_label.items():
            yield label, list(downloads.values())

    def remove(self, download: Download) -> None:
        """Forget a download."""
        self.move(download, "cleared")
        del self.by_id[download.id]
        del self._by_label[download.label][download.id]
        if not self._by_label[download.label]:
            del self._by_label[download.label]

    def recent(self, script: Script, now_s: float) -> int:
        """Return how many were requested within the window."""
        while self._recent and self._recent[0] <= now_s - script.recent_window_s:
            self._recent.popleft()
        return len(self._recent)

    def poll(self, download: Download, script: Script, now_s: float) -> None:
        """Count a look at a download that is in preparation, and make it ready when its time has come."""
        download.polls += 1
        self.ripen(download, script, now_s)

    def ripen(self, download: Download, script: Script, now_s: float) -> None:
        """Make a staged download ready when it has waited long enough."""
        if download.state != "preparing" or matches(download.offer.file, script.staging_never):
            return
        if download.polls < script.staging_polls or now_s - download.requested_s < script.staging_s:
            return
        if script.staging_share < 1 and _draw(script.seed, download.id, download.polls) >= script.staging_share:
            return
        fails = matches(download.offer.file, script.staging_fails)
        self.move(download, "failed" if fails else "available")
