"""Endpoints of the scene lists."""

from __future__ import annotations

from typing import Any

from shapely.geometry import Polygon, mapping

from landsat_async.sim.datasets import DATASETS, SimDataset
from landsat_async.sim.scene_lists import duration_s
from landsat_async.sim.scenes import Product
from landsat_async.sim.search import ring
from landsat_async.sim.service import ApiError, Endpoint, Payload, Service


def scene_list_add(service: Service, payload: Payload) -> Any:
    """scene-list-add: how many scenes are new in the list. Unknown ids are kept; they lead to nothing."""
    list_id = payload.required("listId")
    dataset = service.any_dataset(payload)
    if isinstance(payload.values.get("entityIds"), str):
        raise ApiError("SERVER_ERROR", "An unexpected error occurred", 500)  # seen: a bare string is a 500
    ids = payload.texts("entityIds") or payload.texts("entityId")
    if not ids:
        raise ApiError("INPUT_PARAMETER_REQUIRED", "Missing required parameter: entityIds", 400)
    submitted = len(ids)
    if isinstance(dataset, SimDataset):
        ids = _known(service, dataset, ids, by_display_id=payload.text("idField") == "displayId")
    expires_s = service.now_s() + duration_s(payload.text("timeToLive"))
    added = service.lists.add(list_id, dataset.alias, ids, expires_s)
    total = len(service.lists.rows(list_id, service.now_s()))
    return {"added": added, "total": total, "submitted": submitted}[service.script.list_count]


def _known(service: Service, dataset: SimDataset, ids: list[str], *, by_display_id: bool) -> list[str]:
    """Entity ids of what is added; what is done with unknown ones is for the script to say."""
    script = service.script
    found = {i: service.archive.find(dataset, i) for i in ids}
    if by_display_id and not script.list_display_ids:
        found = dict.fromkeys(ids)
    if script.list_unknown == "refused" and None in found.values():
        raise ApiError("INPUT_INVALID", "One or more of the entity IDs are invalid", 400)
    if script.list_unknown == "dropped":
        ids = [i for i in ids if found[i] is not None]
    if not by_display_id:
        return ids
    return [product.entity_id if (product := found[i]) is not None else i for i in ids]


def scene_list_get(service: Service, payload: Payload) -> Any:
    """scene-list-get."""
    alias = service.any_dataset(payload).alias if payload.text("datasetName") else None
    rows = service.lists.rows(payload.required("listId"), service.now_s(), alias)
    start = max(1, payload.integer("startingNumber", 1)) - 1
    limit = payload.integer("maxResults", len(rows) or 1)
    return [{"entityId": entity, "datasetName": name} for name, entity in rows[start : start + limit]]


def scene_list_remove(service: Service, payload: Payload) -> Any:
    """scene-list-remove."""
    alias = service.any_dataset(payload).alias if payload.text("datasetName") else None
    ids = payload.texts("entityIds") or payload.texts("entityId")
    service.lists.remove(payload.required("listId"), alias, ids)


def scene_list_types(service: Service, payload: Payload) -> Any:
    """scene-list-types."""
    now_s = service.now_s()
    return [
        {
            "list": name,
            "sceneCount": len(service.lists.rows(name, now_s)),
            "listTimeout": service.lists.timeout_s(name, now_s),
        }
        for name in service.lists.names(now_s)
    ]


def scene_list_summary(service: Service, payload: Payload) -> Any:
    """scene-list-summary."""
    list_id, now_s = payload.required("listId"), service.now_s()
    rows = service.lists.rows(list_id, now_s)
    everything: list[Product] = []
    datasets = []
    for alias in dict.fromkeys(name for name, _ in rows):
        ids = [entity for name, entity in rows if name == alias]
        hits = {i: service.archive.find(DATASETS[alias], i) for i in ids} if alias in DATASETS else {}
        products = [product for product in hits.values() if product is not None]
        everything += products
        invalid = [i for i, product in hits.items() if product is None]
        datasets.append(
            {
                "datasetName": alias,
                "sceneCount": len(ids),
                "listTimeout": service.lists.timeout_s(list_id, now_s),
                **_extent(products),
                "invalidSceneCount": len(invalid),
                "invalidScenes": invalid,
                "datasetAvailable": True,
            }
        )
    return {"summary": {"sceneCount": str(len(rows)), **_extent(everything)}, "datasets": datasets}


def _extent(products: list[Product]) -> dict[str, Any]:
    if not products:
        return {"spatialBounds": None, "temporalExtent": {"min": None, "max": None}}
    corners = [corner for product in products for corner in ring(product)]
    days = sorted(product.acquired for product in products)
    return {
        "spatialBounds": mapping(Polygon(corners).envelope),
        "temporalExtent": {"min": f"{days[0]} 00:00:00-06", "max": f"{days[-1]} 00:00:00-06"},
    }


ENDPOINTS: dict[str, Endpoint] = {
    "scene-list-add": scene_list_add,
    "scene-list-get": scene_list_get,
    "scene-list-remove": scene_list_remove,
    "scene-list-types": scene_list_types,
    "scene-list-summary": scene_list_summary,
}
