"""Files to be fetched, with the sums that every run is checked against.

The files are bands of the simulator's archive, whole GeoTIFFs, so that our own run can prove them while the others
take them as bytes. nginx serves them from disk; the simulator only answers the API calls of our run.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from landsat_async.sim.archive import Archive
from landsat_async.sim.content import blocks

MIB = 2**20
_BANDS = ("SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5")


@dataclass(frozen=True, slots=True)
class Workload:
    """So many bands of so many scenes, fetched over so many connections."""

    name: str
    scenes: int
    bands: int
    """Of each scene."""
    connections: int
    band_bytes: int | None
    """About so long is each file; None = about 100 KiB."""
    limit_rate: str = ""
    """What nginx gives one connection, in its spelling ("20m"); "" = all it can."""
    splits: int = 1
    """Connections for one file."""

    def scaled(self, scale: float) -> Workload:
        """Return the same with fewer files, at least one a connection."""
        return replace(self, scenes=max(-(-self.connections // self.bands), round(self.scenes * scale)))

    @property
    def band_names(self) -> Sequence[str]:
        return _BANDS[: self.bands]

    def archive(self) -> Archive:
        """Return the archive that the files come from, the same one each time."""
        if self.band_bytes is None:
            return Archive.seeded(self.scenes, pixels=192, tile=64, compress=False)
        return Archive.seeded(self.scenes, band_bytes=self.band_bytes)


WORKLOADS = (
    Workload("64x32MiB", 16, 4, 5, 30 * MIB),
    Workload("8x256MiB", 4, 2, 5, 240 * MIB),
    Workload("5000x100KiB", 1000, 5, 16, None),
    Workload("2x256MiB-limited", 2, 1, 2, 240 * MIB, limit_rate="20m", splits=4),
)


@dataclass(frozen=True, slots=True)
class Served:
    """The files of a workload as they lie on disk."""

    workload: Workload
    sums: dict[str, str]
    """SHA-256 in hex by name."""
    total_bytes: int


def make_files(workload: Workload, root: Path) -> Served:
    """Write the files into the folder of the workload below `root`."""
    folder = root / workload.name
    folder.mkdir(parents=True)
    archive = workload.archive()
    sums, total_bytes = {}, 0
    for product in archive:
        if product.level != "L2SP":
            continue
        for band in workload.band_names:
            name = product.file_name(f"{band}.TIF")
            content = archive.file(name)
            assert content is not None
            digest = hashlib.sha256()
            with (folder / name).open("wb") as file:
                for block in blocks(content):
                    file.write(block)
                    digest.update(block)
            sums[name] = digest.hexdigest()
            total_bytes += content.size
    return Served(workload, sums, total_bytes)


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
