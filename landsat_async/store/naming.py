"""The last step of a transfer into a store: a part that was proven goes up, and gets its final key.

Up to 16 MiB by one request that replaces nothing; larger ones in parts to a temporary key, and from there by a copy
that replaces nothing. What is left of it when that fails goes at the end of the run, or at the beginning of the next.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from landsat_async.disk.folder import STATE_FOLDER
from landsat_async.disk.fs import Fs
from landsat_async.disk.target import CompletePart, StoreFailed
from landsat_async.rules.store_url import StoreUrl
from landsat_async.store.client import SINGLE_PUT_BYTES, StoreClient, StoredObject
from landsat_async.store.unfinished import Unfinished
from landsat_async.store.versions import COMPARED_BYTES


class Naming:
    """Gives parts of one spool their final keys below one prefix."""

    def __init__(self, client: Callable[[], StoreClient], url: StoreUrl, fs: Fs, parts_dir: str) -> None:
        """Do so by `client`, which is made when it is first needed."""
        self._client, self._url, self._fs, self._parts_dir = client, url, fs, parts_dir
        self.prefix = url.key(f"{STATE_FOLDER}/parts")
        """What the temporary keys begin with."""
        self.owner = ""
        """Who we are, see `PrefixClaim`: parts of two machines that take turns may have one name, but other bytes."""
        self._raised: set[str] = set()
        """Names of parts that have a temporary key."""
        self._unfinished: Unfinished | None = None

    def name(self, part: CompletePart, key: str, *, overwrite: bool, stop: Callable[[], bool]) -> StoredObject | None:
        """Give a part its final key; returns the object, None where something else has that key.

        Raises:
            StoreFailed: the store failed, or holds something else than it got.
            InterruptedError: `stop` said so.
        """
        is_ours = True
        try:
            self._bring_up(part, key, overwrite=overwrite, stop=stop)
        except FileExistsError:
            is_ours = False
        except FileNotFoundError:
            raise StoreFailed("somebody has removed the bucket, or what had just been brought up") from None
        stored = self._client().head(key)
        if stored is None:
            raise StoreFailed(f"the store says that it has {key}, and shows nothing there")
        if not is_ours and not self.is_same(part.fd, stored, part.length):
            return None
        if stored.size_bytes != part.length:
            raise StoreFailed(f"the store holds {stored.size_bytes:,} bytes of {part.length:,} bytes under {key}")
        return stored  # perhaps named before, by a run that could not record it

    def _bring_up(self, part: CompletePart, key: str, *, overwrite: bool, stop: Callable[[], bool]) -> None:
        client, read = self._client(), partial(self._fs.pread, part.fd)
        if part.length <= SINGLE_PUT_BYTES:
            data = read(part.length, 0)
            (client.put if overwrite else client.put_new)(key, data)
            return
        if not overwrite and not client.is_conditional and client.head(key) is not None:
            raise FileExistsError(errno.EEXIST, "something is there already", key)
        name = part.path.replace("\\", "/").rpartition("/")[2]
        self._raised.add(name)
        client.upload(self._key(name), read, part.length, stop)
        self.clear_key(key)
        (client.copy if overwrite else client.copy_new)(self._key(name), key)

    def replace(self, key: str, read: Callable[[int, int], bytes], size_bytes: int, stop: Callable[[], bool]) -> None:
        """Write a large object that is no download, whole, in place of what is there.

        Raises:
            StoreFailed: the store failed.
            InterruptedError: `stop` said so.
        """
        self.clear_key(key)
        self._client().upload(key, read, size_bytes, stop)

    def clear_key(self, key: str) -> None:
        """Give up what a killed run had begun under a key that is about to be made now."""
        if self._unfinished is not None and not self._unfinished.clear_key(key):
            self._client().cut_off.add(key)

    def _key(self, part_name: str) -> str:
        return f"{self.prefix}/{self.owner}-{part_name}"

    def is_same(self, fd: int, there: StoredObject, size_bytes: int) -> bool:
        """Tell whether an object is what we would have put there."""
        if there.size_bytes != size_bytes:
            return False
        for at in range(0, size_bytes, COMPARED_BYTES):
            size = min(COMPARED_BYTES, size_bytes - at)
            if self._fs.pread(fd, size, at) != self._client().read(there.key, size, at):
                return False
        return True

    def discard(self, part_names: Sequence[str]) -> None:
        """Remove temporary keys of parts; what the store does not remove now goes later."""
        raised = [name for name in part_names if name in self._raised]
        if raised:
            with suppress(StoreFailed, FileNotFoundError), self._client().once():
                self._client().delete([self._key(name) for name in raised])
                self._raised.difference_update(raised)

    def clear_unfinished(self) -> tuple[str, ...]:
        """Remove what a killed run has left in the store; returns what could not be looked for.

        What is in the spool is used again. Raises StoreFailed, FileNotFoundError.
        """
        self._unfinished = Unfinished(self._client(), self._url.prefix)
        return self._clear(self._unfinished)

    def _clear(self, unfinished: Unfinished) -> tuple[str, ...]:
        return unfinished.clear(self.prefix, [self._key(name) for name in self._fs.listdir(self._parts_dir)])

    def tidy(self) -> bool:
        """Remove what is left of files that were not named; returns whether nothing is left."""
        client = self._client()
        with suppress(OSError), client.once():  # of the spool, too: it must not keep the claim from being given back
            if self._raised:
                client.delete([self._key(name) for name in self._raised])
                self._raised.clear()
            if keys := client.cut_off.keys():
                unfinished = Unfinished(client, self._url.prefix)
                if not self._clear(unfinished):
                    client.cut_off.forget([key for key in keys if unfinished.clear_key(key)])
        return not self._raised and not client.cut_off.keys()
