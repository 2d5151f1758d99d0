"""How connections to file hosts are made, and which names are refused."""

from __future__ import annotations

import socket
import ssl
import urllib.request
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from landsat_async.rules.links import AllowedHosts, LinkRefused

_KEEP_ALIVE_S = 15.0
AddrInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]]
"""As aiohttp gives it to a socket factory."""


def proxy_url(text: str) -> URL:
    """Read where a proxy is, as the environment names it."""
    return URL(text if "://" in text else f"http://{text}")


def proxy_for(url: URL, proxies: Mapping[str, str]) -> URL | None:
    """Return the proxy that `url` is asked through, of those that the environment has by scheme; None without one."""
    proxy = proxies.get(url.scheme)
    if not proxy or urllib.request.proxy_bypass(url.host or ""):
        return None
    return proxy_url(proxy)


class CheckingResolver(AbstractResolver):
    """Resolves names as aiohttp does, and refuses what leads into the local network; see `AllowedHosts.may_be_at`."""

    def __init__(self, hosts: AllowedHosts, proxies: Iterable[str]) -> None:
        self._hosts, self._proxies = hosts, set[str | None]()
        for proxy in proxies:
            with suppress(ValueError):  # reported when it is used
                self._proxies.add(proxy_url(proxy).host)
        self._inner = aiohttp.DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Resolve `host`; raises OSError when that is not possible, LinkRefused when it is not right."""
        found = await self._inner.resolve(host, port, family)
        if host in self._proxies:
            return found
        allowed = [one for one in found if self._hosts.may_be_at(host, one["host"])]
        if found and not allowed:
            raise LinkRefused(
                f"refused a link to {host}, which stands for an address in the local network here;"
                " name the host in full in file_hosts if that is right"
            )
        return allowed

    async def close(self) -> None:
        """Close the resolver that does the work."""
        await self._inner.close()


def context_with(ca_bundle: str) -> ssl.SSLContext:
    """Return a context that trusts the certificates of a file besides the system's; takes 60 ms."""
    context = ssl.create_default_context()
    context.load_verify_locations(cafile=ca_bundle)
    return context


def make_connector(
    context: ssl.SSLContext | None, resolver: AbstractResolver, window_bytes: int | None
) -> aiohttp.TCPConnector:
    """Make a connector.

    Args:
        context: What certificates are verified with; None = aiohttp's own.
        resolver: Finds the addresses of hosts.
        window_bytes: The most that the system receives ahead of us; None = as it likes.
    """
    return aiohttp.TCPConnector(
        limit=0,
        ssl=context or True,
        resolver=resolver,
        keepalive_timeout=_KEEP_ALIVE_S,
        socket_factory=None if window_bytes is None else partial(_socket_with_window, window_bytes),
    )


def _socket_with_window(window_bytes: int, address: AddrInfo) -> socket.socket:
    """Make a socket whose buffer is small: what the server sends at once is no more than that."""
    made = socket.socket(*address[:3])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window_bytes)
    return made
