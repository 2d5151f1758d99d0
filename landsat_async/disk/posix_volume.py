"""What a POSIX system tells of the file system that a folder lies on."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress

from landsat_async.disk.fs import Volume

assert sys.platform != "win32"

_REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "lustre", "gpfs", "beegfs", "ceph", "fuse.sshfs"})
_NAME_MAX, _PATH_MAX = 255, 4095
"""What nearly all file systems take, where this one does not tell."""


def volume_of(path: str) -> Volume:
    """Describe the file system of an existing folder. Raises OSError."""
    state, kind = os.statvfs(path), _kind_of(os.path.realpath(path))
    return Volume(
        kind=kind,
        is_remote=kind in _REMOTE,
        is_removable=False,
        free_bytes=state.f_bavail * state.f_frsize,
        name_max=_limit(path, "PC_NAME_MAX", _NAME_MAX),
        path_max=_limit(path, "PC_PATH_MAX", _PATH_MAX + 1) - 1,  # with the byte that ends it
    )


def check_writable(path: str) -> None:
    """Raise OSError when it can be seen that nothing can be made in a folder."""
    if not os.path.isdir(path):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
    if not os.access(path, os.W_OK | os.X_OK):
        number = errno.EROFS if os.statvfs(path).f_flag & os.ST_RDONLY else errno.EACCES
        raise OSError(number, os.strerror(number), path)


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
