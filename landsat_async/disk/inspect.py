"""What lies on disk already: can it be proven, and may it be taken for what it seems to be?"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import partial
from typing import TypeAlias

import anyio.to_thread
import msgspec

from landsat_async.disk.fs import READ, WRITE, FileInUse, Fs
from landsat_async.model import Identity, Proof
from landsat_async.proof.byte_view import Read
from landsat_async.proof.kinds import is_doubtful, kind_of
from landsat_async.proof.prove import Damaged, Stopped, prove
from landsat_async.rules.naming import window_key

_BLOCK_BYTES = 4 * 1024 * 1024
_COMPARED_BYTES = 1024 * 1024


class Facts(msgspec.Struct, frozen=True):
    """Everything the ledger records of a file, read from the file itself."""

    size_bytes: int
    sha256: str
    proof: Proof
    mtime_ns: int
    identity: Identity = Identity.NONE
    """What the file itself has shown of whose it is."""


class Absent(msgspec.Struct, frozen=True):
    """Nothing has this name."""


class Unproven(msgspec.Struct, frozen=True):
    """Something has this name and cannot be proven."""

    reason: str
    in_use: bool = False
    """Another program keeps it open and shuts us out: nothing is known of it."""


Finding: TypeAlias = Facts | Absent | Unproven


class OpenFile(msgspec.Struct, frozen=True):
    """A file that is open for reading."""

    size_bytes: int
    mtime_ns: int
    read: Read


def inspect(
    opening: AbstractContextManager[OpenFile],
    name: str,
    *,
    weakest: Proof = Proof.STRUCTURE,
    level: Proof = Proof.STRUCTURE,
    stop: Callable[[], bool] = lambda: False,
) -> Finding:
    """Prove a file and hash it; for threads. A symbolic link, a folder or an unreadable file is Unproven.

    Args:
        opening: Opens it, see `Target.read`.
        name: The USGS name, which says what it has to be.
        weakest: Less than that is Unproven.
        level: How far to go; the result tells how far it was possible.
        stop: Asked between reads.

    Raises:
        Stopped: `stop` said so.
        OSError: the disk does not give the file back.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(opening)
        except FileNotFoundError:
            return Absent()
        except FileInUse:
            return Unproven("open in another program", in_use=True)
        except OSError as error:
            return Unproven((error.strerror or os.strerror(error.errno or 0)).lower())
        proved = prove(file.read, file.size_bytes, name, level=level, stop=stop)
        if isinstance(proved, Damaged):
            return Unproven(proved.reason)
        if proved.proof.rank < weakest.rank:
            return Unproven("its kind of file cannot be verified without its history")
        return Facts(file.size_bytes, _sha256(file.read, stop), proved.proof, file.mtime_ns, proved.identity)


async def inspect_apart(
    opening: AbstractContextManager[OpenFile], name: str, *, weakest: Proof, level: Proof = Proof.STRUCTURE
) -> Finding:
    """Do that in a thread, which ends soon when the caller is cancelled, and is not waited for then."""
    stopped = False
    look = partial(inspect, opening, name, weakest=weakest, level=level, stop=lambda: stopped)
    try:
        return await anyio.to_thread.run_sync(look, abandon_on_cancel=True)
    finally:
        stopped = True


def why_not_adopted(name: str, facts: Facts, listed_bytes: int | None) -> str | None:
    """Say why a whole file that was found under a final name cannot be taken for that file; None when it can.

    Nobody has said where it comes from. So its pixels must be right, it must name its product where its kind has a
    place for that, and it must have a size that the file could have.
    """
    kind = kind_of(name).traits
    if window_key(name) is not None:  # it says itself what it is cut from, and its own size is nowhere listed
        return None if facts.proof.rank >= Proof.WINDOW.rank else "it cannot be verified as a window"
    if is_doubtful(facts.size_bytes, listed_bytes):
        return f"it has {facts.size_bytes:,} bytes where USGS lists {listed_bytes:,}"
    if kind.has_pixels and facts.proof.rank < Proof.CONTENT.rank:
        return "its content cannot be verified"
    if not (kind.has_pixels or kind.names_product):
        return "its kind of file cannot be verified without its history"
    if kind.names_product and facts.identity.rank < Identity.CONTENT.rank:
        return "nothing inside it names its product"
    return None


def has_same_bytes(fs: Fs, fd: int, path: str, size_bytes: int) -> bool:
    """Tell whether the file at `path` has just the `size_bytes` of the open one `fd`; then it is made durable."""
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


def put_aside(fs: Fs, path: str, folder: str) -> str | None:
    """Move a file of ours that somebody has changed into `folder`; return its name there, None for no plain file.

    Both names are durable when this returns: the ledger forgets the file next, and after a power cut it would stand
    in the way as somebody else's.
    """
    if not stat.S_ISREG(fs.lstat(path).st_mode):
        return None
    with suppress(FileExistsError):
        fs.mkdir(folder, 0o700)
    kept = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.path.basename(path)}"
    fs.replace(path, fs.join(folder, kept))
    for changed in (folder, os.path.dirname(path)):
        fs.fsync_dir(changed)
    return kept


def _sha256(read: Read, stop: Callable[[], bool]) -> str:
    digest, offset = hashlib.sha256(), 0
    while block := read(_BLOCK_BYTES, offset):
        digest.update(block)
        offset += len(block)
        if stop():
            raise Stopped
    return digest.hexdigest()
