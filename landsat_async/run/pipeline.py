"""Requester, poller and workers round one bounded stream, in one task group.

    ledger ─► requester ┐
      ▲                 ├─► one bounded stream ─► worker × N ─► proven files
      │       poller ───┘                            │
      └────────────────── facts ─────────────────────┘

Requester and poller hold the only send sides of the stream; when neither has anything left to do they close them, and
the workers end after the last file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream

from landsat_async.run.context import RunContext
from landsat_async.run.dispatch import Link, Links
from landsat_async.run.poller import Poller
from landsat_async.run.requester import Requester
from landsat_async.run.worker import WorkerPool

PROGRESS_EVERY_S = 1.0


async def run_pipeline(context: RunContext, workers: WorkerPool) -> None:
    """Go on until every selected file is done or failed. Raises what ended the run early."""
    download = context.config.download
    context.wakeups.working = True
    with _links(download.queue_size, 2, workers.number) as (sends, receives):
        async with anyio.create_task_group() as outer:
            outer.start_soon(_report_progress, context)
            outer.start_soon(workers.manage)
            async with anyio.create_task_group() as group:
                group.start_soon(Requester(context).run, sends[0])
                group.start_soon(Poller(context).run, sends[1])
                for receive in receives:
                    group.start_soon(workers.work, receive)
                group.start_soon(workers.cancel_soon_when_cancelled)
            outer.cancel_scope.cancel()
    await workers.outcomes.discard_parts()
    if context.wakeups.fatal is not None:
        raise context.wakeups.fatal


async def _report_progress(context: RunContext) -> None:
    while True:
        context.bus.tell(context.counts.progress(context.states.loop_time()))
        await anyio.sleep(PROGRESS_EVERY_S)


@contextmanager
def _links(
    size: int, senders: int, receivers: int
) -> Iterator[tuple[list[Links], list[MemoryObjectReceiveStream[Link]]]]:
    """Make the one bounded stream, with an end for each task; all ends are closed at the latest here."""
    send, receive = anyio.create_memory_object_stream[Link](size)
    with ExitStack() as stack, send, receive:
        sends = [stack.enter_context(send.clone()) for _ in range(senders)]
        receives = [stack.enter_context(receive.clone()) for _ in range(receivers)]
        send.close()
        receive.close()
        yield sends, receives
