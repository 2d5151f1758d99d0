"""What POSIX systems know of others who use a file: locks, and leases.

A lock here is a record lock: it holds over all machines of a cluster, where flock does not.

On Linux the lock belongs to the open file ("OFD"), not to the process: a plain record lock is lost as soon as anything
in the process opens and closes the lock file, be it a backup or a `Path.read_text` of the host program. The two kinds
exclude each other, so runs of older versions are kept out as well. Where the kernel or the file system knows no OFD
locks, and on other systems, it is a plain record lock, which does not exclude its own process.
"""

from __future__ import annotations

import errno
import os
import signal
import struct
import sys
from contextlib import suppress

from landsat_async.disk.fs import LockState

assert sys.platform != "win32"

import fcntl  # noqa: E402

_FLOCK = "hhqqi0q"
"""struct flock of Linux with 64 bit offsets: type, whence, start, length, process; the kernel wants 0 as process."""
_BUSY = frozenset({errno.EAGAIN, errno.EACCES})
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
"""What file systems without locks answer. Every other error means that we do not know whether we hold the lock."""


def take_lock(fd: int) -> LockState:
    """Try to lock an open file without waiting: HELD, BUSY or UNSUPPORTED. Raises OSError when that is not known."""
    try:
        _lock(fd)
    except OSError as error:
        if error.errno in _BUSY:
            return LockState.BUSY
        if error.errno in _NO_LOCKS:
            return LockState.UNSUPPORTED
        raise
    return LockState.HELD


def give_lock_back(fd: int) -> None:
    """Unlock; closing is not enough where a child forked without Python has the file open."""
    with suppress(OSError):
        if sys.platform == "linux":
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _whole_file(fcntl.F_UNLCK))


def state_of_lock(fd: int) -> LockState:
    """Tell whether somebody else holds the lock: BUSY or FREE; asks without locking where the system can."""
    try:
        if sys.platform == "linux":
            answer = fcntl.fcntl(fd, fcntl.F_GETLK, _whole_file(fcntl.F_WRLCK))
            return LockState.FREE if struct.unpack(_FLOCK, answer)[0] == fcntl.F_UNLCK else LockState.BUSY
        fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return LockState.BUSY if error.errno in _BUSY else LockState.FREE
    return LockState.FREE


def grants_lease(fd: int) -> bool:
    """Tell whether nobody else has a file open, which only Linux can: it grants a lease to a sole user alone."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)  # who opens it meanwhile must not get us killed by SIGIO
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:
        return False
    return True


def _whole_file(kind: int) -> bytes:
    return struct.pack(_FLOCK, kind, os.SEEK_SET, 0, 0, 0)


def _lock(fd: int) -> None:
    """Lock, or raise OSError; does not wait."""
    if sys.platform == "linux":
        try:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _whole_file(fcntl.F_WRLCK))
            return
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
    fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
