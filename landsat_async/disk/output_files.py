"""Writing a file of ours that is no download (a catalogue, a table): whole, then under its name.

The bytes go into a file beside the parts, which the next writer sweeps away if this one is killed; only when all are
there, and durable, does it replace what has the name. So a reader sees the old file or the new one, nothing between.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Protocol

from landsat_async.disk.fs import NEW, READ, WRITE, Fs, is_there

_BLOCK_BYTES = 256 * 1024
HEAD_BYTES = 256 * 1024
_TOGETHER = 64
_SYNCS_AT_ONCE = 8
_SPARE = re.compile(r"new-\d+-\d+", re.ASCII)
TAIL_BYTES = 64 * 1024
"""Parquet says at its end what it is."""


class OutputFile:
    """A file while it is written; `write` like any file."""

    def __init__(self, fs: Fs, fd: int) -> None:
        self._fs, self._fd = fs, fd
        self._waiting = bytearray()
        self._at = 0
        self.closed = False

    def write(self, data: bytes | memoryview) -> int:
        """Add bytes; returns how many."""
        self._waiting += data
        if len(self._waiting) >= _BLOCK_BYTES:
            self.flush()
        return len(data)

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._at + len(self._waiting)

    def flush(self) -> None:
        """Give what was collected to the system."""
        if self._waiting:
            self._fs.pwrite_all(self._fd, memoryview(bytes(self._waiting)), self._at)
            self._at += len(self._waiting)
            self._waiting.clear()

    def close(self) -> None:
        """Mark it as complete, for libraries that want to close what they write to."""
        self.closed = True


class OutputPlace(Protocol):
    """A place where outputs are written, by paths below the target; blocks, for threads."""

    changed: int
    """Files that were written because they are new or other than before."""
    refused: list[str]
    """Paths of files that could not be put, because something that we have not made has the name."""

    def put(self, relpath: str, data: bytes) -> None:
        """Give a file these bytes, with the next ones; nothing is done where it has them already."""

    def name_all(self) -> None:
        """Make what was put whole and visible."""

    def writing(self, relpath: str) -> AbstractContextManager[OutputFile]:
        """Make a file piece by piece; it gets its name at the end of the block. Raises NotOurs."""

    def read(self, relpath: str, most_bytes: int, offset: int = 0) -> bytes | None:
        """Return a part of a file; None where there is none that can be read."""

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder; [] where there is none."""

    def is_there(self, relpath: str) -> bool:
        """Tell whether something has the name."""

    def remove(self, relpath: str) -> None:
        """Remove a file of ours, at the next `sync` at the latest; what is not ours stays."""

    def sync(self) -> None:
        """Name what was put, and make durable which names there are."""

    def sweep(self) -> None:
        """Remove what a writer that was killed has left; nobody else may be writing."""

    def abandon(self) -> None:
        """Leave nothing behind of what was put and has no name."""


def is_spare(name: str) -> bool:
    """Tell whether this is the name of a file that has no name yet."""
    return _SPARE.fullmatch(name) is not None


class SpareFiles:
    """Files beside the parts that have no name yet."""

    def __init__(self, fs: Fs, spool: str, mode: int) -> None:
        self._fs, self._spool, self._mode = fs, spool, mode
        self._count = 0

    def make(self) -> tuple[str, int]:
        """Make an empty file; returns its path and descriptor."""
        spare = self._fs.join(self._spool, f"new-{os.getpid()}-{self._count}")
        self._count += 1
        with suppress(FileNotFoundError):
            self._fs.unlink(spare)  # of a process that had our number, and was killed
        return spare, self._fs.open(spare, NEW, self._mode)

    def drop(self, spares: Iterable[str]) -> None:
        """Remove them; what cannot be removed is swept later."""
        for spare in spares:
            with suppress(OSError):
                self._fs.unlink(spare)

    def sweep(self) -> None:
        """Remove what a writer that was killed has left; nobody else may be writing."""
        for name in self._fs.listdir(self._spool):
            if is_spare(name):
                self.drop([self._fs.join(self._spool, name)])


class OutputFiles:
    """Writes files below an output folder; blocks, for threads. Raises OSError, FileInUse where a name is held open.

    Small files are made durable several at a time (`put`), because a disk makes many durable in the time of one; they
    have their names only after `name_all`.
    """

    def __init__(self, fs: Fs, root: str, spool: str, *, mode: int, is_ours: Callable[[bytes], bool]) -> None:
        self._fs, self._root, self._mode, self._is_ours = fs, root, mode, is_ours
        self._spares = SpareFiles(fs, spool, mode)
        self.changed = 0
        self.refused: list[str] = []
        self._folders: set[str] = set()
        """Folders that are there."""
        self._unsynced: set[str] = set()
        """Folders of which names have changed that are not durable yet."""
        self._unnamed: list[tuple[str, str]] = []
        """Spare and final names of files that are written and not durable yet."""

    def put(self, relpath: str, data: bytes) -> None:
        """Give a file these bytes, with the next ones; nothing is done where it has them already."""
        if self.read(relpath, len(data) + 1) == data:
            return
        try:
            self._check_free(relpath)
        except NotOurs:
            self.refused.append(relpath)
            return
        self.changed += 1
        spare, fd = self._spares.make()
        self._unnamed.append((spare, self._fs.join(self._root, relpath)))
        try:
            self._fs.pwrite_all(fd, memoryview(data), 0)
            self._fs.fchmod(fd, self._mode)
        finally:
            self._fs.close(fd)
        if len(self._unnamed) >= _TOGETHER:
            self.name_all()

    def name_all(self) -> None:
        """Make durable what was put, and give it its names, in that order."""
        unnamed, self._unnamed = self._unnamed, []
        try:
            with ThreadPoolExecutor(_SYNCS_AT_ONCE, thread_name_prefix="landsat-output") as pool:
                list(pool.map(self._sync, [spare for spare, _ in unnamed]))
            for spare, path in unnamed:
                self._name(spare, path)
        except BaseException:
            self._spares.drop(spare for spare, _ in unnamed)
            raise

    def sweep(self) -> None:
        """Remove what a writer that was killed has left; nobody else may be writing."""
        self._spares.sweep()

    def abandon(self) -> None:
        """Leave nothing behind of what was put and has no name."""
        unnamed, self._unnamed = self._unnamed, []
        self._spares.drop(spare for spare, _ in unnamed)

    def _sync(self, spare: str) -> None:
        fd = self._fs.open(spare, WRITE)
        try:
            self._fs.fsync(fd)
        finally:
            self._fs.close(fd)

    @contextmanager
    def writing(self, relpath: str) -> Iterator[OutputFile]:
        """Make a file piece by piece; it gets its name at the end of the block. Raises NotOurs."""
        self._check_free(relpath)
        fs, path = self._fs, self._fs.join(self._root, relpath)
        temporary, fd = self._spares.make()
        try:
            try:
                file = OutputFile(fs, fd)
                yield file
                file.flush()
                fs.fchmod(fd, self._mode)
                fs.fsync(fd)
            finally:
                fs.close(fd)
            self._name(temporary, path)
        except BaseException:
            with suppress(OSError):
                fs.unlink(temporary)
            raise

    def read(self, relpath: str, most_bytes: int, offset: int = 0) -> bytes | None:
        """Return a part of a file; None where there is none that can be read."""
        fs = self._fs
        try:
            fd = fs.open(fs.join(self._root, relpath), READ)
        except OSError:
            return None
        try:
            if not stat.S_ISREG(fs.fstat(fd).st_mode):
                return None
            return fs.pread(fd, most_bytes, offset)
        finally:
            fs.close(fd)

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder; [] where there is none."""
        try:
            return sorted(self._fs.listdir(self._fs.join(self._root, folder) if folder else self._root))
        except OSError:
            return []

    def is_there(self, relpath: str) -> bool:
        """Tell whether something has the name."""
        return is_there(self._fs, self._fs.join(self._root, relpath))

    def remove(self, relpath: str) -> None:
        """Remove a file of ours; what is not ours stays."""
        path = self._fs.join(self._root, relpath)
        with suppress(NotOurs, OSError):
            self._check_free(relpath)
            self._fs.unlink(path)
            self._unsynced.add(os.path.dirname(path))

    def sync(self) -> None:
        """Name what was put, and make durable which names there are."""
        self.name_all()
        for folder in self._unsynced:
            self._fs.fsync_dir(folder)
        self._unsynced.clear()

    def _name(self, spare: str, path: str) -> None:
        folder = os.path.dirname(path)
        if folder not in self._folders:
            self._fs.make_folder(folder)
            self._folders.add(folder)
        self._unsynced.add(folder)
        self._fs.replace(spare, path)

    def _check_free(self, relpath: str) -> None:
        """Refuse to replace what we have not made. Raises NotOurs."""
        try:
            found = self._fs.lstat(self._fs.join(self._root, relpath))
        except OSError:
            return
        if stat.S_ISREG(found.st_mode):
            head = self.read(relpath, HEAD_BYTES)
            tail = self.read(relpath, TAIL_BYTES, max(0, found.st_size - TAIL_BYTES))
            if head is not None and (not head or self._is_ours(head + (tail or b""))):
                return
        raise NotOurs(relpath)


class NotOurs(Exception):
    """Something that we have not made has the name of a file that is to be written."""

    def __init__(self, relpath: str) -> None:
        super().__init__(relpath)
        self.relpath = relpath
