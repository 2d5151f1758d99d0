"""Links: they are credentials, so nobody sees them, and not all of them may be followed.

A link comes from the service, a redirect from a file host, and neither may send this program to another place: not
to the local network, not to a file, not to plain http. So there is a list of hosts, and https; the one exception is a
service on loopback (the simulator, a test), whose files may come from every loopback address, over http too.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache

import msgspec
from yarl import URL

from landsat_async.public import publish

MAX_URL_CHARS = 64 * 1024
_LOCAL = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
        "::/127", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip
_USUAL_PORTS = {"http": 80, "https": 443}
_STAGING = "/download-staging/"
_NAMING_ENDS = ("id", "name", "file", "path", "key", "disposition")
"""How a parameter ends that may name anything; most queries are one long signature, which says nothing."""


class SecretUrl:
    """A link that is a credential: with it anybody can fetch the file. Masked wherever it is shown."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the link itself, byte for byte, for the request line and nothing else."""
        return self._text

    def __repr__(self) -> str:
        return "SecretUrl('***')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretUrl) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


class LinkRefused(ValueError):
    """The link must not be followed; the text says why, without the link."""


class AllowedHosts(msgspec.Struct, frozen=True):
    """Hosts that files may come from."""

    patterns: tuple[str, ...]
    """Host names, or `*.` and a domain for all hosts below it; in lower case."""
    loopback: bool = False
    """The service itself is on loopback."""

    @classmethod
    def for_service(cls, service_url: str, patterns: Sequence[str]) -> AllowedHosts:
        """Allow `patterns` and the host of the service."""
        host = (URL(service_url).host or "").lower()
        return cls((*(pattern.lower() for pattern in patterns), host), loopback=is_loopback(host))

    def check(self, url: URL) -> None:
        """Raise LinkRefused unless `url` may be asked."""
        host = (url.host or "").lower().rstrip(".")
        if self.loopback and is_loopback(host) and url.scheme in ("http", "https"):
            return
        if url.scheme != "https":
            raise LinkRefused(f"refused an insecure link ({_clean(url.scheme)}) to {_clean(host)}")
        if not any(_matches(host, pattern) for pattern in self.patterns):
            raise LinkRefused(f"refused a link to {_clean(host)}, which is not in file_hosts")

    def may_be_at(self, host: str, address: str) -> bool:
        """Tell whether an allowed host name may stand for an address.

        One that only a wildcard allows must not lead into the local network, whatever the DNS says; one that
        is written out in full may be anywhere.
        """
        return self.loopback or host.lower().rstrip(".") in self.patterns or not _is_local(address)


def read_link(text: str, base: URL | None = None) -> URL:
    """Read a link byte for byte; a relative one needs `base`. Raises LinkRefused."""
    if len(text) > MAX_URL_CHARS or not text or not text.isascii() or not text.isprintable() or " " in text:
        raise LinkRefused("refused a link with spaces, control or foreign characters")
    try:
        url = URL(text, encoded=True)
        if base is not None and not url.scheme:
            url = base.join(url)
        refused = not url.host or url.raw_user is not None or url.raw_password is not None
        _ = url.explicit_port  # reading it checks it
    except ValueError:
        raise LinkRefused("refused a link that is not a proper URL") from None
    if refused:
        raise LinkRefused("refused a link without a host, or with a user name in it")
    return url.with_fragment(None) if "#" in text else url


def host_of(url: URL) -> str:
    """Return the name under which a host is known to circuit breakers: with its port, unless that is the usual one."""
    port = url.explicit_port
    return url.host or "" if port is None or port == _USUAL_PORTS.get(url.scheme) else f"{url.host or ''}:{port}"


@lru_cache(maxsize=512)
def facts_of_link(text: str) -> tuple[URL, str, bool]:
    """Read a link from the service, and return it, its host (`host_of`) and whether it `is_staging`.

    It is asked when the link comes, and once more when its file is fetched. Raises LinkRefused.
    """
    url = read_link(text)
    return url, host_of(url), _STAGING in text and is_staging(url)


def ends_with_name(link: str, name: str) -> bool:
    """Tell whether a link names just this file, as most do: its path ends so, and no parameter may name anything."""
    path, _, query = link.partition("?")
    return path.endswith("/" + name) and "#" not in link and not may_name(query)


def may_name(query: str) -> bool:
    """Tell whether a parameter of a query may name what the link leads to."""
    for one in query.split("&"):  # noqa: SIM110  # many files ask; a pattern would look at each character, too
        if one.partition("=")[0].lower().endswith(_NAMING_ENDS):
            return True
    return False


def host_in(link: SecretUrl) -> str:
    """Return the host of a link from the service; "" when it is no proper one."""
    try:
        return facts_of_link(link.reveal())[1]
    except LinkRefused:
        return ""


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Tell whether a host name or address stands for this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_local(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return any(ip in network for network in _LOCAL)


def is_staging(url: URL) -> bool:
    """Tell whether a link is one that answers before the file is ready."""
    return _STAGING in url.raw_path


def _matches(host: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return bool(pattern) and host == pattern


def _clean(text: str) -> str:
    return re.sub(r"[^a-zA-Z0-9.:\[\]-]", "?", text)[:80]


publish(SecretUrl)
