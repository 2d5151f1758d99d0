"""How many files may be requested, so that none is asked for that the disk has no room for."""

from __future__ import annotations

from collections.abc import Sequence


def fitting(
    sizes_bytes: Sequence[int | None], *, free_bytes: int, keep_bytes: int, coming_bytes: int, coming_files: int
) -> int:
    """Return how many of the files, from the first on, have room beside those that are coming.

    Listed sizes are rounded, so one file is let through as long as there is any room and nothing is coming: its
    transfer will tell. A size that is not listed counts as nothing.

    Args:
        sizes_bytes: Of the files, in the order in which they would be requested.
        free_bytes: On the disk.
        keep_bytes: What is never filled (`[download] min_free_bytes`).
        coming_bytes: What files that were requested before will still take.
        coming_files: How many those are.
    """
    if free_bytes <= keep_bytes:
        return 0
    room = free_bytes - keep_bytes - coming_bytes
    fits = 0
    for size in sizes_bytes:
        room -= size or 0
        if room < 0:
            break
        fits += 1
    return fits if fits or coming_files else min(1, len(sizes_bytes))
