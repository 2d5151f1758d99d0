"""Opening the part that an earlier attempt, or an earlier run, has left.

What can be believed after a crash is not what the file system shows: a size may be right while the data behind it is
zeros. So a part is opened by what the last checkpoint says: cut to its length, read again, and compared with its
SHA-256. That also rebuilds the running digest, which Python cannot store.

A part has one writer, whatever locks say. Each transfer renames it to a name of its own, so that whoever had it before
cannot give it a final name any more; and when somebody still has the file open, a copy of the believed bytes is used,
because that somebody may still write or cut.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from landsat_async.disk.acquire import Handover
from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.disk.fs import WRITE, Fs
from landsat_async.disk.io_threads import Threads
from landsat_async.disk.part import HashedFile, PartFile, make_part_folder, new_file

COPY_SUFFIX = ".copy"
_READ_BYTES = 1024 * 1024


async def open_part(
    path: str,
    facts: Checkpoint | None,
    *,
    fs: Fs,
    threads: Threads,
    was: Sequence[str] = (),
    min_free_bytes: int = 0,
    is_claim: bool = False,
) -> tuple[PartFile, bool]:
    """Open the part at `path` as the checkpoint `facts` says; None = it will be made with the first write.

    `was` are names, in the same folder, under which an earlier generation of the part may stand; it is renamed.
    The second value is False when the bytes on disk are not those of the checkpoint: the part is then empty in
    memory, and the caller lowers the ledger before it calls `cut`.
    """
    opened: list[HashedFile] = []
    believed = True
    if facts is not None:
        handover = Handover(_shut_all)  # who is cancelled leaves the descriptor to the thread that may still use it

        def open_file() -> bool:
            try:
                return _open_file(fs, path, was, facts, min_free_bytes, opened)
            finally:
                handover.put(opened)

        try:
            believed = await threads.run(open_file)
        except BaseException:
            handover.drop()
            raise
    part = PartFile(path, fs, threads, min_free_bytes, was, opened[0] if opened else None, is_claim=is_claim)
    if facts is not None and believed:
        part.facts = facts
    return part, believed


def _shut_all(files: Sequence[HashedFile]) -> None:
    for file in files:
        file.shut()


def _open_file(
    fs: Fs, path: str, was: Sequence[str], facts: Checkpoint, min_free_bytes: int, opened: list[HashedFile]
) -> bool:
    """Open the part of a checkpoint, put it into `opened`, and tell whether it holds what `facts` say."""
    make_part_folder(fs, path)
    try:
        take_over(fs, path, was)
        fd = fs.open(path, WRITE)
    except FileNotFoundError:
        return False
    opened.append(HashedFile(fd, fs, min_free_bytes))
    if not fs.is_ours_alone(fd):
        _copy(fs, path, facts.durable, min_free_bytes, opened)
    believed = opened[-1].reread(facts.durable) and opened[-1].digest.hexdigest() == facts.sha256
    if believed:
        fs.ftruncate(opened[-1].fd, facts.durable)
    else:
        opened[-1].reread(0)
    return believed


def take_over(fs: Fs, path: str, was: Sequence[str]) -> bool:
    """Give the first part of an earlier generation that is there its new name; whether there was one."""
    for name in was:
        try:
            fs.replace(fs.join(os.path.dirname(path), name), path)
            return True
        except FileNotFoundError:
            pass
    return False


def _copy(fs: Fs, path: str, size: int, min_free_bytes: int, opened: list[HashedFile]) -> None:
    """Go on with a copy of the bytes that count: somebody else may still write to the file, or it is final already."""
    source = opened[-1]
    copy = new_file(fs, path + COPY_SUFFIX, (), min_free_bytes)
    opened.append(copy)
    while block := fs.pread(source.fd, min(_READ_BYTES, size - copy.length), copy.length):
        copy.write(block)
    fs.fsync(copy.fd)
    source.shut()  # Windows replaces no file that is open
    opened.remove(source)
    fs.replace(path + COPY_SUFFIX, path)
