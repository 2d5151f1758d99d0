"""Reading a file that the user has named: config, area, credentials, certificates.

The name may be that of anything. A pipe is a real use (`run <(make-config)`, a credentials file of /dev/fd/63), but one
that nobody writes to would hold the program for ever, without a word; a device would bring rubbish without an end.
"""

from __future__ import annotations

import codecs
import errno
import os
import select
import stat
import sys
import time

from landsat_async.rules.similar import similar

PIPE_LIMIT_S = 5.0
"""So long a pipe may take to bring everything; below the time that a wait may go without a word."""

_NAMES_MAX = 5000
_ALIKE = 0.7
_WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


class Unreadable(Exception):
    """Why a file cannot be read, to be put behind its name."""


def read_user_file(path: str, most_bytes: int) -> bytes:
    """Return the bytes of a file or pipe, `most_bytes` + 1 at most.

    Raises:
        FileNotFoundError: there is no such file.
        Unreadable: it is a device, a folder, a pipe that brings nothing, or not readable.
    """
    try:
        fd = os.open(path, os.O_RDONLY | _WITHOUT_WAITING)
    except FileNotFoundError:
        raise
    except ValueError:  # a NUL inside
        raise Unreadable("is not a path") from None
    except OSError as error:
        raise Unreadable(_why(error)) from None
    try:
        return _read(fd, most_bytes + 1)
    except OSError as error:
        raise Unreadable(_why(error)) from None
    finally:
        os.close(fd)


def near_name(path: str) -> str:
    """Return "; did you mean X?" with a file of the same folder that is likely meant; "" when there is none."""
    folder, name = os.path.split(path)
    ending = os.path.splitext(name)[1].lower()
    try:
        names = os.listdir(folder or ".")
    except (OSError, ValueError):
        return ""
    alike = [one for one in names[:_NAMES_MAX] if one.lower().endswith(ending) and one.isprintable()]
    meant = similar(name, alike, alike=_ALIKE)
    return f"; did you mean {os.path.join(folder, meant)}?" if meant is not None else ""


def text_of(body: bytes) -> str:
    """Return the text of a file: UTF-8, or what its byte order mark says (PowerShell writes UTF-16, Notepad both).

    Raises UnicodeDecodeError.
    """
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body.decode("utf-16")
    return body.decode("utf-8-sig")


def check_user_file(path: str) -> None:
    """Refuse what a library that opens files by itself would wait for.

    Raises:
        Unreadable: it is there and no file or folder.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return  # the library will say so
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise Unreadable("is a pipe or device, not a file")


def _why(error: OSError) -> str:
    if error.errno == errno.ENXIO:
        return "is a socket or device, not a file"
    return f"cannot be read: {error.strerror}"


def _read(fd: int, size: int) -> bytes:
    mode = os.fstat(fd).st_mode
    if stat.S_ISFIFO(mode):
        return _read_pipe(fd, size)
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise Unreadable("is a device, not a file")
    pieces = []
    while size > 0 and (piece := os.read(fd, min(size, 1 << 20))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _read_pipe(fd: int, size: int) -> bytes:
    pieces: list[bytes] = []
    if sys.platform == "win32":  # names of pipes are no file names there
        raise Unreadable("is a pipe, not a file")
    end_s = time.monotonic() + PIPE_LIMIT_S
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    while size > 0:
        if not poll.poll(max(0.0, end_s - time.monotonic()) * 1000):
            raise Unreadable(f"is a pipe, and its writer did not come to an end within {PIPE_LIMIT_S:.0f} s")
        piece = os.read(fd, min(size, 1 << 16))
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
