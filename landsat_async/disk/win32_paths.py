r"""Paths as Windows reads them, as plain rules that can be tested on any system.

Two things are dangerous about them. A path below the output folder has many spellings (slashes, case), and a guard that
compares texts is off without a sound when the spelling is another one: so there is one place that joins and normalises.
And `\\?\` paths, which lift the limit of 260, switch all of Windows' own checks off: so names are checked here.
"""

from __future__ import annotations

import errno
import ntpath
import re

NAME_MAX = 255
"""UTF-16 units of one name, on all file systems of Windows."""
PATH_MAX = 259
"""UTF-16 units of a path that programs without long paths can open. We can open longer ones."""

_LONG, _LONG_UNC = "\\\\?\\", "\\\\?\\UNC\\"
_FORBIDDEN = re.compile(r'[\x00-\x1f<>:"|?*/\\]')
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])[ ]*(\..*|:.*)?", re.IGNORECASE)


def length_of(text: str) -> int:
    """Return the length in UTF-16 units, which Windows counts in."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def check_name(name: str) -> str:
    """Return the name unchanged when Windows takes it for a file of just this name; else raise OSError EINVAL."""
    if not name or name in (".", "..") or _FORBIDDEN.search(name) or name[-1] in ". " or _DEVICES.fullmatch(name):
        raise OSError(errno.EINVAL, "Windows does not take this as a file name", name)
    if length_of(name) > NAME_MAX:
        raise OSError(errno.ENAMETOOLONG, f"longer than {NAME_MAX} characters", name)
    return name


def join(root: str, relpath: str) -> str:
    """Return the path of `relpath`, with slashes, below the absolute folder `root`.

    Raises OSError EINVAL for what leads out of it: "..", a drive, a leading slash, a stream.
    """
    return "\\".join([normal(root).rstrip("\\"), *map(check_name, relpath.replace("\\", "/").split("/"))])


def normal(path: str, working_folder: str = "") -> str:
    """Return an absolute path in its one form: back slashes, no "." and "..", no long prefix."""
    if path.startswith(_LONG_UNC):
        path = "\\\\" + path[len(_LONG_UNC) :]
    elif path.startswith(_LONG):
        path = path[len(_LONG) :]
    if path.startswith(("\\\\.\\", "//./")):
        raise OSError(errno.EINVAL, "a device is not a file", path)
    if not _is_absolute(path):
        path = ntpath.join(working_folder, path)
        if not _is_absolute(path):  # "C:a" while the working folder is on another drive, too
            raise OSError(errno.EINVAL, "not an absolute path", path)
    return ntpath.normpath(path)


def _is_absolute(path: str) -> bool:
    drive, rest = ntpath.splitdrive(path)
    return drive.startswith(("\\\\", "//")) or (bool(drive) and rest.startswith(("\\", "/")))


def long(path: str, working_folder: str = "") -> str:
    """Return the form that lifts the limit of 260 characters, for calls of Windows only; names are checked."""
    plain = normal(path, working_folder)
    drive, rest = ntpath.splitdrive(plain)
    for name in rest.split("\\"):
        if name:
            check_name(name)
    return _LONG_UNC + plain[2:] if plain.startswith("\\\\") else _LONG + drive + (rest or "\\")


def below(root: str, path: str) -> list[str] | None:
    """Return the names that lead from the folder `root` to `path`; None when `path` does not lie below it.

    Both in their normal form. Case does not count, as on the disk: a guard that compared it would be off for a path
    of another spelling.
    """
    start, whole = root.rstrip("\\") + "\\", path
    if ntpath.normcase(whole[: len(start)]) != ntpath.normcase(start):
        return None
    return whole[len(start) :].split("\\") if whole[len(start) :] else None
