"""Every error that this package raises on purpose.

    LandsatError                      exit code 1: a bug of ours, if it is nothing below
    ├── ConfigError                   2  the user's file, flags or environment
    ├── FolderUnwritable              2  the output folder cannot be written
    ├── SessionClosed                 2  the host's HTTP session was closed in mid-run
    ├── CredentialsError              3  no token, a refused token, a missing role
    ├── ServiceError                  6  the M2M service and what it answers
    │   ├── ServiceDown                  no usable answer: network, 5xx, web page, maintenance
    │   ├── CertificateUntrusted         TLS certificate refused
    │   ├── BadReply                     an answer that does not have the documented shape
    │   ├── OutcomeUnknown               a call with effects whose answer was lost
    │   ├── TooManyHits           2  more hits than a search hands out
    │   ├── M2MError                     an errorCode of the service, kept as `.code`
    │   │   ├── SessionExpired
    │   │   ├── RateLimited              another call of this account was running
    │   │   ├── QuotaReached             the download limits of the account
    │   │   ├── RequestRefused           input or object refused; repeating cannot help
    │   │   ├── DatasetRefused        2  unknown, retired or closed dataset
    │   │   └── EndpointGone             the endpoint or API version no longer exists
    ├── SchedulerGone                6  the scheduler of a cluster cannot be reached
    ├── LedgerError                   2  the ledger file cannot be used
    ├── FolderBusy                    8  another run holds the folder
    ├── OutOfResources                9  threads, memory or descriptors
    └── DiskFull                      9

Each error says what happened (`str(error)`), what to do now (`hint`), and carries a `reference`, a kebab-case
word that docs/commands.md explains and JSON output repeats. Blame is in the type, the exit code in the class.
Faults of one file are not exceptions at all: they are outcomes, see `transfer.types`.

This module imports nothing of ours but `public`, and no text in it may ever hold a token, key or signed URL.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from landsat_async.public import publish


class LandsatError(Exception):
    """Base of all errors of this package.

    Attributes:
        exit_code: What the command line ends with.
        hint: What the user can do now; "" when the message says it all.
        reference: Kebab-case name of the fault, stable between versions; docs/commands.md lists them.
    """

    exit_code: ClassVar[int] = 1
    default_reference: ClassVar[str] = "internal"

    def __init__(self, message: str, *, hint: str = "", reference: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        if hint:  # a notebook shows notes, and no attributes
            self.add_note(hint)
        self.reference = reference or self.default_reference


class ConfigError(LandsatError):
    """The configuration cannot be used; `problems` holds every fault found, one text each."""

    exit_code = 2
    default_reference = "config"

    def __init__(
        self, message: str, *, hint: str = "", reference: str | None = None, problems: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint, reference=reference)
        self.problems = problems or (message,)


class FolderUnwritable(LandsatError):
    """The output folder cannot be created or written."""

    exit_code = 2
    default_reference = "folder-unwritable"


class CredentialsError(LandsatError):
    """No usable token, or an account without the role that downloads need."""

    exit_code = 3
    default_reference = "credentials"


class ServiceError(LandsatError):
    """The M2M service, or the way to it, does not do what is needed."""

    exit_code = 6
    default_reference = "service"


class ServiceDown(ServiceError):
    """No usable answer: network, 5xx, a web page in place of JSON, maintenance. Repeating may help.

    Attributes:
        retry_after_s: What the Retry-After header asked for, in seconds; None without one.
        maintenance: True when the service sent a web page that speaks of maintenance.
        http_status: Status of the answer; None when none arrived.
    """

    default_reference = "service-down"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        reference: str | None = None,
        retry_after_s: float | None = None,
        maintenance: bool = False,
        http_status: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, reference=reference)
        self.retry_after_s = retry_after_s
        self.maintenance = maintenance
        self.http_status = http_status


class CertificateUntrusted(ServiceError):
    """The server's TLS certificate is not trusted; there is no insecure fallback."""

    default_reference = "certificate"


class BadReply(ServiceError):
    """An answer without the documented shape; the message names endpoint and field."""

    default_reference = "bad-reply"


class OutcomeUnknown(ServiceError):
    """A call with effects was sent, and its answer was lost: it may or may not have acted."""

    default_reference = "outcome-unknown"


class M2MError(ServiceError):
    """The service answered with an error code.

    Attributes:
        code: errorCode exactly as the service spelt it.
        endpoint: Name of the call.
        request_id: requestId of the envelope, for a mail to USGS; None when absent.
        http_status: Status of the answer.
        retry_after_s: What the Retry-After header asked for, in seconds; None without one.
    """

    default_reference = "m2m"

    def __init__(
        self,
        message: str,
        *,
        code: str,
        endpoint: str,
        request_id: int | None = None,
        http_status: int = 200,
        retry_after_s: float | None = None,
        hint: str = "",
        reference: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, reference=reference)
        self.code = code
        self.endpoint = endpoint
        self.request_id = request_id
        self.http_status = http_status
        self.retry_after_s = retry_after_s


class SessionExpired(M2MError):
    """The API key is no longer valid; a new login cures it."""

    default_reference = "session-expired"


class RateLimited(M2MError):
    """Another call of this account or address was still running."""

    default_reference = "rate-limited"


class QuotaReached(M2MError):
    """The account's download limits (15,000 per 15 minutes, 20,000 pending) are used up for now."""

    default_reference = "quota"


class RequestRefused(M2MError):
    """The service refuses this input; repeating the same call cannot help."""

    default_reference = "request-refused"


class DatasetRefused(M2MError):
    """The dataset is unknown, retired, or not open to this account."""

    exit_code = 2
    default_reference = "dataset"


class TooManyHits(ServiceError):
    """A search has more hits than the service hands out; split it, for example by date.

    Attributes:
        total_hits: What the service counts, sometimes an estimate.
    """

    exit_code = 2
    default_reference = "too-many-hits"

    def __init__(self, message: str, *, total_hits: int, hint: str = "", reference: str | None = None) -> None:
        super().__init__(message, hint=hint, reference=reference)
        self.total_hits = total_hits


class EndpointGone(M2MError):
    """USGS has changed or removed the endpoint or the API version."""

    default_reference = "endpoint-gone"


class SchedulerGone(LandsatError):
    """The scheduler of the cluster cannot be reached."""

    exit_code = 6
    default_reference = "scheduler-gone"


class LedgerError(LandsatError):
    """The ledger file cannot be used: another kind of file stands there, a newer version has made it."""

    exit_code = 2
    default_reference = "ledger"


class FolderBusy(LandsatError):
    """Another run holds the output folder."""

    exit_code = 8
    default_reference = "folder-busy"


class DiskFull(LandsatError):
    """The disk is full, or would be fuller than `min_free_bytes` allows."""

    exit_code = 9
    default_reference = "disk-full"


class SessionClosed(LandsatError):
    """The host program closed the HTTP session that it had handed over, while it was still used."""

    exit_code = 2
    default_reference = "session-closed"

    def __init__(self) -> None:
        super().__init__(
            "the aiohttp session that was handed over has been closed while it was still used",
            hint="Close it after open_run or download has ended. Nothing is lost: the next run continues.",
        )


class OutOfResources(LandsatError):
    """The machine has no more threads, memory or file descriptors for this program."""

    exit_code = 9
    default_reference = "out-of-resources"


publish(*(one for one in list(vars().values()) if isinstance(one, type) and issubclass(one, LandsatError)))

_LATER = "Nothing is lost: the same command continues."
_NO_THREAD = "can't start new thread"  # a plain RuntimeError in every version of Python so far
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_LIMITS = {
    errno.EMFILE: (
        "this process may open no more files",
        "Raise the limit (ulimit -n), or use fewer workers.",
    ),
    errno.ENFILE: ("the machine may open no more files", "Close other programs."),
    errno.ENOMEM: ("the machine has no memory left", "Close other programs, or use fewer workers."),
}


def is_disk_full(error: OSError) -> bool:
    """Tell whether there is no room left: on the disk, in a quota, or below the limit of a file (ulimit -f)."""
    return error.errno in _FULL


def resources_lacking(error: BaseException) -> OutOfResources | None:
    """Return the error of ours for one that says that threads, memory or descriptors ran out; None for any other."""
    if isinstance(error, MemoryError):
        return _lacking(*_LIMITS[errno.ENOMEM])
    if isinstance(error, RuntimeError) and _NO_THREAD in str(error):
        return _lacking(
            "this process may start no more threads",
            "Raise the limit on processes and threads of the user or container (ulimit -u, pids limit).",
        )
    if isinstance(error, OSError) and error.errno in _LIMITS:
        return _lacking(*_LIMITS[error.errno])
    return None


def _lacking(message: str, hint: str) -> OutOfResources:
    return OutOfResources(message, hint=f"{hint} {_LATER}")


def leaves_of(error: BaseException) -> list[BaseException]:
    """Return the errors inside a group, however deep; any other error alone."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves_of(inner)]
    return [error]


@contextmanager
def single_error() -> Iterator[None]:
    """Raise the one error of a task group as itself; several stay a group."""
    try:
        yield
    except BaseExceptionGroup as errors:
        if len(errors.exceptions) == 1:
            raise errors.exceptions[0] from None
        raise
