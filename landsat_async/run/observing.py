"""Counts what a run sees of the service and its hosts: beside everything else, where nothing waits for it."""

from __future__ import annotations

import anyio

from landsat_async.run.context import RunContext

COUNT_EVERY_S = 1.0
WRITE_EVERY_S = 60.0


async def count_observations(context: RunContext) -> None:
    """Count what has been noted, for ever, and put it into the ledger now and then: a kill loses a minute of it."""
    observations, now_s = context.observations, context.states.loop_time
    written_s = now_s()
    while True:
        await anyio.sleep(COUNT_EVERY_S)
        observations.count()
        if now_s() - written_s >= WRITE_EVERY_S:
            written_s = now_s()
            await context.ledger.observations.add(observations.take(), context.states.now())
