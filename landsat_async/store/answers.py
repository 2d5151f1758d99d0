"""What the errors of obstore mean, in words of ours: its own texts hold addresses, which may hold signatures.

Nothing of them is passed on but the status and, where it is one that we know, the store's own code of the fault.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from landsat_async.disk.target import StoreFailed

VARIABLES = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_NO_CREDENTIALS = re.compile(r"169\.254\.169\.254|metadata\.google|token request")
"""Where no variable says who we are, the machine is asked; only a machine in that cloud knows."""
_SILENT = ("timed out", "kind: Timeout", "operation timed out")
_KEYS = "Look at the variables that its own tools use: {variables}."
_CLOCK = "Set the clock of this machine (`timedatectl` shows whether it is kept), and run the same command again."
_REGION = "Set [store] region to the region of the bucket, and endpoint only for a store of your own."
_KNOWN = {
    "AccessDenied": ("", "It needs the rights to list, read, write and remove below that prefix."),
    "AuthenticationFailed": ("it does not accept the account key, or this machine's clock is wrong", _KEYS),
    "AuthorizationHeaderMalformed": ("the bucket lies in another region", _REGION),
    "ExpiredToken": ("its credentials have expired", "Renew them, and run the same command again."),
    "InvalidAccessKeyId": ("it does not know the access key id", _KEYS),
    "InvalidToken": ("it does not accept the session token", _KEYS),
    "PermanentRedirect": ("the bucket lies in another region", _REGION),
    "RequestTimeTooSkewed": ("this machine's clock differs too much from that of the store", _CLOCK),
    "RequestExpired": ("this machine's clock differs too much from that of the store", _CLOCK),
    "SignatureDoesNotMatch": ("the secret key does not belong to the access key id", _KEYS),
}
"""Code of the fault: what it means, and what to do. They answer to who we are, not to what was asked for."""
_LATER = frozenset({"408", "409", "425", "429"})
"""Of the answers that blame the request, those that another try may not get."""


@contextmanager
def told(what: str, scheme: str = "s3") -> Iterator[None]:
    """Raise what obstore says in words of ours.

    Raises:
        FileExistsError, FileNotFoundError: what was asked for shows it.
        StoreFailed: anything else; `what` says what was not done.
    """
    try:
        yield
    except FileNotFoundError:  # obstore's own way to say that; its text holds the whole address
        raise FileNotFoundError(errno.ENOENT, "no such object or bucket") from None
    except (StoreFailed, FileExistsError, InterruptedError):
        raise
    except OSError as error:  # of our own disk, while a file is read that goes up
        if error.errno is None:
            raise failure(what, error, scheme) from None
        raise
    except Exception as error:
        raise failure(what, error, scheme) from None


def failure(what: str, error: Exception, scheme: str = "s3") -> OSError:
    """Return the error of ours for one of obstore's."""
    kind, text = type(error).__name__, str(error)
    if kind in ("AlreadyExistsError", "PreconditionError"):
        return FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    variables = VARIABLES[scheme]
    if _NO_CREDENTIALS.search(text):
        hint = f"Set the variables that its own tools use: {variables}."
        return StoreFailed("no credentials for it were found", refused=True, hint=hint)
    status, code = _first(_STATUS, text), _first(_CODE, text)
    if code in _KNOWN and (meaning := _KNOWN[code])[0]:
        return StoreFailed(meaning[0], refused=True, hint=meaning[1].format(variables=variables))
    if status == "404" or code == "NoSuchBucket":  # only a list is answered so: the bucket is not there
        return FileNotFoundError(errno.ENOENT, "no such bucket")
    if kind in ("PermissionDeniedError", "UnauthenticatedError") or status in ("401", "403"):
        return StoreFailed(f"the store does not allow to {what}{f' (status {status})' if status else ''}", refused=True)
    if status == "301":
        return StoreFailed("the bucket lies in another region", refused=True, hint=_REGION)
    if kind == "NotSupportedError" or status == "501":
        return StoreFailed(f"the store cannot {what} in this way", is_lasting=True)
    if status:
        is_lasting = status.startswith("4") and status not in _LATER
        return StoreFailed(f"the store did not {what}: it answers with status {status}", is_lasting=is_lasting)
    is_silent = any(sign in text for sign in _SILENT)
    return StoreFailed(f"the store did not {what}: {'it does not answer' if is_silent else 'it cannot be reached'}")


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""
