"""What can be said without the service: the ledger's view, and a new proof of every finished file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import anyio.to_thread
from anyio import CancelScope

from landsat_async.config import Config
from landsat_async.disk.folder import OutputFolder
from landsat_async.disk.fs import is_there
from landsat_async.disk.inspect import Absent, Facts, Finding, Unproven, inspect
from landsat_async.disk.ledger import FinishedFile, Ledger
from landsat_async.disk.ledger_files import FINISHED, finished_file
from landsat_async.disk.ledger_schema import reading
from landsat_async.disk.target import LocalTarget, Target
from landsat_async.errors import LandsatError
from landsat_async.events import Event, Failed, Finished, Notice, Verified
from landsat_async.model import Identity, Proof

_HINT_ADOPTED = "It was found on disk and not fetched, so it is left alone: move it away and run the same config again."
_HINT = "Run the same config again: it is fetched anew."


@dataclass(frozen=True, slots=True)
class FileStatus:
    """One wanted file as the ledger knows it."""

    file: str
    state: str
    size_bytes: int | None
    """Of a finished file; None otherwise."""
    durable_bytes: int
    """Bytes of an unfinished file that will not be fetched again."""
    proof: str | None
    identity: str | None
    """Of a finished file, "none" where there was no evidence; None of an unfinished one."""
    reason: str
    hint: str


@dataclass(frozen=True, slots=True)
class LedgerStatus:
    """What the ledger of an output folder knows."""

    directory: str
    counts: dict[str, int]
    files: list[FileStatus]
    last_run_started: float | None
    """Unix time; None when there never was a run."""
    last_exit_code: int | None
    """None while a run is going on, or after one that was killed."""
    ledger: bool = True
    """False: the folder has none."""


async def status(config: Config) -> LedgerStatus:
    """Read the ledger; works beside a running download. No ledger = nothing known."""
    return await anyio.to_thread.run_sync(_status, config.download.directory)


def _status(directory: str) -> LedgerStatus:
    folder = OutputFolder(Path(directory))
    path = folder.ledger
    if not is_there(folder.fs, str(path)):
        return LedgerStatus(directory, {}, [], None, None, ledger=False)
    with reading(path) as connection:
        files = [FileStatus(**dict(row)) for row in connection.execute(_STATUS)]
        run = connection.execute("SELECT started, exit_code FROM run ORDER BY started DESC LIMIT 1").fetchone()
    counts: dict[str, int] = {}
    for file in files:
        counts[file.state] = counts.get(file.state, 0) + 1
    return LedgerStatus(directory, counts, files, run["started"] if run else None, run["exit_code"] if run else None)


_STATUS = """
SELECT relpath AS file, state, size_bytes, coalesce(durable, 0) AS durable_bytes, proof,
  CASE WHEN proof IS NOT NULL THEN coalesce(identity, 'none') END AS identity, reason, hint
FROM item LEFT JOIN file USING(item_id) LEFT JOIN part USING(item_id) LEFT JOIN evidence USING(item_id)
WHERE run_id<>'' ORDER BY item.item_id"""
"""Without the bundles that were given up for their single files: no run has them."""


async def verify(config: Config, *, content: bool = False) -> AsyncIterator[Event]:
    """Prove and hash every finished file again: `Verified` or `Failed` for each, then `Finished`.

    With `content`, pixels too, and what a file says of itself is held against its name; what that shows is written to
    the ledger, so that it holds for files of older versions as well.
    """
    started = time.monotonic()
    root = Path(config.download.directory)
    target = LocalTarget(root)
    path = target.folder.ledger
    if not await anyio.to_thread.run_sync(is_there, target.fs, str(path)):
        yield Notice(f"{config.download.directory}: there is no ledger here, so nothing was verified", "warning")
    good = bad = 0
    files = await anyio.to_thread.run_sync(_finished, config.download.directory)
    async with AsyncExitStack() as stack:
        ledger = None
        if content and files:
            try:
                ledger = await stack.enter_async_context(_writing(path))
            except LandsatError as error:
                yield Notice(f"what is found out cannot be recorded: {error}", "warning")
        for file in files:
            finding = await _look(target, file, Proof.CONTENT if content else Proof.STRUCTURE)
            reason = _why_bad(file, finding)
            if isinstance(finding, Facts) and reason is None:
                good += 1
                known = _with_news(file, finding) if content else file
                if ledger is not None and known != file:
                    await ledger.proven_anew(known)
                yield Verified(known.relpath, known.size_bytes, known.sha256, known.proof, known.identity)
                continue
            bad += 1
            if ledger is not None and isinstance(finding, Unproven):
                await ledger.disproven(file.item_id)
            else:
                await anyio.to_thread.run_sync(_distrust, config.download.directory, file.item_id)
            yield Failed(file.relpath, reason or "", _HINT_ADOPTED if file.adopted else _HINT)
    yield Finished(good + bad, good, 0, bad, 0, 0, time.monotonic() - started, 4 if bad else 0)


@asynccontextmanager
async def _writing(path: Path) -> AsyncIterator[Ledger]:
    ledger = await Ledger.open(path)
    try:
        yield ledger
    finally:
        with CancelScope(shield=True):
            await ledger.aclose()


def _finished(directory: str) -> list[FinishedFile]:
    folder = OutputFolder(Path(directory))
    path = folder.ledger
    if not is_there(folder.fs, str(path)):
        return []
    with reading(path) as connection:
        return [finished_file(row) for row in connection.execute(f"{FINISHED} ORDER BY relpath")]


def _distrust(directory: str, item_id: int) -> None:
    """Have the next run read the file again: bit rot changes neither its size nor its time."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(OutputFolder(Path(directory)).ledger, timeout=4)) as c, c:
        c.execute("UPDATE file SET mtime_ns=0 WHERE item_id=?", (item_id,))


async def _look(target: Target, file: FinishedFile, level: Proof) -> Finding:
    """Read a finished file again, in a thread that a cancelled caller does not wait for."""
    name, stopped = file.relpath.rpartition("/")[2], False
    look = partial(inspect, target.read(file.relpath), name, weakest=Proof.LENGTH, level=level, stop=lambda: stopped)
    try:
        return await anyio.to_thread.run_sync(look, abandon_on_cancel=True)
    finally:
        stopped = True


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
    return replace(file, proof=proof.value, identity=identity.value, mtime_ns=found.mtime_ns)
