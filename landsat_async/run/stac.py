"""Outputs of a folder without a run: what the command `stac` does."""

from __future__ import annotations

import msgspec

from landsat_async.config import Config
from landsat_async.disk.acquire import acquire_in_thread
from landsat_async.disk.folder import Claim
from landsat_async.disk.ledger_reader import LedgerReader
from landsat_async.run.choose_target import target_for
from landsat_async.run.outputs import OutputsMade, check_outputs, write_outputs


async def make_outputs(config: Config) -> OutputsMade:
    """Make items, catalogue and what else [output] asks for, of the files that are here; nothing is asked of anybody.

    Raises:
        FolderBusy: a run holds the folder.
        LedgerError, FolderUnwritable, DiskFull: it cannot be read, or written to.
        ConfigError: a table needs a package that is not installed.
    """
    wanted = msgspec.structs.replace(config.output, stac=True)
    check_outputs(wanted, config.download.directory)
    target = target_for(config)
    reader = LedgerReader(target.folder)
    if not await reader.exists():
        return OutputsMade()
    claim = await acquire_in_thread(target.prepare, Claim.release, name="claim")
    try:
        return await write_outputs(target.folder, target.fs, wanted, file_mode=claim.file_mode, anew=True)
    finally:
        claim.release()
