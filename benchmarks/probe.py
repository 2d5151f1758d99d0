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

    def __str__(self) -> str:
        late_ms = sorted(late_s * 1e3 for late_s in self.late_s) or [0.0]
        p50, p99 = late_ms[len(late_ms) // 2], late_ms[int(len(late_ms) * 0.99)]
        return (
            f"{self.wall_s:.2f} s wall, {self.cpu_s:.2f} s CPU, peak RSS {peak_rss_bytes() >> 20} MiB,"
            f" loop late by p50 {p50:.1f}, p99 {p99:.1f}, at most {late_ms[-1]:.0f} ms"
        )


@asynccontextmanager
async def probing() -> AsyncIterator[Probe]:
    """Look at the block from within its own event loop."""
    probe, began_s, cpu_s = Probe(), time.perf_counter(), time.process_time()

    async def look() -> None:
        while True:
            asked_s = time.perf_counter()
            await anyio.sleep(LOOK_EVERY_S)
            probe.late_s.append(time.perf_counter() - asked_s - LOOK_EVERY_S)

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
