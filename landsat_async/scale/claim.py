"""Parts that are made before a byte is asked for: who has made one has the file, who had an earlier one has lost it."""

from __future__ import annotations

from contextlib import suppress

from landsat_async.disk.fs import NEW
from landsat_async.disk.part import PART_MODE
from landsat_async.disk.target import Target
from landsat_async.errors import FolderUnwritable, LandsatError
from landsat_async.transfer.file_errors import fault_of_disk
from landsat_async.transfer.types import TransferJob


def claim_part(target: Target, job: TransferJob) -> bool:
    """Make the part, empty, before a byte is asked for; False = it is there, so another has it, or has had it.

    Whoever has an earlier part of this file loses it here: at once, or when the transfer renames it to go on with it.
    """
    fs = target.fs
    path = fs.join(target.parts_dir, job.part_name)
    try:
        try:
            fd = fs.open(path, NEW, PART_MODE)
        except FileNotFoundError:
            with suppress(FileExistsError):
                fs.mkdir(target.parts_dir, 0o700)
            fd = fs.open(path, NEW, PART_MODE)
    except FileExistsError:
        return False
    except OSError as error:
        raise _of_claim(error, target.parts_dir) from None
    fs.close(fd)
    if job.part is None:
        target.discard(job.part_was)
    return True


def _of_claim(error: OSError, parts_dir: str) -> LandsatError:
    fault = fault_of_disk(error, parts_dir)
    return fault if isinstance(fault, LandsatError) else FolderUnwritable(fault.reason, hint="Check the disk.")


def drop_empty(target: Target, job: TransferJob) -> None:
    """Remove a claim that nothing was written to: nobody goes on with it."""
    fs = target.fs
    path = fs.join(target.parts_dir, job.part_name)
    with suppress(OSError):
        if not fs.lstat(path).st_size:
            fs.unlink(path)
