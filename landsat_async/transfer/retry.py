"""What a fault of a transfer means: try again, ask for a fresh link, leave the host alone, or give up on the file.

Attempts are counted without progress: a gigabyte over a bad line may take forty attempts, as long as each brings
something. Progress is PROGRESS_BYTES beyond the best so far, so that a server which sends one byte and hangs up
cannot keep a client busy for ever. Some faults have a shorter leash of their own, because repeating rarely helps.
"""

from __future__ import annotations

import enum
from typing import TypeAlias

import msgspec

from landsat_async.value import Value

PROGRESS_BYTES = 64 * 1024
"""So many new bytes end a row of failures."""

LONGEST_SLEEP_S = 60.0
"""A server that wants a longer pause concerns the whole host, and is handed to what runs the transfers."""

CERTIFICATE_PAUSE_S = 1800.0
HANDSHAKE_PAUSE_S = 60.0
MAINTENANCE_PAUSE_S = 300.0
PROXY_PAUSE_S = 300.0
UNREACHABLE_PAUSE_S = 15.0


class FaultKind(enum.StrEnum):
    """Kinds of faults of one attempt."""

    NETWORK = "network"
    """Reset, no byte for too long, a body that was cut."""
    UNREACHABLE = "unreachable"
    """No connection at all: nothing that this file could have caused."""
    SLOW = "slow"
    """Bytes come, but so few that a new connection is worth a try."""
    USELESS = "useless"
    """Bytes come, but so few, over all connections, that the file would never be here."""
    BUSY = "busy"
    """429, 5xx and relatives."""
    CERTIFICATE = "certificate"
    HANDSHAKE = "handshake"
    """TLS failed for another reason than the certificate."""
    PROXY = "proxy"
    """A proxy wants a login."""
    PROTOCOL = "protocol"
    """An answer that is no proper HTTP, or contradicts itself."""
    ENCODED = "encoded"
    """Content-Encoding although identity was asked for."""
    PAGE = "page"
    """A web page or message in place of the file."""
    WRONG_BODY = "wrong-body"
    """Other bytes than those of the file, from the first on."""
    LOGIN = "login"
    """A login page, or a message that refuses the link's signature: the link has expired."""
    MAINTENANCE = "maintenance"
    EMPTY = "empty"
    STATUS = "status"
    """A status that makes no sense here (204, 304, other 4xx)."""
    LINK_REFUSED = "link-refused"
    """400, 401, 403, 410."""
    NOT_FOUND = "not-found"
    BAD_LINK = "bad-link"
    """A link or redirect that must not be followed."""
    UNREADY = "unready"
    """A staging link that has nothing yet."""
    OTHER_FILE = "other-file"
    """The answer carries the name of another file."""
    TOO_BIG = "too-big"
    MISMATCH = "mismatch"
    """The overlap with what is here differs."""
    RESTART = "restart"
    """Part and answer do not belong together."""
    ODD_RANGE = "odd-range"
    """The answer to a range is none to that range: the file is asked for whole from now on."""
    OVERRUN = "overrun"
    """More bytes than announced."""
    UNPROVEN = "unproven"
    """The body's end was not marked, and the file could not be verified."""
    DAMAGED = "damaged"
    """The complete file is not what it should be."""
    IN_THE_WAY = "in-the-way"
    """Something that is not ours has the final name."""
    LOST = "lost"
    """Somebody removed the part's name."""
    FILES = "files"
    """The process has too many open files, or may start no more threads."""
    IN_USE = "in-use"
    """Another program keeps the file open and shuts us out; we have waited for that already."""
    STORE = "store"
    """The bucket that the file goes to did not take it; the file itself is here, complete."""
    DISK = "disk"
    """Reading, writing or syncing the part failed: back to the last checkpoint."""


class HostReport(enum.StrEnum):
    """What a transfer says of the host that it talks to: to `health` after each attempt, or with a `HostDown`."""

    OK = "ok"
    """It serves."""
    NETWORK = "network"
    SERVER = "server"
    MAINTENANCE = "maintenance"
    PROXY = "proxy"
    REFUSED = "refused"
    """It refuses the link, or shows a login page."""
    PAGE = "page"
    """A web page or message in place of the file."""
    CERTIFICATE = "certificate"
    """Not trusted; no pause helps."""
    PAUSED = "paused"
    """No new fault: `check_host` has said that the host is left alone."""


class Then(enum.Enum):
    """What follows when a kind's tries are used up."""

    FAIL = "fail"
    FRESH_EXPIRED = "fresh-expired"
    FRESH = "fresh"
    PAUSE = "pause"
    UNREADY = "unready"


class _Rule(msgspec.Struct, frozen=True):
    tries: int | None
    """How often this kind may be tried again in one transfer; None = the common budget alone decides."""
    then: Then
    health: HostReport | None = None
    """What it may say about the host; None = nothing: wrong content, structure, identity and length are the file's
    own."""
    pause_s: float = 0.0
    hint: str = ""


_LATER = "Run the same command again; what is here is kept."

RULES: dict[FaultKind, _Rule] = {
    FaultKind.NETWORK: _Rule(None, Then.FAIL, HostReport.NETWORK, hint=_LATER),
    FaultKind.UNREACHABLE: _Rule(3, Then.PAUSE, HostReport.NETWORK, UNREACHABLE_PAUSE_S),
    FaultKind.SLOW: _Rule(None, Then.FAIL, hint=_LATER),
    FaultKind.USELESS: _Rule(0, Then.FAIL, HostReport.NETWORK, hint=_LATER),
    FaultKind.BUSY: _Rule(None, Then.FAIL, HostReport.SERVER, hint=_LATER),
    FaultKind.CERTIFICATE: _Rule(0, Then.PAUSE, HostReport.CERTIFICATE, CERTIFICATE_PAUSE_S),
    FaultKind.HANDSHAKE: _Rule(2, Then.PAUSE, HostReport.NETWORK, HANDSHAKE_PAUSE_S),
    FaultKind.PROXY: _Rule(0, Then.PAUSE, HostReport.PROXY, PROXY_PAUSE_S),
    FaultKind.MAINTENANCE: _Rule(0, Then.PAUSE, HostReport.MAINTENANCE, MAINTENANCE_PAUSE_S),
    FaultKind.PROTOCOL: _Rule(2, Then.FAIL, HostReport.SERVER, hint=_LATER),
    FaultKind.ENCODED: _Rule(1, Then.FAIL, hint="A proxy on the way may be compressing; try without it."),
    FaultKind.PAGE: _Rule(3, Then.FAIL, HostReport.PAGE, hint=_LATER),
    FaultKind.WRONG_BODY: _Rule(3, Then.FAIL, hint=_LATER),
    FaultKind.EMPTY: _Rule(3, Then.FAIL, hint=_LATER),
    FaultKind.STATUS: _Rule(2, Then.FRESH),
    FaultKind.LOGIN: _Rule(0, Then.FRESH_EXPIRED, HostReport.REFUSED),
    FaultKind.LINK_REFUSED: _Rule(0, Then.FRESH_EXPIRED, HostReport.REFUSED),
    FaultKind.NOT_FOUND: _Rule(0, Then.FRESH),
    FaultKind.BAD_LINK: _Rule(0, Then.FRESH),
    FaultKind.OTHER_FILE: _Rule(2, Then.FRESH),
    FaultKind.UNREADY: _Rule(0, Then.UNREADY),
    FaultKind.TOO_BIG: _Rule(0, Then.FAIL, hint="The announced size cannot be a Landsat file; tell USGS."),
    FaultKind.MISMATCH: _Rule(3, Then.FAIL, hint=_LATER),
    FaultKind.RESTART: _Rule(3, Then.FAIL, hint=_LATER),
    FaultKind.ODD_RANGE: _Rule(3, Then.FAIL, hint=_LATER),
    FaultKind.OVERRUN: _Rule(2, Then.FAIL, hint=_LATER),
    FaultKind.UNPROVEN: _Rule(2, Then.FAIL, hint=_LATER),
    FaultKind.DAMAGED: _Rule(3, Then.FAIL, hint="Try again later."),
    FaultKind.IN_THE_WAY: _Rule(0, Then.FAIL, hint="Move it away, or use --overwrite to replace it."),
    FaultKind.LOST: _Rule(1, Then.FAIL, hint="Another program works in this folder."),
    FaultKind.FILES: _Rule(None, Then.FAIL, hint="Raise the limit (ulimit -n, ulimit -u), or use fewer workers."),
    FaultKind.IN_USE: _Rule(
        0, Then.FAIL, hint="Close it there (viewer, scanner, synchroniser) and run the same command again."
    ),
    FaultKind.STORE: _Rule(
        None, Then.FAIL, hint="The complete file is kept in the spool: run the same command again to bring it up."
    ),
    FaultKind.DISK: _Rule(1, Then.FAIL, hint="Check the disk."),
}


class Fault(Value, frozen=True):
    """What went wrong in one attempt."""

    kind: FaultKind
    reason: str
    """Short text for people, without any link."""
    retry_after_s: float | None = None
    """What the server asked for."""


class Retry(msgspec.Struct, frozen=True):
    """Try the same link again."""

    failures: int
    """Failures in a row without progress, this one included: the exponent of the back-off."""


class Fresh(msgspec.Struct, frozen=True):
    """Only a fresh link can help."""

    expired: bool
    """True: the link was refused, which is normal for an old one. False: it leads nowhere."""


class Pause(msgspec.Struct, frozen=True):
    """Leave the whole host alone for a while."""

    wait_s: float
    kind: HostReport


class Unready(msgspec.Struct, frozen=True):
    """The service is still preparing the file."""


class GiveUp(msgspec.Struct, frozen=True):
    """This file cannot be had now."""

    reason: str
    hint: str


Verdict: TypeAlias = Retry | Fresh | Pause | Unready | GiveUp


class Budget(msgspec.Struct):
    """Counts the failures of one transfer."""

    attempts: int
    """Failures in a row without progress that end the transfer."""
    best: int = 0
    """Highest position reached so far."""
    failures: int = 0
    tries: dict[FaultKind, int] = msgspec.field(default_factory=dict)

    def verdict(self, fault: Fault, position: int) -> Verdict:
        """Count `fault`, which happened when `position` bytes were here or compared, and say what to do."""
        if position >= self.best + PROGRESS_BYTES:
            self.failures = 0
            self.tries.clear()
        self.best = max(self.best, position)
        self.failures += 1
        tries = self.tries[fault.kind] = self.tries.get(fault.kind, 0) + 1
        rule = RULES[fault.kind]
        if rule.tries is not None and tries > rule.tries:
            return _last(rule, fault)
        if self.failures >= self.attempts:
            return GiveUp(f"{self.failures} attempts in a row without progress; the last: {fault.reason}", rule.hint)
        if fault.retry_after_s is not None and fault.retry_after_s > LONGEST_SLEEP_S:
            return Pause(fault.retry_after_s, rule.health or HostReport.SERVER)
        return Retry(self.failures)


def _last(rule: _Rule, fault: Fault) -> Verdict:
    match rule.then:
        case Then.FRESH | Then.FRESH_EXPIRED:
            return Fresh(expired=rule.then is Then.FRESH_EXPIRED)
        case Then.PAUSE:
            return Pause(max(rule.pause_s, fault.retry_after_s or 0.0), rule.health or HostReport.SERVER)
        case Then.UNREADY:
            return Unready()
        case Then.FAIL:
            return GiveUp(fault.reason, rule.hint)


def may_refuse_range(status: int) -> bool:
    """Whether a bad status may be the answer of a host that cannot give ranges of this file.

    Bundles that are made on the fly are such files. 401, 403 and 410 are the link's, 404 the file's, 5xx the host's.
    """
    fault = fault_of_status(status)
    return status in (400, 501) or (fault is not None and fault.kind is FaultKind.STATUS)


def fault_of_status(status: int, retry_after_s: float | None = None) -> Fault | None:
    """Return what a status other than 200, 206, 412 and 416 means; None for those, which `transfer.resume` reads."""
    if status in (200, 206, 412, 416):
        return None
    if status in (408, 425, 429) or 500 <= status <= 599:
        return Fault(FaultKind.BUSY, f"the server answers with status {status}", retry_after_s)
    if status in (400, 401, 403, 410):
        return Fault(FaultKind.LINK_REFUSED, f"USGS refuses the link (status {status})")
    if status == 404:
        return Fault(FaultKind.NOT_FOUND, "not found at USGS (status 404)")
    if status == 407:
        return Fault(FaultKind.PROXY, "the proxy wants a login")
    return Fault(FaultKind.STATUS, f"unexpected status {status}")
