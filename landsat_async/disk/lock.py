"""One run at a time on one output folder.

A POSIX record lock (cluster-wide on file systems where flock is not) on a file of its own, held by one descriptor
for life. It saves double traffic only: with a lock that lies, parts with a generation in their names, no-clobber
final names and compare-and-set in the ledger keep the data right.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from pathlib import Path

from landsat_async.errors import FolderBusy

_held: set[str] = set()
"""Folders held by this process: record locks do not exclude their own process."""


class FolderLock:
    """Holds `<folder>/lock` until `release`. Raises FolderBusy when another run has it."""

    def __init__(self, folder: Path) -> None:
        self._key = os.path.realpath(folder)
        if self._key in _held:
            raise FolderBusy(
                f"Another run of this process is using {folder.parent}.",
                hint="Wait for it, or use another output folder.",
            )
        self._fd = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            owner = _owner(self._fd)
            os.close(self._fd)
            raise FolderBusy(
                f"Another run{owner} is using {folder.parent}.",
                hint="Wait until it ends, or use another output folder. Nothing was changed.",
            ) from None
        except OSError:
            pass  # a file system without locks: the other guards keep the data right
        _held.add(self._key)
        body = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, json.dumps(body).encode(), 0)

    def release(self) -> None:
        """Give the folder back; safe to call twice."""
        if self._key in _held:
            _held.discard(self._key)
            os.close(self._fd)


def _owner(fd: int) -> str:
    """Describe the holder for the message; its text decides nothing."""
    try:
        body = json.loads(os.pread(fd, 4096, 0))
        return f" (process {int(body['pid'])} on {str(body['host'])[:64]}, since {str(body['since'])[:19]})"
    except (ValueError, KeyError, TypeError):
        return ""
