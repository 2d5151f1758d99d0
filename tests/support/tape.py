"""Records what a run does to files and to its ledger, in the order in which it happened.

    with recorded(tape):
        await download(config)

The tape holds every change of a file's bytes and of a name, with the moments at which an fsync or a commit began and
ended: what happened in between may or may not be covered by it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from landsat_async.disk import ledger, local_target
from landsat_async.disk.folder import PROBE_NAME
from landsat_async.disk.fs import Fs
from landsat_async.disk.fs_posix import PosixFs
from landsat_async.disk.fs_windows import WindowsFs
from tests.support.crash_child import WatchedConnection
from tests.support.lifecycle_law import hold_to_table
from tests.support.windows_like import Disk, LikeWin32


@dataclass(frozen=True, slots=True)
class Wrote:
    """Bytes were written to a file; `data` None: it was cut to `offset`."""

    file: int
    offset: int
    data: bytes | None


@dataclass(frozen=True, slots=True)
class Named:
    """Names changed, all in one step: path -> file, or None where a name went away."""

    names: tuple[tuple[str, int | None], ...]

    def touches(self, folder: str) -> bool:
        return any(os.path.dirname(path) == folder for path, _ in self.names)


@dataclass(frozen=True, slots=True)
class Synced:
    """A file's bytes are durable: all that had been written before the sync began."""

    file: int
    since: int
    """Number of the first event that is not covered."""
    under_way: frozenset[int]
    """Numbers of earlier writes that had not returned by then."""


@dataclass(frozen=True, slots=True)
class FolderSynced:
    """The names of a folder are durable: all that had changed before the sync began."""

    folder: str
    since: int


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    durable: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Row:
    """One file as the ledger has it."""

    relpath: str
    state: str
    gen: int
    part: Part | None
    sha256: str | None
    """Of the finished file."""


Rows = dict[int, Row]


@dataclass(frozen=True, slots=True)
class Committing:
    """A commit has begun that would leave these rows."""

    rows: Rows


@dataclass(frozen=True, slots=True)
class Committed:
    """The commit has returned."""

    rows: Rows
    durable: bool
    """The mode of the ledger promises that it survives a power cut."""
    database: bytes


Event = Wrote | Named | Synced | FolderSynced | Committing | Committed


@dataclass
class Tape:
    """Events of a run on the folder `root`; paths are relative to it."""

    root: Path
    events: list[Event] = field(default_factory=list)
    before: dict[str, int] = field(default_factory=dict)
    """Names that were there, durably, when the recording began."""
    contents: dict[int, bytes] = field(default_factory=dict)
    """The bytes of these files."""
    names: dict[str, int] = field(default_factory=dict)
    under_way: set[int] = field(default_factory=set)
    lock: threading.RLock = field(default_factory=threading.RLock)
    rows: Rows = field(default_factory=dict)
    files: int = 0
    database: bytes | None = None
    """The ledger that was there, durably, when the recording began."""
    every_commit: bool = False
    """Also those that change no row of a file: what a synchronisation is about to do."""
    disk: Disk | None = None
    """Where the run works on a disk with the manners of Windows."""

    def relative(self, path: str) -> str:
        return os.path.relpath(path, self.root)

    def add(self, event: Event) -> int:
        """Append an event; returns its number."""
        with self.lock:
            self.events.append(event)
            return len(self.events) - 1

    @contextmanager
    def writing(self, event: Wrote) -> Iterator[None]:
        with self.lock:
            number = self.add(event)
            self.under_way.add(number)
        try:
            yield
        finally:
            with self.lock:
                self.under_way.discard(number)

    def now(self) -> tuple[int, frozenset[int]]:
        with self.lock:
            return len(self.events), frozenset(self.under_way)

    def new_file(self) -> int:
        with self.lock:
            self.files += 1
            return self.files

    def look(self) -> None:
        """Take what lies there now as given."""
        inodes: dict[int, int] = {}
        for path in sorted(self.root.rglob("*")):
            if path.is_file() and is_data(path.name):
                inode = path.stat().st_ino
                if inode not in inodes:
                    inodes[inode] = self.new_file()
                    self.contents[inodes[inode]] = path.read_bytes()
                self.names[self.relative(str(path))] = inodes[inode]
        self.before = dict(self.names)


_Any: Any = object
"""What the file systems that are recorded have in common; `super()` leads to the real one."""


def is_data(name: str) -> bool:
    """Tell whether a name is neither the lock's, nor the ledger's (which SQLite writes), nor the probe's."""
    return not os.path.basename(name).startswith(("ledger", "lock", PROBE_NAME))


class _Recording(_Any):
    """A file system that writes down what is done to it."""

    tape: Tape
    _files: dict[int, int]

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        tape, name = self.tape, self.tape.relative(path)
        if not is_data(name):
            return super().open(path, flags, mode)
        with tape.lock:
            there = os.path.lexists(path)
            fd = super().open(path, flags, mode)
            if not there:
                tape.names[name] = tape.new_file()
                tape.add(Named(((name, tape.names[name]),)))
            if name in tape.names:
                self._files[fd] = tape.names[name]
        return fd

    def close(self, fd: int) -> None:
        self._files.pop(fd, None)
        super().close(fd)

    def pwrite(self, fd: int, data: memoryview, offset: int) -> int:
        if fd not in self._files:  # of the lock
            return super().pwrite(fd, data, offset)
        with self.tape.writing(Wrote(self._files[fd], offset, bytes(data))):
            return super().pwrite(fd, data, offset)

    def ftruncate(self, fd: int, size: int) -> None:
        if os.fstat(fd).st_size == size:
            return
        if fd not in self._files:
            super().ftruncate(fd, size)
            return
        with self.tape.writing(Wrote(self._files[fd], size, None)):
            super().ftruncate(fd, size)

    def fsync(self, fd: int) -> None:
        since, under_way = self.tape.now()
        super().fsync(fd)
        if fd in self._files:
            self.tape.add(Synced(self._files[fd], since, under_way))

    def fsync_dir(self, path: str) -> None:
        since, _ = self.tape.now()
        super().fsync_dir(path)
        self.tape.add(FolderSynced(self.tape.relative(path), since))

    def link(self, source: str, target: str) -> None:
        self._rename(source, target, super().link, keep=True)

    def rename_noreplace(self, source: str, target: str) -> None:
        self._rename(source, target, super().rename_noreplace)

    def replace(self, source: str, target: str) -> None:
        self._rename(source, target, super().replace)

    def unlink(self, path: str) -> None:
        tape, name = self.tape, self.tape.relative(path)
        with tape.lock:
            super().unlink(path)
            if not is_data(name):
                return
            tape.names.pop(name, None)
            tape.add(Named(((name, None),)))

    def _rename(self, source: str, target: str, call: Any, *, keep: bool = False) -> None:
        tape, old, new = self.tape, self.tape.relative(source), self.tape.relative(target)
        with tape.lock:
            call(source, target)
            if not is_data(old):
                return
            file = tape.names[new] = tape.names[old]
            changes: list[tuple[str, int | None]] = [(new, file)]
            if not keep:
                del tape.names[old]
                changes.append((old, None))
            tape.add(Named(tuple(changes)))


_ROWS = """SELECT item.item_id, relpath, state, gen, part.name, durable,
             json_extract(CAST(facts AS TEXT), '$.sha256'), file.sha256
           FROM item LEFT JOIN part USING(item_id) LEFT JOIN file USING(item_id)"""


def read_rows(connection: Any) -> Rows:
    rows = connection.execute(_ROWS).fetchall()
    return {
        row[0]: Row(row[1], row[2], row[3], Part(*row[4:7]) if row[4] else None, row[7] if row[2] == "done" else None)
        for row in rows
    }


def _commit(tape: Tape, connection: sqlite3.Connection, execute: Any) -> Any:
    rows = read_rows(connection)
    if rows == tape.rows and not tape.every_commit:
        return execute()
    durable = connection.execute("PRAGMA synchronous").fetchone()[0] >= 2
    tape.add(Committing(rows))
    result = execute()
    tape.rows = rows
    tape.add(Committed(rows, durable, connection.serialize()))
    return result


class RecordingFs(_Recording, PosixFs):
    """The file system of this machine, on tape."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self.tape, self._files = tape, {}


class RecordingWindowsFs(_Recording, WindowsFs):
    """That of Windows on a disk with its manners, on tape."""

    kind = "NTFS"
    hard_links = 0

    def __init__(self, tape: Tape) -> None:
        if tape.disk is None:
            tape.disk = Disk(tape.root.parent, self.kind, hard_links=self.hard_links)
        super().__init__(api=LikeWin32(tape.disk))
        self.tape, self._files = tape, {}


class RecordingExFat(RecordingWindowsFs):
    """Without links: a part is renamed to its final name."""

    kind = "exFAT"
    hard_links = 1


@contextmanager
def recorded(tape: Tape, fs: Callable[[Tape], Fs] = RecordingFs) -> Iterator[None]:
    """Record everything that runs in the block do; `fs` may be one with a mistake in it."""
    tape.root.mkdir(parents=True, exist_ok=True)
    tape.look()
    connect = ledger.connect

    def watched(path: Path) -> Any:
        connection = connect(path)
        hold_to_table(connection)
        return WatchedConnection(connection, partial(_commit, tape, connection))

    with mock.patch.object(local_target, "local_fs", partial(fs, tape)), mock.patch.object(ledger, "connect", watched):
        yield
