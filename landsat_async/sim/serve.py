"""The simulator as a service of its own, for the `simulate` command."""

from __future__ import annotations

import json
from collections.abc import Callable

import anyio

from landsat_async.sim.archive import Archive
from landsat_async.sim.script import Script
from landsat_async.sim.server import open_simulator


async def serve(
    host: str, port: int, announce: Callable[[str], None], archive: Archive | None = None, script: Script | None = None
) -> None:
    """Serve an archive until cancelled.

    Args:
        host: Address to listen on.
        port: Port of the API; the file hosts take the two after it. 0 takes any three.
        announce: Gets one JSON line with service_url, username and token when connections are accepted.
        archive: What there is to be found; the demo scenes when absent.
        script: How it behaves; healthy when absent.
    """
    async with open_simulator(archive, script, host=host, port=port) as simulator:
        announce(
            json.dumps(
                {
                    "service_url": simulator.service_url,
                    "username": simulator.username,
                    "token": simulator.token,
                    "control_url": simulator.control_url,
                }
            )
        )
        await anyio.sleep_forever()
