"""Outputs of a folder without a run: what the command `stac` does."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import anyio.to_thread
import msgspec

from landsat_async.config import Config
from landsat_async.disk.acquire import acquire_in_thread
from landsat_async.disk.folder import Claim
from landsat_async.disk.ledger_reader import LedgerReader
from landsat_async.m2m.caller import ApiWait
from landsat_async.run.choose_target import target_for
from landsat_async.run.outputs import OutputsMade, check_outputs, write_outputs
from landsat_async.run.waits import told_target


async def make_outputs(config: Config, *, on_wait: Callable[[ApiWait], None] | None = None) -> OutputsMade:
    """Make items, catalogue and what else [output] asks for, of the files that are here; USGS is asked for nothing.

    Args:
        config: Which files, and what is made of them.
        on_wait: Called when a store is waited for.

    Raises:
        FolderBusy: a run holds the folder, or the prefix.
        LedgerError, FolderUnwritable, DiskFull, ServiceDown: it cannot be read, or written to.
        ConfigError: a table needs a package that is not installed.
    """
    wanted = msgspec.structs.replace(config.output, stac=True)
    check_outputs(wanted)
    target = target_for(config)
    reader = LedgerReader(target.folder)
    if not await reader.exists():
        return OutputsMade()
    async with told_target(target, on_wait):
        claim = await acquire_in_thread(target.prepare, Claim.release, name="claim")
        try:
            return await write_outputs(target, wanted, anew=True)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(claim.release)
