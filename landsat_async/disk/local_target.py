"""A folder of this machine as the place where proven files go, and how a file gets its name there.

The order is the promise (`finalise`): bytes durable, proof on the same descriptor (or on the very bytes that were just
written to it, while they are still in memory), a name that replaces nothing, the name durable. Only then may a ledger
say "done", and only then may the part's own name go (`part.discard_part`). A kill between any two steps leaves either
no final name or a proven file under it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from landsat_async.disk.folder import Claim, OutputFolder
from landsat_async.disk.foresee import refusal
from landsat_async.disk.fs import READ, FileStat, Fs, local_fs
from landsat_async.disk.inspect import OpenFile, has_same_bytes, put_aside
from landsat_async.disk.output_files import OutputFiles
from landsat_async.disk.target import (
    Committed,
    CompletePart,
    FarWait,
    InTheWay,
    Look,
    PartLost,
    Place,
    Recorded,
    StoredPart,
    TargetResult,
)
from landsat_async.errors import LandsatError
from landsat_async.model import Proof
from landsat_async.proof.prove import Damaged, Proved

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
_NO_SUCH_RENAME = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


class LocalTarget:
    """A folder of this machine, see `Target`.

    What changes something below the root never follows a link there. Looking does: a user may have moved a folder of
    finished files to another disk.
    """

    is_far = False

    def __init__(self, root: Path, make_fs: Callable[[], Fs] | None = None, *, parts_dir: Path | None = None) -> None:
        """Stand for a folder; nothing is made before `prepare`.

        Args:
            root: The output folder.
            make_fs: Makes what file calls go through; None = those of this machine.
            parts_dir: Folder of unfinished files, on the same file system; None = the one of a run.
        """
        make_fs = make_fs or local_fs
        self.folder = OutputFolder(root, make_fs())
        self.fs = make_fs()
        """For changes; follows no links below the root once `prepare` was called."""
        self._root, self.parts_dir = str(root), str(parts_dir or self.folder.parts)
        self.path_of = partial(self.fs.join, self._root)
        """Returns the whole path of a file."""
        self._file_mode = 0o644
        self._holds_more = False
        """Something else than what is ours has been seen in the folder."""

    def prepare(self) -> Claim:
        """Make the folders, try to write, lock, and follow no links below from now on; see `OutputFolder.claim`."""
        claim = self.folder.claim()
        self._file_mode = claim.file_mode
        try:
            self.fs.guard(self._root)
        except BaseException:
            claim.release()
            raise
        return claim

    def join_claimed(self, file_mode: int) -> None:
        """Use a folder that another process has prepared and holds: for parts and names, nothing else."""
        self._file_mode = file_mode
        self.fs.guard(self._root)

    def wait(self) -> FarWait | None:
        """Return None: a disk is not waited for."""
        return None

    def stop_waiting(self) -> None:
        """Do nothing."""

    def foresee(self) -> LandsatError | None:
        """Return what `prepare` would raise now."""
        return refusal(self.folder)

    def check_names(self, relpaths: Iterable[str]) -> None:
        """Raise ConfigError for the first path that the file system will not take."""
        self.folder.check_names(relpaths)

    def commit(
        self,
        part: CompletePart,
        relpath: str,
        *,
        prove: Callable[[], Proved | Damaged],
        needed: Proof,
        overwrite: bool,
        stop: Callable[[], bool] = lambda: False,
    ) -> TargetResult | Proved:
        """Give the part's own file its final name, see `finalise`: nothing is copied."""
        path = self.path_of(relpath)
        result = finalise(
            self.fs, part.fd, part.path, path,
            size_bytes=part.length, prove=prove, needed=needed, overwrite=overwrite, mode=self._file_mode,
        )  # fmt: skip
        if isinstance(result, Committed):
            part.shut()
            if self.fs.closing_sets_times:  # NTFS
                with suppress(OSError):
                    return replace(result, mtime_ns=self.fs.lstat(path).st_mtime_ns)
        return result

    def discard(self, part_names: Sequence[str]) -> None:
        """Remove parts; together, because each way to a folder has its price.

        What cannot be removed (in use, the disk is gone) is no failure: a later run sweeps it.
        """
        with suppress(OSError), self.fs.together():
            for name in part_names:
                try:
                    self.fs.unlink(self.fs.join(self.parts_dir, name))
                except OSError:
                    pass

    def parts(self) -> list[StoredPart]:
        """Return all files in the folder of parts."""
        fs, found = self.folder.fs, []
        for name in fs.listdir(self.parts_dir):
            with suppress(FileNotFoundError):
                found.append(StoredPart(name, fs.lstat(fs.join(self.parts_dir, name)).st_mtime_ns / 1e9))
        return found

    def look(self, files: Sequence[Recorded]) -> list[Look]:
        """Compare size and time of change; one stat a file."""
        return [self._look(file) for file in files]

    def _look(self, file: Recorded) -> Look:
        try:
            found = self.folder.fs.lstat(self.path_of(file.relpath))
        except FileNotFoundError:
            return Look.GONE
        except OSError:
            return Look.CHANGED
        same = found.st_size == file.size_bytes and found.st_mtime_ns == file.mtime_ns
        return Look.SAME if same and stat.S_ISREG(found.st_mode) else Look.CHANGED

    def places(self, wanted: Sequence[tuple[str, str]]) -> list[Place]:
        """Tell what has the final names; a part that has one is known by being the same file."""
        if len(wanted) > 1 and self._is_bare():
            return [Place.FREE] * len(wanted)
        is_folder_there, found = {"": True}, []
        for relpath, part_name in wanted:
            folder = relpath.rpartition("/")[0]
            if folder not in is_folder_there:  # in a new run none is, and so none of the files of a scene
                is_folder_there[folder] = self._place(folder, "") is not Place.FREE
            found.append(self._place(relpath, part_name) if is_folder_there[folder] else Place.FREE)
        return found

    def _is_bare(self) -> bool:
        """Whether the folder holds nothing but what is ours, as in a first run: then no name need be looked for.

        It is listed again only while it holds nothing else: a long list takes longer than some looks.
        """
        if not self._holds_more:
            try:
                self._holds_more = set(self.folder.fs.listdir(self._root)) != {self.folder.state.name}
            except OSError:
                return False
        return not self._holds_more

    def _place(self, relpath: str, part_name: str) -> Place:
        fs = self.folder.fs
        try:
            found = fs.lstat(self.path_of(relpath))
        except OSError:
            return Place.FREE
        if stat.S_ISDIR(found.st_mode):
            return Place.UNUSABLE
        try:
            part = fs.lstat(fs.join(self.parts_dir, part_name))
        except OSError:
            return Place.TAKEN
        return Place.OURS if (part.st_dev, part.st_ino) == (found.st_dev, found.st_ino) else Place.TAKEN

    @contextmanager
    def read(self, relpath: str) -> Iterator[OpenFile]:
        """Open a file for reading; a link in its place is refused, one on the way is not."""
        fs = self.folder.fs
        fd = fs.open(self.path_of(relpath), READ)
        try:
            found = fs.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            yield OpenFile(found.st_size, found.st_mtime_ns, partial(fs.pread, fd))
        finally:
            fs.close(fd)

    def peek(self, relpath: str) -> AbstractContextManager[OpenFile]:
        """Open a file, as `read` does."""
        return self.read(relpath)

    def gdal_path(self, relpath: str) -> str:
        """Return the absolute path of a file, with / on Windows too."""
        return self.fs.join(str(Path(self._root).absolute()), relpath).replace("\\", "/")

    def gdal_options(self) -> dict[str, str]:
        """Return that GDAL has to be told nothing."""
        return {}

    def outputs(self, is_ours: Callable[[bytes], bool], stop: Callable[[], bool] = lambda: False) -> OutputFiles:
        """Return what writes outputs into the folder."""
        root = str(Path(self._root).absolute())
        return OutputFiles(self.fs, root, self.parts_dir, mode=self._file_mode, is_ours=is_ours)

    def put_aside(self, relpath: str) -> str | None:
        """Move a changed file into a folder of its own."""
        changed = str(self.folder.changed)
        kept = put_aside(self.fs, self.path_of(relpath), changed)
        return None if kept is None else os.path.relpath(os.path.join(changed, kept), self._root)

    def move(self, relpath: str, to: str) -> None:
        """Move a finished file; its name is looked up without following a link."""
        path = self.path_of(relpath)
        if not stat.S_ISREG(self.fs.lstat(path).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        move_file(self.fs, path, self.path_of(to))

    def remove(self, relpath: str) -> None:
        """Remove a finished file."""
        path = self.path_of(relpath)
        with suppress(FileNotFoundError):
            self.fs.unlink(path)
            self.fs.fsync_dir(os.path.dirname(path))

    def is_same_file(self, relpath: str, other: str) -> bool:
        """Compare what the names stand for."""
        try:
            first, second = (self.folder.fs.lstat(self.path_of(one)) for one in (relpath, other))
        except OSError:
            return False
        return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)

    def free_bytes(self) -> int:
        """Return the free bytes of the disk that holds the folder, which need not exist yet."""
        try:
            return self.folder.fs.free_bytes(self._root)
        except OSError:
            return self.folder.free_bytes()

    def spool_free_bytes(self) -> None:
        """Return None: parts lie on the disk of the folder."""


# -- the final name


def finalise(
    fs: Fs,
    fd: int,
    part_path: str,
    final_path: str,
    *,
    size_bytes: int,
    prove: Callable[[], Proved | Damaged],
    needed: Proof,
    overwrite: bool,
    mode: int = 0o644,
) -> TargetResult | Proved:
    """Sync, prove and name a complete part; blocks.

    Returns `Proved` without naming the file when the proof is right but weaker than `needed`. The file gets `mode`;
    until then it was its owner's alone.
    """
    mine = fs.fstat(fd)
    if mine.st_size != size_bytes:
        return PartLost()
    fs.fsync(fd)
    proved = prove()
    if isinstance(proved, Damaged) or proved.proof.rank < needed.rank:
        return proved
    if not _is_named(fs, mine, part_path):
        return PartLost()
    try:
        fs.fchmod(fd, mode)
    except OSError:  # some file systems have no modes
        pass
    folder, linked = os.path.dirname(final_path), False
    try:
        try:
            linked = _name(fs, part_path, final_path, overwrite=overwrite)
        except FileNotFoundError:  # the folder is there most of the time, so it is only made when it is missing
            fs.make_folder(folder)
            linked = _name(fs, part_path, final_path, overwrite=overwrite)
    except FileExistsError:
        if not _is_named(fs, mine, final_path) and not has_same_bytes(fs, fd, final_path, size_bytes):
            return InTheWay()  # else it has been finished before, by a run that could not record it
    except IsADirectoryError:
        return InTheWay()
    except FileNotFoundError:
        return PartLost()
    fs.fsync_dir(folder)
    return Committed(proved.proof, mine.st_mtime_ns, proved.identity, linked)


def _is_named(fs: Fs, mine: FileStat, path: str) -> bool:
    """Tell whether `path` still names the open file, and not something that was put in its place."""
    try:
        there = fs.lstat(path)
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


def move_file(fs: Fs, path: str, to: str) -> None:
    """Move a finished file to a name that nobody has, durably; at no moment it has no name.

    Raises:
        FileExistsError: the name is taken.
        FileInUse: another program has it open, and the system moves no open file.
    """
    fs.make_folder(os.path.dirname(to))
    _name(fs, path, to, overwrite=False)
    fs.fsync_dir(os.path.dirname(to))
    with suppress(FileNotFoundError):  # a rename has taken the old name away
        fs.unlink(path)
    fs.fsync_dir(os.path.dirname(path))


def _name(fs: Fs, part_path: str, final_path: str, *, overwrite: bool) -> bool:
    """Give the part its final name in the safest way that the file system knows; whether it has kept its own."""
    if overwrite:
        fs.replace(part_path, final_path)
        return False
    try:
        fs.link(part_path, final_path)
        return True
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    try:
        fs.rename_noreplace(part_path, final_path)
        return False
    except OSError as error:
        if error.errno not in _NO_SUCH_RENAME:
            raise
    # Neither exists here (exFAT on macOS, some network folders). The lock on the output folder keeps our own runs
    # apart; a stranger would have to create the file between these two calls.
    try:
        fs.lstat(final_path)
    except FileNotFoundError:
        fs.replace(part_path, final_path)
        return False
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
