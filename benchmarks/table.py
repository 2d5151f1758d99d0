"""Figures side by side: medians, their spread, and ratios to the programs that users would take instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.measure import Broken, Run
from benchmarks.workload import MIB, Served

GIB = 2**30
REFERENCES = ("aria2c", "curl", "floor")
_HEAD = ("client", "wall s", "spread", "MiB/s", "CPU s/GiB", "us/file", "RSS MiB")

Results = Mapping[str, Sequence[Run | Broken]]
"""All runs of each program, in order."""


def render(served: Served, results: Results) -> str:
    """Return the table of one workload."""
    rows = [[*_HEAD, *(f"{what}/{name}" for name in REFERENCES for what in ("wall", "CPU"))]]
    notes = []
    for name, runs in results.items():
        good = [run for run in runs if isinstance(run, Run)]
        notes += [f"{name}: {run.why}" for run in runs if isinstance(run, Broken)]
        rows.append(_row(name, good, served, results) if good else [name, "failed"])
    return "\n".join([*_align(rows), *dict.fromkeys(notes)])


def _row(name: str, runs: Sequence[Run], served: Served, results: Results) -> list[str]:
    wall_s, cpu_s = _medians(runs)
    walls = sorted(run.wall_s for run in runs)
    row = [
        name,
        f"{wall_s:.2f}",
        f"{walls[0]:.2f}-{walls[-1]:.2f}",
        f"{served.total_bytes / MIB / wall_s:.0f}",
        f"{cpu_s / served.total_bytes * GIB:.2f}",
        f"{cpu_s / len(served.sums) * 1e6:.0f}",
        f"{median(run.peak_rss_bytes for run in runs) / MIB:.0f}",
    ]
    for reference in REFERENCES:
        others = [run for run in results.get(reference, ()) if isinstance(run, Run)]
        if others:
            their_wall_s, their_cpu_s = _medians(others)
            row += [f"{wall_s / their_wall_s:.2f}", f"{cpu_s / their_cpu_s:.2f}"]
        else:
            row += ["-", "-"]
    return row


def _medians(runs: Sequence[Run]) -> tuple[float, float]:
    return median(run.wall_s for run in runs), median(run.cpu_s for run in runs)


def _align(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows if column < len(row)) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=False))
        )
        for row in rows
    ]


def as_json(served: Served, protocol: str, results: Results) -> list[dict[str, object]]:
    """Return one plain object a run."""
    return [
        {"workload": served.workload.name, "files": len(served.sums), "bytes": served.total_bytes,
         "protocol": protocol, "connections": served.workload.connections, "client": name, "round": number,
         **({"wall_s": run.wall_s, "cpu_s": run.cpu_s, "peak_rss_bytes": run.peak_rss_bytes}
            if isinstance(run, Run) else {"failed": run.why})}
        for name, runs in results.items()
        for number, run in enumerate(runs)
    ]  # fmt: skip
