"""What `OutputFolder.claim` would refuse, seen without changing anything: for commands that only look."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys
from pathlib import Path

from landsat_async.disk import lock
from landsat_async.disk.folder import OutputFolder
from landsat_async.errors import FolderBusy, FolderUnwritable, LandsatError

_FLOCK = "hhqqi0q"
"""struct flock of Linux with 64 bit offsets: type, whence, start, length, process."""


def refusal(folder: OutputFolder) -> LandsatError | None:
    """Return what a run on this folder would be refused with now; None when nothing is seen that speaks against it."""
    try:
        folder.check_path()
        return _unwritable(folder) or _busy(folder)
    except LandsatError as error:
        return error
    except OSError as error:
        return _refused(folder.root, error.errno or 0)


def _unwritable(folder: OutputFolder) -> FolderUnwritable | None:
    there = folder.root.absolute()
    while there != there.parent and not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        return _refused(folder.root, errno.ENOTDIR)
    if not os.access(there, os.W_OK | os.X_OK):
        return _refused(folder.root, errno.EROFS if os.statvfs(there).f_flag & os.ST_RDONLY else errno.EACCES)
    for own in (folder.state, folder.parts):
        if own.is_symlink() or (own.exists() and not own.is_dir()):
            return FolderUnwritable(f"{own} is not a folder of ours.", hint="Remove it; a run makes it itself.")
    return None


def _refused(root: Path, number: int) -> FolderUnwritable:
    return FolderUnwritable(
        f"The output folder {root} cannot be used: {os.strerror(number)}.",
        hint="Set [download] directory, or --directory, to a folder that you may write.",
    )


def _busy(folder: OutputFolder) -> FolderBusy | None:
    hint = "A run would end with this now; wait until the other one ends."
    if os.path.realpath(folder.state) in lock._held:  # opening the file would give up a lock of this very process
        return FolderBusy(f"Another run of this process is using {folder.root}.", hint=hint)
    try:
        fd = os.open(folder.state / "lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None  # nobody has ever run here, or nobody but its owner may look
    try:
        if not _is_locked(fd):
            return None
        return FolderBusy(f"Another run{lock._owner(fd)} is using {folder.root}.", hint=hint)
    finally:
        os.close(fd)


def _is_locked(fd: int) -> bool:
    """Ask without locking, where the system can; a run that begins just now must not be turned away by us."""
    try:
        if sys.platform == "linux":
            question = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            answer = fcntl.fcntl(fd, fcntl.F_GETLK, question)
            return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)
        fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in (errno.EAGAIN, errno.EACCES)
    return False
