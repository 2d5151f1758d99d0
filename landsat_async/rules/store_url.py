"""Addresses of object stores: s3://bucket/prefix, gs://bucket/prefix, az://container/prefix."""

from __future__ import annotations

import re

import msgspec

SCHEMES = ("s3", "gs", "az")
KEY_BYTES_MAX = 1024
"""Of S3 and its relatives; Google Cloud Storage and Azure allow as many."""
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")


class StoreUrl(msgspec.Struct, frozen=True):
    """Where in a store the files go.

    Attributes:
        scheme: One of SCHEMES.
        bucket: Bucket or container.
        prefix: What all keys begin with, without / at its ends; "" = nothing.
    """

    scheme: str
    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.prefix}".rstrip("/")

    def key(self, relpath: str) -> str:
        """Return the key of a file below the prefix."""
        return f"{self.prefix}/{relpath}" if self.prefix else relpath


def is_store_url(text: str) -> bool:
    """Whether an output directory is meant to be a store; anything with :// is, so that a slip is not a folder."""
    return "://" in text


def read_store_url(text: str) -> StoreUrl:
    """Return the parts of an address.

    Raises:
        ValueError: with what is wrong.
    """
    scheme, _, rest = text.partition("://")
    if scheme not in SCHEMES:
        known = ", ".join(f"{known}://" for known in SCHEMES)
        raise ValueError(f"{scheme[:20]}:// is not known; a store begins with {known}")
    bucket, _, prefix = rest.partition("/")
    if "@" in bucket or "?" in rest or "#" in rest:
        raise ValueError("may not hold credentials, ? or #; they come from the environment variables of the store")
    if not _BUCKET.fullmatch(bucket):
        form = "a name has 3 to 63 small letters, digits, dots, dashes and underlines"
        raise ValueError(f"needs the name of a bucket: {scheme}://bucket/prefix; {form}")
    prefix = prefix.rstrip("/")
    parts = prefix.split("/") if prefix else []
    if any(part in ("", ".", "..") or not part.isprintable() for part in parts):
        raise ValueError("has an empty part, . or .. in its prefix")
    return StoreUrl(scheme, bucket, "/".join(parts))
