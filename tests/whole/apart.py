"""The simulator in a process of its own, for figures that are the client's alone.

It takes any number of requests in a quarter of an hour; `UNPACED` put in place of the requester's `allowance` keeps the
client from waiting with the 15,001st.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from anyio.streams.text import TextReceiveStream

from landsat_async import Config, Credentials
from landsat_async.run import quota

_SERVE = """
import json, sys, anyio
from landsat_async.sim.archive import Archive
from landsat_async.sim.script import Script
from landsat_async.sim.server import open_simulator

async def main(scenes, pixels, band_bytes):
    archive = Archive.seeded(scenes, pixels=pixels, tile=16, dds_share=0.2, band_bytes=band_bytes or None)
    async with open_simulator(archive, Script(recent_limit=10**9)) as sim:
        print(json.dumps([sim.service_url, sim.username, sim.token]), flush=True)
        await anyio.sleep_forever()

anyio.run(main, *map(int, sys.argv[1:]))
"""

UNPACED = partial(quota.allowance, window_limit=10**9)


@asynccontextmanager
async def simulator_apart(
    *, scenes: int, pixels: int, band_bytes: int | None = None
) -> AsyncIterator[tuple[Callable[..., Config], Credentials]]:
    """Serve that many seeded scenes (`band_bytes`: large bands); yields a maker of configs and the credentials."""
    command = [sys.executable, "-c", _SERVE, str(scenes), str(pixels), str(band_bytes or 0)]
    async with await anyio.open_process(command, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            url, username, token = json.loads(await TextReceiveStream(process.stdout).receive())

            def config(directory: Path, **tables: dict[str, Any]) -> Config:
                data = {
                    "service": {"url": url, "patience_s": 60},
                    # More than 10,000 scenes are refused where nothing bounds a search.
                    "search": {"dataset": "landsat_ot_c2_l2", "start": "2013-01-01"},
                    "download": {"directory": str(directory), "poll_interval_s": 0.5, "min_free_bytes": "0 B"},
                } | tables
                return Config.from_dict(data)

            yield config, Credentials(username, token)
        finally:
            process.kill()
