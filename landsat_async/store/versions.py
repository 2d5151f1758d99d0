"""Finished objects under other keys: what `sync` does with older versions. One of both keys is always there."""

from __future__ import annotations

import errno

from landsat_async.store.client import StoreClient

COMPARED_BYTES = 8 * 2**20


def move(client: StoreClient, source: str, key: str) -> None:
    """Move an object to another key, over nothing; killed in between, both are there.

    Raises:
        FileNotFoundError: it is not there.
        FileExistsError: the other key holds something else.
        StoreFailed: the store failed; one of both keys is there, or both.
    """
    if client.head(source) is None:
        raise FileNotFoundError(errno.ENOENT, "no such object", source)
    try:
        client.copy_new(source, key)
    except FileExistsError:  # also the answer to a copy that was asked for again, because its first answer was lost
        if not same_objects(client, source, key):
            raise
    client.delete([source])


def same_objects(client: StoreClient, one: str, other: str) -> bool:
    """Tell whether two keys hold the same bytes, as after a move that was killed."""
    left, right = client.head(one), client.head(other)
    if left is None or right is None or left.size_bytes != right.size_bytes:
        return False
    for at in range(0, left.size_bytes, COMPARED_BYTES):
        size = min(COMPARED_BYTES, left.size_bytes - at)
        if client.read(one, size, at) != client.read(other, size, at):
            return False
    return True
