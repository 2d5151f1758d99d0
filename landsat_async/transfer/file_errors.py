"""What the exceptions of the HTTP client and of the disk mean.

Foreign exceptions stop here. Their texts and reprs hold signed links and header values, so nothing of them is
quoted; every reason is put together from what is known to be harmless (host names, error numbers).
"""

from __future__ import annotations

import errno
import os
import ssl

import aiohttp
from yarl import URL

from landsat_async.disk.fs import FileInUse
from landsat_async.disk.target import StoreFailed
from landsat_async.errors import DiskFull, FolderUnwritable, LandsatError, is_disk_full, leaves_of, resources_lacking
from landsat_async.rules.links import LinkRefused
from landsat_async.transfer.retry import Fault, FaultKind

_UNWRITABLE = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR}
_TOO_MANY_FILES = {errno.EMFILE, errno.ENFILE}


class AttemptFailed(Exception):
    """One attempt ends here; never leaves this package."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault
        self.host = ""
        """The host it happened at, when that is not the one that was asked first."""


def failed(kind: FaultKind, reason: str, host: str = "") -> AttemptFailed:
    """Return the exception for a fault; `host` is where it happened, when that is not the one that was asked first."""
    failure = AttemptFailed(Fault(kind, reason))
    failure.host = host
    return failure


def failure_of_request(error: Exception, url: URL, host: str) -> AttemptFailed:
    """Return the exception for one that ended a request, `host` as circuit breakers know it."""
    if isinstance(error, LinkRefused):
        failure = failed(FaultKind.BAD_LINK, str(error))
    elif isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError):
        failure = failed(FaultKind.NETWORK, f"{url.host or ''} does not answer")
    else:
        failure = AttemptFailed(fault_of_client(error, url.host or ""))
    failure.host = host
    return failure


def fault_of_client(error: Exception, host: str) -> Fault:
    """Return what an exception of the HTTP client means."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ServerFingerprintMismatch():
            return Fault(FaultKind.CERTIFICATE, f"the certificate of {host} is not trusted{_why(error)}")
        case aiohttp.ClientHttpProxyError(status=407):
            return Fault(FaultKind.PROXY, "the proxy wants a login")
        case aiohttp.ClientHttpProxyError(status=status):
            return Fault(FaultKind.NETWORK, f"the proxy answers with status {status}")
        case aiohttp.ClientSSLError():
            return Fault(FaultKind.HANDSHAKE, f"no secure connection to {host}")
        case aiohttp.ClientConnectorDNSError():
            return Fault(FaultKind.UNREACHABLE, f"cannot resolve {host}")
        case aiohttp.ClientProxyConnectionError():
            return Fault(FaultKind.UNREACHABLE, "cannot reach the proxy")
        case ssl.SSLError():  # before all that looks at its number: that is one of OpenSSL, not of the system
            return Fault(FaultKind.NETWORK, f"connection to {host} lost: what came over TLS is broken, or cut off")
        case OSError(errno=int(number)) if number in _TOO_MANY_FILES:
            return Fault(FaultKind.FILES, "too many open files")
        case aiohttp.ClientConnectorError():
            return Fault(FaultKind.UNREACHABLE, f"cannot reach {host}: {_plain(error.os_error)}")
        case aiohttp.ConnectionTimeoutError():
            return Fault(FaultKind.UNREACHABLE, f"{host} does not answer")
        case aiohttp.SocketTimeoutError():
            return Fault(FaultKind.NETWORK, f"{host} stopped sending")
        case aiohttp.ServerDisconnectedError():
            return Fault(FaultKind.NETWORK, f"{host} closed the connection")
        case aiohttp.ClientPayloadError():
            return Fault(FaultKind.NETWORK, "the connection broke in the middle of the file")
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError() | aiohttp.RedirectClientError():
            return Fault(FaultKind.BAD_LINK, "the link is not a proper URL")
        case aiohttp.TooManyRedirects():
            return Fault(FaultKind.BAD_LINK, "too many redirects")
        case aiohttp.ClientConnectionError() | OSError():
            return Fault(FaultKind.NETWORK, f"connection to {host} lost: {_plain(error)}")
        case RuntimeError() if (lacking := resources_lacking(error)) is not None:  # for resolving a name
            return Fault(FaultKind.FILES, str(lacking))
        case RuntimeError():  # aiohttp: "Connection closed."
            return Fault(FaultKind.NETWORK, f"connection to {host} lost")
    return Fault(FaultKind.PROTOCOL, f"{host} does not answer in proper HTTP")


def fault_of_disk(error: OSError, folder: str) -> Fault | LandsatError:
    """Return what an error of the file system means: for one attempt a Fault, for the run an exception to raise."""
    if isinstance(error, FileInUse):
        return Fault(FaultKind.IN_USE, f"{os.path.basename(error.filename)} is open in another program")
    if isinstance(error, StoreFailed):
        return Fault(FaultKind.STORE, str(error.strerror))
    number = error.errno
    if is_disk_full(error):
        return DiskFull(
            f"the disk is full: {folder} ({_plain(error)})",
            hint="Free some space and run the same command again; everything so far is kept.",
        )
    if number in _UNWRITABLE:
        return FolderUnwritable(
            f"cannot write in {folder}: {_plain(error)}", hint="Check that the folder is there and yours to write."
        )
    if number in _TOO_MANY_FILES:
        return Fault(FaultKind.FILES, "too many open files")
    return Fault(FaultKind.DISK, f"disk error in {folder}: {_plain(error)}")


def _plain(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    return os.strerror(number).lower() if isinstance(number, int) and number > 0 else type(error).__name__


def _why(error: Exception) -> str:
    inner = getattr(error, "certificate_error", None)
    message = getattr(inner, "verify_message", "")
    return f": {message}" if isinstance(message, str) and message.isprintable() and message else ""


class one_error:
    """Takes the one error that matters out of a task group's bundle: a disk error before a fault of the network.

    The two do not keep each other, as an error and its context do: all that the transfer has used would else be there
    until somebody looks for garbage.
    """

    def __enter__(self) -> None:
        """Nothing to be done."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if not isinstance(error, BaseExceptionGroup):
            return
        leaves = leaves_of(error)
        leaf = next((leaf for leaf in leaves if not isinstance(leaf, AttemptFailed)), leaves[0])
        try:
            raise leaf
        finally:
            leaf.__context__ = None
            del error, leaves, leaf, _trace
