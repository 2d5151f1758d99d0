"""Moves one request and one answer; knows HTTP and nothing of M2M's JSON.

A session of our own over the caller's connector or over one of ours: no cookies, no default headers of others, no
netrc. Proxies come from the environment, looked up here, because aiohttp's `trust_env` reads netrc as well and would
send what it finds there. Redirects are not followed: aiohttp would carry X-Auth-Token along, even from https to http.

Every call has a connection for itself: an answer that comes twice cannot be taken for that to the next call, and a
handshake is little beside the seconds that a call takes.
"""

from __future__ import annotations

import ssl
import time
import urllib.request
from contextlib import suppress

import aiohttp
import msgspec
import yarl

from landsat_async.connections import ALONE, USED_AT_MOST, OutOfStep, checked
from landsat_async.errors import BadReply, ConfigError, LandsatError, SessionClosed
from landsat_async.m2m.network_errors import from_network
from landsat_async.rules.backoff import parse_retry_after_s
from landsat_async.user_files import Unreadable, check_user_file, near_name

USER_AGENT = "landsat_async"
CONNECT_LIMIT_S = 30.0
HEADER_LIMIT_BYTES = 65536

_NOT_SENT = (
    OutOfStep,
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
    UnicodeError,
)


class ApiReply(msgspec.Struct, frozen=True):
    """What came back, read completely."""

    status: int
    content_type: str
    body: bytearray
    retry_after_s: float | None
    location: str | None


class Unanswered(Exception):
    """No complete answer. `sent`: the service may have acted."""

    def __init__(self, error: LandsatError, *, sent: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.sent = sent


def tls_context(ca_bundle: str | None) -> ssl.SSLContext | None:
    """The system's CAs and those of the bundle; None = aiohttp's default. Reads files, so call it in a thread.

    Raises:
        ConfigError: the bundle cannot be read.
    """
    if ca_bundle is None:
        return None
    context = ssl.create_default_context()
    try:
        check_user_file(ca_bundle)
        context.load_verify_locations(cafile=ca_bundle)
    except Unreadable as error:
        raise ConfigError(f"[service] ca_bundle: {ca_bundle} {error}", reference="ca-bundle") from None
    except FileNotFoundError:
        text = f"[service] ca_bundle: {ca_bundle}: there is no such file{near_name(ca_bundle)}"
        raise ConfigError(text, reference="ca-bundle") from None
    except (OSError, ValueError):
        raise ConfigError(
            f"[service] ca_bundle: {ca_bundle} holds no readable PEM certificates", reference="ca-bundle"
        ) from None
    return context


def proxy_from_environment(url: yarl.URL) -> str | None:
    """HTTP(S)_PROXY and NO_PROXY, nothing else.

    Raises:
        ConfigError: the proxy is of a kind that aiohttp does not speak.
    """
    if url.host is None or urllib.request.proxy_bypass(url.host):
        return None
    proxy = urllib.request.getproxies().get(url.scheme)
    if proxy is None:
        return None
    if not proxy.startswith(("http://", "https://")):
        kind = proxy.partition(":")[0] if "://" in proxy else "unknown"
        raise ConfigError(f"a proxy of kind {kind} is not supported", hint="Use an http:// proxy.", reference="proxy")
    return proxy


class Transport:
    """Posts to one service."""

    def __init__(
        self,
        url: str,
        *,
        session: aiohttp.ClientSession | None,
        context: ssl.SSLContext | None,
        trust_env: bool,
    ) -> None:
        self._base = yarl.URL(url if url.endswith("/") else url + "/")
        self._context = context
        self._proxy = proxy_from_environment(self._base) if trust_env else None
        connector = session.connector if session is not None else None
        self._session = aiohttp.ClientSession(
            connector=connector or aiohttp.TCPConnector(limit=2, force_close=True),
            connector_owner=connector is None,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": USER_AGENT},
            max_line_size=HEADER_LIMIT_BYTES,
            max_field_size=HEADER_LIMIT_BYTES,
            **checked(lent=connector is not None),
        )

    async def close(self) -> None:
        """Close what is ours; a connector of the caller stays open."""
        await self._session.close()

    async def post(self, endpoint: str, body: bytes, *, key: str | None, limit_s: float, max_bytes: int) -> ApiReply:
        """Send one request and read the whole answer.

        Raises:
            Unanswered: no complete answer, or one larger than `max_bytes` (counted after inflating).
        """
        headers = {"Content-Type": "application/json", **ALONE}
        if key is not None:
            headers["X-Auth-Token"] = key
        try:
            for _ in range(USED_AT_MOST):
                with suppress(OutOfStep):  # a lent connector gave a used connection: one fewer each time
                    return await self._post_once(endpoint, body, headers, limit_s, max_bytes)
            return await self._post_once(endpoint, body, headers, limit_s, max_bytes)
        except RuntimeError:  # aiohttp has no type of its own for it
            if self._session.closed:
                raise SessionClosed from None
            raise
        except (TimeoutError, aiohttp.ClientError, OSError, UnicodeError) as error:
            host = self._base.host or "the service"
            ours = from_network(endpoint, host, error, limit_s)
            raise Unanswered(ours, sent=not isinstance(error, _NOT_SENT)) from None

    async def _post_once(
        self, endpoint: str, body: bytes, headers: dict[str, str], limit_s: float, max_bytes: int
    ) -> ApiReply:
        async with self._session.post(
            self._base / endpoint,
            data=body,
            headers=headers,
            allow_redirects=False,
            proxy=self._proxy,
            ssl=self._context if self._context is not None else True,
            timeout=aiohttp.ClientTimeout(total=limit_s, sock_connect=CONNECT_LIMIT_S),
        ) as response:
            answer = bytearray()
            async for chunk in response.content.iter_any():
                answer += chunk
                if len(answer) > max_bytes:
                    text = f"{endpoint}: the answer is larger than {max_bytes // 2**20} MiB"
                    raise Unanswered(BadReply(text, reference="reply-too-large"), sent=True)
            told = response.headers
            retry_after = told.get("Retry-After")
            return ApiReply(
                status=response.status,
                content_type=told.get("Content-Type", "").strip().lower(),
                body=answer,
                retry_after_s=None if retry_after is None else parse_retry_after_s(retry_after, time.time()),
                location=told.get("Location"),
            )
