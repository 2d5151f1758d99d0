"""The bytes so far of one unfinished file.

A part that begins at byte 0 is made together with its first write: most files are small, and each trip to a thread has
its price. Blocking calls run in a pool of ours, see `disk.io_threads`. Later writes go through aiofiles; one trip
checks the free space, writes and hashes. What is not to become a file itself may stay in memory, see `stay_in_memory`.

A part that is there already is opened by `disk.open_part`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, BinaryIO, cast

from aiofiles.threadpool.binary import AsyncFileIO
from anyio import sleep_forever
from msgspec.structs import replace

from landsat_async.disk.checkpoint import EMPTY_SHA256, Checkpoint
from landsat_async.disk.fs import NEW, WRITE, FileInUse, Fs
from landsat_async.disk.io_threads import Threads

WINDOW_SUFFIX = ".window"
"""Of the window that is cut out of a part, until it has its final name."""
OLD_SUFFIX = ".old"
"""Of what stood under the name of a new part, for the moment until it is removed."""
_READ_BYTES = 1024 * 1024
_GATHERED_BYTES = 1024 * 1024
_PART_FOLDER_MODE = 0o700
PART_MODE = 0o600
_CLOSED = -1


def part_name(item_id: int, generation: int) -> str:
    """Return what the part of a file is called: something else each time that a worker takes the file."""
    return f"{item_id}.{generation}.part"


class NoRoom(OSError):
    """Writing on would leave less free space than the user wants to keep."""


class HashedFile:
    """A raw file that is only appended to; each write is complete, counted and hashed before it returns.

    As much of a file as aiofiles needs. Closed by `shut`, or by nobody when a thread is lost in it.
    """

    expected = 0
    """Size of the whole file, as far as it is known: room for the rest must be there before more is written."""
    length = 0
    """Bytes from the start that are right; there may be more in the file, which nobody believes."""

    def __init__(self, fd: int, fs: Fs, min_free_bytes: int) -> None:
        self.fd = fd
        """The descriptor; after `shut` none that any call takes: the number may be that of another file by then."""
        self._fs = fs
        self._min_free_bytes = min_free_bytes
        self.digest = hashlib.sha256()
        """Over exactly these bytes."""

    def write(self, block: Any) -> int:
        """Append a block: all of it, or an error and nothing counted."""
        data = memoryview(block)
        if self._min_free_bytes:
            needed = max(len(data), self.expected - self.length)
            if self._fs.free_bytes(self.fd) - needed < self._min_free_bytes:
                raise NoRoom(errno.ENOSPC, "the free space to be kept would be used up")
        self._fs.pwrite_all(self.fd, data, self.length)
        self.digest.update(data)
        self.length += len(data)
        return len(data)

    def shut(self) -> None:
        """Close the descriptor; a second time does nothing."""
        fd, self.fd = self.fd, _CLOSED
        if fd != _CLOSED:
            self._fs.close(fd)

    def reread(self, size: int) -> bool:
        """Hash the first `size` bytes again and stand behind them; False when the file is shorter."""
        digest, at = hashlib.sha256(), 0
        while at < size:
            block = self._fs.pread(self.fd, min(_READ_BYTES, size - at), at)
            if not block:
                return False
            digest.update(block)
            at += len(block)
        self.digest, self.length = digest, size
        return True

    def same_until(self, block: memoryview, offset: int) -> int:
        """Return how many bytes of `block` equal the file's from `offset` on."""
        mine, theirs = self._fs.pread(self.fd, len(block), offset), bytes(block)
        low, high = 0, min(len(mine), len(theirs))
        if mine[:high] == theirs[:high]:
            return high
        while high - low > 1:  # [:low] is equal, [low:high] is not
            middle = (low + high) // 2
            low, high = (middle, high) if mine[low:middle] == theirs[low:middle] else (low, middle)
        return low


def new_window_file(fs: Fs, part_path: str, min_free_bytes: int) -> HashedFile:
    """Make the file for the window that is cut out of a part; for threads."""
    return new_file(fs, part_path + WINDOW_SUFFIX, (), min_free_bytes)


def new_file(fs: Fs, path: str, was: Sequence[str], min_free_bytes: int, *, is_claim: bool = False) -> HashedFile:
    """Make a file that nobody else has open; what had its name keeps its bytes, and earlier generations go.

    `is_claim`: it was made before, for us alone. Raises FileNotFoundError when it is not there any more.
    """
    if is_claim:
        return HashedFile(fs.open(path, WRITE), fs, min_free_bytes)
    for name in was:
        with suppress(FileInUse):
            discard_part(fs, fs.join(os.path.dirname(path), name))
    try:
        fd = fs.open(path, NEW, PART_MODE)
    except FileExistsError:
        # Not removed at once: on Windows a name lingers until the last program closes the file, but it can be given up.
        fs.replace(path, path + OLD_SUFFIX)
        fd = fs.open(path, NEW, PART_MODE)
        with suppress(FileInUse):  # swept by a later run
            discard_part(fs, path + OLD_SUFFIX)
    except FileNotFoundError:
        make_part_folder(fs, path)
        fd = fs.open(path, NEW, PART_MODE)
    return HashedFile(fd, fs, min_free_bytes)


def make_part_folder(fs: Fs, path: str) -> None:
    """Make only the one folder: when its parent is gone, a disk was unmounted or somebody tidied up."""
    try:
        fs.mkdir(os.path.dirname(path), _PART_FOLDER_MODE)
    except FileExistsError:
        pass


def discard_part(fs: Fs, path: str) -> None:
    """Remove a part, or its name once the ledger has said "done"; blocks. No harm when it is gone already."""
    try:
        fs.unlink(path)
    except FileNotFoundError:
        pass


class PartFile:
    """An open part, or one still to be made. Make one with `open_part`; what touches the disk waits for a thread."""

    facts = Checkpoint()
    """Validators and total of the bytes here; `durable` and `sha256` are those of the last checkpoint."""
    expected = 0
    """Size of the whole file, as far as it is known: room for the rest must be there before more is written."""
    closed = False
    """The descriptor has been closed."""
    _gathers = False
    _name_is_durable = False
    _sync_has_failed = False

    def __init__(
        self,
        path: str,
        fs: Fs,
        threads: Threads,
        min_free_bytes: int,
        was: Sequence[str],
        file: HashedFile | None,
        *,
        is_claim: bool = False,
    ) -> None:
        self.path = path
        self.threads = threads
        self._fs = fs
        self._min_free_bytes = min_free_bytes
        self._was = was
        self._is_claim = is_claim
        self._file = file
        self.length = 0 if file is None else file.length
        """Bytes that are here, written and hashed; not all of them need be durable."""
        self._held = bytearray()
        """All bytes, while no file holds them."""
        self._putting = threading.Lock()
        """A checkpoint and the next block may both want what is in memory on disk: it is written once."""

    def __repr__(self) -> str:
        return f"<PartFile {os.path.basename(self.path)} {self.length} of {self.facts.total}>"

    @property
    def sha256(self) -> str:
        """Hex digest of these bytes."""
        if self._held:
            return hashlib.sha256(self._held).hexdigest()
        return EMPTY_SHA256 if self._file is None else self._file.digest.hexdigest()

    @property
    def file(self) -> HashedFile:
        """The file; only after the first write."""
        if self._file is None:
            raise _no_file()
        return self._file

    @property
    def fd(self) -> int:
        """The descriptor; only after the first write."""
        if self._file is None:
            raise _no_file()
        return self._file.fd

    def read(self, size: int, offset: int) -> bytes:
        """Return up to `size` bytes from `offset` on; for threads, and only after the first write."""
        held = self._held
        if held:
            return bytes(memoryview(held)[offset : offset + size])
        return self._fs.pread(self.fd, size, offset)

    @property
    def in_memory(self) -> bool:
        """All bytes are in memory, so `read` waits for nothing."""
        return bool(self._held)

    @property
    def now(self) -> Checkpoint:
        """What a checkpoint would store, once the bytes are durable."""
        is_new = self._file is None and not self._held
        return self.facts if is_new else replace(self.facts, durable=self.length, sha256=self.sha256)

    def stay_in_memory(self) -> None:
        """Let bytes that are still to come stay in memory while they are few: a window is cut from them at once.

        Whatever needs them on disk has them written first: a checkpoint, a comparison that finds others, more bytes. A
        part that was made by others, or has earlier names, is written to as ever.
        """
        self._gathers = self._file is None and not self._is_claim and not self._was

    async def write(self, block: memoryview) -> None:
        """Append a block. Not interrupted by cancellation, because its thread could not be."""
        if self._gathers and block and self._file is None and self.length + len(block) <= _GATHERED_BYTES:
            self._held += block
            self.length += len(block)
            return
        if self._file is None or self._held:
            await self.threads.run(self.put, block)
            return
        self._file.expected = self.expected
        try:
            with self.threads.waiting():
                await AsyncFileIO(cast("BinaryIO", self._file), None, self.threads.pool).write(block)
        finally:
            self.length = self._file.length
        if self.threads.lost:
            await sleep_forever()  # the shield has given up, so we have been cancelled: this raises

    def put(self, block: memoryview) -> None:
        """Append a block, and make the file first if there is none; for threads."""
        with self._putting:
            file = self._file
            if file is None:
                file = new_file(self._fs, self.path, self._was, self._min_free_bytes, is_claim=self._is_claim)
                self._file = file
            file.expected = self.expected
            file.write(self._held + block if self._held else block)
            self.length = file.length
            if self._held:  # last: who finds nothing in memory does not wait for this
                self._held = bytearray()

    def _whole_file(self) -> HashedFile:
        """Return the file with all bytes in it; for threads."""
        if self._held:
            self.put(memoryview(b""))
        return self.file

    async def same_until(self, block: memoryview, offset: int) -> int:
        """Return how many bytes of `block` equal the part's from `offset` on."""
        held = self._held
        if held and held[offset : offset + len(block)] == block:
            return len(block)
        self._gathers = False
        return await self.threads.run(lambda: self._whole_file().same_until(block, offset))

    async def sync(self) -> None:
        """Make all bytes written so far durable, and the part's name.

        After one error no sync of this descriptor is believed any more: the system may have thrown the bytes away
        and would call the next sync a success.
        """
        self._gathers = False  # nothing is added in memory to what a thread writes just now
        await self.threads.run(self._sync)

    def check_syncs(self) -> None:
        """Raise OSError when a sync has failed, or is under way: the next one could not be believed."""
        if self._sync_has_failed:
            raise OSError(errno.EIO, "an earlier sync has failed")

    def _sync(self) -> None:
        self.check_syncs()
        self._whole_file()
        self._sync_has_failed = True
        self._fs.fsync(self.fd)
        self._sync_has_failed = False
        if not self._name_is_durable:
            self._fs.fsync_dir(os.path.dirname(self.path))
            self._name_is_durable = True

    async def digest_of(self, size: int) -> str:
        """Return the digest of the first `size` bytes and go back to there; the file itself is not cut yet."""
        if self._held:
            self._gathers = False
            del self._held[size:]
            self.length = size
        elif size != self.length:
            if not await self.threads.run(self.file.reread, size):
                raise OSError(errno.EIO, "the part is shorter than it was")
            self.length = size
        return self.sha256

    async def cut(self) -> None:
        """Cut the file to `length`. The ledger must have been lowered before (else it speaks of lost bytes)."""
        if self._file is not None:
            await self.threads.run(self._fs.ftruncate, self.fd, self.length)

    async def give_back(self) -> None:
        """Cut the file to the last checkpoint, because the disk is full; nothing more is written after that."""
        if self._file is not None:
            await self.threads.run(self._fs.ftruncate, self.fd, self.facts.durable)

    def shut(self) -> None:
        """Close the descriptor; for threads."""
        if self._file is not None:
            self._file.shut()
        self.closed = True

    async def close(self) -> None:
        """Close the descriptor, unless that has been done or a lost thread still uses it."""
        if self._file is not None and not self.closed and not self.threads.lost:
            await self.threads.run(self.shut)


def _no_file() -> OSError:
    return OSError(errno.ENOENT, "the part has no file yet")
