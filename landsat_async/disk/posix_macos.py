"""What macOS does otherwise than Linux, behind `fs_posix`. By reading its manuals: no test of ours has run there.

The calls are parameters or plain `flock`, so that the decisions are tested on Linux.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress

assert sys.platform != "win32"

import fcntl  # noqa: E402  # Windows has none

F_FULLFSYNC = 51
AT_FDCWD, RENAME_EXCL = -2, 4
"""Of renameatx_np; Linux has other numbers for the same."""
_CANNOT = frozenset({errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.ENOSYS})
"""What file systems answer that do not know F_FULLFSYNC: shares, many sticks."""


def full_sync(fd: int, command: Callable[[int, int], object] = fcntl.fcntl) -> None:
    """Make a file durable, its drive's cache included; without that where the file system cannot."""
    try:
        command(fd, F_FULLFSYNC)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        os.fsync(fd)


def show_as_writer(fd: int) -> None:
    """Let `is_only_writer` of others see that this descriptor is open for writing; never waits."""
    with suppress(OSError):  # a file system without locks: then nobody is ever the only one
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)


def is_only_writer(fd: int) -> bool:
    """Tell whether no other descriptor that was shown as a writer's has the file open, in any process."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        show_as_writer(fd)
        return False
    show_as_writer(fd)
    return True
