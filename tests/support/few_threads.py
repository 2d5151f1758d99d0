"""The command line in a process that may start only so many threads: python -m tests.support.few_threads N ARGUMENTS

The limit is the kernel's own (RLIMIT_NPROC), which is what a container's limit on processes looks like from inside. It
does not bind root, so root becomes a user of its own first, and keeps the right to read and write. Where that cannot
be done, starting a thread fails as the kernel would have it fail.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
import threading

_SECUREBITS, _KEEP = 28, 1 << 2
_V3 = 0x20080522
_WITHOUT_LIMITS = (1 << 21) | (1 << 24)
"""Rights of the administrator that lift the limit: CAP_SYS_ADMIN, CAP_SYS_RESOURCE."""


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Rights(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def limit_threads(count: int) -> None:
    """Let this process have at most `count` threads from now on, the one that calls included."""
    try:
        _by_the_kernel(count)
    except OSError:
        _by_python(count)


def _by_the_kernel(count: int) -> None:
    if os.getuid() != 0:  # the limit counts all processes of the user
        raise OSError
    libc = ctypes.CDLL(None, use_errno=True)
    header, rights = _Header(_V3, 0), (_Rights * 2)()
    if libc.prctl(_SECUREBITS, _KEEP, 0, 0, 0) or libc.capget(ctypes.byref(header), rights):
        raise OSError
    resource.setrlimit(resource.RLIMIT_NPROC, (count, count))
    own = 1_000_000 + os.getpid()
    os.setresuid(own, own, own)
    rights[0].effective &= ~_WITHOUT_LIMITS
    rights[0].permitted &= ~_WITHOUT_LIMITS
    if libc.capset(ctypes.byref(header), rights):
        raise OSError


def _by_python(count: int) -> None:
    start = threading.Thread.start

    def limited(thread: threading.Thread) -> None:
        if threading.active_count() >= count:
            raise RuntimeError("can't start new thread")
        start(thread)

    threading.Thread.start = limited  # type: ignore[method-assign]


def main() -> int:
    from landsat_async.show.cli import main as command_line

    limit_threads(int(sys.argv[1]))
    return command_line(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
