"""What unfinished files are called."""

from __future__ import annotations


def part_name(item_id: int, generation: int) -> str:
    """Name of a part: another one each time that a worker takes the file."""
    return f"{item_id}.{generation}.part"
