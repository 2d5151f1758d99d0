"""Files that wait for a free thread of a cluster: only its scheduler knows which those are.

What a process tells of a small file comes with its end, so a silent one may be under way; the scheduler is asked about
those that have been silent for long.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import anyio

from landsat_async.events import Retrying
from landsat_async.scale.followed import Followed
from landsat_async.scale.watch import ANSWERS_S

SILENT_S = 10.0
"""A thread is given a file in milliseconds when it is free, and its heartbeat tells that after six seconds at most."""
TELLS_EVERY_S = 60.0
"""So often it is told again that files wait."""
_NOT_GIVEN = frozenset({"queued", "no-worker", "waiting"})
"""States of tasks that no worker has."""


def tasks_not_begun(keys: list[str], dask_scheduler: Any) -> int:
    """Return how many of these tasks no thread has begun; called by dask, in its scheduler."""
    count = 0
    for task in filter(None, map(dask_scheduler.tasks.get, keys)):
        if task.state in _NOT_GIVEN:
            count += 1
        elif task.state == "processing":  # it may still be in the queue of its worker
            # dask itself does not use `executing`: where a later version has none, the task passes for begun
            count += task not in getattr(task.processing_on, "executing", (task,))
    return count


class BusyWatch:
    """Tells that files wait for a free thread, now and then."""

    def __init__(self, client: Any) -> None:
        """Ask the scheduler of this client of dask."""
        self._client = client
        self._again_s = -math.inf
        self._tells = 0

    async def look(self, followed: Iterable[Followed]) -> Retrying | None:
        """Return a word on files that wait, when there are some and it was not told lately."""
        now_s = anyio.current_time()
        keys = [file.key for file in followed if file.key and not file.has_begun and now_s - file.given_s >= SILENT_S]
        if not keys or now_s < self._again_s:
            return None
        waiting = await self._ask(keys)
        if not waiting:
            return None
        self._again_s = now_s + TELLS_EVERY_S
        self._tells += 1
        return Retrying(None, waits(waiting), self._tells, TELLS_EVERY_S)

    async def _ask(self, keys: list[str]) -> int:
        """Return how many of these tasks are not begun; 0 where the scheduler does not say."""
        with anyio.move_on_after(ANSWERS_S), suppress(Exception):
            count: int = await self._client.run_on_scheduler(tasks_not_begun, keys)
            return count
        return 0


def waits(files: int) -> str:
    """Return what is said of files that wait."""
    who = "1 file waits" if files == 1 else f"{files:,} files wait"
    return f"{who} for a free thread of the cluster; add workers to it, lower [download] workers, or wait for others"
