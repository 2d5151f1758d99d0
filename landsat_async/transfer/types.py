"""What goes into a transfer and what comes out: plain values, so that a transfer can run anywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgspec

from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.events import Notice, Retrying, Started, Transferred
from landsat_async.model import Identity, Proof, WindowRecord
from landsat_async.rules.clouds import CloudCount, MeasureSpec
from landsat_async.rules.links import SecretUrl
from landsat_async.transfer.retry import FaultKind, HostReport
from landsat_async.value import Value

if TYPE_CHECKING:  # loads shapely
    from landsat_async.raster.spec import WindowSpec

MIB = 1024 * 1024
BACKOFF_CAP_S = 60.0

TransferEvent: TypeAlias = Started | Transferred | Retrying | Notice
"""What `notify` is called with; `file` is the job's `relpath`."""


class TransferPolicy(Value, frozen=True):
    """How patient and how careful a transfer is."""

    attempts: int = 8
    """In a row without progress (64 KiB of new bytes)."""
    connect_timeout_s: float = 30.0
    header_timeout_s: float = 60.0
    """From the connection to the end of the response head."""
    stall_timeout_s: float = 60.0
    """No byte for so long = a fault."""
    min_rate_bytes_s: float = 10_000.0
    """Slower than this over `min_rate_window_s` = a new connection is tried; accepted after `slow_tries`, above
    the floor of `transfer.speed`."""
    min_rate_window_s: float = 120.0
    slow_tries: int = 3
    backoff_cap_s: float = BACKOFF_CAP_S
    """No wait between two tries is longer."""
    block_bytes: int = 4 * MIB
    """One write, unless many transfers share the memory, see `open_session.block_bytes_for`; two such buffers go round
    in each running transfer."""
    connections: int = 1
    """For one large file, where the server has proved ranges; see `transfer.multi_range`."""
    span_bytes: int = 8 * MIB
    """One such range; at most `connections` + 1 of them are in memory per running transfer."""
    checkpoint_bytes: int = 16 * MIB
    checkpoint_s: float = 5.0
    min_free_bytes: int = 1024 * MIB
    grace_s: float = 5.0
    """How long a cancelled transfer may take to make its bytes durable."""
    proof: Proof = Proof.STRUCTURE
    overwrite: bool = False
    """Replace a file that is in the way under the final name."""


class WantedMember(msgspec.Struct, frozen=True):
    """What is wanted of a file that comes whole: a window of it, or of a member of a bundle, or a member itself."""

    name: str
    """USGS name of what it is cut from, or of the member."""
    relpath: str
    """The final name, below the target."""
    window: WindowSpec | None
    """What to cut out; None = the member is wanted whole."""


class TransferJob(msgspec.Struct, frozen=True):
    """One file to fetch."""

    url: SecretUrl
    name: str
    """USGS file name: tells what kind of file the bytes must be."""
    part_name: str
    """Of the unfinished file, in the folder of parts; that is made when only itself is missing."""
    relpath: str
    """The final name, below the target; the `file` of events."""
    part: Checkpoint | None = None
    """The last checkpoint; None = begin at byte 0."""
    policy: TransferPolicy = msgspec.field(default_factory=TransferPolicy)
    bytes_nominal: int | None = None
    """Listed size: bounds how much is accepted; a file that is far from it must be proven by its content."""
    published: Mapping[str, str] | None = None
    """SHA-512 in hex by file name, where the policy asks for `Proof.PUBLISHED`."""
    name_begins: str = ""
    """Set where only the server knows the name (`name` is a planned one): what it has to begin with. Then nothing is
    received; the name is learnt from the head of the answer, see `NameLearnt`."""
    part_was: tuple[str, ...] = ()
    """Names under which an earlier transfer may have left the part; each transfer has a `part_name` of its own, so
    that two of them can never write to one file."""
    part_is_claim: bool = False
    """The part was made before, empty, as a claim on the file: when it goes, another has the file, and this ends."""

    window: WindowSpec | None = None
    """What to cut out of the file; None = the file is wanted whole."""
    members: tuple[WantedMember, ...] = ()
    """What to take out of a bundle, in this order; empty = the bundle is wanted itself."""
    measure: MeasureSpec | None = None
    """What to count in it, where it is wanted for that alone; None = it is wanted itself."""


class Done(msgspec.Struct, frozen=True):
    """The file has its final name, proven and durable. Record that, then have the target discard the part."""

    size_bytes: int
    sha256: str
    proof: Proof
    bytes_received: int
    mtime_ns: int = 0
    """The file's time of change."""
    identity: Identity = Identity.NONE
    """What evidence there was that it is the file that it is named after."""
    window: WindowRecord | None = None
    """How it was cut, where it is a window."""
    linked: bool = False
    """A later run knows it for ours also when it was not recorded, see `target.Committed`: the record can wait."""


class NoData(msgspec.Struct, frozen=True):
    """The window that was wanted holds nothing but fill, so there is no file."""

    reason: str
    bytes_received: int
    window: WindowRecord


class MembersTaken(msgspec.Struct, frozen=True):
    """What was wanted of a bundle has its final names, or what keeps it from having them. Record that."""

    results: tuple[tuple[str, Done | NoData | FileFailed], ...]
    """Final name, and what has come of it; in the order of the job."""
    size_bytes: int
    """Of the bundle."""
    bytes_received: int


class Counted(msgspec.Struct, frozen=True):
    """The clouds of the area are counted; nothing is named. Record that, then have the target discard the part."""

    count: CloudCount
    size_bytes: int
    bytes_received: int


class NameLearnt(msgspec.Struct, frozen=True):
    """The server has said what the file is called; write it down and transfer it under that name."""

    name: str
    bytes_received: int = 0


class NeedsLink(msgspec.Struct, frozen=True):
    """Only a fresh link can help; the bytes so far are kept."""

    reason: str
    bytes_received: int
    expired: bool
    """True: refused, as old links are (worth several fresh ones). False: it leads nowhere (worth one)."""


class NotReady(msgspec.Struct, frozen=True):
    """The link is a staging link, and the service is still preparing the file."""

    reason: str
    bytes_received: int = 0


class HostDown(Value, frozen=True):
    """The whole host should be left alone for a while; this file goes on later."""

    host: str
    reason: str
    wait_s: float
    kind: HostReport
    bytes_received: int = 0


class FileFailed(msgspec.Struct, frozen=True):
    """This file cannot be had by this run."""

    reason: str
    hint: str
    bytes_received: int
    kind: FaultKind | None = None
    """Of the last fault; None when it was no fault of an attempt: a link that must not be followed, a name that cannot
    be used."""


class GivenBack(msgspec.Struct, frozen=True):
    """Nobody has it now, and nothing is wrong with it: the process that had it is gone, or did not come to it."""

    reason: str
    lost: bool
    """The process has died, or was taken for dead; it may be because of this file."""
    bytes_received: int = 0


NotDone: TypeAlias = (
    NoData | MembersTaken | Counted | NameLearnt | NeedsLink | NotReady | HostDown | FileFailed | GivenBack
)
Outcome: TypeAlias = Done | NotDone


class ConnectionSlot(Protocol):
    """What a transfer has to do with the slot of its file."""

    @property
    def has_left(self) -> bool:
        """It was given back, so that `rejoin` may have to wait."""

    def leave(self) -> None:
        """Give the slot back, as what follows needs no connection."""

    async def rejoin(self) -> None:
        """Wait until there is a slot again, where it was given back."""


class Kept:
    """The slot of a file that keeps it to its end."""

    has_left = False

    def leave(self) -> None:
        """Do nothing: nobody waits for it."""

    async def rejoin(self) -> None:
        """Do nothing: it was never given back."""


KEPT = Kept()


class CheckpointStore(Protocol):
    """Where checkpoints go. A call returns when the fact is durable."""

    async def save(self, facts: Checkpoint) -> None:
        """Remember that these bytes are durable; replaces what was remembered."""

    async def lower(self, durable: int) -> None:
        """Believe no more than the first `durable` bytes from now on; called before a part is overwritten."""

    async def clear(self) -> None:
        """Forget the part's bytes."""


def _every_host(host: str) -> HostDown | None:
    return None


def _nobody(host: str, report: HostReport, reason: str) -> None:
    pass


def _not_counted(size: int) -> None:
    pass


class TransferHooks(msgspec.Struct, frozen=True):
    """What is told and asked while a file is transferred; calls return at once and do not raise."""

    notify: Callable[[TransferEvent], None]
    """Called with events."""
    store: CheckpointStore
    """Keeps checkpoints."""
    check_host: Callable[[str], HostDown | None] = _every_host
    """check_host(host), before every attempt: None = go on, else the transfer ends with it."""
    health: Callable[[str, HostReport, str], None] = _nobody
    """health(host, report, reason): what came of an attempt, for a circuit breaker."""
    count: Callable[[int], None] = _not_counted
    """count(size): body bytes that another process has received; those of this one are counted by its session."""
    slot: ConnectionSlot = KEPT
    """Given back where a file needs no connection any more, and taken again should it need one after all."""


class MemoryStore:
    """A store for transfers that need not outlive the process."""

    def __init__(self, facts: Checkpoint | None = None) -> None:
        self.facts = facts

    async def save(self, facts: Checkpoint) -> None:
        """Remember the checkpoint."""
        self.facts = facts

    async def lower(self, durable: int) -> None:
        """Forget it: its digest does not fit fewer bytes."""
        self.facts = None

    async def clear(self) -> None:
        """Forget it."""
        self.facts = None
