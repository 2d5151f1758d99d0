"""The output folder of a run: made, tried out and locked before anything is asked of the service."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from landsat_async.disk.fs import Fs
from landsat_async.disk.lock import FolderLock
from landsat_async.errors import ConfigError, DiskFull, FolderUnwritable, LandsatError, resources_lacking

STATE_FOLDER = ".landsat_async"
LEDGER_NAME = "ledger.sqlite3"
_LEDGER_PATH_BYTES = 504
"""SQLite opens no longer path."""
_NAME_BYTES, _PATH_BYTES = 255, 4095
"""What nearly all file systems take, where this one does not tell."""


@dataclass(frozen=True, slots=True)
class Claim:
    """An output folder that is ours until it is released."""

    lock: FolderLock
    file_mode: int
    """What an ordinary new file there gets."""
    warnings: tuple[str, ...]

    def release(self) -> None:
        """Give the folder back; safe to call twice."""
        self.lock.release()


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
        state = os.statvfs(self._there())
        return state.f_bavail * state.f_frsize

    def check_path(self) -> None:
        """Raise FolderUnwritable when a ledger cannot be opened there."""
        if len(os.fsencode(self.ledger.absolute())) > _LEDGER_PATH_BYTES:
            raise FolderUnwritable(
                f"The path of the output folder {self.root} is too long.",
                hint=f"With {STATE_FOLDER}/{LEDGER_NAME} it may have {_LEDGER_PATH_BYTES} bytes.",
            )

    def check_names(self, relpaths: Iterable[str]) -> None:
        """Raise ConfigError for the first path that the file system will not take; the folder need not exist yet."""
        there = self._there()
        name_bytes, path_bytes = _limit(there, "PC_NAME_MAX", _NAME_BYTES), _limit(there, "PC_PATH_MAX", _PATH_BYTES)
        room = path_bytes - len(os.fsencode(self.root.absolute())) - 1
        for relpath in relpaths:
            longest = max(relpath.split("/"), key=len)
            if len(os.fsencode(longest)) > name_bytes:
                raise _too_long(longest, f"names may have {name_bytes} bytes on this file system")
            if len(os.fsencode(relpath)) > room:
                raise _too_long(relpath, f"{room} bytes are left below {self.root}")

    def _there(self) -> Path:
        """The folder, or the nearest one above it that exists."""
        there = self.root
        while there != there.parent and not _exists(there):
            there = there.parent
        return there

    def claim(self) -> Claim:
        """Make the folders, try to write, and lock; blocks.

        Raises FolderUnwritable, FolderBusy, DiskFull.
        """
        self.check_path()
        try:
            fs = Fs()
            fs.make_folder(str(self.root))
            for folder in (self.state, self.parts):
                fs.make_folder(str(folder), 0o700)
                self._check_is_ours(folder)
            lock = FolderLock(self.state)
        except OSError as error:
            raise self._unusable(error) from None
        try:
            return Claim(lock, self._mode_of_new_files(), (*self._warnings(), *_lock_warnings(lock)))
        except OSError as error:
            lock.release()
            raise self._unusable(error) from None
        except BaseException:
            lock.release()
            raise

    def _check_is_ours(self, folder: Path) -> None:
        """Refuse a folder that somebody may have put there to have our files elsewhere, or to change them."""
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode):
            raise FolderUnwritable(
                f"{folder} is a symbolic link.", hint="Remove it; this folder must be where the finished files are."
            )
        if found.st_uid not in (os.geteuid(), self.root.stat().st_uid, 0):
            raise FolderUnwritable(
                f"{folder} belongs to another user.", hint="Use an output folder of your own, or remove that folder."
            )

    def _mode_of_new_files(self) -> int:
        """Make a file as any program would, and see what the umask and the folder make of it."""
        probe = self.root / ".landsat_async.probe"
        probe.unlink(missing_ok=True)  # of a run that was killed at this point
        fd = os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o666)
        try:
            return stat.S_IMODE(os.fstat(fd).st_mode)
        finally:
            os.close(fd)
            probe.unlink()

    def _warnings(self) -> tuple[str, ...]:
        if self.root.stat().st_mode & stat.S_IWOTH:
            return (f"everybody may write in {self.root}, and so replace finished files there: chmod o-w",)
        return ()

    def _unusable(self, error: OSError) -> LandsatError:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return DiskFull(f"The disk of {self.root} is full.", hint="Free some space and run the same command again.")
        if (lacking := resources_lacking(error)) is not None:
            return lacking
        return FolderUnwritable(
            f"The output folder {self.root} cannot be used: {os.strerror(error.errno or 0)}.",
            hint="Set [download] directory, or --directory, to a folder that you may write.",
        )


def _lock_warnings(lock: FolderLock) -> tuple[str, ...]:
    if lock.exclusive:
        return ()
    return ("this file system has no locks: see to it that only one run at a time uses the output folder",)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False  # too long to ask for


def _limit(path: Path, name: str, usual: int) -> int:
    try:
        known = os.pathconf(path, name)
    except (OSError, ValueError):
        return usual
    return known - (name == "PC_PATH_MAX") if known > 0 else usual


def _too_long(what: str, why: str) -> ConfigError:
    return ConfigError(
        f"{what} is too long to be written: {why}",
        hint="Choose a shorter [download] layout or directory.",
        reference="path-too-long",
    )
