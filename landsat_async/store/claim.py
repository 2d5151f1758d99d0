"""One run at a time on one prefix: an object that is renewed while a run lives.

A store has no locks. Who finds a claim that was renewed lately ends with exit code 8; one that has not been renewed for
EXPIRES_S belongs to a run that was killed, and is taken over. It saves double traffic only: keys that must not be
replaced, and a ledger for each machine, keep the data right with a claim that lies.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from landsat_async.disk.target import StoreFailed
from landsat_async.errors import FolderBusy
from landsat_async.store.client import StoreClient, StoredObject

BEAT_S = 30.0
EXPIRES_S = 150.0
_MOST_BYTES = 4096


class PrefixClaim:
    """Holds a prefix until `release`."""

    def __init__(self, client: StoreClient, key: str, owner: str, *, beat_s: float = BEAT_S) -> None:
        """Claim it.

        Args:
            client: The bucket.
            key: Of the object.
            owner: Who we are, the same for all runs of one state folder: what such a run has left is ours.
            beat_s: Pause between two renewals.

        Raises:
            FolderBusy: another run has it.
            StoreFailed: the store does not answer, or does not let us write.
        """
        self._client, self._key, self._owner = client, key, owner
        self.lost = False
        """Another run has taken it over: this one was believed dead."""
        there = client.head(key)
        self._mine: StoredObject | None = None
        self.was_left = there is not None
        """A run has not given it back: it was killed, and may have left more."""
        self._take(there)
        self._over = threading.Event()
        self._beat_s = beat_s
        self._thread = threading.Thread(target=self._renew, name="store-claim", daemon=True)
        self._thread.start()

    def _take(self, there: StoredObject | None) -> None:
        if there is not None and (busy := busy_with(self._client, there, self._owner)) is not None:
            raise busy
        try:
            if there is None:
                self._client.put_new(self._key, self._content())
            else:
                self._client.put(self._key, self._content(), instead_of=there)
        except FileExistsError:  # also the answer to a request that was made again, because its first answer was lost
            if not self._is_ours():
                raise FolderBusy("Another run has just begun to use this prefix.", hint="Wait until it ends.") from None
        self._mine = self._client.head(self._key)

    def _content(self) -> bytes:
        who = {"owner": self._owner, "host": socket.gethostname(), "pid": os.getpid(), "renewed": int(time.time())}
        return json.dumps(who).encode()

    def _renew(self) -> None:
        while not self._over.wait(self._beat_s):
            try:
                with self._client.once():
                    self._renew_once()
            except FileExistsError:
                self.lost = True
                return
            except OSError:  # it is tried again at the next beat
                continue

    def _renew_once(self) -> None:
        """Raises FileExistsError when it is somebody else's now."""
        try:
            self._client.put(self._key, self._content(), instead_of=self._mine)
        except (FileExistsError, FileNotFoundError):  # stores say either when somebody has removed it
            if self._client.head(self._key) is None:
                self._client.put_new(self._key, self._content())
            elif not self._is_ours():  # ours, if the answer to an earlier beat was lost
                raise
        self._mine = self._client.head(self._key)

    def _is_ours(self) -> bool:
        now = self._client.head(self._key)
        return now is not None and (now == self._mine or _read(self._client, now).get("owner") == self._owner)

    def release(self, tidy: Callable[[], bool] = lambda: True) -> None:
        """Give the prefix back; safe to call twice. What cannot be removed expires.

        Args:
            tidy: Removes what is unfinished, called only while the prefix is ours: a machine that has slept may not
                have heard yet that it is another run's. Where it returns False the claim stays, so that the next run
                looks for what is left.
        """
        self._over.set()
        self._thread.join(5.0)
        if self.lost:
            return
        self.lost = True
        with suppress(StoreFailed, FileNotFoundError), self._client.once():
            if self._is_ours() and tidy():
                self._client.delete([self._key])


def busy_with(client: StoreClient, claim: StoredObject, owner: str) -> FolderBusy | None:
    """Return what `owner` would be refused with because of a claim that is there; None: it may be taken."""
    other = _read(client, claim)
    age_s = time.time() - claim.changed_s
    if other.get("owner") == owner or age_s >= EXPIRES_S:
        return None
    return FolderBusy(
        f"Another run ({_text(other)}) is using this prefix; its last sign of life is {age_s:.0f} s old.",
        hint=f"Wait until it ends. {EXPIRES_S:.0f} s after a run was killed the prefix is free again.",
    )


def _read(client: StoreClient, claim: StoredObject) -> dict[str, object]:
    try:
        found = json.loads(client.read(claim.key, min(claim.size_bytes, _MOST_BYTES), 0))
    except (ValueError, FileNotFoundError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(other: dict[str, object]) -> str:
    host, pid = str(other.get("host", "?"))[:60], str(other.get("pid", "?"))[:10]
    return f"process {pid} on {host}" if host.isprintable() and pid.isprintable() else "of an unknown machine"
