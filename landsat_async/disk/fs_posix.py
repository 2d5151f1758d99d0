"""The file system door on POSIX systems, see `fs_contract`: `Fs`, and what callers have asked `os` for until now."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from landsat_async.disk.fs import Fs
from landsat_async.disk.fs_contract import FileSystem, LockState, Volume

assert sys.platform != "win32"  # there it is fs_windows

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL})
"""What file systems without locks answer. Every other error means that we do not know whether we hold the lock."""
_REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "lustre", "gpfs", "beegfs", "ceph", "fuse.sshfs"})
_NAME_MAX, _PATH_MAX = 255, 4095
"""What nearly all file systems take, where this one does not tell."""


class PosixFs(Fs):
    """The file system of a POSIX system, as far as transfers need it."""

    def cancel_soon(self) -> None:
        """Do nothing: no call waits for other programs here."""

    def join(self, root: str, relpath: str) -> str:
        """Return the path of `relpath` below `root`, in the form that `guard` recognises."""
        names = relpath.split("/")
        if "\0" in relpath or any(name in ("", ".", "..") for name in names):
            raise OSError(errno.EINVAL, "not a path below the output folder", relpath)
        return os.sep.join([root.rstrip(os.sep), *names])

    def length_of(self, path: str) -> int:
        """Return how many bytes a path has on the disk."""
        return len(os.fsencode(path))

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        """Open a file as READ, WRITE or NEW says; never through a link, never waiting for a FIFO's other end."""
        return super().open(path, flags | os.O_NONBLOCK, mode)

    def listdir(self, path: str) -> list[str]:
        """Return the names in a folder."""
        self._see("listdir", path)
        with self._at(path) as (name, folder):
            fd = os.open(
                name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW * bool(folder), dir_fd=folder
            )
        try:
            return os.listdir(fd)
        finally:
            os.close(fd)

    def volume(self, path: str) -> Volume:
        """Describe the file system of an existing folder."""
        self._see("volume", path)
        state, kind = os.statvfs(path), _kind_of(os.path.realpath(path))
        return Volume(
            kind=kind,
            is_remote=kind in _REMOTE,
            is_removable=False,
            free_bytes=state.f_bavail * state.f_frsize,
            name_max=_limit(path, "PC_NAME_MAX", _NAME_MAX),
            path_max=_limit(path, "PC_PATH_MAX", _PATH_MAX + 1) - 1,  # with the byte that ends it
        )

    def open_lock(self, path: str) -> tuple[int, LockState]:
        """Open (or make) a file and try to lock it, by a record lock: cluster-wide where flock is not.

        Record locks do not exclude their own process, and end when any descriptor of the file is closed there.
        """
        self._see("open_lock", path)
        with self._at(path) as (name, folder):
            flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            fd = os.open(name, flags, 0o600, dir_fd=folder)
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return fd, LockState.BUSY
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return fd, LockState.UNSUPPORTED
            os.close(fd)
            raise
        return fd, LockState.HELD


def _limit(path: str, name: str, usual: int) -> int:
    try:
        known = os.pathconf(path, name)
    except (OSError, ValueError):
        return usual
    return known if known > 0 else usual


def _kind_of(path: str) -> str:
    """Return the kind of file system as Linux tells it; "" elsewhere."""
    best, kind = "", ""
    with suppress(OSError), open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            _, place, found, *_ = line.split(" ")
            place = place.replace("\\040", " ").rstrip("/")
            if f"{path}/".startswith(f"{place}/") and len(place) >= len(best):
                best, kind = place, found
    return kind


if TYPE_CHECKING:
    _keeps_the_contract: FileSystem = PosixFs()
