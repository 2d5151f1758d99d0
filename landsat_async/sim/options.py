"""download-options: what can be fetched of a scene, and how a requested pair of ids is resolved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from landsat_async.sim.datasets import DATASETS, SECONDARY, ProductRow, SecondaryDataset, SimDataset
from landsat_async.sim.downloads import Offer
from landsat_async.sim.scenes import Product
from landsat_async.sim.script import Script, matches
from landsat_async.sim.service import Encoded, Endpoint, Payload, Service

_ROWS_BY_ID: dict[str, list[tuple[SimDataset, ProductRow]]] = {}
"""Product id of a download-request -> what it may stand for; folders are nothing."""
_FILES_BY_ID: dict[str, list[tuple[SecondaryDataset, str]]] = {}
"""The same for single files, with the system that they come from."""
for _dataset in DATASETS.values():
    for _row in _dataset.rows:
        if _row.kind != "folder":
            _ROWS_BY_ID.setdefault(_row.id, []).append((_dataset, _row))
for _secondary in SECONDARY.values():
    for _system, (_product_id, _) in _secondary.file_product.items():
        _FILES_BY_ID.setdefault(_product_id, []).append((_secondary, _system))

_DISPLAY_ID, _ENTITY_ID, _FILES = b"\0", b"\1", b"\2"
"""Marks in JSON that is filled in later; JSON itself has no control characters."""


def download_options(service: Service, payload: Payload) -> Any:
    """download-options; null when nothing matches."""
    dataset = service.any_dataset(payload)
    entity_ids = payload.texts("entityIds")
    if (list_id := payload.text("listId")) is not None:
        entity_ids += [entity for _, entity in service.lists.rows(list_id, service.now_s(), dataset.alias)]
    groups = str(payload.values.get("includeSecondaryFileGroups")).lower() in ("true", "1")
    ids = dict.fromkeys(entity_ids)
    if isinstance(dataset, SecondaryDataset):
        hits = (file_of_entity(service, dataset, one) for one in ids)
        return [row for hit in hits if hit is not None for row in _file_rows(service, *hit, groups=groups)] or None
    products = [product for one in ids if (product := service.archive.find(dataset, one)) is not None]
    if not products:
        return None
    if service.script.reshapes:
        return [row for one in products for row in _rows(service, one, _all_files(service, one, groups=groups))]
    return _encoded_rows(service, products, groups=groups)


def _encoded_rows(service: Service, products: Sequence[Product], *, groups: bool) -> Encoded:
    """Return the rows of products as JSON. Those of one kind differ in the two ids alone, and are made once for all."""
    patterns: dict[tuple[Any, ...], tuple[bytes, bytes]] = {}
    pieces = [b"["]
    for product in products:
        if (pattern := patterns.get(kind := _kind(service, product))) is None:
            pattern = patterns[kind] = _pattern(service, product, groups=groups)
        display_id, entity_id = product.display_id.encode(), product.entity_id.encode()
        rows, files = (text.replace(_DISPLAY_ID, display_id).replace(_ENTITY_ID, entity_id) for text in pattern)
        for piece in rows.split(_FILES):
            pieces += piece, files
        pieces[-1] = b","
    pieces[-1] = b"]"
    return Encoded(pieces)


def _pattern(service: Service, product: Product, *, groups: bool) -> tuple[bytes, bytes]:
    """Return the rows of a product, and those of its files that stand in most of them, with marks for what differs."""
    rows = msgspec.json.encode(list(_rows(service, product, msgspec.Raw(_FILES))))[1:-1]
    files = msgspec.json.encode(_all_files(service, product, groups=groups))
    display_id, entity_id = product.display_id.encode(), product.entity_id.encode()
    return (
        rows.replace(display_id, _DISPLAY_ID).replace(entity_id, _ENTITY_ID),
        files.replace(display_id, _DISPLAY_ID).replace(entity_id, _ENTITY_ID),
    )


def _kind(service: Service, product: Product) -> tuple[Any, ...]:
    """Return what the rows of a product follow from, besides its ids."""
    sizes = tuple(service.archive.nominal_bytes(product, suffix) for suffix in product.suffixes)
    by_name = service.script.unavailable or service.script.order_only
    return product.sensor, product.level, product.storage, sizes, product.display_id if by_name else None


def _rows(service: Service, product: Product, files: Any) -> Iterator[dict[str, Any]]:
    for row in product.dataset.rows:
        offer = offer_of_row(service, product, row)
        shown = {
            "id": row.id,
            "downloadName": row.download_name,
            "displayId": product.display_id,
            "entityId": product.entity_id,
            "datasetId": product.dataset.id,
            "available": offer.available,
            "filesize": 0 if row.kind == "folder" else _size(service.script, offer.bytes_nominal),
            "productName": row.name,
            "productCode": row.code,
            "bulkAvailable": offer.available,
            "downloadSystem": row.system,
            "secondaryDownloads": [] if row.kind == "browse" else files,
            "fileGroups": None,
        }
        if row.kind == "folder":
            shown["checksum"] = [{"id": "sha512", "value": None}]
        yield shown


def _all_files(service: Service, product: Product, *, groups: bool) -> list[dict[str, Any]]:
    return [row for suffix in product.suffixes for row in _file_rows(service, product, suffix, groups=groups)]


def _file_rows(service: Service, product: Product, suffix: str, *, groups: bool) -> Iterator[dict[str, Any]]:
    order = product.suffixes.index(suffix)
    systems = (product.file_system,) if service.script.secondary_rows == "one" else ("ls_s3", "dds")
    for system in systems:
        offer = offer_of_file(service, product, suffix, system)
        yield {
            "id": offer.product_id,
            "downloadName": suffix,
            "displayId": offer.display_id,
            "entityId": offer.entity_id,
            "datasetId": offer.dataset_id,
            "available": offer.available,
            "filesize": _size(service.script, offer.bytes_nominal),
            "productName": offer.product_name,
            "productCode": offer.product_code,
            "bulkAvailable": offer.available,
            "downloadSystem": system,
            "secondaryDownloads": [],
            "fileGroups": product.file_groups(suffix) if groups else None,
            "displayOrder": order,
        }


def _size(script: Script, nominal: int) -> int | None:
    return {"nominal": nominal, "zero": 0, "null": None, "negative": -1, "huge": 2**63}[script.sizes]


def offer_of_row(service: Service, product: Product, row: ProductRow) -> Offer:
    """Resolve a bundle, folder or browse row of a product."""
    dataset = product.dataset
    file = f"{product.display_id}{row.suffix}{'.tar' if row.kind == 'bundle' else ''}"
    size = service.archive.nominal_bundle_bytes(product) if row.kind == "bundle" else (14 if "tif" in file else 6) << 20
    available = row.kind != "bundle" or row.system == product.bundle_system
    return Offer(
        row.id,
        row.code,
        row.name,
        row.system,
        product.entity_id,
        product.display_id,
        dataset.id,
        dataset.alias,
        dataset.name,
        size,
        file,
        available and _is_offered(service.script, row.system, product.display_id),
    )


def offer_of_file(service: Service, product: Product, suffix: str, system: str) -> Offer:
    """Resolve a single file of a product."""
    secondary = product.dataset.secondary
    product_id, code = secondary.file_product[system]
    name = product.file_name(suffix)
    return Offer(
        product_id,
        code,
        secondary.product_name,
        system,
        product.secondary_id(suffix),
        name,
        secondary.id,
        secondary.alias,
        secondary.name,
        service.archive.nominal_bytes(product, suffix),
        name,
        system == product.file_system and _is_offered(service.script, system, name),
    )


def _is_offered(script: Script, system: str, name: str) -> bool:
    return system not in script.unavailable and not matches(name, (*script.unavailable, *_ordered(script)))


def _ordered(script: Script) -> tuple[str, ...]:
    return tuple(f"{pattern}*" for pattern in script.order_only)


def file_of_entity(service: Service, secondary: SecondaryDataset, entity_id: str) -> tuple[Product, str] | None:
    """Find the product and file suffix behind an entity id of a secondary dataset."""
    _, _, rest = entity_id.partition("_")
    product = service.archive.product_of_file(rest) or service.archive.product_of_file(entity_id)
    if product is None or product.dataset.secondary is not secondary:
        return None
    suffix = product.suffix_of(entity_id)
    return None if suffix is None else (product, suffix)


def resolve(service: Service, entity_id: str, product_id: str) -> Offer | None:
    """Find what a pair of ids of a download-request stands for; folders are nothing."""
    for dataset, row in _ROWS_BY_ID.get(product_id, ()):
        if (product := _product(service, dataset, entity_id)) is not None:
            return offer_of_row(service, product, row)
    for secondary, system in _FILES_BY_ID.get(product_id, ()):
        if (hit := file_of_entity(service, secondary, entity_id)) is not None:
            return offer_of_file(service, *hit, system)
    return None


def _product(service: Service, dataset: SimDataset, entity_id: str) -> Product | None:
    product = service.archive.find(dataset, entity_id)
    return product if product is not None and product.entity_id == entity_id else None


ENDPOINTS: dict[str, Endpoint] = {"download-options": download_options}
