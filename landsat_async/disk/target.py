"""Where proven files go, and where they are looked at again: a folder today, a bucket perhaps later.

A run speaks of files by their path below the target ("LC08/2024/..._B3.TIF") and of unfinished ones by the name of
their part. What every target promises is held by tests/disk/test_target.py.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Protocol

from landsat_async.disk.finalise import FinaliseResult, discard_part, finalise
from landsat_async.disk.folder import Claim, OutputFolder
from landsat_async.disk.fs import READ, FileInUse, Fs, local_fs
from landsat_async.disk.inspect import OpenFile, put_aside
from landsat_async.model import Proof
from landsat_async.proof.prove import Damaged, Proved


@dataclass(frozen=True, slots=True)
class Recorded:
    """A finished file as the ledger has it."""

    relpath: str
    size_bytes: int
    mtime_ns: int


class Look(Enum):
    """What a glance at a finished file shows; nothing is read."""

    SAME = "same"
    CHANGED = "changed"
    """Another size or time, or no file any more."""
    GONE = "gone"


class Place(Enum):
    """What has the final name of a file that is not recorded as finished."""

    FREE = "free"
    OURS = "ours"
    """The file's own part: it was named by a run that was killed before it could record that."""
    TAKEN = "taken"
    """Something else, which may be replaced when the user says so."""
    UNUSABLE = "unusable"
    """A folder: nothing can be put in its place."""


@dataclass(frozen=True, slots=True)
class StoredPart:
    """An unfinished file."""

    name: str
    changed_s: float
    """Unix time of its last change."""


class Target(Protocol):
    """What a run asks of the place where its files go. All methods block: they belong in threads."""

    @property
    def parts_dir(self) -> str:
        """Folder of unfinished files, on a disk of this machine whatever the target."""

    def path_of(self, relpath: str) -> str:
        """Return what `commit` calls a file. Raises OSError EINVAL for what would lead out of the target."""

    def prepare(self) -> Claim:
        """Make it ready and claim it for this run. Raises FolderUnwritable, FolderBusy, DiskFull."""

    def commit(
        self,
        fd: int,
        part_name: str,
        relpath: str,
        *,
        size_bytes: int,
        prove: Callable[[], Proved | Damaged],
        needed: Proof,
        overwrite: bool,
        mode: int = 0o644,
    ) -> FinaliseResult | Proved:
        """Prove a complete part and give it its final name, see `disk.finalise`."""

    def discard(self, part_names: Sequence[str]) -> None:
        """Remove parts of finished files, and litter; what another program has open is left for a later run."""

    def parts(self) -> list[StoredPart]:
        """Return all unfinished files."""

    def look(self, files: Sequence[Recorded]) -> list[Look]:
        """Tell for each finished file whether it was left alone since."""

    def places(self, wanted: Sequence[tuple[str, str]]) -> list[Place]:
        """Tell for each pair of path and part name what has the path."""

    def read(self, relpath: str) -> AbstractContextManager[OpenFile]:
        """Open a file for reading. Raises FileNotFoundError, FileInUse, OSError for what is no regular file."""

    def put_aside(self, relpath: str) -> str | None:
        """Move a changed file out of the way, durably; return its path now, None for what is no file of ours."""

    def free_bytes(self) -> int:
        """Return how much there is room for."""


class LocalTarget:
    """A folder of this machine, see `Target`.

    What changes something below the root never follows a link there. Looking does: a user may have moved a folder of
    finished files to another disk.
    """

    def __init__(self, root: Path, make_fs: Callable[[], Fs] | None = None) -> None:
        make_fs = make_fs or local_fs
        self.folder = OutputFolder(root, make_fs())
        self.fs = make_fs()
        """For changes; follows no links below the root once `prepare` was called."""
        self._root, self.parts_dir = str(root), str(self.folder.parts)

    def prepare(self) -> Claim:
        """Make the folders, try to write, lock, and follow no links below from now on; see `OutputFolder.claim`."""
        claim = self.folder.claim()
        try:
            self.fs.guard(self._root)
        except BaseException:
            claim.release()
            raise
        return claim

    def path_of(self, relpath: str) -> str:
        """Return the whole path of a file."""
        return self.fs.join(self._root, relpath)

    def commit(
        self,
        fd: int,
        part_name: str,
        relpath: str,
        *,
        size_bytes: int,
        prove: Callable[[], Proved | Damaged],
        needed: Proof,
        overwrite: bool,
        mode: int = 0o644,
    ) -> FinaliseResult | Proved:
        """Prove a complete part and give it its final name, see `disk.finalise`."""
        return finalise(
            self.fs, fd, self.fs.join(self.parts_dir, part_name), self.path_of(relpath),
            size_bytes=size_bytes, prove=prove, needed=needed, overwrite=overwrite, mode=mode,
        )  # fmt: skip

    def discard(self, part_names: Sequence[str]) -> None:
        """Remove parts; together, because each way to a folder has its price."""
        with self.fs.together():
            for name in part_names:
                with suppress(FileInUse):
                    discard_part(self.fs, self.fs.join(self.parts_dir, name))

    def parts(self) -> list[StoredPart]:
        """Return all files in the folder of parts."""
        fs, found = self.folder.fs, []
        for name in fs.listdir(self.parts_dir):
            with suppress(FileNotFoundError):
                found.append(StoredPart(name, fs.lstat(fs.join(self.parts_dir, name)).st_mtime_ns / 1e9))
        return found

    def look(self, files: Sequence[Recorded]) -> list[Look]:
        """Compare size and time of change; one stat a file."""
        return [self._look(file) for file in files]

    def _look(self, file: Recorded) -> Look:
        try:
            found = self.folder.fs.lstat(self.path_of(file.relpath))
        except FileNotFoundError:
            return Look.GONE
        except OSError:
            return Look.CHANGED
        same = found.st_size == file.size_bytes and found.st_mtime_ns == file.mtime_ns
        return Look.SAME if same and stat.S_ISREG(found.st_mode) else Look.CHANGED

    def places(self, wanted: Sequence[tuple[str, str]]) -> list[Place]:
        """Tell what has the final names; a part that has one is known by being the same file."""
        return [self._place(relpath, part_name) for relpath, part_name in wanted]

    def _place(self, relpath: str, part_name: str) -> Place:
        fs = self.folder.fs
        try:
            found = fs.lstat(self.path_of(relpath))
        except OSError:
            return Place.FREE
        if stat.S_ISDIR(found.st_mode):
            return Place.UNUSABLE
        try:
            part = fs.lstat(fs.join(self.parts_dir, part_name))
        except OSError:
            return Place.TAKEN
        return Place.OURS if (part.st_dev, part.st_ino) == (found.st_dev, found.st_ino) else Place.TAKEN

    @contextmanager
    def read(self, relpath: str) -> Iterator[OpenFile]:
        """Open a file for reading; a link in its place is refused, one on the way is not."""
        fs = self.folder.fs
        fd = fs.open(self.path_of(relpath), READ)
        try:
            found = fs.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            yield OpenFile(found.st_size, found.st_mtime_ns, partial(fs.pread, fd))
        finally:
            fs.close(fd)

    def put_aside(self, relpath: str) -> str | None:
        """Move a changed file into a folder of its own."""
        changed = str(self.folder.changed)
        kept = put_aside(self.fs, self.path_of(relpath), changed)
        return None if kept is None else os.path.relpath(os.path.join(changed, kept), self._root)

    def free_bytes(self) -> int:
        """Return the free bytes of the disk that holds the folder, which need not exist yet."""
        return self.folder.free_bytes()
