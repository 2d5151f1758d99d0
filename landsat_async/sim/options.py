"""download-options: what can be fetched of a scene, and how a requested pair of ids is resolved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from landsat_async.sim.datasets import DATASETS, SECONDARY, ProductRow, SecondaryDataset, SimDataset
from landsat_async.sim.downloads import Offer
from landsat_async.sim.scenes import Product
from landsat_async.sim.script import Script, matches
from landsat_async.sim.service import Endpoint, Payload, Service


def download_options(service: Service, payload: Payload) -> Any:
    """download-options; null when nothing matches."""
    dataset = service.any_dataset(payload)
    entity_ids = payload.texts("entityIds")
    if (list_id := payload.text("listId")) is not None:
        entity_ids += [entity for _, entity in service.lists.rows(list_id, service.now_s(), dataset.alias)]
    groups = str(payload.values.get("includeSecondaryFileGroups")).lower() in ("true", "1")
    found: list[dict[str, Any]] = []
    for entity_id in dict.fromkeys(entity_ids):
        if isinstance(dataset, SecondaryDataset):
            if (hit := file_of_entity(service, dataset, entity_id)) is not None:
                found += _file_rows(service, *hit, groups=groups)
        elif (product := service.archive.find(dataset, entity_id)) is not None:
            found += _rows(service, product, groups=groups)
    return found or None


def _rows(service: Service, product: Product, *, groups: bool) -> Iterator[dict[str, Any]]:
    files: Any = [row for suffix in product.suffixes for row in _file_rows(service, product, suffix, groups=groups)]
    if not service.script.reshapes:
        files = msgspec.Raw(msgspec.json.encode(files))  # under four rows: encoded once
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
    suffix = next((s for s in product.suffixes if product.secondary_id(s) == entity_id), None)
    return None if suffix is None else (product, suffix)


def resolve(service: Service, entity_id: str, product_id: str) -> Offer | None:
    """Find what a pair of ids of a download-request stands for; folders are nothing."""
    for dataset in DATASETS.values():
        row = next((r for r in dataset.rows if r.id == product_id and r.kind != "folder"), None)
        if row is not None and (product := _product(service, dataset, entity_id)) is not None:
            return offer_of_row(service, product, row)
    for secondary in SECONDARY.values():
        for system, (file_product_id, _) in secondary.file_product.items():
            if file_product_id == product_id and (hit := file_of_entity(service, secondary, entity_id)) is not None:
                return offer_of_file(service, *hit, system)
    return None


def _product(service: Service, dataset: SimDataset, entity_id: str) -> Product | None:
    product = service.archive.find(dataset, entity_id)
    return product if product is not None and product.entity_id == entity_id else None


ENDPOINTS: dict[str, Endpoint] = {"download-options": download_options}
