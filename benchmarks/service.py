"""The simulated M2M service for our own run, in a process of its own.

`python -m benchmarks.service WORKLOAD SCENES FILE_HOST_URL` prints one JSON line when it answers, and ends when its
standard input does. The files themselves come from nginx, or from the simulator where FILE_HOST_URL is empty.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import anyio
import anyio.to_thread

from benchmarks.workload import WORKLOADS, Workload
from landsat_async.sim.server import open_simulator


@dataclass(frozen=True, slots=True)
class Api:
    """A running service."""

    url: str
    username: str
    token: str


@contextmanager
def running(load: Workload, files_at: str) -> Iterator[Api]:
    """Run a fresh service, which has seen no request yet and so has no quota used up, until the block ends."""
    command = [sys.executable, "-m", "benchmarks.service", load.name, str(load.scenes), files_at]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Api(**json.loads(process.stdout.readline()))
        process.stdin.close()


async def serve(name: str, scenes: int, files_at: str) -> None:
    """Answer API calls with links to nginx until nobody holds our standard input any more."""
    load = replace(next(load for load in WORKLOADS if load.name == name), scenes=scenes)
    async with open_simulator(load.archive()) as simulator:
        for host in ("landsatlook", "dds") if files_at else ():
            simulator._service.base_urls[host] = files_at  # links to another server: of use to nobody but us
        print(json.dumps({"url": simulator.service_url, "username": simulator.username, "token": simulator.token}))
        sys.stdout.flush()
        await anyio.to_thread.run_sync(sys.stdin.read)


if __name__ == "__main__":
    anyio.run(serve, sys.argv[1], int(sys.argv[2]), sys.argv[3])
