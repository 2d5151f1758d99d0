"""A run into a store as a process of its own, to be killed: `python -m tests.store.store_run CONFIG`."""

from __future__ import annotations

import asyncio
import os
import sys

from landsat_async import Config, Credentials, download


async def main(path: str) -> int:
    credentials = Credentials(os.environ["SIM_USERNAME"], os.environ["SIM_TOKEN"])
    return (await download(Config.load(path), credentials=credentials)).exit_code


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1])))
