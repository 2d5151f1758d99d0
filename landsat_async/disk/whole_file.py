"""A file is written whole under a name of its own and then renamed: whoever reads it sees the old or the new one."""

from __future__ import annotations

import contextlib
import os
import secrets

from landsat_async.disk.fs import NEW, Fs


def write_whole(fs: Fs, path: str, body: bytes, *, mode: int = 0o644, replace: bool = True) -> None:
    """Write a file, make it durable, and give it its name.

    Args:
        fs: The door to the files.
        path: Where to; its folder is there.
        body: All of it.
        mode: Who may use it, from its first moment on (POSIX).
        replace: Put it in the place of a file that has the name.

    Raises:
        FileExistsError: the name is taken, and `replace` is False.
        OSError: it could not be written; nothing is left behind.
    """
    folder, name = os.path.split(path)
    spare = os.path.join(folder, f".{name[:80]}.{secrets.token_hex(4)}.new")
    fd = fs.open(spare, NEW, mode)
    try:
        try:
            fs.pwrite_all(fd, memoryview(body), 0)
            fs.fsync(fd)
        finally:
            fs.close(fd)
        if replace:
            fs.replace(spare, path)
        else:
            _name_once(fs, spare, path)
    except BaseException:
        with contextlib.suppress(OSError):
            fs.unlink(spare)
        raise
    fs.fsync_dir(folder or ".")


def _name_once(fs: Fs, spare: str, path: str) -> None:
    """Give a name that nobody has; where the system cannot promise that, a second name tells."""
    try:
        fs.link(spare, path)
    except FileExistsError:
        raise
    except OSError:
        fs.rename_noreplace(spare, path)
    else:
        fs.unlink(spare)
