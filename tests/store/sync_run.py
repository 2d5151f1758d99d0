"""A synchronisation of a store as a process of its own, to be killed: `python -m tests.store.sync_run CONFIG DAY`."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import date
from types import SimpleNamespace

from landsat_async import Config, Credentials, open_run
from landsat_async.run import counts
from tests.support.sync_lab import clock_of_days


async def main(path: str, day: str) -> int:
    counts.time = clock_of_days(SimpleNamespace(day=date.fromisoformat(day)))
    credentials = Credentials(os.environ["SIM_USERNAME"], os.environ["SIM_TOKEN"])
    async with open_run(Config.load(path), credentials=credentials, sync="new") as run:
        return (await run.wait()).exit_code


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
