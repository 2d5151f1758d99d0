"""The table [store], and an output directory that is the address of a store."""

from __future__ import annotations

import os

import msgspec

from landsat_async import config_readers as read
from landsat_async.rules.store_url import is_store_url, read_store_url


class StoreConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How a store is spoken to. Its credentials come from the variables that its own tools use."""

    endpoint: str = ""
    """Address of an S3 store of one's own; "" = the provider's."""
    region: str = ""
    """"" = as the variables of the store say."""
    part_size: int = 16 * 2**20
    """Bytes of one part of an upload."""
    strict: bool = False
    """Refuse a store that cannot promise never to replace what is there."""


def place(written: read.Written) -> str:
    """Read where files go: a folder, or the address of a store."""
    value = read.path(written)
    return str(read_store_url(value)) if is_store_url(value) else value


def place_below(directory: str, relpath: str) -> str:
    """Return where a file of an output directory is, for other programs: a path of this system, or an address.

    Args:
        directory: A folder, or the address of a store.
        relpath: Path below it; "" = the directory itself.
    """
    if is_store_url(directory):
        return f"{directory.rstrip('/')}/{relpath}".rstrip("/")
    return os.path.join(directory, *relpath.split("/")) if relpath else directory


def endpoint(written: read.Written) -> str:
    """Read the address of a store of one's own: https, or http to this machine; "" = that of the provider."""
    return read.service_url(written).rstrip("/") if written.value != "" else ""


def part_bytes(written: read.Written) -> int:
    """Read the size of a part of an upload. Stores take parts from 5 MiB on, and 10,000 of a file."""
    value = read.size_bytes(written)
    if not 5 * 2**20 <= value <= 2**30:
        raise ValueError(f"{read.shown(written.value)}: parts may have 5 MiB to 1 GiB")
    return value


STORE_READERS: dict[str, read.Reader] = {
    "endpoint": endpoint,
    "region": read.text(empty_ok=True, pattern=r"[A-Za-z0-9-]{0,40}", form='a name like "us-west-2"'),
    "part_size": part_bytes,
    "strict": read.flag,
}
