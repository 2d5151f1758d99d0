"""Certificates for servers on loopback, and who trusts them."""

from __future__ import annotations

import ssl

import trustme


class Authority:
    """Throw-away certificates."""

    def __init__(self) -> None:
        self._ca = trustme.CA()

    def server(self, host: str = "127.0.0.1", **how) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(host, **how).configure_cert(context)
        return context

    def client(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self._ca.configure_trust(context)
        return context
