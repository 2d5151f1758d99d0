"""Labs that work at the same time: runs of one folder after another mostly wait, for links, rates and disks."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import TypeVar

from msgspec.structs import replace

from landsat_async.sim import open_simulator
from tests.support.kill_lab import Lab

AT_ONCE = 3
T = TypeVar("T")


async def side_by_side(lab: Lab, works: Sequence[Callable[[Lab], Awaitable[T]]]) -> list[T]:
    """Give each of these a lab of its own, some at a time; returns what they return, in their order.

    The labs are like this one, with a simulator, an archive and a log of their own; chance falls differently in each.
    """
    free = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, work: Callable[[Lab], Awaitable[T]]) -> T:
        script = replace(copy.deepcopy(lab.sim.script), seed=lab.sim.script.seed + number)
        archive = copy.deepcopy(lab.archive)
        async with free, open_simulator(archive, script) as sim:
            return await work(Lab(sim, lab.nursery, archive, Path(mkdtemp(dir=lab.base))))

    async with asyncio.TaskGroup() as group:
        begun = [group.create_task(one(number, work)) for number, work in enumerate(works)]
    return [task.result() for task in begun]
