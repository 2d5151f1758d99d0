"""download-request, download-retrieve and the other endpoints of the order book."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from landsat_async.sim.datasets import SecondaryDataset
from landsat_async.sim.downloads import STATUS, Download, Offer
from landsat_async.sim.options import file_of_entity, offer_of_file, resolve
from landsat_async.sim.script import matches
from landsat_async.sim.service import CONTACT_ID, IP_ADDRESS, ApiError, Endpoint, Payload, Service

_TOO_MANY = "You have exceeded the number of downloads in the last 15 minutes"
Wanted = tuple[str, str, str | None, Offer | None]
"""Entity id, product id, label of the item, what it stands for."""


def url_of(service: Service, download: Download) -> str:
    """Return a link to a download, the same one as long as it is fresh."""
    now_s = service.now_s()
    if download.link is None or download.link.is_worn(service.script, now_s):
        download.link = _new_link(service, download, now_s)
    target = download.link.target
    if download.state == "preparing":
        target = target.replace("/download/", "/download-staging/", 1)
    return service.base_urls[download.link.host] + target


def _new_link(service: Service, download: Download, now_s: float) -> Any:
    offer = download.offer
    file = service.script.links_to.get(offer.file, offer.file)
    if not offer.is_proxied:
        return service.links.staged(download.id, file, CONTACT_ID, now_s)
    product = service.archive.product_of_file(file)
    if offer.system == "ls_zip":
        address = f"/gen-bundle?landsat_product_id={file.removesuffix('.tar')}"
    elif offer.system == "ls_frb":
        kind, _, form = offer.file.rpartition("_")[2].partition(".")
        address = f"/gen-browse?size=frb{'j' if form == 'jpg' else ''}&type={kind}&product_id={offer.display_id}"
    else:
        folder = product.folder if product is not None else "gone"
        address = f"/data/collection02/{folder}/{file}"
    return service.links.signed(download.id, file, address, CONTACT_ID, now_s)


def download_request(service: Service, payload: Payload) -> Any:
    """download-request."""
    script, now_s = service.script, service.now_s()
    wanted = [*_single(service, payload), *_grouped(service, payload)]
    if not wanted and not payload.objects("downloads") and not payload.objects("dataGroups"):
        raise ApiError("INPUT_PARAMETER_REQUIRED", "Missing required parameter: downloads", 400)
    if any(matches(entity, script.refuse) for entity, _, _, _ in wanted):
        raise ApiError("SERVER_ERROR", "The request could not be processed", 500)
    _check_limits(service, wanted, now_s)
    label = payload.text("label") or f"m2m_{next(service.requests)}_{time.strftime('%Y%m%d%H%M%S')}"
    available: list[dict[str, Any]] = []
    preparing: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    new: dict[str, str] = {}
    duplicates: dict[str, str] = {}
    invalid = 0
    for entity, product_id, own_label, offer in wanted:
        if (refusal := _refusal(service, offer) or _over_limit(service, now_s)) is not None or offer is None:
            invalid += offer is None
            failed.append({"entityId": entity, "productId": product_id, "errorMessage": refusal})
            continue
        item_label = label if payload.text("label") else own_label or label
        download, is_new = _enter(service, offer, item_label, now_s)
        (new if is_new else duplicates)[str(download.id)] = download.label
        if is_new or script.duplicates == "also-listed":
            row = {"downloadId": download.id, "eulaCode": None, "entityId": entity, "url": url_of(service, download)}
            (preparing if download.state == "preparing" else available).append(row)
    if script.failed_rows == "message":
        failed = [{"errorMessage": row["errorMessage"]} for row in failed]
    return {
        "availableDownloads": available,
        "duplicateProducts": duplicates,
        "preparingDownloads": preparing,
        "failed": [] if script.failed_rows == "absent" else failed,
        "newRecords": new,
        "remainingLimits": remaining_limits(service),
        "numInvalidScenes": invalid,
    }


def _single(service: Service, payload: Payload) -> Iterator[Wanted]:
    for row in payload.objects("downloads"):
        entity, product = row.required("entityId"), row.required("productId")
        yield entity, product, row.text("label"), resolve(service, entity, product)


def _grouped(service: Service, payload: Payload) -> Iterator[Wanted]:
    """Every file of the listed secondary scenes that belongs to one of the groups, once."""
    seen: set[str] = set()
    for row in payload.objects("dataGroups"):
        secondary = service.any_dataset(row)
        if not isinstance(secondary, SecondaryDataset):
            raise ApiError("DATASET_ERROR", "File groups need the secondary dataset")
        groups = set(row.texts("fileGroups"))
        for _, entity in service.lists.rows(row.required("listId"), service.now_s(), secondary.alias):
            hit = file_of_entity(service, secondary, entity)
            if hit is None or entity in seen or not groups.intersection(hit[0].file_groups(hit[1])):
                continue
            seen.add(entity)
            offer = offer_of_file(service, *hit, hit[0].file_system)
            yield entity, offer.product_id, row.text("label"), offer


def _refusal(service: Service, offer: Offer | None) -> str | None:
    if offer is None:
        return "The scene or product is not valid"
    script = service.script
    if offer.system in script.disabled_systems or matches(offer.file, script.disabled_files):
        return "This download has been temporarily disabled"
    if matches(offer.file, service.script.indiscreet):
        link = service.links.signed(0, offer.file, f"/data/{offer.file}", CONTACT_ID, service.now_s())
        return f"Could not sign {service.base_urls[link.host]}{link.target} for contact id {CONTACT_ID}"
    if not offer.available:
        return "The product is not available for download"
    return None


def _over_limit(service: Service, now_s: float) -> str | None:
    if service.downloads.recent(service.script, now_s) < service.script.recent_limit:
        return None
    return _TOO_MANY


def _enter(service: Service, offer: Offer, label: str, now_s: float) -> tuple[Download, bool]:
    script, downloads = service.script, service.downloads
    scope = label if script.duplicates_scope == "label" else None
    always_new = script.duplicates == "never" or (script.duplicates == "proxied-never" and offer.is_proxied)
    if not always_new and (twin := downloads.active_twin(offer, scope)) is not None:
        downloads.poll(twin, script, now_s)
        return twin, False
    state = "proxied" if offer.is_proxied else "preparing"
    download = downloads.add(offer, label, state, now_s, int(time.time() * 1000))
    downloads.ripen(download, script, now_s)
    return download, True


def _check_limits(service: Service, wanted: list[Wanted], now_s: float) -> None:
    script, downloads = service.script, service.downloads
    staged = sum(offer is not None and not offer.is_proxied for _, _, _, offer in wanted)
    if script.over_limit == "whole" and downloads.recent(script, now_s) + len(wanted) > script.recent_limit:
        raise ApiError("RATE_LIMIT_USER_DL", _TOO_MANY)
    if staged and downloads.pending + staged > script.pending_limit:
        raise ApiError("RATE_LIMIT_USER_DL", "You have exceeded the number of pending downloads")
    if staged and downloads.unattempted + staged > script.unattempted_limit:
        raise ApiError("RATE_LIMIT_USER_DL", "You have exceeded the number of unattempted downloads")


def remaining_limits(service: Service) -> list[dict[str, Any]]:
    """Return the account's budget, as counted for the user and for the address."""
    script, downloads = service.script, service.downloads
    counts = {
        "recentDownloadCount": max(0, script.recent_limit - downloads.recent(script, service.now_s())),
        "pendingDownloadCount": max(0, script.pending_limit - downloads.pending),
        "unattemptedDownloadCount": max(0, script.unattempted_limit - downloads.unattempted),
    }
    return [
        {"limitType": "user", "username": service.account.username, **counts},
        {"limitType": "ip", "ipAddress": IP_ADDRESS, **counts},
    ]


def _queue_row(service: Service, download: Download, *, with_url: bool) -> dict[str, Any]:
    offer = download.offer
    code, text = STATUS[download.state]
    row: dict[str, Any] = {
        "downloadId": download.id,
        "collectionName": offer.collection_name,
        "datasetId": offer.dataset_id,
        "displayId": offer.display_id,
        "entityId": offer.entity_id,
        "eulaCode": None,
        "filesize": offer.bytes_nominal,
        "label": download.label,
        "productCode": offer.product_code,
        "productName": offer.product_name,
        "statusCode": code,
        "statusText": text,
    }
    if with_url:
        told = service.script.staging_url
        has_url = download.state in ("available", "proxied") or (download.state == "preparing" and told == "staging")
        if has_url or told != "absent":
            row["url"] = url_of(service, download) if has_url else None
    return row


def download_retrieve(service: Service, payload: Payload) -> Any:
    """download-retrieve."""
    script, now_s = service.script, service.now_s()
    available, requested = [], []
    label = None if script.labels_mix else payload.text("label")
    for download in service.downloads.of_label(label):
        if download.state == "preparing":
            service.downloads.poll(download, script, now_s)
        else:
            download.polls += 1
        hidden = matches(download.offer.file, script.hidden) or download.polls <= script.retrieve_lag_polls
        if hidden or not (download.is_active or download.state == "failed"):
            continue
        row = _queue_row(service, download, with_url=True)
        place = {"proxied": script.proxied_list, "available": script.staged_list}.get(download.state, "requested")
        if place != "requested":
            available.append(row)
        if place != "available":
            requested.append(row)
    return {"eulas": [], "available": available, "requested": requested, "queueSize": service.downloads.pending}


def download_search(service: Service, payload: Payload) -> Any:
    """download-search; null without a match."""
    active = str(payload.values.get("activeOnly")).lower() in ("true", "1")
    rows = [
        _queue_row(service, download, with_url=False)
        for download in service.downloads.of_label(payload.text("label"))
        if not active or download.state in ("preparing", "available")
    ]
    return rows or None


def download_order_load(service: Service, payload: Payload) -> Any:
    """download-order-load; null for an unknown label."""
    labels = payload.values.get("label")
    names = labels if isinstance(labels, list) else [payload.required("label")]
    rows = [
        _queue_row(service, download, with_url=False)
        for name in names
        for download in service.downloads.of_label(str(name))
    ]
    return rows or None


def download_order_remove(service: Service, payload: Payload) -> Any:
    """download-order-remove: how many downloads went."""
    found = service.downloads.of_label(payload.required("label"))
    for download in found:
        service.downloads.remove(download)
    return len(found)


def download_remove(service: Service, payload: Payload) -> Any:
    """download-remove: true even for an unknown id."""
    payload.required("downloadId")
    if (download := service.downloads.by_id.get(payload.integer("downloadId", -1))) is not None:
        service.downloads.remove(download)
    return True


def download_complete_proxied(service: Service, payload: Payload) -> Any:
    """download-complete-proxied."""
    failed, updated = [], 0
    for row in payload.objects("proxiedDownloads"):
        download = service.downloads.by_id.get(row.integer("downloadId", -1))
        if download is None or download.state not in ("proxied", "complete"):
            failed.append({"downloadId": row.values.get("downloadId"), "errorMessage": "Invalid download"})
            continue
        service.downloads.move(download, "complete")
        updated += 1
    return {"failed": failed, "updatedDownloadsCount": updated}


def download_labels(service: Service, payload: Payload) -> Any:
    """download-labels."""
    return [
        {
            "label": label,
            "dateEntered": min(download.entered_ms for download in found),
            "downloadSize": str(sum(download.offer.bytes_nominal for download in found)),
            "downloadCount": len(found),
            "totalComplete": sum(download.state == "complete" for download in found),
        }
        for label, found in service.downloads.labels()
    ]


def download_summary(service: Service, payload: Payload) -> Any:
    """download-summary; zeros for an unknown label."""
    payload.required("downloadApplication")
    label = payload.required("label")
    found = service.downloads.of_label(label)
    collections = []
    for alias in dict.fromkeys(download.offer.dataset_alias for download in found):
        rows = [download.offer for download in found if download.offer.dataset_alias == alias]
        collections.append(
            {
                "datasetName": alias,
                "collectionName": rows[0].collection_name,
                "sceneCount": len({offer.entity_id for offer in rows}),
                "downloadCount": len(rows),
                "totalEstimatedSize": str(sum(offer.bytes_nominal for offer in rows)),
            }
        )
    return {
        "label": label,
        "sceneCount": len({download.offer.entity_id for download in found}),
        "downloadCount": len(found),
        "totalEstimatedSize": sum(download.offer.bytes_nominal for download in found),
        "collections": collections,
    }


def rate_limit_summary(service: Service, payload: Payload) -> Any:
    """rate-limit-summary."""
    script = service.script
    recent = service.downloads.recent(script, service.now_s())
    counts = [{"status": "Available", "downloadCount": recent}]
    return {
        "initialLimits": [
            {
                "recentDownloadCount": script.recent_limit,
                "pendingDownloadCount": script.pending_limit,
                "unattemptedDownloadCount": script.unattempted_limit,
            }
        ],
        "remainingLimits": remaining_limits(service),
        "recentDownloadCounts": [
            {"countType": "username", "username": service.account.username, "downloadCounts": counts},
            {"countType": "ip", "ipAddress": IP_ADDRESS, "downloadCounts": counts},
        ],
    }


def download_eula(service: Service, payload: Payload) -> Any:
    """download-eula: no product of Landsat has one."""
    raise ApiError("NOT_FOUND", "EULA not found")


ENDPOINTS: dict[str, Endpoint] = {
    "download-request": download_request,
    "download-retrieve": download_retrieve,
    "download-search": download_search,
    "download-order-load": download_order_load,
    "download-order-remove": download_order_remove,
    "download-remove": download_remove,
    "download-complete-proxied": download_complete_proxied,
    "download-labels": download_labels,
    "download-summary": download_summary,
    "download-eula": download_eula,
    "rate-limit-summary": rate_limit_summary,
}
