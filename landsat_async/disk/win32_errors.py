"""What the error numbers of Windows mean, as plain rules that can be tested on any system.

Python maps some of them by itself, and others to EINVAL: a hard link on exFAT, a lost share and a full quota would all
be "invalid argument". Callers decide by `errno`, so every number that a disk may answer stands here.
"""

from __future__ import annotations

import errno
import os
import stat

INVALID_FUNCTION, FILE_NOT_FOUND, ACCESS_DENIED, HANDLE_EOF, SHARING_VIOLATION = 1, 2, 5, 38, 32
LOCK_VIOLATION, NOT_SUPPORTED, INVALID_PARAMETER, INVALID_NAME, ALREADY_EXISTS = 33, 50, 87, 123, 183
DIRECTORY, DELETE_PENDING, IO_PENDING, USER_MAPPED_FILE, FILE_EXISTS, CANNOT_MAKE = 267, 303, 997, 1224, 80, 82
FILENAME_TOO_LONG, TOO_MANY_LINKS, DISK_FULL, NOT_SAME_DEVICE, WRITE_PROTECT = 206, 1142, 112, 17, 19

WORTH_WAITING = frozenset({ACCESS_DENIED, SHARING_VIOLATION, LOCK_VIOLATION, DELETE_PENDING, USER_MAPPED_FILE})
"""Virus scanners, indexers and synchronisers open each new file for a moment, and are gone soon.

ACCESS_DENIED among them: it is what Windows says of a name whose file is deleted but still open, and of a rename over
an open file. Real lack of rights looks the same, and costs one wait.
"""
NO_LOCKS = frozenset({INVALID_FUNCTION, NOT_SUPPORTED})
"""What a file system without locks answers. Every other error means that we do not know whether we hold the lock."""
NO_FOLDER_SYNC = frozenset(
    {INVALID_FUNCTION, ACCESS_DENIED, NOT_SUPPORTED, INVALID_PARAMETER, SHARING_VIOLATION, LOCK_VIOLATION}
)
"""Where a folder's handle may not be opened for writing or flushed: then names are as durable as the system likes."""

_STEP_S, _STEP_MOST_S = 0.010, 0.250
PATIENCE_S = 5.0
"""How long a call waits for another program, all in all."""

_LINKS = frozenset({0xA000000C, 0xA0000003})  # symbolic link, mount point (junction)
_READONLY, _FOLDER, _REPARSE = 0x1, 0x10, 0x400

_ERRNO = {
    1: errno.ENOSYS,
    2: errno.ENOENT, 3: errno.ENOENT, 15: errno.ENOENT, 161: errno.ENOENT,
    4: errno.EMFILE, 6: errno.EBADF, 16: errno.EACCES,
    5: errno.EACCES, 1920: errno.EACCES, 1314: errno.EPERM, 1307: errno.EPERM,
    8: errno.ENOMEM, 14: errno.ENOMEM, 1450: errno.ENOMEM, 1455: errno.ENOMEM,
    17: errno.EXDEV, 19: errno.EROFS, 6009: errno.EACCES,
    39: errno.ENOSPC, 112: errno.ENOSPC, 1295: errno.EDQUOT,
    32: errno.EBUSY, 33: errno.EBUSY, 303: errno.EBUSY, 1224: errno.EBUSY, 170: errno.EBUSY,
    50: errno.ENOTSUP, 120: errno.ENOSYS,
    80: errno.EEXIST, 82: errno.EEXIST, 183: errno.EEXIST, 145: errno.ENOTEMPTY,
    87: errno.EINVAL, 123: errno.EINVAL, 206: errno.ENAMETOOLONG, 111: errno.ENAMETOOLONG,
    223: errno.EFBIG, 267: errno.ENOTDIR, 1142: errno.EMLINK, 681: errno.ELOOP, 1921: errno.ELOOP,
    # The disk, the stick or the share behind the name does not answer, or is gone.
    21: errno.EIO, 23: errno.EIO, 51: errno.EIO, 53: errno.EIO, 54: errno.EIO, 55: errno.EIO, 59: errno.EIO,
    64: errno.EIO, 65: errno.EIO, 67: errno.EIO, 121: errno.EIO, 240: errno.EIO, 362: errno.EIO, 433: errno.EIO,
    483: errno.EIO, 995: errno.EIO, 1006: errno.EIO, 1117: errno.EIO, 1167: errno.EIO, 1231: errno.EIO,
    1232: errno.EIO, 1235: errno.EIO, 1236: errno.EIO, 1392: errno.EIO, 1393: errno.EIO,
}  # fmt: skip


class Win32Error(Exception):
    """A call has failed with this number; stays inside the door to the file system."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Windows error {code}")
        self.code = code


def errno_of(code: int) -> int:
    """Return the `errno` for an error number of Windows; EIO for one that we do not know."""
    return _ERRNO.get(code, errno.EIO)


def os_error(code: int, path: str) -> OSError:
    """Return the error that callers see: the right subclass of OSError, with the number in its text."""
    number = errno_of(code)
    return OSError(number, f"{os.strerror(number)} (Windows error {code})", path)


def pause_s(waits: int) -> float:
    """Return how long to wait after so many waits: 10 ms, twice as long each time, 250 ms at most."""
    return float(min(_STEP_S * 2 ** min(waits, 16), _STEP_MOST_S))


def is_folder(attributes: int) -> bool:
    """Tell whether file attributes are those of a folder."""
    return bool(attributes & _FOLDER)


def is_read_only(attributes: int) -> bool:
    """Tell whether the read-only attribute is set; it keeps programs from replacing and removing the file."""
    return bool(attributes & _READONLY)


def without_read_only(attributes: int) -> int:
    """Return the attributes without the read-only one; 0x80 ("normal") stands for none at all."""
    return attributes & ~_READONLY or 0x80


def is_reparse_point(attributes: int) -> bool:
    """Tell whether a file is more than its bytes: a link, a junction, a placeholder of a synchroniser."""
    return bool(attributes & _REPARSE)


def is_link(attributes: int, reparse_tag: int) -> bool:
    """Tell whether a file leads elsewhere. Placeholders of OneDrive and deduplicated files do not."""
    return is_reparse_point(attributes) and reparse_tag in _LINKS


def mode_of(attributes: int, reparse_tag: int) -> int:
    """Return the kind of file as `st_mode` says it."""
    if is_link(attributes, reparse_tag):
        return stat.S_IFLNK | 0o777
    kind = stat.S_IFDIR | 0o111 if is_folder(attributes) else stat.S_IFREG
    return kind | (0o444 if is_read_only(attributes) else 0o666)
