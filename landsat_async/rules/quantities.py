"""How sizes, speeds, times and counts are written, in every text for people."""

from __future__ import annotations

import math


def size_text(size_bytes: float | None) -> str:
    """Write a size with a binary unit: 512 B, 1.5 KiB, 907 MiB; "?" when unknown."""
    if size_bytes is None or not math.isfinite(size_bytes):
        return "?"
    value = float(max(0, size_bytes))
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def rate_text(rate_bytes_s: float) -> str:
    """Write a speed: 41.2 MiB/s."""
    return f"{size_text(rate_bytes_s)}/s"


def span_text(span_s: float | None) -> str:
    """Write a time span: 8 s, 2:05 min, 3:20 h, 2 d 4 h; "?" when unknown."""
    if span_s is None or not math.isfinite(span_s):
        return "?"
    whole_s = round(max(0.0, span_s))
    if whole_s < 60:
        return f"{whole_s} s"
    if whole_s < 3600:
        return f"{whole_s // 60}:{whole_s % 60:02} min"
    if whole_s < 86400:
        return f"{whole_s // 3600}:{whole_s % 3600 // 60:02} h"
    return f"{whole_s // 86400} d {whole_s % 86400 // 3600} h"


def about_text(span_s: float) -> str:
    """Write a time span that is only an estimate or a limit: 40 s, 14 min, 24 h, 3 days."""
    whole_s = math.ceil(max(0.0, span_s))
    if whole_s < 100:
        return f"{whole_s} s"
    if whole_s < 100 * 60:
        return f"{math.ceil(whole_s / 60)} min"
    if whole_s <= 72 * 3600:
        return f"{math.ceil(whole_s / 3600)} h"
    return f"{math.ceil(whole_s / 86400)} days"


def stopwatch_text(span_s: float) -> str:
    """Write a time that runs: 0:32, 2:10, 1:02:10."""
    whole_s = int(max(0.0, span_s))
    minutes = f"{whole_s // 60 % 60:02}" if whole_s >= 3600 else f"{whole_s // 60}"
    return (f"{whole_s // 3600}:" if whole_s >= 3600 else "") + f"{minutes}:{whole_s % 60:02}"


def count_text(count: int, noun: str) -> str:
    """Write a counted noun: 1 file, 1,960 files."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def part_of_size_text(done_bytes: int, total_bytes: int) -> str:
    """Write how much of an estimated size is done, with the unit once where it is the same: 12.1 of about 19.0 GiB."""
    done, total = size_text(done_bytes), size_text(total_bytes)
    if done.split()[1] == total.split()[1]:
        done = done.split()[0]
    return f"{done} of about {total}"
