"""Imports aiohttp without reading the certificates of the system: that is done when a connection needs them.

aiohttp makes two TLS contexts when it is imported, one that verifies and one that does not, and each reads all
certificates of the system: 20 ms of processor time each, of 0.3 s that our start takes. Plain http needs neither, nor
does who brings a context with certificates of his own, and nothing of ours needs the one that does not verify.

So all modules take aiohttp from here. Where a host program has imported it before, nothing is done.
"""

from __future__ import annotations

import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

__all__ = ["aiohttp", "read_certificates"]

_READS = "set_default_verify_paths"


class _Unread(ssl.SSLContext):
    """A context of aiohttp that reads the certificates of the system when it is first used, and is a plain one then."""

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        return _read(self).wrap_bio(*args, **options)

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        return _read(self).wrap_socket(*args, **options)

    def get_ca_certs(self, *args: Any, **options: Any) -> Any:
        return _read(self).get_ca_certs(*args, **options)

    def cert_store_stats(self) -> dict[str, int]:
        return _read(self).cert_store_stats()


def _read(context: ssl.SSLContext) -> ssl.SSLContext:
    context.set_default_verify_paths()
    context.__class__ = ssl.SSLContext
    return context


def read_certificates() -> None:
    """Read the certificates that aiohttp's connections verify with, if nobody has; 20 ms, so call it in a thread."""
    from aiohttp import connector

    context = getattr(connector, "_SSL_CONTEXT_VERIFIED", None)  # if it has another name, a connection will read them
    if isinstance(context, _Unread):
        _read(context)


@contextmanager
def _reading_later() -> Iterator[None]:
    """Inside, contexts that this thread makes do not read the system's certificates yet."""
    if _READS in vars(ssl.SSLContext) or ssl.SSLContext is not _Unread.__base__:
        yield  # somebody else has changed how contexts are made, for all of the process: let them
        return
    here = threading.get_ident()

    def read_later(context: ssl.SSLContext) -> None:
        if threading.get_ident() == here and type(context) is ssl.SSLContext:
            context.__class__ = _Unread
        else:  # of another thread, which wants it now
            super(ssl.SSLContext, context).set_default_verify_paths()

    setattr(ssl.SSLContext, _READS, read_later)
    try:
        yield
    finally:
        delattr(ssl.SSLContext, _READS)


with nullcontext() if "aiohttp" in sys.modules else _reading_later():
    import aiohttp
