"""STAC items of landsatlook: what its catalogue says of a product, with the SHA-512 of every file."""

from __future__ import annotations

import re
from typing import Any

from landsat_async.sim.archive import Archive
from landsat_async.sim.content import sha512
from landsat_async.sim.links import FileLink
from landsat_async.sim.scenes import Product

_SHA512 = "1340"  # multihash: SHA2-512, 64 bytes
_OPEN = re.compile(r"/stac-server/collections/landsat-c2l(?:1|2-sr|2-st)/items/(\w+)")
_SIGNED = re.compile(r"/data/collection02/.+/(\w+)_stac\.json")


def item_of_path(path: str) -> tuple[str, bool] | None:
    """Return the id of the item that a path stands for, and whether it is the public one."""
    if match := _OPEN.fullmatch(path):
        return match[1], True
    match = _SIGNED.fullmatch(path)
    return (match[1], False) if match else None


def opens(link: FileLink | None, item_id: str) -> bool:
    """Say whether the signature of a file's link is good for an item: it is for its neighbours in the folder."""
    return link is not None and item_id.startswith(link.file[:40])


def stac_item(archive: Archive, item_id: str, base_url: str) -> dict[str, Any] | None:
    """Make an item; None when there is no such product."""
    product = archive.product_of_file(item_id)
    if product is None or item_id not in _item_ids(product):
        return None
    foreign = "ST_" if item_id.endswith("_SR") else "SR_" if item_id.endswith("_ST") else "none"
    assets = {}
    for suffix in product.suffixes:
        name = product.file_name(suffix)
        content = archive.file(name)
        if suffix.startswith(foreign) or content is None:
            continue
        href = f"{base_url}/data/collection02/{product.folder}/{name}"
        assets[suffix] = {"href": href, "file:checksum": _SHA512 + sha512(content)}
    return {"type": "Feature", "stac_version": "1.0.0", "id": item_id, "assets": assets}


def _item_ids(product: Product) -> tuple[str, ...]:
    if product.level.startswith("L1"):
        return (product.display_id,)
    parts = ("SR", "ST") if product.level == "L2SP" else ("SR",)
    return tuple(f"{product.display_id}_{part}" for part in parts)
