"""The sums that USGS publishes for the files of a product.

They stand in the product's STAC items: one for a level 1 product, one each for the reflectance and the temperature of
a level 2 product. The host that serves the files has the items twice: in a public catalogue, and in the folder of the
files, behind the same signature as its neighbours. No document promises either, so an item that cannot be had is no
fault; the file is then proven by its content.
"""

from __future__ import annotations

from collections.abc import Iterator

import aiohttp
from anyio import Lock, fail_after
from yarl import URL

from landsat_async.proof.prove import published_sums
from landsat_async.rules.links import LinkRefused, SecretUrl, host_of, read_link
from landsat_async.rules.product_id import parse_product_id
from landsat_async.transfer.file_errors import AttemptFailed
from landsat_async.transfer.session import TransferSession, Wait
from landsat_async.transfer.types import TransferPolicy

_ITEM_MAX_BYTES = 4 * 1024 * 1024
_ITEM_TIMEOUT_S = 30.0
_ITEMS_KEPT = 64
_PATIENCE = 3
"""A host that has given so many items in a row without a sum is not asked again."""
_ID_LENGTH = len("LC08_L2SP_004053_20240705_20240714_02_T1")


class PublishedSums:
    """Fetches items when they are needed, one at a time, and keeps the last ones."""

    def __init__(self, session: TransferSession, policy: TransferPolicy) -> None:
        self._session, self._policy = session, policy
        self._items: dict[str, dict[str, str]] = {}
        self._in_vain: dict[str, int] = {}
        self._one_at_a_time = Lock()

    async def of(self, link: SecretUrl, name: str, *, waits: Wait | None = None) -> dict[str, str]:
        """Return SHA-512 in hex by file name for what `link` leads to; without an entry for `name` when it has none.

        `waits` tells when that takes long; others who ask are waited for as well, for they may ask for the same.
        """
        try:
            url = read_link(link.reveal())
            self._session.hosts.check(url)
        except LinkRefused:
            return {}  # the transfer says it
        sums: dict[str, str] = {}
        with (waits or Wait()).around(url.host or "", "has not given the published sums yet", _ITEM_TIMEOUT_S):
            async with self._one_at_a_time:
                for item in _items_of(name):
                    sums |= await self._item(url, item)
                    if name in sums:
                        break
        return sums

    async def _item(self, url: URL, item: str) -> dict[str, str]:
        if item in self._items:
            return self._items[item]
        host = host_of(url)
        if self._in_vain.get(host, 0) >= _PATIENCE:
            return {}
        sums: dict[str, str] = {}
        for place in _places(url, item):
            sums = published_sums(await self._read(place))
            if sums:
                break
        self._in_vain[host] = 0 if sums else self._in_vain.get(host, 0) + 1
        self._items[item] = sums
        if len(self._items) > _ITEMS_KEPT:
            del self._items[next(iter(self._items))]
        return sums

    async def _read(self, url: URL) -> bytes:
        """Return the body of an answer 200; anything else is empty."""
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        try:
            with fail_after(_ITEM_TIMEOUT_S):
                response = (await self._session.get(url, headers, self._policy, None)).response  # alone
                try:
                    body = b"" if response.status != 200 else await _at_most(response, _ITEM_MAX_BYTES)
                finally:
                    response.close()
        except (AttemptFailed, aiohttp.ClientError, OSError):  # OSError includes TimeoutError
            return b""
        self._session.bytes_received += len(body)
        if self._session.max_rate is not None:
            self._session.max_rate.charge(len(body))
        return body


def _items_of(name: str) -> tuple[str, ...]:
    """Return the ids of the STAC items that may hold a file of this name."""
    product_id = name[:_ID_LENGTH]
    product = parse_product_id(product_id)
    if product is None or product.level[0] != "L":
        return ()
    if product.level[1] == "1":
        return (product_id,)
    parts = ("ST",) if "_ST_" in name else ("SR", "ST")
    return tuple(f"{product_id}_{part}" for part in parts)


def _places(url: URL, item: str) -> Iterator[URL]:
    """Yield where an item may lie on the host of `url`."""
    collection = "landsat-c2l1" if item.endswith(("T1", "T2", "RT")) else f"landsat-c2l2-{item[-2:].lower()}"
    yield url.with_path(f"/stac-server/collections/{collection}/items/{item}", encoded=True)
    if "/data/" in url.raw_path:
        folder = url.raw_path.rpartition("/")[0]
        yield URL(f"{url.origin()}{folder}/{item}_stac.json?{url.raw_query_string}", encoded=True)


async def _at_most(response: aiohttp.ClientResponse, size: int) -> bytes:
    """Read a body; one that is longer is no item."""
    pieces: list[bytes] = []
    async for piece in response.content.iter_any():
        pieces.append(piece)
        size -= len(piece)
        if size < 0:
            return b""
    return b"".join(pieces)
