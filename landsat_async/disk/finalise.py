"""From a complete part to a file under its final name.

The order is the promise: bytes durable, proof on the same descriptor (or on the very bytes that were just written to
it, while they are still in memory), a name that replaces nothing, the name durable. Only then may a ledger say "done",
and only then may the part's own name go (`part.discard_part`). A kill between any two steps leaves either no final
name or a proven file under it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol, TypeAlias

import msgspec

from landsat_async.disk.fs import READ, WRITE, FileStat, Fs
from landsat_async.model import Identity, Proof
from landsat_async.proof.byte_view import Source
from landsat_async.proof.prove import Damaged, Proved


class Proving(Protocol):
    """Proves an open file; see `proof.prove`."""

    def __call__(
        self,
        read: Source,
        size_bytes: int,
        name: str,
        *,
        level: Proof,
        published: Mapping[str, str] | None,
        stop: Callable[[], bool],
    ) -> Proved | Damaged:
        """Prove it; blocks."""


_COMPARED_BYTES = 1024 * 1024
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
_NO_SUCH_RENAME = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


class Committed(msgspec.Struct, frozen=True):
    """The file has its final name, durably."""

    proof: Proof
    mtime_ns: int = 0
    """Its time of change, to be able to say later whether it is still this file."""
    identity: Identity = Identity.NONE
    """What the file itself has shown of whose it is."""
    linked: bool = False
    """It still has the part's name as well, by which a later run knows it for ours when it was not recorded."""


class InTheWay(msgspec.Struct, frozen=True):
    """Something that is not ours has the final name; it was left alone."""


class PartLost(msgspec.Struct, frozen=True):
    """Somebody removed or swapped the part's name; its bytes cannot be named any more."""


FinaliseResult: TypeAlias = Committed | Damaged | InTheWay | PartLost


def finalise(
    fs: Fs,
    fd: int,
    part_path: str,
    final_path: str,
    *,
    size_bytes: int,
    prove: Callable[[], Proved | Damaged],
    needed: Proof,
    overwrite: bool,
    mode: int = 0o644,
) -> FinaliseResult | Proved:
    """Sync, prove and name a complete part; blocks.

    Returns `Proved` without naming the file when the proof is right but weaker than `needed`. The file gets `mode`;
    until then it was its owner's alone.
    """
    mine = fs.fstat(fd)
    if mine.st_size != size_bytes:
        return PartLost()
    fs.fsync(fd)
    proved = prove()
    if isinstance(proved, Damaged) or proved.proof.rank < needed.rank:
        return proved
    if not _is_named(fs, mine, part_path):
        return PartLost()
    try:
        fs.fchmod(fd, mode)
    except OSError:  # some file systems have no modes
        pass
    folder, linked = os.path.dirname(final_path), False
    try:
        try:
            linked = _name(fs, part_path, final_path, overwrite=overwrite)
        except FileNotFoundError:  # the folder is there most of the time, so it is only made when it is missing
            fs.make_folder(folder)
            linked = _name(fs, part_path, final_path, overwrite=overwrite)
    except FileExistsError:
        if not _same_bytes(fs, fd, final_path, size_bytes):
            return InTheWay()  # else it has been finished before, by a run that could not record it
    except IsADirectoryError:
        return InTheWay()
    except FileNotFoundError:
        return PartLost()
    fs.fsync_dir(folder)
    return Committed(proved.proof, mine.st_mtime_ns, proved.identity, linked)


def _is_named(fs: Fs, mine: FileStat, path: str) -> bool:
    """Tell whether `path` still names the open file, and not something that was put in its place."""
    try:
        there = fs.lstat(path)
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


def _same_bytes(fs: Fs, fd: int, path: str, size_bytes: int) -> bool:
    """Tell whether the file that has the name already is what we would have put there; then make it durable."""
    if _is_named(fs, fs.fstat(fd), path):
        return True  # it is this very file, and synced already
    try:
        other = _open_for_sync(fs, path)
    except OSError:
        return False
    try:
        if fs.fstat(other).st_size != size_bytes:
            return False
        for at in range(0, size_bytes, _COMPARED_BYTES):
            if fs.pread(fd, _COMPARED_BYTES, at) != fs.pread(other, _COMPARED_BYTES, at):
                return False
        fs.fsync(other)
        return True
    except OSError:  # a folder, a device
        return False
    finally:
        fs.close(other)


def _open_for_sync(fs: Fs, path: str) -> int:
    """Open a file that we do not want to change; Windows syncs only what is open for writing."""
    try:
        return fs.open(path, WRITE)
    except PermissionError:
        return fs.open(path, READ)


def move_file(fs: Fs, path: str, to: str) -> None:
    """Move a finished file to a name that nobody has, durably; at no moment it has no name.

    Raises:
        FileExistsError: the name is taken.
        FileInUse: another program has it open, and the system moves no open file.
    """
    fs.make_folder(os.path.dirname(to))
    _name(fs, path, to, overwrite=False)
    fs.fsync_dir(os.path.dirname(to))
    with suppress(FileNotFoundError):  # a rename has taken the old name away
        fs.unlink(path)
    fs.fsync_dir(os.path.dirname(path))


def _name(fs: Fs, part_path: str, final_path: str, *, overwrite: bool) -> bool:
    """Give the part its final name in the safest way that the file system knows; whether it has kept its own."""
    if overwrite:
        fs.replace(part_path, final_path)
        return False
    try:
        fs.link(part_path, final_path)
        return True
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    try:
        fs.rename_noreplace(part_path, final_path)
        return False
    except OSError as error:
        if error.errno not in _NO_SUCH_RENAME:
            raise
    # Neither exists here (exFAT on macOS, some network folders). The lock on the output folder keeps our own runs
    # apart; a stranger would have to create the file between these two calls.
    try:
        fs.lstat(final_path)
    except FileNotFoundError:
        fs.replace(part_path, final_path)
        return False
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
