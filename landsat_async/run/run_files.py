"""What a `RunSummary` can do with the files of its run, which only the ledger knows one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class FilesOfRun:
    """The files of one run, looked up when they are asked for."""

    directory: Path
    run_id: str

    def to_xarray(
        self, bands: Sequence[str] | None, scale: bool, mask: Sequence[str], options: Mapping[str, Any]
    ) -> Any:
        """Return them as a Dataset, see `run.cube`."""
        from landsat_async.run.cube import load_cube

        return load_cube(self.directory, self.run_id, bands, scale, mask, options)
