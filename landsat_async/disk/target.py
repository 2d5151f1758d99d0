"""Where proven files go, and where they are looked at again: a folder today, a bucket perhaps later.

A run speaks of files by their path below the target ("LC08/2024/..._B3.TIF") and of unfinished ones by the name of
their part. Whatever the target, ledger and parts lie on a disk of this machine: a part is written, resumed and proven
there, and only the last step differs. What every target promises is held by tests/disk/test_target.py; which one a
config asks for stands in `run.choose_target`.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from typing import Protocol, TypeAlias, runtime_checkable

import msgspec

from landsat_async.disk.folder import Claim, OutputFolder
from landsat_async.disk.fs import Fs
from landsat_async.disk.inspect import OpenFile
from landsat_async.disk.output_files import OutputPlace
from landsat_async.errors import LandsatError
from landsat_async.model import Identity, Proof
from landsat_async.proof.prove import Damaged, Proved

NO_LIMIT_BYTES = 2**60


class Recorded(msgspec.Struct, frozen=True):
    """A finished file as the ledger has it."""

    relpath: str
    size_bytes: int
    mtime_ns: int


class Look(Enum):
    """What a glance at a finished file shows; nothing is read."""

    SAME = "same"
    CHANGED = "changed"
    """Another size or time, or no file any more."""
    GONE = "gone"


class Place(Enum):
    """What has the final name of a file that is not recorded as finished."""

    FREE = "free"
    OURS = "ours"
    """The file's own part: it was named by a run that was killed before it could record that."""
    TAKEN = "taken"
    """Something else, which may be replaced when the user says so."""
    UNUSABLE = "unusable"
    """A folder: nothing can be put in its place."""


class StoredPart(msgspec.Struct, frozen=True):
    """An unfinished file."""

    name: str
    changed_s: float
    """Unix time of its last change."""


class StoreFailed(OSError):
    """A target that is no folder did not do what it was asked for; trying again later may help."""

    def __init__(self, reason: str, *, refused: bool = False, is_lasting: bool = False, hint: str = "") -> None:
        super().__init__(errno.EIO, reason)
        self.hint = hint
        self.refused = refused
        """It knows us and says no, or does not know us: no rights, no such bucket."""
        self.is_lasting = is_lasting
        """The same request will get the same answer."""


class FarWait(msgspec.Struct, frozen=True):
    """What a far target is waited for."""

    reason: str
    attempt: int
    for_s: float
    """Since when."""
    left_s: float
    """Until it is tried again, or given up."""
    is_down: bool
    """It has failed; else it has just not answered yet."""


class Committed(msgspec.Struct, frozen=True):
    """The file has its final name, durably."""

    proof: Proof
    mtime_ns: int = 0
    """Its time of change, to be able to say later whether it is still this file."""
    identity: Identity = Identity.NONE
    """What the file itself has shown of whose it is."""
    linked: bool = False
    """It still has the part's name as well, by which a later run knows it for ours when it was not recorded."""


class InTheWay(msgspec.Struct, frozen=True):
    """Something that is not ours has the final name; it was left alone."""


class PartLost(msgspec.Struct, frozen=True):
    """Somebody removed or swapped the part's name; its bytes cannot be named any more."""


TargetResult: TypeAlias = Committed | Damaged | InTheWay | PartLost
"""What `Target.commit` ends with, where the proof is not too weak for a name."""


class CompletePart(Protocol):
    """A part whose bytes are all here, see `disk.part.PartFile`. Its file is open; nothing else is done with it now."""

    path: str

    @property
    def fd(self) -> int:
        """Descriptor of its file."""

    @property
    def length(self) -> int:
        """Bytes of the file."""

    @property
    def sha256(self) -> str:
        """Hex digest of these bytes."""

    def shut(self) -> None:
        """Close the file."""


class Target(Protocol):
    """What a run asks of the place where its files go. All methods block: they belong in threads."""

    @property
    def is_far(self) -> bool:
        """A file travels to its final name, so a run may well be killed between its proof and its name."""

    def wait(self) -> FarWait | None:
        """Return what it is waited for at the moment; None: nothing. Never blocks."""

    def stop_waiting(self) -> None:
        """Have whoever waits for it give up soon: the run is being stopped. Never blocks."""

    @property
    def folder(self) -> OutputFolder:
        """Folder of this machine that holds the ledger and the parts."""

    @property
    def fs(self) -> Fs:
        """File calls for the parts."""

    @property
    def parts_dir(self) -> str:
        """Folder of unfinished files, on a disk of this machine whatever the target."""

    def foresee(self) -> LandsatError | None:
        """Return what `prepare` would raise now, without changing anything; None when nothing speaks against it."""

    def prepare(self) -> Claim:
        """Make it ready and claim it for this run. Raises FolderUnwritable, FolderBusy, DiskFull."""

    def check_names(self, relpaths: Iterable[str]) -> None:
        """Raise ConfigError for the first path that it will not take."""

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
        """Prove a complete part, give the file its final name, durably, and close the part.

        Returns `Proved`, and leaves the part open and nameless, when the proof is right but weaker than `needed`.
        Raises OSError; StoreFailed where another try may help.

        Args:
            part: What is to become the file; it keeps its own name until `discard`.
            relpath: The final name. Raises OSError EINVAL for what would lead out of the target.
            prove: Proves its bytes, which are durable when it is called.
            needed: Less than that gets no name.
            overwrite: Replace what is in the way.
            stop: Asked while bytes travel; then Stopped is raised.
        """

    def discard(self, part_names: Sequence[str]) -> None:
        """Remove parts of finished files, and litter; what another program has open is left for a later run."""

    def parts(self) -> list[StoredPart]:
        """Return all unfinished files."""

    def look(self, files: Sequence[Recorded]) -> list[Look]:
        """Tell for each finished file whether it was left alone since."""

    def places(self, wanted: Sequence[tuple[str, str]]) -> list[Place]:
        """Tell for each pair of path and part name what has the path."""

    def read(self, relpath: str) -> AbstractContextManager[OpenFile]:
        """Open a file for reading. Raises FileNotFoundError, FileInUse, OSError for what is no regular file."""

    def peek(self, relpath: str) -> AbstractContextManager[OpenFile]:
        """Open a file of which little is read, here and there. Raises as `read`; FileNotFoundError also later."""

    def gdal_path(self, relpath: str) -> str:
        """Return the absolute path by which GDAL opens a file here."""

    def gdal_options(self) -> dict[str, str]:
        """Return what GDAL has to be told for that, nothing secret. Raises ConfigError where it lacks credentials."""

    def outputs(self, is_ours: Callable[[bytes], bool], stop: Callable[[], bool] = lambda: False) -> OutputPlace:
        """Return what writes files of ours that are no downloads; for who has prepared the target.

        Args:
            is_ours: Tells by beginning and end of a file whether it may be replaced.
            stop: Asked while a far target is waited for; then Stopped is raised.
        """

    def put_aside(self, relpath: str) -> str | None:
        """Move a changed file out of the way, durably; return its path now, None for what is no file of ours."""

    def free_bytes(self) -> int:
        """Return how much there is room for; NO_LIMIT_BYTES where no limit is known."""

    def spool_free_bytes(self) -> int | None:
        """Return how much there is room for where unfinished files lie; None: on the same disk as finished ones."""


@runtime_checkable
class KeepsVersions(Target, Protocol):
    """A target that can put finished files away, so that `sync` can replace older versions."""

    def move(self, relpath: str, to: str) -> None:
        """Move a finished file below the target, durably, over nothing.

        Raises FileNotFoundError, FileExistsError, FileInUse.
        """

    def remove(self, relpath: str) -> None:
        """Remove a finished file, durably; no harm when it is gone. Raises FileInUse."""

    def is_same_file(self, relpath: str, other: str) -> bool:
        """Tell whether two paths are names of one file."""
