"""`Fs`, the only door to the files of an output folder, and what every implementation of it promises.

There is one for POSIX and one for Windows, and tests/disk/test_fs_contract.py holds both against this page. Where the
systems differ, the promise is the weaker of both, and what a caller has to do about it stands at the method.

One door makes three things possible which matter more here than anywhere else: a test can fail, delay or kill the n-th
call; a recorded run can be replayed into every state that a power cut may leave; and the rules for safe calls (close
on exec, never through a symbolic link, loop over short writes) stand in one place.

All methods block: they belong in threads. All raise OSError with the usual `errno`, on Windows too, so that callers
decide by `errno` alone. What another program keeps open longer than we are willing to wait is `FileInUse`.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from enum import Enum
from inspect import getattr_static
from typing import Protocol

import msgspec

Observer = Callable[..., None]
"""Called as `observer(operation, *arguments)` before each call; what it raises is the call's result."""
OBSERVED = (
    "open", "close", "pread", "pwrite", "fsync", "ftruncate", "fchmod", "fstat", "lstat", "listdir", "link",
    "rename_noreplace", "replace", "unlink", "mkdir", "fsync_dir", "is_ours_alone", "free_bytes", "volume", "open_lock",
    "unlock", "lock_state", "check_writable",
)  # fmt: skip
"""Calls that an observer is told of; all others come to these."""

READ = os.O_RDONLY
"""Open what is there, for reading. Others may read, write, rename and remove it meanwhile."""
WRITE = os.O_RDWR
"""Open what is there, for reading and writing. Where the system can, nobody else may write to it meanwhile."""
NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL
"""Make a file that nobody else has open, for reading and writing; FileExistsError when the name is taken."""


class FileInUse(OSError):
    """Another program keeps the file open in a way that shuts us out; trying again later helps.

    No PermissionError: nothing is wrong with anybody's rights, and what is told to the user is another remedy.
    """

    def __init__(self, path: str) -> None:
        super().__init__(errno.EBUSY, "open in another program", path)


class LockState(Enum):
    """What became of the wish to hold a lock."""

    HELD = "held"
    """It is ours until the descriptor is closed, or this process ends."""
    BUSY = "busy"
    """Another process has it; on Windows also another descriptor of this one."""
    UNSUPPORTED = "unsupported"
    """This file system says that it has no locks. Any other error is an OSError, never this."""
    FREE = "free"
    """Nobody has it now; an answer of `lock_state` alone."""


class FileStat(Protocol):
    """What is known about a file: as much of `os.stat_result` as both systems have."""

    @property
    def st_mode(self) -> int:
        """Kind of file, for `stat.S_ISREG` and so on. A junction is a link; permission bits mean little."""

    @property
    def st_size(self) -> int:
        """Bytes."""

    @property
    def st_mtime_ns(self) -> int:
        """Time of the last change. Final only once every writer has closed the file: NTFS may set it at the end."""

    @property
    def st_dev(self) -> int:
        """With `st_ino` the identity of the file: equal for two names of one file, different for two files."""

    @property
    def st_ino(self) -> int:
        """See `st_dev`."""

    @property
    def st_nlink(self) -> int:
        """Number of names."""


class Volume(msgspec.Struct, frozen=True):
    """The file system that a folder lies on."""

    kind: str
    """"NTFS", "exFAT", "ext4"; "" where the system does not tell."""
    is_remote: bool
    """On another machine."""
    is_removable: bool
    """A stick, a card."""
    free_bytes: int
    """What an ordinary user may still write there."""
    name_max: int
    """Longest name, in units of `Fs.length_of`."""
    path_max: int
    """Longest path that other programs can open, in the same units."""


class Fs(Protocol):
    r"""The file system, as far as an output folder needs it.

    Paths are absolute or relative texts; "/" separates folders everywhere, on Windows "\" as well.
    """

    @property
    def closing_sets_times(self) -> bool:
        """The time of the last change is final only once every writer has closed the file (NTFS)."""

    def guard(self, root: str) -> None:
        """From now on, reach every name below the folder `root` without following a link or junction on the way.

        `root` itself may be reached through links, but must stay the folder that it is now: else FileNotFoundError.
        A link on the way is OSError ELOOP.
        """

    def together(self) -> AbstractContextManager[None]:
        """Look up each folder below the root only once for all calls of this thread inside such a block."""

    def cancel_soon(self) -> None:
        """Wait for other programs no longer: calls that do, and later ones, raise FileInUse at once. For any thread."""

    def join(self, root: str, relpath: str) -> str:
        """Return the path of `relpath` ("a/b.TIF") below `root`, in the one form that `guard` recognises.

        Raises OSError EINVAL for what leaves `root`, and for names that this system would take for something else
        (a device, a stream of another file, a name without its last dot).
        """

    def length_of(self, path: str) -> int:
        """Return how long a name or path is in the units of this system: bytes, or UTF-16 units on Windows."""

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        """Open a regular file as READ, WRITE or NEW says; never through a link (ELOOP), never waiting for a FIFO.

        The descriptor is not inherited and is binary. FileNotFoundError, FileExistsError, IsADirectoryError (for
        WRITE; with READ a folder may be opened on POSIX, so look at `fstat`), FileInUse.
        """

    def close(self, fd: int, /) -> None:
        """Close a descriptor."""

    def pread(self, fd: int, size: int, offset: int, /) -> bytes:
        """Read up to `size` bytes; empty at the end. The position of the descriptor is not used."""

    def pwrite(self, fd: int, data: memoryview, offset: int, /) -> int:
        """Write once; may write less than asked."""

    def pwrite_all(self, fd: int, data: memoryview, offset: int) -> None:
        """Write all of `data`; on an error, a prefix of it may be written."""

    def fsync(self, fd: int, /) -> None:
        """Make the file's bytes durable. The descriptor must be open for writing: Windows refuses others."""

    def ftruncate(self, fd: int, size: int, /) -> None:
        """Cut a file, or extend it by zeros."""

    def fchmod(self, fd: int, mode: int, /) -> None:
        """Set who may use a file; nothing where the folder decides that (Windows)."""

    def fstat(self, fd: int, /) -> FileStat:
        """Describe an open file."""

    def lstat(self, path: str) -> FileStat:
        """Describe what a name stands for, without following a link. FileNotFoundError."""

    def listdir(self, path: str) -> list[str]:
        """Return the names in a folder, in any order."""

    def link(self, source: str, target: str) -> None:
        """Give a file a second name; FileExistsError when that is taken.

        Where there are no links: ENOSYS, ENOTSUP, EPERM, EMLINK or EXDEV. Then `rename_noreplace`.
        """

    def rename_noreplace(self, source: str, target: str) -> None:
        """Rename, but never over something: FileExistsError. EINVAL, ENOSYS where the system cannot promise that."""

    def replace(self, source: str, target: str) -> None:
        """Rename over whatever file has the name; IsADirectoryError. On Windows FileInUse while anybody has it open."""

    def unlink(self, path: str) -> None:
        """Remove a name. On Windows it may linger until the last program closes the file: do not reuse it at once.

        Who tries to make a file under a name that lingers gets FileInUse, or FileExistsError.
        """

    def mkdir(self, path: str, mode: int) -> None:
        """Make one folder; `mode` counts on POSIX. FileExistsError."""

    def make_folder(self, path: str, mode: int = 0o777) -> None:
        """Make a folder and its missing parents; each new name is as durable as `fsync_dir` can make it."""

    def fsync_dir(self, path: str) -> None:
        """Make the names in a folder durable, or do nothing where that cannot be asked for.

        Then a power cut may bring back an older state of the folder, but never a name before its file's bytes.
        """

    def is_ours_alone(self, fd: int) -> bool:
        """Tell whether a file open for writing has no second name and no other writer; False if nobody can tell."""

    def free_bytes(self, where: int | str) -> int:
        """Return how much an ordinary user may still write to the file system of an open file, or of a folder."""

    def volume(self, path: str) -> Volume:
        """Describe the file system of an existing folder."""

    def open_lock(self, path: str) -> tuple[int, LockState]:
        """Open (or make) a file for `pread` and `pwrite`, try to lock it, and return its descriptor and the outcome.

        The descriptor is the caller's in any case: also who does not get the lock may read who holds it.
        """

    def unlock(self, fd: int) -> None:
        """Give a lock back before its descriptor is closed: a child process may have that open as well."""

    def lock_state(self, path: str) -> LockState:
        """Return FREE or BUSY for a lock file that is there, without taking the lock for longer than this call.

        Not for a file that this process has locked: on POSIX its lock might be lost. FileNotFoundError.
        """

    def check_writable(self, path: str) -> None:
        """Raise OSError (ENOTDIR, EROFS, EACCES) when it can be seen that nothing can be made in a folder."""

    def is_foreign(self, path: str, root: str) -> bool:
        """Tell whether `path` belongs to neither us nor the owner of `root` nor the administrator.

        False where that cannot be told (Windows).
        """

    def is_open_to_all(self, path: str) -> bool:
        """Tell whether everybody may write in a folder; False where its rights say more than that (Windows)."""


def observe(fs: Fs, observer: Observer) -> None:
    """Have `observer` called before each later call, in place of another one, for tests; others pay nothing for it."""

    def tell(operation: str) -> Callable[..., object]:
        def told(*arguments: object) -> object:
            observer(operation, *arguments)
            return getattr_static(type(fs), operation).__get__(fs, type(fs))(*arguments)

        return told

    for operation in OBSERVED:
        setattr(fs, operation, tell(operation))


def local_fs(observer: Observer | None = None) -> Fs:
    """Return the file system of this machine; `observer` is called before each call, for tests."""
    if sys.platform != "win32":
        from landsat_async.disk.fs_posix import PosixFs

        return PosixFs(observer)
    from landsat_async.disk.fs_windows import WindowsFs

    return WindowsFs(observer)


def is_there(fs: Fs, path: str) -> bool:
    """Tell whether anything has this name, be it a dangling link."""
    try:
        fs.lstat(path)
    except OSError:
        return False
    return True
