"""A mark in the folder of parts, by which a process of a cluster sees that it has the folder of the run.

All are looked at before a run begins; one that joins in mid-run is not, and may have a folder of its own under the same
path: it would write whole files there, and tell that they are done.
"""

from __future__ import annotations

import re
from contextlib import suppress

from landsat_async.disk.folder import OutputFolder
from landsat_async.disk.fs import NEW, is_there
from landsat_async.disk.target import Target
from landsat_async.errors import FolderUnwritable

_MARK = re.compile(r"run-[0-9a-f]+", re.ASCII)
"""Another name for each run: what a machine has seen of a folder on the network may be old, but not of a new name."""


def set_mark(folder: OutputFolder, run: str) -> None:
    """Mark the folder of a run, and remove the marks of those that were killed; nobody else may be running in it."""
    fs, parts = folder.fs, str(folder.parts)
    if not is_there(fs, parts):
        fs.make_folder(parts, 0o700)
    for name in fs.listdir(parts):
        if _MARK.fullmatch(name):
            with suppress(OSError):
                fs.unlink(fs.join(parts, name))
    fs.close(fs.open(fs.join(parts, f"run-{run}"), NEW))


def remove_mark(folder: OutputFolder, run: str) -> None:
    """Remove the mark of a run; the next one removes it otherwise."""
    with suppress(OSError):
        folder.fs.unlink(folder.fs.join(str(folder.parts), f"run-{run}"))


def check_mark(target: Target, run: str, root: str) -> None:
    """Raise FolderUnwritable when this process has another folder than the run."""
    if not is_there(target.fs, target.fs.join(target.parts_dir, f"run-{run}")):
        raise FolderUnwritable(
            f"{root} is not the folder of the run here",
            hint="All machines need the output folder of the run under the same path: see that it is mounted.",
        )
