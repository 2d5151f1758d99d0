"""Outputs (items, catalogue, VRTs, tables) as objects of a bucket: each by one request, or one upload, so it is whole.

Who reads meanwhile sees the old object or the new one. What is there is known from one list; an object is replaced only
when it is one of ours, and only as long as it is what was looked at, where the store keeps its word about that. A table
of more than 16 MiB goes up in parts, which cannot be given that condition.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar

from landsat_async.disk.at_once import abandonable, at_once
from landsat_async.disk.folder import STATE_FOLDER
from landsat_async.disk.fs import Fs
from landsat_async.disk.output_files import HEAD_BYTES, TAIL_BYTES, NotOurs, OutputFile, SpareFiles
from landsat_async.disk.target import StoreFailed
from landsat_async.proof.byte_view import Stopped
from landsat_async.rules.store_url import StoreUrl
from landsat_async.store.client import SINGLE_PUT_BYTES, StoreClient, StoredObject, shown
from landsat_async.store.faults import usable
from landsat_async.store.look import Objects, Snapshot
from landsat_async.store.naming import Naming

_TOGETHER = 64
_REQUESTS_AT_ONCE = 16
_TRIES = 3
"""So often an object is looked at again that has changed since it was looked at."""
T = TypeVar("T")
_SOME_OUTPUT = "stac"
"""A list that holds this holds all that can be an output at the top."""


class StoreOutputs:
    """Writes outputs below a prefix, see `disk.output_files.OutputPlace`. Raises LandsatError where the store fails."""

    def __init__(
        self,
        client: StoreClient,
        url: StoreUrl,
        objects: Objects,
        naming: Naming,
        spares: tuple[Fs, str],
        is_ours: Callable[[bytes], bool],
        stop: Callable[[], bool],
    ) -> None:
        """Write below a prefix that is claimed.

        Args:
            client: The bucket.
            url: The prefix.
            objects: What lies below it.
            naming: Brings up what is large.
            spares: File system and folder for tables while they are written.
            is_ours: Tells by beginning and end of an object whether it may be replaced.
            stop: Asked while the store is waited for; then Stopped is raised, and a request may still be under way.
        """
        self._client, self._url, self._objects, self._naming = client, url, objects, naming
        self._fs = spares[0]
        self._spares = SpareFiles(*spares, 0o600)
        self._is_ours, self._stop = is_ours, stop
        self._waiting: list[tuple[str, bytes]] = []
        self._removed: list[str] = []
        self._found: Snapshot | None = None
        self.changed = 0
        self.refused: list[str] = []

    # -- writing -------------------------------------------------------------------------------------------------------

    def put(self, relpath: str, data: bytes) -> None:
        """Write an object of these bytes, with the next ones; nothing is done where it has them already."""
        self._waiting.append((relpath, data))
        if len(self._waiting) >= _TOGETHER:
            self.name_all()

    def name_all(self) -> None:
        """Write what was put, several at a time."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        with usable(self._url):
            wanted = self._ask(lambda: [(relpath, data, self._there(relpath)) for relpath, data in waiting])
            for (relpath, data, _), is_new in at_once(self._try_replace, wanted, _REQUESTS_AT_ONCE, self._stop):
                if is_new is None:
                    self.refused.append(relpath)
                elif is_new:
                    self._remember(relpath, len(data))
                    self.changed += 1

    @contextmanager
    def writing(self, relpath: str) -> Iterator[OutputFile]:
        """Make an object piece by piece, on this machine; it goes up at the end of the block. Raises NotOurs."""
        with usable(self._url):
            if not self._ask(lambda: self._may_be_replaced(relpath)):
                raise NotOurs(relpath)
        spare, fd = self._spares.make()
        closes = threading.Lock()  # taken by who closes the file, once: that may be a call which goes on after a stop

        def bring_up() -> None:
            if closes.acquire(blocking=False):
                self._bring_up(relpath, spare, fd, file.tell())

        try:
            file = OutputFile(self._fs, fd)
            yield file
            file.flush()
            with usable(self._url):
                self._ask(bring_up)
        finally:
            if closes.acquire(blocking=False):  # a stop, or a machine without threads: that call never began
                self._drop(spare, fd)
        self._remember(relpath, file.tell())

    def _bring_up(self, relpath: str, spare: str, fd: int, size_bytes: int) -> None:
        read = partial(self._fs.pread, fd)
        try:
            if size_bytes > SINGLE_PUT_BYTES:
                self._naming.replace(self._url.key(relpath), read, size_bytes, self._stop)
            elif self._try_replace((relpath, read(size_bytes, 0), self._there(relpath))) is None:
                raise NotOurs(relpath)
        except InterruptedError:
            raise Stopped from None
        finally:
            self._drop(spare, fd)

    def _drop(self, spare: str, fd: int) -> None:
        self._fs.close(fd)
        self._spares.drop([spare])

    def _ask(self, call: Callable[[], T]) -> T:
        """Return what a call returns that asks the store; a stop does not wait for it."""
        return abandonable(call, self._stop)

    def _try_replace(self, wanted: tuple[str, bytes, StoredObject | None]) -> bool | None:
        """Give an object its bytes; False: it has them already, None: something that is not ours has the key.

        Args:
            wanted: Path, bytes, and what was there when it was looked at.
        """
        relpath, data, there = wanted
        key = self._url.key(relpath)
        for _ in range(_TRIES):
            try:
                if there is None:
                    self._client.put_new(key, data)
                    return True
                if there.size_bytes == len(data) and self._bytes(there, len(data), 0) == data:
                    return False
                if not self._is_ours_there(there):
                    return None
                self._client.put(key, data, instead_of=there)
                return True
            except (FileExistsError, FileNotFoundError):  # also where the first answer to our own request was lost
                there = self._client.head(key)
        if there is None:
            raise StoreFailed(f"somebody has removed the bucket, or {shown(key)} again and again")
        return None

    def _may_be_replaced(self, relpath: str) -> bool:
        there = self._there(relpath)
        return there is None or self._is_ours_there(there)

    def _is_ours_there(self, there: StoredObject) -> bool:
        """Tell whether an object may be replaced; also when somebody has just removed it."""
        size = there.size_bytes
        try:
            head = self._bytes(there, HEAD_BYTES, 0)
            tail = self._bytes(there, TAIL_BYTES, size - TAIL_BYTES) if size > HEAD_BYTES else b""
        except FileNotFoundError:
            return True
        return not size or self._is_ours(head + tail)

    # -- removing ------------------------------------------------------------------------------------------------------

    def remove(self, relpath: str) -> None:
        """Remove an object of ours, at the next `sync`; what is not ours stays."""
        with usable(self._url):
            if self._ask(lambda: self._there(relpath) is not None and self._may_be_replaced(relpath)):
                self._removed.append(relpath)

    def sync(self) -> None:
        """Write what was put, then remove what was removed."""
        self.name_all()
        removed, self._removed = self._removed, []
        if removed:
            with usable(self._url):
                self._ask(lambda: self._client.delete([self._url.key(relpath) for relpath in removed]))
            for relpath in removed:
                self._all(_SOME_OUTPUT).pop(self._url.key(relpath), None)

    def sweep(self) -> None:
        """Remove tables that a killed run was writing on this machine."""
        self._spares.sweep()

    def abandon(self) -> None:
        """Forget what was put and not written."""
        self._waiting.clear()
        self._removed.clear()

    # -- looking -------------------------------------------------------------------------------------------------------

    def read(self, relpath: str, most_bytes: int, offset: int = 0) -> bytes | None:
        """Return a part of an object; None where there is none."""

        def read() -> bytes | None:
            there = self._there(relpath)
            return None if there is None else self._bytes(there, most_bytes, offset)

        with usable(self._url), suppress(FileNotFoundError):
            return self._ask(read)
        return None

    def names(self, folder: str) -> list[str]:
        """Return the names directly below a folder, of objects and of folders."""
        below = self._url.key(f"{folder}/" if folder else "")
        found = self._ask(lambda: self._all(f"{folder}/" if folder else _SOME_OUTPUT))
        return sorted({key[len(below) :].partition("/")[0] for key in found if key.startswith(below)} - {""})

    def is_there(self, relpath: str) -> bool:
        """Tell whether there is such an object."""
        return self._ask(lambda: self._there(relpath)) is not None

    def _there(self, relpath: str) -> StoredObject | None:
        if relpath.startswith(f"{STATE_FOLDER}/"):  # lists of objects leave these out
            return self._objects.head(self._url.key(relpath))
        return self._all(relpath).get(self._url.key(relpath))

    def _all(self, relpath: str) -> dict[str, StoredObject]:
        """Return the objects below the prefix, by key; asked for once, and kept up to date with what is written here.

        It is a list that would hold `relpath`; those that sort before our folder of state are rarely in it.
        """
        key = self._url.key(relpath)
        if self._found is None or key <= self._found.after:
            found = self._objects.snapshot(key)
            self._found = replace(found, objects=dict(found.objects))
        return self._found.objects

    def _bytes(self, there: StoredObject, most_bytes: int, offset: int) -> bytes:
        return self._client.read(there.key, max(0, min(most_bytes, there.size_bytes - offset)), offset)

    def _remember(self, relpath: str, size_bytes: int) -> None:
        """Note an object that is ours now; who replaces it again is asked for no condition."""
        if not relpath.startswith(f"{STATE_FOLDER}/"):
            key = self._url.key(relpath)
            self._all(relpath)[key] = StoredObject(key, size_bytes, 0, time.time(), None, None)
