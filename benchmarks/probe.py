"""What is looked at in the process that is measured: its event loop, its memory, its processor time."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio

LOOK_EVERY_S = 0.005


@dataclass(slots=True)
class Probe:
    """Figures of a block of code; complete when it has ended."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    """User and system time of this process, all its threads."""
    late_s: list[float] = field(default_factory=list)
    """By how much the loop was late for a task that wanted to run every 5 ms."""
    own_s: list[float] = field(default_factory=list)
    """The same, but not longer than this process computed meanwhile: the rest was waiting for a busy machine."""

    def __str__(self) -> str:
        return (
            f"{self.wall_s:.2f} s wall, {self.cpu_s:.2f} s CPU, peak RSS {peak_rss_bytes() >> 20} MiB,"
            f" loop late by {_spread(self.late_s)}; by its own doing {_spread(self.own_s)}"
        )


def _spread(values_s: list[float]) -> str:
    ms = sorted(value_s * 1e3 for value_s in values_s) or [0.0]
    return f"p50 {ms[len(ms) // 2]:.1f}, p99 {ms[int(len(ms) * 0.99)]:.1f}, at most {ms[-1]:.0f} ms"


@asynccontextmanager
async def probing() -> AsyncIterator[Probe]:
    """Look at the block from within its own event loop."""
    probe, began_s, cpu_s = Probe(), time.perf_counter(), time.process_time()

    async def look() -> None:
        while True:
            asked_s, computed_s = time.perf_counter(), time.process_time()
            await anyio.sleep(LOOK_EVERY_S)
            late_s = time.perf_counter() - asked_s - LOOK_EVERY_S
            probe.late_s.append(late_s)
            probe.own_s.append(min(late_s, time.process_time() - computed_s))

    async with anyio.create_task_group() as group:
        group.start_soon(look)
        try:
            yield probe
        finally:
            probe.wall_s, probe.cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
            group.cancel_scope.cancel()


def peak_rss_bytes() -> int:
    """The most memory that this process has had at a time."""
    return _status_kib("VmHWM") * 1024


def rss_bytes() -> int:
    """Memory of this process now."""
    return _status_kib("VmRSS") * 1024


def _status_kib(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1])
