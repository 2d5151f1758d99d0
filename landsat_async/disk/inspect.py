"""What lies on disk already: is a recorded file still as recorded, can a found one be proven? For threads."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from landsat_async.disk.fs import Fs
from landsat_async.model import Identity, Proof
from landsat_async.proof.prove import Damaged, Stopped, prove
from landsat_async.proof.sizes import is_doubtful
from landsat_async.proof.sniff import FileKind, kind_of

_BLOCK_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the ledger records of a file, read from the file itself."""

    size_bytes: int
    sha256: str
    proof: Proof
    mtime_ns: int
    identity: Identity = Identity.NONE
    """What the file itself has shown of whose it is."""


@dataclass(frozen=True, slots=True)
class Absent:
    """Nothing has this name."""


@dataclass(frozen=True, slots=True)
class Unproven:
    """Something has this name and cannot be proven."""

    reason: str


Finding: TypeAlias = Facts | Absent | Unproven


def is_as_recorded(path: Path | str, size_bytes: int | None, mtime_ns: int | None) -> bool:
    """Tell by size and time of change whether a finished file was left alone; one stat, no reading."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == size_bytes and found.st_mtime_ns == mtime_ns


def inspect(
    path: Path,
    name: str,
    *,
    weakest: Proof = Proof.STRUCTURE,
    level: Proof = Proof.STRUCTURE,
    fs: Fs | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Finding:
    """Prove the file at `path` and hash it. A symbolic link, a folder or an unreadable file is Unproven.

    Args:
        path: Where it is.
        name: The USGS name, which says what it has to be.
        weakest: Less than that is Unproven.
        level: How far to go; the result tells how far it was possible.
        fs: File calls.
        stop: Asked between reads.

    Raises:
        Stopped: `stop` said so.
    """
    fs = fs or Fs()
    try:
        fd = fs.open(str(path), os.O_RDONLY | os.O_NONBLOCK)  # a FIFO must not block us
    except FileNotFoundError:
        return Unproven("a dangling symbolic link") if path.is_symlink() else Absent()
    except OSError as error:
        return Unproven(os.strerror(error.errno or 0).lower())
    try:
        found = fs.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            return Unproven("not a regular file")
        proved = prove(fd, found.st_size, name, level=level, stop=stop)
        if isinstance(proved, Damaged):
            return Unproven(proved.reason)
        if proved.proof.rank < weakest.rank:
            return Unproven("its kind of file cannot be proven without its history")
        return Facts(found.st_size, _sha256(fs, fd, stop), proved.proof, found.st_mtime_ns, proved.identity)
    finally:
        fs.close(fd)


def why_not_adopted(name: str, facts: Facts, listed_bytes: int | None) -> str | None:
    """Say why a whole file that was found under a final name cannot be taken for that file; None when it can.

    Nobody has said where it comes from. So its pixels must be right, it must name its product where its kind has a
    place for that, and it must have a size that the file could have.
    """
    kind = kind_of(name)
    if is_doubtful(facts.size_bytes, listed_bytes):
        return f"it has {facts.size_bytes:,} bytes where USGS lists {listed_bytes:,}"
    if kind in (FileKind.TIFF, FileKind.TAR) and facts.proof.rank < Proof.CONTENT.rank:
        return "its content cannot be proven"
    if kind in (FileKind.JPEG, FileKind.OTHER):
        return "its kind of file cannot be proven without its history"
    if kind is not FileKind.TIFF and facts.identity.rank < Identity.CONTENT.rank:
        return "nothing inside it names its product"
    return None


def put_aside(path: Path, folder: Path) -> Path | None:
    """Move a file of ours that somebody has changed into `folder`, where it stays; None when it is no plain file."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        return None
    folder.mkdir(mode=0o700, exist_ok=True)
    kept = folder / f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{path.name}"
    os.rename(path, kept)
    return kept


def _sha256(fs: Fs, fd: int, stop: Callable[[], bool]) -> str:
    digest, offset = hashlib.sha256(), 0
    while block := fs.pread(fd, _BLOCK_BYTES, offset):
        digest.update(block)
        offset += len(block)
        if stop():
            raise Stopped
    return digest.hexdigest()
