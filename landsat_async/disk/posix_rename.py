"""The rename of POSIX systems that replaces nothing, which Python does not offer."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

from landsat_async.disk import posix_macos

assert sys.platform != "win32"  # there it is fs_windows
_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_MACOS_RENAME = posix_macos.AT_FDCWD, posix_macos.RENAME_EXCL


def rename_noreplace(old: str, new: str, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
    """Rename, but never over something.

    Args:
        old: The name.
        new: The name to be.
        src_dir_fd: The open folder that `old` stands in; None = it is a path.
        dst_dir_fd: The open folder that `new` will stand in; None = it is a path.

    Raises:
        OSError: EINVAL or ENOSYS where the system cannot promise that.
    """
    import ctypes  # where names can be linked, as almost everywhere, nobody comes here

    call = _renameat2()
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    here, flag = (_AT_FDCWD, _RENAME_NOREPLACE) if sys.platform != "darwin" else _MACOS_RENAME
    folders = [here if fd is None else fd for fd in (src_dir_fd, dst_dir_fd)]
    if call(folders[0], os.fsencode(old), folders[1], os.fsencode(new), flag):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), new)


def _renameat2() -> Callable[..., int] | None:
    """Return the C library's renameat2 (renameatx_np on macOS), or None where there is none."""
    import ctypes

    try:
        library = ctypes.CDLL(None, use_errno=True)
        call = library.renameatx_np if sys.platform == "darwin" else library.renameat2
    except (AttributeError, OSError):
        return None
    call.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    call.restype = ctypes.c_int
    result: Callable[..., int] = call
    return result
