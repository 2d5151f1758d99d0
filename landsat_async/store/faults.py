"""What a store that fails means for a command, as errors that end it: no rights, no bucket, no answer.

Only the last step of a transfer is tried again by those who ask for it (`StoreFailed`). Who looks at what is there must
never take a store that fails for a file that is gone or damaged: it would be put aside and fetched anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from landsat_async.disk.target import StoreFailed
from landsat_async.errors import FolderUnwritable, LandsatError, ServiceDown
from landsat_async.rules.store_url import StoreUrl


def unusable(url: StoreUrl, failed: OSError) -> LandsatError:
    """Return what a command ends with; FileNotFoundError: there is no such bucket."""
    if isinstance(failed, FileNotFoundError):
        return FolderUnwritable(
            f"There is no bucket {url.bucket} in the store.",
            hint="Make it, or correct its name in [download] directory, or [store] endpoint and region.",
        )
    if isinstance(failed, StoreFailed) and failed.refused:
        return FolderUnwritable(
            f"The store {url} cannot be used: {failed.strerror}.",
            hint=failed.hint or "It needs the rights to list, read, write and remove below that prefix.",
        )
    return ServiceDown(
        f"The store {url} cannot be used: {failed.strerror}.",
        hint="Look at [store] endpoint and the network, and run the same command again.",
    )


@contextmanager
def usable(url: StoreUrl) -> Iterator[None]:
    """Raise what a failing store means for a command in place of StoreFailed."""
    try:
        yield
    except StoreFailed as failed:
        raise unusable(url, failed) from None
