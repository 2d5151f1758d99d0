"""Files to be fetched, with the sums that every run is checked against."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

MIB = 2**20
_BLOCK_BYTES = 4 * MIB


@dataclass(frozen=True, slots=True)
class Workload:
    """So many files of one size, fetched over so many connections."""

    name: str
    files: int
    size_bytes: int
    connections: int
    limit_rate: str = ""
    """What nginx gives one connection, in its spelling ("20m"); "" = all it can."""
    splits: int = 1
    """Connections for one file."""

    @property
    def total_bytes(self) -> int:
        return self.files * self.size_bytes

    def scaled(self, scale: float) -> Workload:
        """Return the same with fewer files, at least one a connection."""
        files = max(min(self.connections, self.files), round(self.files * scale))
        return Workload(self.name, files, self.size_bytes, self.connections, self.limit_rate, self.splits)


WORKLOADS = (
    Workload("64x32MiB", 64, 32 * MIB, 5),
    Workload("8x256MiB", 8, 256 * MIB, 5),
    Workload("5000x100KiB", 5000, 100 * 1024, 16),
    Workload("2x256MiB-limited", 2, 256 * MIB, 2, limit_rate="20m", splits=4),
)


def make_files(workload: Workload, root: Path) -> dict[str, str]:
    """Write the files below `root` and return their SHA-256 by name. No two files and no two blocks are equal."""
    folder = root / workload.name
    folder.mkdir(parents=True)
    noise = random.Random(20240705).randbytes(min(_BLOCK_BYTES, workload.size_bytes))
    sums = {}
    for number in range(workload.files):
        digest = hashlib.sha256()
        name = f"{number:05d}.bin"
        with (folder / name).open("wb") as file:
            for at in range(0, workload.size_bytes, len(noise)):
                block = (b"%08d %016d\n" % (number, at) + noise)[: min(len(noise), workload.size_bytes - at)]
                file.write(block)
                digest.update(block)
        sums[name] = digest.hexdigest()
    return sums


def wrong_files(folder: Path, sums: dict[str, str]) -> Sequence[str]:
    """Return the names of the files that are not there, or are not what was served."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        right = pool.map(lambda item: _is_right(folder / item[0], item[1]), sums.items())
    return [name for name, good in zip(sums, right, strict=True) if not good]


def _is_right(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except FileNotFoundError:
        return False
