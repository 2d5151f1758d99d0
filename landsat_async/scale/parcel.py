"""What crosses the wire between a run and the processes that transfer for it: values, and links under seal.

A parcel holds a link, and a scheduler keeps what passes through it: for its dashboard, in dumps, in the log lines of
tasks that failed, among its last messages. So a parcel is sealed with the key of its run, which a scheduler never has
(see `scale.seal`), and shows nothing of itself.
"""

from __future__ import annotations

import pickle
import sys
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import NamedTuple

from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.scale.seal import RunKey
from landsat_async.transfer.retry import HostReport
from landsat_async.transfer.types import Counted, Done, MembersTaken, NoData, Outcome, TransferEvent, TransferJob

PROTOCOL = 5
"""Changes with what parcels and replies hold, and with what a run and its processes expect of each other."""


@cache  # looked up among the files of all packages: half a millisecond, which each parcel would cost at each end
def version() -> str:
    """Return what both ends must agree on: the version of this package and of what crosses the wire."""
    try:
        package = metadata.version("landsat-async")
    except metadata.PackageNotFoundError:
        package = "unknown"
    return f"{package}/{PROTOCOL}"


def python_version() -> str:
    """Return "3.12": values are pickled for the same one."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


@dataclass(frozen=True, slots=True)
class Setup:
    """What all parcels of one run have in common."""

    run: str
    """Another word for each run."""
    root: str
    """The output folder, under the path that every machine sees it by."""
    file_mode: int
    service_url: str
    file_hosts: tuple[str, ...]
    ca_bundle: str | None
    workers: int
    """Files at a time, of all processes together."""


class Contents(NamedTuple):
    """What is in a parcel."""

    setup: Setup
    """What it has in common with others."""
    job: TransferJob
    """The file, with its link."""
    not_after: float
    """Unix time after which its link is not used any more."""


@dataclass(frozen=True, slots=True, repr=False)
class Parcel:
    """One file to fetch, for one process. A scheduler passes it on as it is, sealed.

    Attributes:
        made_by: Version of what made it.
        part_name: Of its file, for those who look at a task.
        run: Whose key opens it.
        sealed: What is in it.
    """

    made_by: str
    part_name: str
    run: str
    sealed: bytes

    @classmethod
    def of(cls, contents: Contents, key: RunKey) -> Parcel:
        """Seal a parcel with the key of its run."""
        plain, name = pickle.dumps(tuple(contents), pickle.HIGHEST_PROTOCOL), contents.job.part_name
        return cls(version(), name, contents.setup.run, key.seal(plain, name))

    def __repr__(self) -> str:
        return f"<Parcel {self.part_name}>"

    def __reduce__(self) -> tuple[type[Parcel], tuple[str, str, str, bytes]]:
        return Parcel, (self.made_by, self.part_name, self.run, self.sealed)

    def open(self, key: RunKey) -> Contents:
        """Return what is in it. Raises SealBroken: it is another's, or was changed on its way."""
        return Contents(*pickle.loads(key.open(self.sealed, self.part_name)))


@dataclass(frozen=True, slots=True)
class FetchEnded:
    """The transfer came to its end.

    Attributes:
        outcome: What came of it.
        checkpoint: What is known of the part, when it is still one.
        health: What came of attempts that was not told before.
        events: What happened that was not told before.
    """

    outcome: Outcome
    checkpoint: Checkpoint | None
    health: tuple[tuple[str, HostReport, str], ...] = ()
    events: tuple[TransferEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class FetchSuperseded:
    """Another process has, or had, the part of this parcel: nothing was fetched, or no more."""


@dataclass(frozen=True, slots=True)
class FetchTooOld:
    """The parcel has waited so long that its link is not used."""


@dataclass(frozen=True, slots=True)
class FetchStopped:
    """The run was stopped; what came is durable."""

    checkpoint: Checkpoint | None


@dataclass(frozen=True, slots=True)
class FetchFatal:
    """What concerns the whole run: the name of an error of this package, its text, and what to do."""

    error: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class FetchUnable:
    """This process cannot write, or has run out of what it needs; another may be able to.

    Attributes:
        error: Name of an error of this package, what a run without a cluster would end with; "" = see `ended`.
        message: What has happened.
        hint: What to do.
        ended: What came of the file; None = nothing.
        process: Address of the process, for dask.
    """

    error: str
    message: str
    hint: str
    ended: FetchEnded | None = None
    process: str = ""


Reply = FetchEnded | FetchSuperseded | FetchTooOld | FetchStopped | FetchFatal | FetchUnable


def is_over(outcome: Outcome | None) -> bool:
    """Tell whether the part of a file is of no use any more."""
    return isinstance(outcome, Done | NoData | MembersTaken | Counted)


def checkpoint_of(reply: Reply | None) -> Checkpoint | None:
    """Return what a reply says of the part of its file; None = nothing that the next could go on from."""
    match reply:
        case FetchUnable(ended=FetchEnded() as ended):
            return checkpoint_of(ended)
        case FetchEnded(outcome) if is_over(outcome):
            return None
        case FetchEnded() | FetchStopped():
            return reply.checkpoint if reply.checkpoint is not None and reply.checkpoint.durable else None
    return None


def said_leaving(reply: Reply) -> FetchEnded | FetchStopped | None:
    """Return what a process that leaves its cluster says of a file; None = what it came to says nothing of the file."""
    match reply:
        case FetchEnded(outcome) if not is_over(outcome):  # it may have come of the leaving
            return FetchStopped(reply.checkpoint)
        case FetchEnded() | FetchStopped():
            return reply
    return None


@dataclass(frozen=True, slots=True)
class ProcessSeen:
    """What a process shows of itself before a run begins.

    Attributes:
        version: See `version`.
        python: See `python_version`.
        refusal: Why it cannot use the output folder; "" = it can.
        ca_bundle: It has the file of the extra certificates, where one is wanted.
        lacks: Name of a package that it needs and does not have; "" = it has all.
    """

    version: str
    python: str
    refusal: str
    ca_bundle: bool
    lacks: str = ""
