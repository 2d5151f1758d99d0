"""A process that leaves its cluster: it ends its transfers, and says what it knows of their files.

Else the next would fetch again what came since the last checkpoint, or all of a file that has its final name already.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from landsat_async.scale.parcel import Contents, FetchEnded, FetchStopped, Reply, said_leaving
from landsat_async.scale.teller import Tell

if TYPE_CHECKING:
    from landsat_async.scale.agent import Agent

LEAVES_EVERY_S = 0.1
"""So often it is looked whether the worker of dask still belongs to its cluster; see `pool.ENDED_S`."""
CLOSES_S = 2.5
"""So long a worker that is closed waits for a transfer to end; its nanny kills it after four seconds."""
TELLS_S = 1.0
"""So long it tries to say what it knows of the file."""
WORKS = frozenset({"running", "paused"})
"""What the status of a worker is called while its tasks are its own."""
TellLeaving = Callable[[FetchEnded | FetchStopped], Awaitable[None]]
"""Called with what a process that leaves says of its file."""


async def serve_while_working(
    agent: Agent, worker: Any, contents: Contents, tell: Tell, tell_leaving: TellLeaving
) -> Reply:
    """Return what came of a file; its transfer is ended when the worker leaves its cluster, or is closed."""
    serving = asyncio.wrap_future(agent.portal.start_task_soon(agent.serve, contents, tell))
    try:
        while not serving.done() and worker.status.name in WORKS:
            await asyncio.wait([serving], timeout=LEAVES_EVERY_S)
        if worker.status.name not in WORKS:
            await _wind_up(agent, serving, contents, tell_leaving, math.inf)
        return serving.result()
    except asyncio.CancelledError:  # a worker that closes cancels its tasks, and waits for them
        await _wind_up(agent, serving, contents, tell_leaving, CLOSES_S)
        raise
    finally:
        serving.cancel()


async def _wind_up(
    agent: Agent, serving: asyncio.Future[Reply], contents: Contents, tell_leaving: TellLeaving, within_s: float
) -> None:
    """End a transfer, and tell what is known of its file."""
    ends_s = time.monotonic() + within_s
    while not serving.done() and time.monotonic() < ends_s:
        agent.portal.start_task_soon(agent.stop_part, contents.setup.run, contents.job.part_name)
        await asyncio.wait([serving], timeout=LEAVES_EVERY_S)
    said = said_leaving(serving.result()) if serving.done() else None
    if said is not None:
        with suppress(Exception):  # the scheduler has gone as well
            async with asyncio.timeout(TELLS_S):
                await tell_leaving(said)
