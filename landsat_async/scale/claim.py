"""Parts that are made before a byte is asked for: who has made one has the file, who had an earlier one has lost it."""

from __future__ import annotations

from contextlib import suppress

from landsat_async.disk.fs import NEW, FileInUse, Fs
from landsat_async.disk.open_part import COPY_SUFFIX, take_over
from landsat_async.disk.part import PART_MODE, make_part_folder
from landsat_async.disk.target import Place, Target
from landsat_async.errors import FolderUnwritable, LandsatError
from landsat_async.transfer.file_errors import fault_of_disk
from landsat_async.transfer.types import TransferJob


def claim_part(target: Target, job: TransferJob) -> bool:
    """Make the part before a byte is asked for; False = another process has the file, or has had it.

    Whoever has an earlier part of this file loses it here, and can give it no name any more: if it has given it one
    just before, that is seen, and nothing is to be fetched. A parcel may have waited until just then.
    """
    path = target.fs.join(target.parts_dir, job.part_name)
    try:
        if not _make(target, path):
            return False
        taken = False
        with suppress(FileInUse):  # on Windows: it goes with a later run
            taken = take_over(target.fs, path, job.part_was)
        if taken and target.places([(job.relpath, job.part_name)]) == [Place.OURS]:
            return False
        if taken and job.part is None:
            _empty(target.fs, path)
    except OSError as error:
        raise _of_claim(error, target.parts_dir) from None
    if job.part is None:
        target.discard(job.part_was)
    return True


def _make(target: Target, path: str) -> bool:
    """Make an empty part; False = it is there."""
    fs = target.fs
    try:
        try:
            fd = fs.open(path, NEW, PART_MODE)
        except FileNotFoundError:
            make_part_folder(fs, path)
            fd = fs.open(path, NEW, PART_MODE)
    except FileExistsError:
        return False
    fs.close(fd)
    return True


def _empty(fs: Fs, path: str) -> None:
    """Put an empty file in the place of a part that is not gone on with: who had it may still have it open."""
    new = path + COPY_SUFFIX
    fs.close(fs.open(new, NEW, PART_MODE))
    fs.replace(new, path)


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
