"""Opening a run: the folder is claimed and its ledger opened before anything is asked of the service.

What ends the block of `open_run` ends the run, and only when that is over the ledger is closed and the folder released.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import anyio
import anyio.to_thread

from landsat_async.config import Config
from landsat_async.credentials import Credentials
from landsat_async.disk.acquire import acquire_in_thread
from landsat_async.disk.folder import Claim
from landsat_async.disk.ledger import Ledger
from landsat_async.errors import single_error
from landsat_async.m2m.caller import ApiWait
from landsat_async.public import publish
from landsat_async.run.choose_target import target_for
from landsat_async.run.hooks import OnScene, check_hooks
from landsat_async.run.runner import Run, Sync
from landsat_async.run.search import read_aoi, read_window_area
from landsat_async.run.waits import told_target
from landsat_async.transfer.pool import TransferPool


@asynccontextmanager
async def _owned(run: Run) -> AsyncIterator[None]:
    """Own the one task that a run is; whatever ends the block ends the task."""
    with single_error():  # the block's own exception, as its author expects it
        async with anyio.create_task_group() as group:
            group.start_soon(run.main)
            try:
                yield
            finally:
                run.stop()
    if run.error is not None:
        raise run.error


async def _give_back(claim: Claim) -> None:
    """Release the folder; of a store that is a request, so it is done in a thread where one can be had."""
    with anyio.CancelScope(shield=True):
        try:
            await anyio.to_thread.run_sync(claim.release)
        except RuntimeError:
            claim.release()


def _pool_of(config: Config) -> TransferPool | None:
    """Return the cluster that a config names; None = this process."""
    if not config.scale.scheduler:
        return None
    from landsat_async.scale.pool import DaskPool

    return DaskPool(config.scale.scheduler)


@asynccontextmanager
async def open_run(
    config: Config,
    *,
    session: aiohttp.ClientSession | None = None,
    credentials: Credentials | None = None,
    overwrite: bool = False,
    sync: Sync | None = None,
    on_scene: OnScene | None = None,
    pool: TransferPool | None = None,
    on_wait: Callable[[ApiWait], None] | None = None,
) -> AsyncIterator[Run]:
    """Start a run; leaving the block stops it cleanly if it still goes on.

    Args:
        config: What to do.
        session: Its connections are used and it is left open; None = connections of our own.
        credentials: None = found as `config.service` and the environment say.
        overwrite: Replace files that are in the way and cannot be proven.
        sync: Keep the folder as the search says, and put away what a newer version has replaced: "new" asks for what is
            new where that is possible, "full" for everything. None = a plain run.
        on_scene: Called for each scene whose chosen files are all here, one at a time, at least once; also for scenes
            of earlier runs for which it did not end. What it raises is a failure of the run and undoes no download.
        pool: Where files are transferred, see `scale.DaskPool`; None = here, or as `config.scale` says.
        on_wait: Called with reason and seconds while a store is waited for before the run begins; must return at once.

    Raises:
        ConfigError: a program of a hook does not exist, or the area file cannot be used.
        FolderUnwritable, FolderBusy, LedgerError, DiskFull: before anything is asked of the service.
        LandsatError: on leaving the block, what ended the run early.
    """
    check_hooks(config)
    async with opened(
        config,
        session=session,
        credentials=credentials,
        overwrite=overwrite,
        sync=sync,
        on_scene=on_scene,
        pool=pool or _pool_of(config),
        on_wait=on_wait,
    ) as run:
        yield run


@asynccontextmanager
async def opened(
    config: Config,
    *,
    session: aiohttp.ClientSession | None,
    credentials: Credentials | None,
    overwrite: bool = False,
    sync: Sync | None = None,
    on_scene: OnScene | None = None,
    measure_only: bool = False,
    pool: TransferPool | None = None,
    on_wait: Callable[[ApiWait], None] | None = None,
) -> AsyncIterator[Run]:
    """Start a run, see `open_run`; with `measure_only` one that fetches nothing but the figures of `aoi_cloud`."""
    if config.output.table:
        from landsat_async.run.outputs import check_outputs  # loads all that makes STAC

        check_outputs(config.output)
    aoi = await read_aoi(config)
    window_area = await read_window_area(config, aoi)
    target = target_for(config)
    async with told_target(target, on_wait):
        claim = await acquire_in_thread(target.prepare, Claim.release, name="claim")
    try:
        ledger = await Ledger.open(target.folder.ledger)
        try:
            run = Run(
                config, ledger, claim, target,
                session=session, credentials=credentials, overwrite=overwrite, aoi=aoi, window_area=window_area,
                sync=sync, on_scene=on_scene, measure_only=measure_only, pool=pool,
            )  # fmt: skip
            async with _owned(run):
                yield run
        finally:
            with anyio.CancelScope(shield=True):
                await ledger.aclose()
    finally:
        await _give_back(claim)


publish(open_run)
