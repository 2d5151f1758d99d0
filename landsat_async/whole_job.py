"""`download`: the whole job in one call, with a line of progress where somebody looks."""

from __future__ import annotations

from typing import Literal

import aiohttp

from landsat_async.config import Config
from landsat_async.credentials import Credentials
from landsat_async.public import publish
from landsat_async.run.hooks import OnScene
from landsat_async.run.opening import open_run
from landsat_async.run.runner import Sync
from landsat_async.run_summary import RunSummary
from landsat_async.show.progress_line import ProgressLine, place_for


async def download(
    config: Config,
    *,
    session: aiohttp.ClientSession | None = None,
    credentials: Credentials | None = None,
    overwrite: bool = False,
    sync: Sync | None = None,
    on_scene: OnScene | None = None,
    progress: Literal["auto"] | None = "auto",
) -> RunSummary:
    """Do the whole job and return its counts; errors, and all arguments but `progress`, as in `open_run`.

    Files that failed are counts in what is returned, and no exception. `progress` "auto" shows one line, replaced once
    a second, in a notebook's cell or on a terminal's stderr, and nothing elsewhere; None shows nothing.
    """
    place = place_for(progress)
    async with open_run(
        config, session=session, credentials=credentials, overwrite=overwrite, sync=sync, on_scene=on_scene
    ) as run:
        if place is not None:
            run.bus.listen(ProgressLine(place, folder=config.download.directory).note)
        run.bus.mute()
        return await run.wait()


publish(download)
