"""The output folder of a run: made, tried out and locked before anything is asked of the service."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from landsat_async.disk.lock import FolderLock
from landsat_async.errors import DiskFull, FolderUnwritable

STATE_FOLDER = ".landsat_async"
LEDGER_NAME = "ledger.sqlite3"


@dataclass(frozen=True, slots=True)
class OutputFolder:
    """Paths of one output folder."""

    root: Path

    @property
    def state(self) -> Path:
        """Folder of everything that is not a finished file."""
        return self.root / STATE_FOLDER

    @property
    def parts(self) -> Path:
        """Folder of unfinished files."""
        return self.state / "parts"

    @property
    def changed(self) -> Path:
        """Folder of finished files that were changed by somebody else and had to be fetched again."""
        return self.state / "changed"

    @property
    def ledger(self) -> Path:
        """The ledger's path."""
        return self.state / LEDGER_NAME

    def free_bytes(self) -> int:
        """Free bytes of the disk that holds the folder, which need not exist yet."""
        there = self.root
        while not there.exists() and there != there.parent:
            there = there.parent
        state = os.statvfs(there)
        return state.f_bavail * state.f_frsize

    def claim(self) -> FolderLock:
        """Make the folders, try to write, and lock; blocks.

        Raises FolderUnwritable, FolderBusy, DiskFull.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.state.mkdir(mode=0o700, exist_ok=True)
            self.parts.mkdir(mode=0o700, exist_ok=True)
            lock = FolderLock(self.state)
        except OSError as error:
            raise self._unusable(error) from None
        try:
            probe = self.root / f".landsat_async-{os.getpid()}.probe"
            os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
            probe.unlink()
        except OSError as error:
            lock.release()
            raise self._unusable(error) from None
        return lock

    def _unusable(self, error: OSError) -> FolderUnwritable | DiskFull:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return DiskFull(f"The disk of {self.root} is full.", hint="Free some space and run the same command again.")
        return FolderUnwritable(
            f"The output folder {self.root} cannot be used: {os.strerror(error.errno or 0)}.",
            hint="Set [download] directory, or --directory, to a folder that you may write.",
        )
