"""What to do after a failed API call: values in, a decision out.

Two things are kept apart. An *outage* is shared by all callers of one account: while it lasts nobody asks, except one
probe per interval, and the first success ends it for everybody. A *call* that fails although the service lives waits on
its own and does not hold up the others.

An answer that is the same three times can be an outage or the fault of this very input. The text does not tell,
therefore the verdict is SUSPECT_INPUT and the caller finds out with one harmless call of another kind.
"""

from __future__ import annotations

import enum
import math
from dataclasses import replace

import msgspec

from landsat_async.errors import (
    BadReply,
    DatasetRefused,
    EndpointGone,
    M2MError,
    QuotaReached,
    RateLimited,
    RequestRefused,
    ServiceDown,
    ServiceError,
    SessionExpired,
)
from landsat_async.rules.backoff import full_jitter_s, with_retry_after_s
from landsat_async.value import Value

QUICK_TRIES = 4
"""So many waits of an outage are short (about 1, 2, 4, 8 s): most faults are over by then."""
QUICK_CAP_S = 8.0
IMPATIENT_TRIES = 3
"""Tries that a caller without patience gets."""
SHORT_PATIENCE_S = 1200.0
"""With less patience than this even maintenance is probed quickly at first: there is room for few long pauses."""
LAST_WAIT_S = 1.0
"""A rest of patience shorter than this is not worth one more try."""
IMPATIENT_WAIT_S = 5.0
"""The longest single wait of a caller without patience."""
BUSY_PATIENCE_S = 60.0
"""Another call of the account ends within minutes, so this much is waited even without patience."""
BUSY_WARN_S = 600.0
EQUAL_ANSWERS = 3
OWN_TRIES = 5
LOGIN_ROUNDS = 2


class OutageKind(enum.StrEnum):
    """Why nobody may ask at the moment, or why one call is repeated."""

    NETWORK = "network"
    SERVER = "server"
    MAINTENANCE = "maintenance"
    BUSY = "busy"


PROBE_INTERVAL_S: dict[OutageKind, tuple[float, float]] = {
    OutageKind.NETWORK: (15.0, 60.0),
    OutageKind.SERVER: (15.0, 60.0),
    OutageKind.MAINTENANCE: (300.0, 300.0),
}
"""First and longest pause between two probes; each lasts 80 to 100 % of it."""


class Outage(msgspec.Struct, frozen=True):
    """A row of failures and what follows from it."""

    kind: OutageKind
    failures: int
    since_s: float
    """Monotonic time of the first failure in the row."""
    closed_until_s: float
    """Monotonic time before which nobody asks."""
    reason: str
    error: ServiceError
    """The last failure: what a caller gets who does not want to wait."""


class Verdict(enum.Enum):
    """What the client does with an error."""

    RAISE = enum.auto()
    LOGIN_AGAIN = enum.auto()
    CLOSE_FOR_ALL = enum.auto()
    """The service is down or busy: nobody asks until the outage's next probe."""
    REPEAT = enum.auto()
    """Only this call waits."""
    SUSPECT_INPUT = enum.auto()
    """The same failure again and again: look whether the service lives, and if so blame the input."""


class History(Value, frozen=True):
    """What one call has been through."""

    logins: int = 0
    failures: int = 0
    equal: int = 0
    """Equal failures in a row, the last one included."""
    last: str = ""

    def after(self, error: ServiceError) -> History:
        """Count one more failure."""
        # The message of an error code may carry a changing number; the code says what happened.
        text = f"{type(error).__name__} {error.code if isinstance(error, M2MError) else error}"
        return replace(self, failures=self.failures + 1, equal=self.equal + 1 if text == self.last else 1, last=text)


class BareRefusal(enum.Enum):
    """What a call is that was refused by a bare HTTP status, without an envelope that says why."""

    OLD_KEY = enum.auto()
    """Log in again; the key may have died."""
    SERVICE = enum.auto()
    """The account may do this, so the service, or something before it, fails: wait."""
    ACCOUNT = enum.auto()
    """Nothing speaks for the account: it is not let in."""


def bare_refusal(*, logins: int, may_download: bool | None) -> BareRefusal:
    """Decide about HTTP 401 or 403 without an envelope.

    Args:
        logins: how often this call has logged in anew because of it.
        may_download: what `permissions` said of the account; None = it was not asked, or did not tell.
    """
    if logins < 1:
        return BareRefusal.OLD_KEY
    return BareRefusal.SERVICE if may_download else BareRefusal.ACCOUNT


def judge(error: ServiceError, history: History, *, input_matters: bool) -> Verdict:
    """Decide about `error`, already counted in `history`.

    Args:
        error: what the call ended with.
        history: of this call, the error included.
        input_matters: the call carries a choice of the user or a portion of items that could be the culprit.
    """
    if isinstance(error, SessionExpired):
        rounds = 1 if error.code.startswith("HTTP_") else LOGIN_ROUNDS  # a bare 403 is rarely about the key
        return Verdict.LOGIN_AGAIN if history.logins < rounds else Verdict.RAISE
    if isinstance(error, QuotaReached | RequestRefused | DatasetRefused | EndpointGone):
        return Verdict.RAISE
    if isinstance(error, RateLimited):
        return Verdict.CLOSE_FOR_ALL
    if isinstance(error, BadReply):
        again = history.equal < EQUAL_ANSWERS and history.failures < OWN_TRIES
        return Verdict.REPEAT if again and error.reference != "reply-too-large" else Verdict.RAISE
    if input_matters and history.equal >= EQUAL_ANSWERS and _may_be_the_input(error):
        return Verdict.SUSPECT_INPUT
    if isinstance(error, ServiceDown):
        return Verdict.CLOSE_FOR_ALL
    if isinstance(error, M2MError):
        return Verdict.REPEAT if history.failures < OWN_TRIES or not input_matters else Verdict.RAISE
    return Verdict.RAISE


def _may_be_the_input(error: ServiceError) -> bool:
    """Gateway errors, web pages and refused connections never are; a bare 500, garbage or a call without end can be."""
    if isinstance(error, ServiceDown):
        return error.http_status == 500 or error.reference in ("timeout", "bad-reply")
    return True


def after_failure(
    outage: Outage | None, error: ServiceError, now_s: float, u: float, *, patience_s: float = math.inf
) -> Outage:
    """Return the outage as it stands after one more failure; `u` in [0, 1) draws the jitter.

    The wait is cut to what is left of `patience_s`, so that the last try comes when the patience ends.
    """
    kind = outage_kind(error)
    if outage is not None and (outage.kind is OutageKind.BUSY) != (kind is OutageKind.BUSY):
        outage = None  # "busy" is an answer: the service was up in between
    failures = outage.failures + 1 if outage else 1
    since_s = outage.since_s if outage else now_s
    own_s = _busy_wait_s(failures, u) if kind is OutageKind.BUSY else _probe_wait_s(kind, failures, u, patience_s)
    retry_after_s = error.retry_after_s if isinstance(error, ServiceDown | M2MError) else None
    wait_s = with_retry_after_s(own_s, retry_after_s, u)
    left_s = since_s + _patience_for(kind, patience_s) - now_s
    if left_s >= LAST_WAIT_S:
        wait_s = min(wait_s, left_s)
    reason = str(error)
    if kind is OutageKind.BUSY and now_s - since_s >= BUSY_WARN_S:
        reason = "another program is using this USGS account; M2M serves one call at a time"
    return Outage(kind, failures, since_s, now_s + wait_s, reason, error)


def outage_kind(error: ServiceError) -> OutageKind:
    """Name the kind of an error that is waited out."""
    if isinstance(error, RateLimited):
        return OutageKind.BUSY
    if isinstance(error, ServiceDown):
        if error.maintenance:
            return OutageKind.MAINTENANCE
        return OutageKind.SERVER if error.http_status is not None else OutageKind.NETWORK
    return OutageKind.SERVER


def _patience_for(kind: OutageKind, patience_s: float) -> float:
    return max(patience_s, BUSY_PATIENCE_S) if kind is OutageKind.BUSY else patience_s


def _probe_wait_s(kind: OutageKind, failures: int, u: float, patience_s: float) -> float:
    quick = kind is not OutageKind.MAINTENANCE or patience_s < SHORT_PATIENCE_S
    if quick and failures <= QUICK_TRIES:
        return full_jitter_s(failures, u, base_s=1.0, cap_s=QUICK_CAP_S)
    first_s, longest_s = PROBE_INTERVAL_S[kind]
    doublings = min(max(failures - QUICK_TRIES - 1, 0), 10)
    return min(longest_s, first_s * 2.0**doublings) * (0.8 + 0.2 * u)


def _busy_wait_s(failures: int, u: float) -> float:
    return 1.0 + u if failures == 1 else 5.0 + 25.0 * u


def may_wait(outage: Outage, *, wait_s: float, now_s: float, tries: int, patience_s: float) -> bool:
    """Whether a caller who has asked `tries` times waits `wait_s` more, or gives up with the error."""
    # a wait that was cut to the patience ends exactly then, give or take what adding floats loses
    if now_s + wait_s - outage.since_s <= _patience_for(outage.kind, patience_s) + 0.001:
        return True
    return tries < IMPATIENT_TRIES and wait_s <= IMPATIENT_WAIT_S
