"""aiohttp, imported without the system's certificates: it would read all of them twice, 20 ms of CPU each time.

It makes two TLS contexts when it is imported. One is for who wants no check, which nobody does here; the other reads
the certificates now when the first connection over TLS is made. Only for a process that is ours alone: in another
program, these contexts are those of its own sessions as well.
"""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_PLACES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Where OpenSSL is told to look for certificates."""


class _ReadsLater(ssl.SSLContext):
    """A context that reads the system's certificates when it is used."""

    def wrap_bio(self, *given: Any, **named: Any) -> ssl.SSLObject:
        """Make one end of a connection: every event loop comes through here."""
        self.__class__ = ssl.SSLContext  # type: ignore[assignment]
        self.load_default_certs()
        return self.wrap_bio(*given, **named)


def import_aiohttp() -> None:
    """Import aiohttp, where it is not imported yet."""
    replaced = ssl.SSLContext.__module__ != "ssl"  # truststore: has no certificates to read
    if "aiohttp" in sys.modules or replaced or sys.platform == "win32":  # Windows keeps them elsewhere
        return
    with _no_certificates():
        import aiohttp.connector
    for one in vars(aiohttp.connector).values():
        if isinstance(one, ssl.SSLContext) and one.verify_mode is not ssl.CERT_NONE:
            one.__class__ = _ReadsLater


@contextmanager
def _no_certificates() -> Iterator[None]:
    """Let OpenSSL find no certificates; nothing else runs meanwhile."""
    before = {name: os.environ.get(name) for name in _PLACES}
    os.environ.update(dict.fromkeys(_PLACES, os.devnull))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
