"""The output folder of a run: made, tried out and locked before anything is asked of the service."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from landsat_async.disk.fs import NEW, FileInUse, Fs, Volume, local_fs
from landsat_async.disk.lock import FolderLock
from landsat_async.errors import (
    ConfigError,
    DiskFull,
    FolderBusy,
    FolderUnwritable,
    LandsatError,
    is_disk_full,
    resources_lacking,
)

STATE_FOLDER = ".landsat_async"
LEDGER_NAME = "ledger.sqlite3"
PROBE_NAME = ".landsat_async.probe"
_LEDGER_PATH_BYTES = 504
"""SQLite opens no longer path."""


class Claim(msgspec.Struct, frozen=True):
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
    """Paths of one output folder, and the file system that it lies on."""

    root: Path
    fs: Fs = field(default_factory=local_fs, repr=False, compare=False)
    state_dir: Path | None = None
    """Where its state lies instead of below the root: of a target that is no folder."""
    parts_dir: Path | None = None

    @property
    def state(self) -> Path:
        """Folder of everything that is not a finished file."""
        return self.state_dir or self.root / STATE_FOLDER

    @property
    def parts(self) -> Path:
        """Folder of unfinished files."""
        return self.parts_dir or self.state / "parts"

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
        return self._volume(self.root).free_bytes

    def spool_free_bytes(self) -> int | None:
        """Free bytes of the disk of unfinished files, which may have no folder yet; None: they lie below the root."""
        return None if self.parts_dir is None else self._volume(self.parts_dir.absolute()).free_bytes

    def check_path(self) -> None:
        """Raise FolderUnwritable when a ledger cannot be opened there."""
        if self.fs.length_of(str(self.ledger.absolute())) > _LEDGER_PATH_BYTES:
            raise FolderUnwritable(
                f"The path of the output folder {self.root} is too long.",
                hint=f"With {STATE_FOLDER}/{LEDGER_NAME} it may have {_LEDGER_PATH_BYTES} bytes.",
            )

    def check_names(self, relpaths: Iterable[str]) -> None:
        """Raise ConfigError for the first path that the file system will not take; the folder need not exist yet."""
        length_of, volume = self.fs.length_of, self._volume(self.root)
        room = volume.path_max - length_of(str(self.root.absolute())) - 1
        for relpath in relpaths:
            # A character has four units at most, and hardly any name is near the limit.
            if 4 * len(relpath) > volume.name_max:
                for name in relpath.split("/"):  # each: the longest in characters may not be it in bytes
                    if length_of(name) > volume.name_max:
                        raise _too_long(name, f"names may have {volume.name_max} bytes on this file system")
            if 4 * len(relpath) > room and length_of(relpath) > room:
                raise _too_long(relpath, f"{room} bytes are left below {self.root}")

    def _volume(self, there: Path) -> Volume:
        """Return what a folder lies on, or will lie on: that of the nearest one above it that exists."""
        while True:
            try:
                return self.fs.volume(str(there))
            except OSError:  # also when its name is too long to ask for
                if there == there.parent:
                    raise
            there = there.parent

    def claim(self) -> Claim:
        """Make the folders, try to write, and lock; blocks.

        Raises FolderUnwritable, FolderBusy, DiskFull.
        """
        self.check_path()
        folder = self.state_dir or self.root
        try:
            self.fs.make_folder(str(self.root))
            for folder in (self.state, self.parts):
                self.fs.make_folder(str(folder), 0o700)
                self._check_is_ours(folder)
            folder = self.state
            lock = FolderLock(self.state, self.fs)
        except OSError as error:
            raise self.unusable(error, folder) from None
        try:
            return Claim(lock, self._mode_of_new_files(), (*self._warnings(), *_lock_warnings(lock)))
        except OSError as error:
            lock.release()
            raise self.unusable(error, self.state) from None
        except BaseException:
            lock.release()
            raise

    def _check_is_ours(self, folder: Path) -> None:
        """Refuse a folder that somebody may have put there to have our files elsewhere, or to change them."""
        if not stat.S_ISDIR(self.fs.lstat(str(folder)).st_mode):
            raise FolderUnwritable(
                f"{folder} is a symbolic link.", hint="Remove it; this folder must be where the finished files are."
            )
        if self.fs.is_foreign(str(folder), str(self.root)):
            raise FolderUnwritable(
                f"{folder} belongs to another user.", hint="Use an output folder of your own, or remove that folder."
            )

    def _mode_of_new_files(self) -> int:
        """Make a file as any program would, and see what the umask and the folder make of it."""
        fs, probe = self.fs, self.fs.join(str(self.root), PROBE_NAME)
        with suppress(FileNotFoundError):
            fs.unlink(probe)  # of a run that was killed at this point
        fd = fs.open(probe, NEW, 0o666)
        try:
            return stat.S_IMODE(fs.fstat(fd).st_mode)
        finally:
            fs.close(fd)
            fs.unlink(probe)

    def _warnings(self) -> tuple[str, ...]:
        if self.fs.is_open_to_all(str(self.root)):
            return (f"everybody may write in {self.root}, and so replace finished files there: chmod o-w",)
        return ()

    def unusable(self, error: OSError, folder: Path) -> LandsatError:
        """Return what is told of one of the folders that cannot be made or written."""
        if folder == self.parts_dir:
            what, key = f"spool {folder}", "spool"
        elif folder == self.state_dir:
            what, key = f"folder {folder}, for what is known of the files,", "state_dir"
        else:
            folder, what, key = self.root, f"output folder {self.root}", "directory, or --directory,"
        if is_disk_full(error):
            return DiskFull(f"The disk of {folder} is full.", hint="Free some space and run the same command again.")
        if (lacking := resources_lacking(error)) is not None:
            return lacking
        if isinstance(error, FileInUse):
            return held_elsewhere(error)
        in_its_place = error.errno in {errno.EEXIST, errno.ENOTDIR}
        why = "a file stands in its place" if in_its_place else os.strerror(error.errno or 0)
        return FolderUnwritable(
            f"The {what} cannot be used: {why}.",
            hint=f"Set [download] {key} to a folder that you may write.",
        )


def held_elsewhere(error: FileInUse) -> FolderBusy:
    """Return the error for a file of ours that another program shuts us out of (Windows)."""
    return FolderBusy(
        f"{error.filename} is open in another program.",
        hint="Close that program, or wait: a virus scanner or a synchroniser lets go soon. Then run the same again.",
    )


def _lock_warnings(lock: FolderLock) -> tuple[str, ...]:
    if lock.exclusive:
        return ()
    return ("this file system has no locks: see to it that only one run at a time uses the output folder",)


def _too_long(what: str, why: str) -> ConfigError:
    return ConfigError(
        f"{what} is too long to be written: {why}",
        hint="Choose a shorter [download] layout or directory.",
        reference="path-too-long",
    )
