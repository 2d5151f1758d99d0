"""One run at a time on one output folder.

A record lock (cluster-wide on file systems where flock is not) on a file of its own, held by one descriptor for life.
On Linux it belongs to the open file ("OFD"), not to the process: a plain record lock is lost as soon as anything in
the process opens and closes the lock file, be it a backup or a `Path.read_text` of the host program. The two kinds
exclude each other, so runs of older versions are kept out as well. Where the kernel or the file system knows no OFD
locks, and on other systems, it is a plain record lock.

It saves double traffic only: with a lock that lies, parts with a generation in their names, no-clobber final names and
compare-and-set in the ledger keep the data right.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import struct
import sys
import threading
import time
from contextlib import suppress
from enum import Enum
from pathlib import Path

from landsat_async.errors import FolderBusy

_held: dict[str, int] = {}
"""Folders held by this process, with their descriptors: plain record locks do not exclude their own process."""
_guard = threading.Lock()
_NOT_OPEN = -1
_FLOCK = "hhqqi0q"
"""struct flock of Linux with 64 bit offsets: type, whence, start, length, process; the kernel wants 0 as process."""


class LockAnswer(Enum):
    """What the lock call said."""

    OURS = "ours"
    BUSY = "busy"
    NO_LOCKS = "no locks"
    """The file system has none: the other guards keep the data right."""
    ERROR = "error"
    """Anything else; nothing may be concluded from it."""


_BUSY = {errno.EAGAIN, errno.EACCES}
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


def lock_answer(number: int | None) -> LockAnswer:
    """Return what an error number of the lock call means."""
    if number in _BUSY:
        return LockAnswer.BUSY
    return LockAnswer.NO_LOCKS if number in _NO_LOCKS else LockAnswer.ERROR


class FolderLock:
    """Holds `<folder>/lock` until `release`. Raises FolderBusy when another run has it; OSError."""

    def __init__(self, folder: Path) -> None:
        self._key = os.path.realpath(folder)
        self.exclusive = True
        """False: this file system has no locks."""
        with _guard:
            free = self._key not in _held
            _held.setdefault(self._key, _NOT_OPEN)
        if not free:
            raise FolderBusy(
                f"Another run of this process is using {folder.parent}.",
                hint="Wait for it, or use another output folder.",
            )
        self._fd = _NOT_OPEN
        try:
            self._fd = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            self._lock(folder)
            self._sign()
        except BaseException:
            del _held[self._key]
            if self._fd != _NOT_OPEN:
                os.close(self._fd)
            raise
        _held[self._key] = self._fd

    def _lock(self, folder: Path) -> None:
        try:
            _take(self._fd)
        except OSError as error:
            answer = lock_answer(error.errno)
            if answer is LockAnswer.ERROR:
                raise
            if answer is LockAnswer.BUSY:
                raise FolderBusy(
                    f"Another run{_owner(self._fd)} is using {folder.parent}.",
                    hint="Wait until it ends, or use another output folder. Nothing was changed.",
                ) from None
            self.exclusive = False

    def _sign(self) -> None:
        """Write down who holds it."""
        body = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, json.dumps(body).encode(), 0)

    def release(self) -> None:
        """Give the folder back; safe to call twice."""
        if _held.get(self._key) == self._fd:
            del _held[self._key]
            with suppress(OSError):  # a child forked without Python may have the file open, and so the lock
                _give(self._fd)
            os.close(self._fd)


def _take(fd: int) -> None:
    """Lock, or raise OSError; does not wait."""
    if sys.platform == "linux":
        try:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
            return
        except OSError as error:
            if lock_answer(error.errno) is not LockAnswer.NO_LOCKS:
                raise
    fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _give(fd: int) -> None:
    if sys.platform == "linux":
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, fcntl.F_UNLCK, os.SEEK_SET, 0, 0, 0))


def _owner(fd: int) -> str:
    """Describe the holder for the message; its text decides nothing."""
    try:
        body = json.loads(os.pread(fd, 4096, 0))
        return f" (process {int(body['pid'])} on {str(body['host'])[:64]}, since {str(body['since'])[:19]})"
    except (ValueError, KeyError, TypeError):
        return ""


def _forget_in_child() -> None:
    """A forked child holds no folder: an OFD lock would live as long as the child has the file open."""
    for fd in _held.values():
        with suppress(OSError):
            os.close(fd)
    _held.clear()


os.register_at_fork(after_in_child=_forget_in_child)
