"""What stands in the memory of another process, also in what it has freed and not written over. Linux."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

_BLOCK_BYTES = 1 << 24


def blocks(pid: int, overlap: int) -> Iterator[bytes]:
    """Give all that a process may write to, in pieces that overlap; it has to be one of ours."""
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps.readlines():
            place, rights, *rest = line.split()
            if not rights.startswith("rw") or (len(rest) > 3 and rest[3].startswith("/dev")):
                continue
            start, stop = (int(end, 16) for end in place.split("-"))
            for begin in range(start, stop, _BLOCK_BYTES):
                try:
                    memory.seek(begin)
                    yield memory.read(min(_BLOCK_BYTES + overlap, stop - begin))
                except (OSError, ValueError):  # given back meanwhile
                    break


def found_in(pid: int, needles: Iterable[bytes]) -> set[bytes]:
    """Return which of these stand in the memory of a process."""
    left, found = set(needles), set[bytes]()
    for block in blocks(pid, max(map(len, left), default=0)):
        seen = {needle for needle in left if needle in block}
        found |= seen
        left -= seen
    return found
