"""A bucket as the place where proven files go.

Spool, prove, then name: a part is written, resumed and proven on a disk of this machine like any other, and only then
it goes up. Up to 16 MiB by one request that replaces nothing; larger ones in parts to a key of their own below
`.landsat_async/parts/`, and from there by a copy that replaces nothing. An object appears whole or not at all, so a
kill at any point leaves the final key absent or right.

A store that does not keep its word about replacing is asked before each name whether something is there; that is told
once, and `[store] strict` refuses it.

What is recorded of a finished file: our own SHA-256, its size, and a number made from its ETag.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from landsat_async.config_store import StoreConfig
from landsat_async.disk.folder import STATE_FOLDER, Claim, OutputFolder
from landsat_async.disk.foresee import refusal
from landsat_async.disk.fs import READ, FileInUse, local_fs
from landsat_async.disk.inspect import OpenFile
from landsat_async.disk.target import (
    NO_LIMIT_BYTES,
    Committed,
    CompletePart,
    FarWait,
    InTheWay,
    Look,
    PartLost,
    Place,
    Recorded,
    StoredPart,
    StoreFailed,
    TargetResult,
)
from landsat_async.errors import ConfigError, FolderBusy, LandsatError
from landsat_async.model import Proof
from landsat_async.proof.prove import Damaged, Proved, Stopped
from landsat_async.rules.store_url import KEY_BYTES_MAX, StoreUrl
from landsat_async.store.claim import PrefixClaim, busy_with
from landsat_async.store.client import StoreClient, StoredObject
from landsat_async.store.faults import unusable, usable
from landsat_async.store.gdal import gdal_options
from landsat_async.store.look import Objects
from landsat_async.store.naming import Naming
from landsat_async.store.outputs import StoreOutputs
from landsat_async.store.read_ahead import PEEK_BYTES, ReadAhead
from landsat_async.store.try_out import known_owner, owner_of, try_out, weaknesses
from landsat_async.store.versions import move, same_objects


class StoreClaim(Claim, frozen=True):
    """A prefix, and the local folder of what is known of it, that are ours until they are released."""

    prefix: PrefixClaim
    tidy: Callable[[], bool]
    """Removes what is left of uploads; returns whether nothing is left."""

    def release(self) -> None:
        """Give both back; safe to call twice."""
        self.prefix.release(self.tidy)
        self.lock.release()


class StoreTarget:
    """A prefix of a bucket, see `disk.target.Target`."""

    is_far = True

    def __init__(
        self,
        url: StoreUrl,
        config: StoreConfig,
        *,
        spool: Path,
        state_dir: Path,
        patience_s: float = 0.0,
    ) -> None:
        """Stand for a prefix; nothing is asked or made before `prepare`.

        Args:
            url: Where.
            config: How.
            spool: Folder of unfinished files.
            state_dir: Folder of the ledger.
            patience_s: How long a store that is down is waited for.
        """
        self._url, self._config = url, config
        self.fs = local_fs()
        self.folder = OutputFolder(state_dir, self.fs, state_dir=state_dir, parts_dir=spool)
        self.parts_dir = str(spool)
        self._make_client = partial(StoreClient, url, config, patience_s=patience_s)
        self._opened: StoreClient | None = None
        self._claim: PrefixClaim | None = None
        self._objects = Objects(lambda: self._client, url)
        self._naming = Naming(lambda: self._client, url, self.fs, self.parts_dir)

    @property
    def _client(self) -> StoreClient:
        if self._opened is None:
            self._opened = self._make_client()
        return self._opened

    def wait(self) -> FarWait | None:
        """Return what the store is waited for."""
        return None if self._opened is None else self._opened.patience.wait()

    def stop_waiting(self) -> None:
        """Make no request again from now on."""
        if self._opened is not None:
            self._opened.patience.end()

    # -- before a run --------------------------------------------------------------------------------------------------

    def foresee(self) -> LandsatError | None:
        """Return what `prepare` would raise now, as far as that can be seen without writing."""
        if (lacking := refusal(self.folder)) is not None:
            return lacking
        try:
            claim = self._objects.head(self._claim_key)
            return (
                busy_with(self._client, claim, known_owner(self.fs, str(self.folder.state)))
                if claim is not None
                else None
            )
        except (StoreFailed, FileNotFoundError) as failed:
            return unusable(self._url, failed)
        except LandsatError as error:
            return error

    def examine(self) -> tuple[str, ...]:
        """Try out what a run needs of the store, and leave nothing behind; returns what the store cannot promise.

        Raises:
            LandsatError: what `prepare` would end with because of the store.
        """
        try:
            self._try_out()
            self._objects.list(self._naming.prefix)
        except (StoreFailed, FileNotFoundError) as failed:
            raise unusable(self._url, failed) from None
        return weaknesses(self._client, self._url)

    def _try_out(self) -> None:
        try_out(self._client, self._url, strict=self._config.strict)
        self._objects.is_bucket_seen = True

    def prepare(self) -> Claim:
        """Make the local folders, try the store out, and claim both.

        Raises:
            FolderUnwritable: no rights, no such bucket, or `strict` and the store promises too little.
            FolderBusy: another run has the folder or the prefix.
            ServiceDown: the store cannot be reached.
        """
        local = self.folder.claim()
        try:
            self._try_out()
            self._naming.owner = owner_of(self.fs, str(self.folder.state))
            self._claim = PrefixClaim(self._client, self._claim_key, self._naming.owner)
            try:
                left = self._naming.clear_unfinished() if self._claim.was_left else ()
            except BaseException:
                self._claim.release(lambda: False)
                raise
        except (StoreFailed, FileNotFoundError) as failed:
            local.release()
            raise unusable(self._url, failed) from None
        except BaseException:
            local.release()
            raise
        warnings = (*local.warnings, *weaknesses(self._client, self._url), *left)
        return StoreClaim(local.lock, local.file_mode, warnings, self._claim, self._naming.tidy)

    def check_names(self, relpaths: Iterable[str]) -> None:
        """Raise ConfigError for the first key that is too long."""
        for relpath in relpaths:
            if len(self._key(relpath).encode()) > KEY_BYTES_MAX:
                raise ConfigError(
                    f"{relpath} is too long for a key: a store takes {KEY_BYTES_MAX} bytes",
                    hint="Choose a shorter [download] layout or prefix.",
                    reference="path-too-long",
                )

    def _key(self, relpath: str) -> str:
        if relpath.startswith("/") or any(part in ("", ".", "..") for part in relpath.split("/")):
            raise OSError(errno.EINVAL, "leads out of the prefix")
        return self._url.key(relpath)

    @property
    def _claim_key(self) -> str:
        return self._key(f"{STATE_FOLDER}/claim.json")

    # -- the last step of a transfer -----------------------------------------------------------------------------------

    def commit(
        self,
        part: CompletePart,
        relpath: str,
        *,
        prove: Callable[[], Proved | Damaged],
        needed: Proof,
        overwrite: bool,
        stop: Callable[[], bool] = lambda: False,
    ) -> TargetResult | Proved:
        """Prove the part on the spool, bring it up, and see that it is there whole."""
        if self.fs.fstat(part.fd).st_size != part.length:
            return PartLost()
        self.fs.fsync(part.fd)
        proved = prove()
        if isinstance(proved, Damaged) or proved.proof.rank < needed.rank:
            return proved
        if self._claim is not None and self._claim.lost:
            raise FolderBusy(
                "Another run has taken the prefix over: this one was not heard of for too long.",
                hint="Wait until it ends and run the same command again; what is complete stays in the spool.",
            )
        key = self._key(relpath)
        try:
            with self._client.for_one_file():
                stored = self._naming.name(part, key, overwrite=overwrite, stop=stop)
        except InterruptedError:
            raise Stopped from None
        except StoreFailed as failed:
            if failed.is_lasting or self._client.works():
                raise
            raise unusable(self._url, failed) from None  # for no file there is anything to be done now
        if stored is None:
            return InTheWay()
        self._objects.remember(key, stored)
        part.shut()
        return Committed(proved.proof, stored.mark, proved.identity)

    def discard(self, part_names: Sequence[str]) -> None:
        """Remove parts here and their keys in the store."""
        for name in part_names:
            with suppress(FileNotFoundError, FileInUse):
                self.fs.unlink(self.fs.join(self.parts_dir, name))
        self._naming.discard(part_names)

    def parts(self) -> list[StoredPart]:
        """Return all unfinished files; in the store there are none, see `Naming.clear_unfinished`."""
        fs, found = self.fs, []
        for name in fs.listdir(self.parts_dir):
            with suppress(FileNotFoundError):
                found.append(StoredPart(name, fs.lstat(fs.join(self.parts_dir, name)).st_mtime_ns / 1e9))
        return found

    # -- looking at what is there --------------------------------------------------------------------------------------

    def look(self, files: Sequence[Recorded]) -> list[Look]:
        """Compare size and ETag: one request a file for a few, else one list."""
        there = self._objects.of([file.relpath for file in files])
        return [_look(file, there.get(self._url.key(file.relpath))) for file in files]

    def places(self, wanted: Sequence[tuple[str, str]]) -> list[Place]:
        """Tell what has the final keys; a part that has one is known by its bytes."""
        there = self._objects.of([relpath for relpath, _ in wanted])
        return [self._place(there.get(self._url.key(relpath)), part_name) for relpath, part_name in wanted]

    def _place(self, there: StoredObject | None, part_name: str) -> Place:
        if there is None:
            return Place.FREE
        if not part_name:
            return Place.TAKEN
        try:
            fd = self.fs.open(self.fs.join(self.parts_dir, part_name), READ)
        except OSError:
            return Place.TAKEN
        try:
            with usable(self._url):
                same = self.fs.fstat(fd).st_size == there.size_bytes and self._naming.is_same(
                    fd, there, there.size_bytes
                )
            return Place.OURS if same else Place.TAKEN
        finally:
            self.fs.close(fd)

    @contextmanager
    def read(self, relpath: str) -> Iterator[OpenFile]:
        """Open an object for reading; what is read is fetched in blocks."""
        key = self._key(relpath)
        with usable(self._url):
            if (there := self._objects.head(key)) is None:
                raise FileNotFoundError(errno.ENOENT, "no such object", key)
            ahead = ReadAhead(partial(self._client.read, key), there.size_bytes)
            yield OpenFile(there.size_bytes, there.mark, ahead.read)

    @contextmanager
    def peek(self, relpath: str) -> Iterator[OpenFile]:
        """Open an object that is known from a list, if there is one, and is read in small blocks."""
        key = self._key(relpath)
        if (there := self._objects.of([relpath]).get(key)) is None:
            raise FileNotFoundError(errno.ENOENT, "no such object", key)
        with usable(self._url):
            ahead = ReadAhead(partial(self._client.read, key), there.size_bytes, block_bytes=PEEK_BYTES)
            yield OpenFile(there.size_bytes, there.mark, ahead.read)

    def gdal_path(self, relpath: str) -> str:
        """Return the path by which GDAL opens an object."""
        return f"/vsi{self._url.scheme}/{self._url.bucket}/{self._url.key(relpath)}"

    def gdal_options(self) -> dict[str, str]:
        """Return the endpoint, region and account for GDAL. Raises ConfigError where the store is not for it."""
        if not self._client.gives_ranges:
            raise ConfigError(
                f"The store {self._url} gives objects whole, and no ranges of them: GDAL cannot read there.",
                hint="Copy the files into a folder; summary.paths() has their addresses.",
            )
        return gdal_options(self._url, self._config, os.environ)

    def outputs(self, is_ours: Callable[[bytes], bool], stop: Callable[[], bool] = lambda: False) -> StoreOutputs:
        """Return what writes outputs as objects."""
        return StoreOutputs(
            self._client, self._url, self._objects, self._naming, (self.fs, self.parts_dir), is_ours, stop
        )

    def put_aside(self, relpath: str) -> str | None:
        """Move a changed object to a key of its own."""
        kept = f"{STATE_FOLDER}/changed/{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{relpath.rpartition('/')[2]}"
        with usable(self._url):
            self._client.copy(self._key(relpath), self._key(kept))
            self._client.delete([self._key(relpath)])
        self._objects.forget(self._key(relpath))
        return kept

    def move(self, relpath: str, to: str) -> None:
        """Move a finished object, see `versions.move`."""
        self._naming.clear_key(self._key(to))
        move(self._client, self._key(relpath), self._key(to))
        self._objects.forget(self._key(relpath))

    def remove(self, relpath: str) -> None:
        """Remove a finished object; no harm when it is gone."""
        self._client.delete([self._key(relpath)])
        self._objects.forget(self._key(relpath))

    def is_same_file(self, relpath: str, other: str) -> bool:
        """Tell whether two keys hold the same bytes."""
        with usable(self._url):
            return same_objects(self._client, self._key(relpath), self._key(other))

    def free_bytes(self) -> int:
        """Return that no limit is known; what a run keeps free is kept on the disk of the spool."""
        return NO_LIMIT_BYTES

    def spool_free_bytes(self) -> int | None:
        """Return the free bytes of the disk of the spool, which need not exist yet."""
        return self.folder.spool_free_bytes()


def _look(file: Recorded, there: StoredObject | None) -> Look:
    if there is None:
        return Look.GONE
    same = there.size_bytes == file.size_bytes and there.mark == file.mtime_ns
    return Look.SAME if same else Look.CHANGED
