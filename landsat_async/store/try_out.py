"""Before a run: what a store can promise, tried out; and under which name this folder of state claims a prefix."""

from __future__ import annotations

import uuid

from landsat_async.disk.folder import STATE_FOLDER
from landsat_async.disk.fs import READ, Fs, is_there
from landsat_async.disk.whole_file import write_whole
from landsat_async.errors import FolderUnwritable
from landsat_async.rules.store_url import StoreUrl
from landsat_async.store.client import StoreClient

_OWNER = "store_owner"


def try_out(client: StoreClient, url: StoreUrl, *, strict: bool) -> None:
    """Write, replace and remove a small object.

    Raises:
        FolderUnwritable: `strict`, and the store promises too little.
        StoreFailed, FileNotFoundError: it cannot be written to.
    """
    client.probe(url.key(f"{STATE_FOLDER}/probe-{uuid.uuid4().hex[:12]}"))
    if not client.is_conditional and strict:
        raise FolderUnwritable(
            f"The store {url} may replace what is there although it is asked not to.",
            hint="Use another store, or set [store] strict = false and keep others out of the prefix.",
        )


def weaknesses(client: StoreClient, url: StoreUrl) -> tuple[str, ...]:
    """Return what a store that was tried out cannot promise."""
    if client.is_conditional:
        return ()
    return (
        f"the store {url} may replace what is there although it is asked not to: each name is looked at "
        "first, and nobody else may write there during a run",
    )


def owner_of(fs: Fs, state: str) -> str:
    """Return the name of a folder of state, made once."""
    path = fs.join(state, _OWNER)
    if not is_there(fs, path):
        write_whole(fs, path, uuid.uuid4().hex.encode())
    return known_owner(fs, state)


def known_owner(fs: Fs, state: str) -> str:
    """Return the name of a folder of state; "" before its first run."""
    try:
        fd = fs.open(fs.join(state, _OWNER), READ)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    try:
        return fs.pread(fd, 64, 0).decode("ascii", "replace")
    finally:
        fs.close(fd)
