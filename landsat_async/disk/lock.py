"""One run at a time on one output folder.

A lock on a file of its own, held by one descriptor for life; see `Fs.open_lock` for its kind.

It saves double traffic only: with a lock that lies, parts with a generation in their names, no-clobber final names and
compare-and-set in the ledger keep the data right.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

from landsat_async.disk.fs import READ, Fs, LockState
from landsat_async.errors import FolderBusy

_held: dict[str, tuple[Fs, int]] = {}
"""Folders held by this process, with their descriptors: plain record locks do not exclude their own process."""
_guard = threading.Lock()
_NOT_OPEN = -1


class FolderLock:
    """Holds `<folder>/lock` until `release`. Raises FolderBusy when another run has it; OSError."""

    def __init__(self, folder: Path, fs: Fs) -> None:
        self._key = os.path.realpath(folder)
        self._fs = fs
        self._fd = _NOT_OPEN
        with _guard:
            free = self._key not in _held
            _held.setdefault(self._key, (fs, _NOT_OPEN))
        if not free:
            raise FolderBusy(
                f"Another run of this process is using {folder.parent}.",
                hint="Wait for it, or use another output folder.",
            )
        try:
            self._fd, state = fs.open_lock(fs.join(str(folder), "lock"))
            if state is LockState.BUSY:
                raise FolderBusy(
                    f"Another run{_owner(fs, self._fd)} is using {folder.parent}.",
                    hint="Wait until it ends, or use another output folder. Nothing was changed.",
                )
            self._sign()
        except BaseException:
            del _held[self._key]
            if self._fd != _NOT_OPEN:
                fs.close(self._fd)
            raise
        self.exclusive = state is not LockState.UNSUPPORTED
        """False: this file system has no locks."""
        _held[self._key] = fs, self._fd

    def _sign(self) -> None:
        """Write down who holds it."""
        body = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        self._fs.ftruncate(self._fd, 0)
        self._fs.pwrite_all(self._fd, memoryview(json.dumps(body).encode()), 0)

    def release(self) -> None:
        """Give the folder back; safe to call twice."""
        if _held.get(self._key) == (self._fs, self._fd):
            del _held[self._key]
            self._fs.unlock(self._fd)
            self._fs.close(self._fd)


def holder(folder: Path, fs: Fs) -> str | None:
    """Return a description of the run that holds `<folder>/lock`, " (process 7 ...)"; None when nobody does.

    It may be "" for a holder that cannot be described. Nothing is locked or changed.
    """
    path = fs.join(str(folder), "lock")
    if os.path.realpath(folder) in _held:  # opening the file might give up a plain lock of this very process
        return " of this process"
    try:
        if fs.lock_state(path) is LockState.FREE:
            return None
        fd = fs.open(path, READ)
    except OSError:
        return None  # nobody has ever run here, or nobody but its owner may look
    try:
        return _owner(fs, fd)
    finally:
        fs.close(fd)


def _owner(fs: Fs, fd: int) -> str:
    """Describe the holder for the message; its text decides nothing."""
    try:
        body = json.loads(fs.pread(fd, 4096, 0))
        return f" (process {int(body['pid'])} on {str(body['host'])[:64]}, since {str(body['since'])[:19]})"
    except (ValueError, KeyError, TypeError):
        return ""


def _forget_in_child() -> None:
    """A forked child holds no folder: an OFD lock would live as long as the child has the file open."""
    for fs, fd in _held.values():
        with suppress(OSError):
            fs.close(fd)
    _held.clear()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_forget_in_child)
