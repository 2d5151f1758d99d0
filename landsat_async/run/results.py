"""What a `RunSummary` gives of the files of its run, which only the ledger knows one by one: read when asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from landsat_async.config_store import StoreConfig, place_below
from landsat_async.config_tables import DownloadConfig
from landsat_async.disk.ledger_results import results_of_run
from landsat_async.model import Scene
from landsat_async.rules.bands import band_of_file
from landsat_async.run.choose_target import target_of
from landsat_async.run_summary import VerifiedFile


class FilesOfRun(msgspec.Struct, frozen=True):
    """The files of one run, looked up when they are asked for."""

    download: DownloadConfig
    store: StoreConfig
    run_id: str

    def to_xarray(
        self, bands: Sequence[str] | None, scale: bool, mask: Sequence[str], options: Mapping[str, Any]
    ) -> Any:
        """Return them as a Dataset, see `run.cube`."""
        from landsat_async.run.cube import load_cube

        return load_cube(target_of(self.download, self.store), self.run_id, bands, scale, mask, options)


def files_of_run(ledger: str, run_id: str, directory: str) -> tuple[VerifiedFile, ...]:
    """Return the files of a run, sorted by their path. Plain arguments: a summary can be pickled.

    Raises LedgerError.
    """
    files = []
    for row in results_of_run(Path(ledger), run_id):
        scene, name = row["scene_display_id"], row["name"]
        label = name.removeprefix(scene).strip("_.")
        band = band_of_file(scene, name)
        files.append(
            VerifiedFile(
                path=place_below(directory, row["relpath"]),
                scene=scene,
                band="bundle" if label == "tar" else os.path.splitext(label)[0],
                names=band.names if band is not None else (),
                size_bytes=row["size_bytes"],
                sha256=row["sha256"],
                proof=row["proof"],
                identity=row["identity"],
                acquired=Scene("", scene, row["acquired"]).date,
                cloud_cover=row["cloud_cover"],
                footprint=row["geometry"],
            )
        )
    return tuple(files)
