"""What lies below a prefix: a few objects are asked for one by one, many by a list."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from landsat_async.disk.folder import STATE_FOLDER
from landsat_async.disk.target import StoreFailed
from landsat_async.rules.store_url import StoreUrl
from landsat_async.store.client import StoreClient, StoredObject
from landsat_async.store.faults import unusable, usable

FEW = 8
"""So many objects are looked at one by one; more by a list, a thousand a request."""
SNAPSHOT_S = 60.0
"""So long a list is believed; what this run writes is added to it."""
_AFTER_STATE = f"{STATE_FOLDER}0"
"""Sorts right behind all that lies in our own folder of state."""


@dataclass(slots=True)
class Snapshot:
    """A list of objects."""

    taken_s: float
    after: str
    """Only keys that sort behind this were asked for; "" = all."""
    objects: dict[str, StoredObject]


class Objects:
    """Looks at the objects of a prefix. Raises LandsatError where the store does not tell."""

    def __init__(self, client: Callable[[], StoreClient], url: StoreUrl) -> None:
        """Look by `client`, which is made when it is first needed."""
        self._client, self._url = client, url
        self.is_bucket_seen = False
        """There is such a bucket; of one that is not there no object is found either."""
        self._looked_at = 0
        """Objects that were asked for one by one; runs look at the files of one scene after the other."""
        self._snapshot: Snapshot | None = None
        self._lock = threading.Lock()
        """Held while a list is made: who needs it too waits for it."""

    def head(self, key: str) -> StoredObject | None:
        """Return an object, None where there is none."""
        with usable(self._url):
            found = self._client().head(key)
            if found is None and not self.is_bucket_seen:
                self.list(self._url.key(f"{STATE_FOLDER}/parts"))
        self.is_bucket_seen = True
        return found

    def list(self, prefix: str, after: str = "") -> list[StoredObject]:
        """Return all objects below a prefix whose keys sort behind `after`."""
        try:
            return self._client().list(prefix, after)
        except (StoreFailed, FileNotFoundError) as failed:
            raise unusable(self._url, failed) from None

    def of(self, relpaths: Sequence[str]) -> dict[str, StoredObject]:
        """Return what is there of these files, by key."""
        keys = [self._url.key(relpath) for relpath in relpaths]
        first = min(keys, default="")
        if (young := self._young(first)) is not None:
            return young.objects
        self._looked_at += len(keys)
        if self._looked_at <= FEW:
            heads = [self.head(key) for key in keys]
            return {head.key: head for head in heads if head is not None}
        return self.snapshot(first).objects

    def snapshot(self, first: str) -> Snapshot:
        """Return a list that holds all objects from a key on, those of our own folder of state left out."""
        with self._lock:
            if (young := self._young(first)) is not None:
                return young
            # Files rarely sort before that folder; where they do not, its objects need no room in the list.
            now_s, after = time.monotonic(), self._url.key(_AFTER_STATE)
            after = after if first > after else ""
            found = {one.key: one for one in self.list(self._url.prefix, after) if f"{STATE_FOLDER}/" not in one.key}
            self._snapshot = Snapshot(now_s, after, found)
            return self._snapshot

    def _young(self, first: str) -> Snapshot | None:
        snapshot = self._snapshot
        if snapshot is None or time.monotonic() - snapshot.taken_s >= SNAPSHOT_S or first <= snapshot.after:
            return None
        return snapshot

    def remember(self, key: str, stored: StoredObject) -> None:
        """Add what this run has written."""
        if self._snapshot is not None:
            self._snapshot.objects[key] = stored

    def forget(self, key: str) -> None:
        """Take out what this run has moved away."""
        if self._snapshot is not None:
            self._snapshot.objects.pop(key, None)
