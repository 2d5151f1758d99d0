"""Mistakes that downloaders make, put into ours one at a time: the crash model has to catch every one of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from msgspec.structs import replace

from landsat_async.disk import ledger, local_target
from landsat_async.disk.checkpoint import EMPTY_SHA256
from landsat_async.disk.ledger import FinishedFile
from landsat_async.disk.open_part import open_part
from landsat_async.disk.part import PartFile
from landsat_async.run import recorder, worker
from landsat_async.transfer import repair, sink
from landsat_async.transfer.transfer import Transfer
from landsat_async.transfer.types import TransferJob
from tests.support.power_cut import Belief, by_digest, by_length, by_size
from tests.support.tape import RecordingFs

Patches = list[AbstractContextManager[Any]]


@dataclass(frozen=True)
class Mistake:
    """One deviation from the order of durability."""

    name: str
    scenario: str
    """In which of the recorded runs it shows."""
    fs: type[RecordingFs] = RecordingFs
    patches: Callable[[], Patches] = field(default=list)
    belief: Belief = by_digest
    """`by_length`: with the second guard, the digest of the prefix, switched off."""


class NoFileSync(RecordingFs):
    def fsync(self, fd: int) -> None:
        os.fstat(fd)


class NoFolderSync(RecordingFs):
    def fsync_dir(self, path: str) -> None:
        os.stat(path)


class Late(RecordingFs):
    """Puts calls of `finalise` off until the ledger has been written."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.finalising = threading.local()
        self._put_off: list[Callable[[], None]] = []

    def put_off(self, call: Callable[[], None]) -> None:
        self._put_off.append(call)

    def catch_up(self) -> None:
        calls, self._put_off = self._put_off, []
        for call in calls:
            call()


class LateName(Late):
    def link(self, source: str, target: str) -> None:
        self.put_off(partial(super().link, source, target))

    def fsync_dir(self, path: str) -> None:
        if path.endswith("parts"):
            super().fsync_dir(path)
        else:
            self.put_off(partial(super().fsync_dir, path))


class LateSync(Late):
    def fsync(self, fd: int) -> None:
        if not getattr(self.finalising, "path", ""):
            return super().fsync(fd)
        return self.put_off(partial(self._sync_path, self.finalising.path))

    def _sync_path(self, path: str) -> None:
        fd = self.open(path, os.O_RDONLY)
        super().fsync(fd)
        self.close(fd)


def _record_first() -> Patches:
    """The ledger says "done" before what was put off is done."""
    real = local_target.finalise

    def marked(fs: Late, fd: int, part_path: str, final_path: str, **how: Any) -> Any:
        fs.finalising.path = final_path
        try:
            return real(fs, fd, part_path, final_path, **how)
        finally:
            fs.finalising.path = ""

    async def record(owner: Any, proven: Any) -> None:
        for item, done in ((one.item, one.done) for one in proven):
            file = FinishedFile(item.item_id, item.relpath, done.size_bytes, done.sha256, done.proof, 0)
            await owner._states.finish([(file, False)])
        owner._session.target.fs.catch_up()

    return [
        mock.patch.object(local_target, "finalise", marked),
        mock.patch.object(recorder.Recorder, "_record", record),
    ]


def _write_to_final() -> Patches:
    """The part is the final file."""
    final: dict[str, str] = {}

    def job(*values: Any, **how: Any) -> TransferJob:
        made = TransferJob(*values, **how)
        final[made.part_name] = made.relpath
        return made

    def straight(path: str, *arguments: Any, **how: Any) -> Any:
        parts = Path(path).parent
        return open_part(str(parts.parents[1] / final[os.path.basename(path)]), *arguments, **how)

    def straight_new(path: str, *arguments: Any, **how: Any) -> PartFile:
        parts = Path(path).parent
        return PartFile(str(parts.parents[1] / final[os.path.basename(path)]), *arguments, **how)

    return [
        mock.patch.object(worker, "TransferJob", job),
        mock.patch.object(repair, "open_part", straight),
        mock.patch.object(repair, "PartFile", straight_new),
        mock.patch.object(local_target, "_name", mock.Mock()),
    ]


def _checkpoint_first() -> Patches:
    async def checkpoint(transfer: Any, mark: Any) -> None:
        part = transfer.part
        await transfer.hooks.store.save(mark)
        await part.sync()
        part.facts = replace(part.facts, durable=mark.durable, sha256=mark.sha256)

    return [mock.patch.object(Transfer, "checkpoint", checkpoint)]


def _normal() -> Patches:
    connect = ledger.connect

    def relaxed(path: Any) -> Any:
        connection = connect(path)
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    return [mock.patch.object(ledger, "connect", relaxed)]


def _overwrite_first() -> Patches:
    async def diverge(sink: Any, at: int) -> None:
        await sink._part.digest_of(at)
        await sink._part.cut()  # and the ledger hears of it at the next checkpoint
        sink._part.facts = replace(sink._part.facts, durable=0, sha256=EMPTY_SHA256)
        sink._floor = at
        sink.diverged = True

    return [mock.patch.object(sink.Sink, "_diverge", diverge)]


MISTAKES = (
    Mistake("no fsync of the file", "straight", NoFileSync),
    Mistake("no fsync of the folder", "straight", NoFolderSync),
    Mistake("done in the ledger before the final name", "straight", LateName, _record_first),
    Mistake("done in the ledger before the fsync", "straight", LateSync, _record_first),
    Mistake("resume from the size of the part", "cuts", belief=by_size),
    Mistake("written under the final name", "straight", patches=_write_to_final),
    Mistake("ledger with synchronous=NORMAL", "new version", patches=_normal, belief=by_length),
    Mistake("overwritten before the checkpoint is lowered", "new version", patches=_overwrite_first, belief=by_length),
    Mistake("checkpoint recorded before the fsync", "cuts", patches=_checkpoint_first, belief=by_length),
)
