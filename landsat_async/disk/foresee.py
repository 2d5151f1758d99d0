"""What `OutputFolder.claim` would refuse, seen without changing anything: for commands that only look."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from landsat_async.disk.folder import OutputFolder, held_elsewhere
from landsat_async.disk.fs import FileInUse, is_there
from landsat_async.disk.lock import holder
from landsat_async.errors import FolderBusy, FolderUnwritable, LandsatError


def refusal(folder: OutputFolder) -> LandsatError | None:
    """Return what a run on this folder would be refused with now; None when nothing is seen that speaks against it."""
    try:
        folder.check_path()
        return _unwritable(folder) or _no_spool(folder) or _busy(folder)
    except LandsatError as error:
        return error
    except FileInUse as error:
        return held_elsewhere(error)
    except OSError as error:
        return _refused(folder.root, error.errno or 0)


def cannot_hold(folder: OutputFolder, error: OSError) -> FolderUnwritable | None:
    """Return why a ledger that was not found cannot be there, nor come: a file is in the place of a folder, or closed.

    None where there is just no ledger yet.
    """
    for place in (folder.root, folder.state):
        try:
            mode = folder.fs.lstat(str(place)).st_mode
        except OSError:
            continue
        if stat.S_ISREG(mode):  # Windows has no error of its own for this
            return _refused(place, errno.ENOTDIR)
    return None if isinstance(error, FileNotFoundError) else _refused(folder.root, error.errno or 0)


def _unwritable(folder: OutputFolder) -> LandsatError | None:
    fs = folder.fs
    try:
        fs.check_writable(_nearest(folder, folder.root))
    except OSError as error:
        return folder.unusable(error, folder.state_dir or folder.root)
    for own in (folder.state, folder.parts):
        try:
            found = fs.lstat(str(own)).st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        if stat.S_ISREG(found) and own in (folder.state_dir, folder.parts_dir):
            return folder.unusable(FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)), own)
        if not stat.S_ISDIR(found):
            return FolderUnwritable(f"{own} is not a folder of ours.", hint="Remove it; a run makes it itself.")
    return None


def _no_spool(folder: OutputFolder) -> LandsatError | None:
    """Return why the folder of unfinished files could not be made or written, where it is one of its own."""
    if folder.parts_dir is None:
        return None
    try:
        folder.fs.check_writable(_nearest(folder, folder.parts_dir))
    except OSError as error:
        return folder.unusable(error, folder.parts_dir)
    return None


def _nearest(folder: OutputFolder, wanted: Path) -> str:
    """Return a folder, or the nearest above it that there is."""
    there = wanted.absolute()
    while there != there.parent and not is_there(folder.fs, str(there)):
        there = there.parent
    return str(there)


def _refused(root: Path, number: int) -> FolderUnwritable:
    return FolderUnwritable(
        f"The output folder {root} cannot be used: {os.strerror(number)}.",
        hint="Set [download] directory, or --directory, to a folder that you may write.",
    )


def _busy(folder: OutputFolder) -> FolderBusy | None:
    other = holder(folder.state, folder.fs)
    if other is None:
        return None
    return FolderBusy(
        f"Another run{other} is using {folder.root}.",
        hint="A run would end with this now; wait until the other one ends.",
    )
