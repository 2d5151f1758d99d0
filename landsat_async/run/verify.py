"""What can be said without the service: the ledger's view, and a new proof of every finished file."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread
import msgspec
from anyio import CancelScope

from landsat_async.config import Config
from landsat_async.disk.inspect import Absent, Facts, Finding, Unproven, inspect_apart
from landsat_async.disk.ledger import FinishedFile, Ledger
from landsat_async.disk.ledger_files import FileRecords
from landsat_async.disk.ledger_reader import FileStatus, LedgerReader, LedgerStatus
from landsat_async.disk.lock import holder
from landsat_async.errors import LandsatError
from landsat_async.events import Event, Failed, Finished, Notice, Verified
from landsat_async.model import Identity, Proof
from landsat_async.run.choose_target import target_for
from landsat_async.run.waits import told_target

if TYPE_CHECKING:  # nothing is asked of the service here, and aiohttp takes a tenth of a second
    from landsat_async.m2m.caller import ApiWait

__all__ = ["FileStatus", "LedgerStatus", "status", "verify"]

_HINT_ADOPTED = "It was found on disk and not fetched, so it is left alone: move it away and run the same config again."
_HINT = "Run the same config again: it is fetched anew."


async def status(config: Config) -> LedgerStatus:
    """Read what is known of the folder; works beside a running download. No ledger = nothing known."""
    folder = target_for(config).folder
    known = await LedgerReader(folder).status(config.download.directory)
    return replace(known, held_by=await anyio.to_thread.run_sync(holder, folder.state, folder.fs))


async def verify(
    config: Config, *, content: bool = False, on_wait: Callable[[ApiWait], None] | None = None
) -> AsyncIterator[Event]:
    """Prove and hash every finished file again: `Verified` or `Failed` for each, then `Finished`.

    With `content`, pixels too, and what a file says of itself is held against its name; what that shows is written to
    the ledger, so that it holds for files of older versions as well. `on_wait` hears when a store is waited for.
    """
    started = time.monotonic()
    target = target_for(config)
    reader = LedgerReader(target.folder)
    if not await reader.exists():
        yield Notice(f"{config.download.directory}: nothing is recorded here, so nothing was verified", "warning")
    good = bad = 0
    level = Proof.CONTENT if content else Proof.STRUCTURE
    files = await reader.finished()
    async with AsyncExitStack() as stack:
        notes = _Notes(target.folder.ledger, stack)
        records = await notes.open() if content and files else None
        if notes.error is not None:
            yield Notice(f"what is found out cannot be recorded: {notes.error}", "warning")
        for file in files:
            async with told_target(target, on_wait):
                opening, name = target.read(file.relpath), file.relpath.rpartition("/")[2]
                finding = await inspect_apart(opening, name, weakest=Proof.LENGTH, level=level)
            reason = _why_bad(file, finding)
            if isinstance(finding, Facts) and reason is None:
                good += 1
                known = _with_news(file, finding) if content else file
                if records is not None and known != file:
                    await records.proven_anew(known)
                yield Verified(known.relpath, known.size_bytes, known.sha256, known.proof, known.identity)
                continue
            bad += 1
            await notes.bad(file, disproven=content and isinstance(finding, Unproven))
            is_kept = file.adopted and not isinstance(finding, Absent)
            yield Failed(file.relpath, reason or "", _HINT_ADOPTED if is_kept else _HINT)
    yield Finished(good + bad, good, 0, bad, 0, 0, time.monotonic() - started, 4 if bad else 0)


class _Notes:
    """Writes down what was found out, in a ledger that is opened when there is something to write."""

    def __init__(self, path: Path, stack: AsyncExitStack) -> None:
        self._path, self._stack = path, stack
        self._files: FileRecords | None = None
        self.error: LandsatError | None = None
        """Why nothing can be written."""

    async def open(self) -> FileRecords | None:
        """Return where to write; None when the ledger cannot be written to."""
        if self._files is None and self.error is None:
            try:
                ledger = await Ledger.open(self._path)
            except LandsatError as error:
                self.error = error
            else:
                self._stack.push_async_callback(_close, ledger)
                self._files = ledger.files
        return self._files

    async def bad(self, file: FinishedFile, *, disproven: bool) -> None:
        """Have the next run read a file again: bit rot changes neither its size nor its time."""
        files = await self.open()
        if files is None:
            return
        try:
            await (files.disproven(file.item_id) if disproven else files.touched(file.item_id, 0))
        except LandsatError as error:  # it is no reason to leave the other files unread
            self._files, self.error = None, error


async def _close(ledger: Ledger) -> None:
    with CancelScope(shield=True):
        await ledger.aclose()


def _why_bad(file: FinishedFile, finding: Finding) -> str | None:
    """Why a finished file is no longer good; None when it is."""
    match finding:
        case Facts(sha256=file.sha256):
            return None
        case Facts():
            return "its bytes have changed since it was verified (SHA-256 differs)"
        case Absent():
            return "it was deleted"
        case Unproven(reason):
            return f"it is damaged: {reason}"


def _with_news(file: FinishedFile, found: Facts) -> FinishedFile:
    """Put what was found out to what was known of the same bytes; neither takes anything from the other."""
    proof = max(Proof(file.proof), found.proof, key=lambda one: one.rank)
    identity = max(Identity(file.identity), found.identity, key=lambda one: one.rank)
    return msgspec.structs.replace(file, proof=proof.value, identity=identity.value, mtime_ns=found.mtime_ns)
