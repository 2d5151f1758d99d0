"""scene-search: filters, order, pages, and the JSON of a scene."""

from __future__ import annotations

import datetime
import fnmatch
from collections.abc import Callable, Sequence
from typing import Any

import shapely
from shapely.geometry import Polygon, box, shape

from landsat_async.sim.conditions import Condition, every, some
from landsat_async.sim.datasets import FilterField, SimDataset, dictionary_link, made_up_id
from landsat_async.sim.scenes import Product
from landsat_async.sim.script import matches
from landsat_async.sim.service import ApiError, Endpoint, Payload, Service
from landsat_async.sim.wrs import frame

MAX_RESULTS = 50_000

_SUMMARY_IDS = {
    ("landsat_ot_c2_l1", "ID"): "5e81f1503645de13",
    ("landsat_ot_c2_l1", "Date Acquired"): "5e81f15034744a9a",
    ("landsat_ot_c2_l1", "Path"): "5e81f150b36f50f7",
    ("landsat_ot_c2_l1", "Row"): "5e81f150f1cd23a",
}


def ring(product: Product) -> list[list[float]]:
    """Closed footprint ring in degrees; longitudes go on beyond 180 where it crosses the antimeridian."""
    return _ring(product.path, product.row)


def _ring(path: int, row: int) -> list[list[float]]:
    corners = [list(corner) for corner in frame(path, row).corners_deg]
    if max(c[0] for c in corners) - min(c[0] for c in corners) > 180:
        corners = [[lon + 360 if lon < 0 else lon, lat] for lon, lat in corners]
    lower_left = [corners[3], corners[2], corners[1], corners[0]]  # counter-clockwise from the lower left
    return [*lower_left, lower_left[0]]


def scene_search(service: Service, payload: Payload) -> Any:
    """scene-search."""
    dataset = service.dataset(payload)
    scene_filter = payload.object("sceneFilter")
    conditions = _conditions(service, dataset, scene_filter) if scene_filter else []
    products = service.archive.matching(dataset, conditions)
    excluded = 0
    if (name := payload.text("excludeListName")) is not None:
        listed = {entity for _, entity in service.lists.rows(name, service.now_s(), dataset.alias)}
        kept = [p for p in products if p.entity_id not in listed]
        excluded, products = len(products) - len(kept), kept
    products = _in_order(dataset, products, payload)
    return _page(service, payload, products, excluded, approximate=scene_filter is None)


def _page(
    service: Service, payload: Payload, products: Sequence[Product], excluded: int, *, approximate: bool
) -> dict[str, Any]:
    script = service.script
    start = max(1, payload.integer("startingNumber", 1))
    limit = min(max(1, payload.integer("maxResults", 100)), MAX_RESULTS)
    first = 0 if script.repeat_pages else start - 1
    if start > 1:
        first = max(0, first - script.page_shift)
    page = products[first : first + limit]
    total = len(products)
    told = {"true": total, "more": total + total // 10 + 1, "fewer": total - total // 10 - 1}[script.hits]
    following: int | None = min(start + len(page), told)
    if script.next_record != "real":
        following = {"null": None, "zero": 0, "same": start}[script.next_record]
    kind = payload.text("metadataType")
    marked = {
        mark: {e for _, e in service.lists.rows(payload.text(f"{mark}ListName") or "", service.now_s())}
        for mark in ("bulk", "compare", "order")
    }
    return {
        "results": [scene(service, product, kind, marked) for product in page],
        "recordsReturned": len(page),
        "totalHits": max(0, told),
        "totalHitsAccuracy": "approximate" if approximate else "calculated",
        "isCustomized": False,
        "numExcluded": excluded,
        "startingNumber": start,
        "nextRecord": following,
    }


def scene(
    service: Service, product: Product, metadata: str | None = None, marked: dict[str, set[str]] | None = None
) -> dict[str, Any]:
    """JSON of a scene as searches give it."""
    script = service.script
    corners = ring(product)
    lons, lats = [c[0] for c in corners], [c[1] for c in corners]
    west, south, east, north = min(lons), min(lats), max(lons), max(lats)
    day = f"{product.acquired} 00:00:00"
    found: dict[str, Any] = {
        "browse": _browse(service, product),
        "cloudCover": _cloud(service, product.cloud),
        "entityId": product.entity_id,
        "displayId": product.display_id,
        "orderingId": None,
        "metadata": metadata_rows(product, metadata or script.default_metadata),
        "hasCustomizedMetadata": None,
        "options": {
            "bulk": not (ordered := matches(product.display_id, script.order_only)),
            "download": not ordered,
            "order": ordered,
            "secondary": False,
        },
        "selected": {mark: product.entity_id in ids for mark, ids in (marked or {}).items()} or None,
        "spatialBounds": {
            "type": "Polygon",
            "coordinates": [[[west, south], [west, north], [east, north], [east, south], [west, south]]],
        },
        "spatialCoverage": {"type": "Polygon", "coordinates": [corners]},
        "temporalCoverage": {"endDate": day, "startDate": day},
        "publishDate": f"{product.published} 10:51:47-06",
    }
    if found["cloudCover"] == "absent":
        del found["cloudCover"]
    if script.footprints == "none":
        found["spatialBounds"] = found["spatialCoverage"] = None
    elif script.footprints == "invalid":
        found["spatialCoverage"] = {"type": "Polygon", "coordinates": [corners[:2]]}
    return found


def _cloud(service: Service, cloud: float | None) -> float | int | str | None:
    script = service.script
    if cloud is None:
        return {"null": None, "-1": "-1" if script.cloud_cover == "string" else -1, "absent": "absent"}[
            script.unknown_cloud
        ]
    if script.cloud_cover == "string":
        return f"{cloud:.2f}"
    return round(cloud) if script.cloud_cover == "int" else cloud


def _browse(service: Service, product: Product) -> list[dict[str, Any]]:
    base = f"{service.base_urls['landsatlook']}/gen-browse"
    rows = []
    for browse_id, kind, name, layer in (
        ("5e81f7d39594374", "refl", "Reflective Browse", "natural_color"),
        ("5e82332d4223a26c", "tir", "Thermal Browse", "thermal"),
        ("5e9e85952b93b918", "qb", "Quality Browse", "qa"),
    ):
        image = f"type={kind}&product_id={product.display_id}"
        tiles = f"{service.base_urls['landsatlook']}/dynamic-tiler/scenes/{product.display_id}/tiles"
        rows.append(
            {
                "id": browse_id,
                "browseRotationEnabled": None,
                "browseName": name,
                "browsePath": f"{base}?size=rrb&{image}",
                "overlayPath": f"{tiles}/{{z}}/{{x}}/{{y}}.png?layer={layer}",
                "overlayType": "ls_chs",
                "thumbnailPath": f"{base}?size=thumb&{image}",
            }
        )
    return rows


def metadata_rows(product: Product, kind: str) -> list[dict[str, Any]]:
    """Return the metadata rows of a scene: none, the four summary fields, or all there are."""
    if kind not in ("summary", "full"):
        return []
    alias = product.dataset.alias
    summary = {
        "ID": product.display_id,
        "Date Acquired": f"{product.acquired:%Y/%m/%d}",
        "Path": f" {product.path:03}",
        "Row": f" {product.row:03}",
    }
    if kind == "summary":
        return [
            _metadata(_SUMMARY_IDS.get((alias, name)) or made_up_id(alias, name), name, None, value)
            for name, value in summary.items()
        ]
    rows = [
        _metadata(field.id, field.label, dictionary_link(field.label), _padded(field, field.value(product)))
        for field in product.dataset.filters
    ]
    lon, lat = product.frame.centre_deg
    cloud = -1 if product.cloud is None else product.cloud
    extra: dict[str, str | int] = {
        "Acquisition Date": f"{product.acquired:%Y/%m/%d}",
        "Collection Number": 2,
        "Land Cloud Cover": f"{cloud:.2f}",
        "Scene Cloud Cover L1": f"{cloud:.2f}",
        "UTM Zone": product.frame.zone,
        "Datum": "WGS84",
        "Map Projection L1": "UTM",
        "Center Latitude": f"{abs(int(lat))}&deg;00'00.00\"{'N' if lat >= 0 else 'S'}",
        "Center Latitude dec": f"{lat:.5f}",
        "Center Longitude dec": f"{lon:.5f}",
    }
    for name, (corner_lon, corner_lat) in zip(("UL", "UR", "LR", "LL"), product.frame.corners_deg, strict=True):
        extra[f"{name} Corner Lat dec"] = f"{corner_lat:.5f}"
        extra[f"{name} Corner Long dec"] = f"{corner_lon:.5f}"
    return rows + [_metadata(made_up_id(alias, n), n, dictionary_link(n), v) for n, v in extra.items()]


def _metadata(row_id: str, name: str, link: str | None, value: str | int) -> dict[str, Any]:
    return {"id": row_id, "fieldName": name, "dictionaryLink": link, "value": value}


def _padded(field: FilterField, value: str) -> str:
    return f" {int(value):03}" if field.label in ("WRS Path", "WRS Row") else value


def _conditions(service: Service, dataset: SimDataset, scene_filter: Payload) -> list[Condition]:
    found: list[Condition] = []
    if (spatial := scene_filter.object("spatialFilter")) is not None:
        found.append(_spatial(service, spatial))
    if (span := scene_filter.object("acquisitionFilter")) is not None:
        start, end = _days(span)
        found.append(Condition(lambda p: start <= p.acquired <= end, exact=True, days=(start, end)))
    if (span := scene_filter.object("ingestFilter")) is not None:
        first, last = _days(span)
        found.append(Condition(lambda p: first <= p.published <= last))
    if (cloud := scene_filter.object("cloudCoverFilter")) is not None:
        found.append(_clouds(cloud))
    if months := scene_filter.texts("seasonalFilter"):
        wanted = frozenset(int(month) for month in months)
        found.append(Condition(lambda p: p.acquired.month in wanted, exact=True, months=wanted))
    if (metadata := scene_filter.object("metadataFilter")) is not None:
        found.append(_metadata_condition(service, dataset, metadata))
    return found


def _days(span: Payload) -> tuple[datetime.date, datetime.date]:
    try:
        start = datetime.date.fromisoformat((span.text("start") or "1900-01-01")[:10].replace("/", "-"))
        end = datetime.date.fromisoformat((span.text("end") or "2999-12-31")[:10].replace("/", "-"))
    except ValueError:
        raise ApiError("INPUT_PARAMETER_INVALID", "Invalid date", 400) from None
    return start, end


def _clouds(cloud: Payload) -> Condition:
    low, high = cloud.integer("min", 0), cloud.integer("max", 100)
    unknown = cloud.values.get("includeUnknown")
    # Not said: counted in, as an account's default; the real service's choice is not documented.
    include = True if unknown is None else str(unknown).lower() in ("true", "1")
    return Condition(
        lambda p: include if p.cloud is None else low <= p.cloud <= high, exact=True, cloud=(low, high, include)
    )


def _spatial(service: Service, spatial: Payload) -> Condition:
    if len(str(spatial.values)) > service.script.filter_limit_bytes:
        raise ApiError("NOT_FOUND", "The requested URL was not found", 404)
    area = _area(spatial)
    if area is None or area.is_empty:
        return Condition(lambda p: False, exact=True, place=lambda path, row: False)
    shapely.prepare(area)
    known: dict[tuple[int, int], bool] = {}

    def touches(path: int, row: int) -> bool:
        if (answer := known.get((path, row))) is None:
            corners = _ring(path, row)
            answer = known[path, row] = any(
                area.intersects(Polygon([(lon + shift, lat) for lon, lat in corners])) for shift in (-360, 0, 360)
            )
        return answer

    west, south, east, north = (float(degree) for degree in area.bounds)
    return Condition(lambda p: touches(p.path, p.row), exact=True, place=touches, box=(west, south, east, north))


def _area(spatial: Payload) -> Any:
    kind = (spatial.text("filterType") or "").lower()
    try:
        if kind == "mbr":
            low, high = spatial.values["lowerLeft"], spatial.values["upperRight"]
            west, south = float(low["longitude"]), float(low["latitude"])
            east, north = float(high["longitude"]), float(high["latitude"])
            return box(west, south, east, north) if west <= east and south <= north else None
        if kind == "geojson":
            return shape(spatial.values["geoJson"])
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, shapely.errors.ShapelyError):
        raise ApiError("INPUT_PARAMETER_INVALID", "Invalid spatial filter", 400) from None
    raise ApiError("INPUT_PARAMETER_INVALID", "Unknown spatial filter type", 400)


_ID_FIELDS = ("Landsat Product Identifier L1", "Landsat Product Identifier L2", "Landsat Scene Identifier")


def _metadata_condition(service: Service, dataset: SimDataset, metadata: Payload) -> Condition:
    kind = metadata.text("filterType")
    if kind in ("and", "or"):
        children = metadata.objects("childFilters")
        if len(children) > service.script.child_filters_limit:
            raise ApiError("NOT_FOUND", "The requested URL was not found", 404)
        conditions = [_metadata_condition(service, dataset, child) for child in children]
        return every(conditions) if kind == "and" else some(conditions)
    field = next((f for f in dataset.filters if f.id == metadata.text("filterId")), None)
    if field is None:  # the service finds nothing and says nothing
        return Condition(lambda p: False, exact=True, ids=())
    value_of = field.value
    if kind == "between":
        return _between(field, str(metadata.values.get("firstValue")), str(metadata.values.get("secondValue")))
    if kind != "value":
        raise ApiError("INPUT_PARAMETER_INVALID", "Unknown metadata filter type", 400)
    wanted = str(metadata.values.get("value")).strip().upper()
    if wanted == "":  # the "All" of a select field
        return Condition(lambda p: True)
    if field.kind == "Range":
        return _between(field, wanted, wanted)
    if field.label in _ID_FIELDS and service.script.id_filters == "nothing":
        return Condition(lambda p: False, exact=True, ids=())
    if metadata.text("operand") == "like" or (field.kind == "Text" and "%" in wanted):
        pattern = wanted.replace("%", "*")
        return Condition(lambda p: fnmatch.fnmatchcase(value_of(p).upper(), pattern))
    ids = (wanted,) if field.label in _ID_FIELDS else None
    return Condition(lambda p: value_of(p).upper() == wanted, ids=ids)


def _between(field: FilterField, first: str, second: str) -> Condition:
    value_of = field.value
    if field.is_date:
        low, high = first.replace("-", "/"), second.replace("-", "/")
        return Condition(lambda p: low <= value_of(p) <= high)
    try:
        least, most = float(first), float(second)
    except ValueError:
        return Condition(lambda p: False)
    if field.label == "WRS Path":
        return Condition(lambda p: least <= p.path <= most, exact=True, place=lambda path, row: least <= path <= most)
    if field.label == "WRS Row":
        return Condition(lambda p: least <= p.row <= most, exact=True, place=lambda path, row: least <= row <= most)
    return Condition(lambda p: least <= float(value_of(p)) <= most)


def _in_order(dataset: SimDataset, products: Sequence[Product], payload: Payload) -> Sequence[Product]:
    name = payload.text("sortField")
    if name is None:
        return products
    keys: dict[str, Callable[[Product], Any]] = {
        "acquisition date": lambda p: p.acquired,
        "acquisitiondate": lambda p: p.acquired,
        "cloudcover": lambda p: -1 if p.cloud is None else p.cloud,
        "cloud cover": lambda p: -1 if p.cloud is None else p.cloud,
        "displayid": lambda p: p.display_id,
        "entityid": lambda p: p.entity_id,
        **{f.id: f.value for f in dataset.filters},
        **{f.label.lower(): f.value for f in dataset.filters},
    }
    key = keys.get(name.lower()) or keys.get(name)
    if key is None:
        return products
    return sorted(products, key=key, reverse=(payload.text("sortDirection") or "ASC").upper() == "DESC")


def scene_metadata(service: Service, payload: Payload) -> Any:
    """scene-metadata."""
    dataset = service.dataset(payload)
    product = service.archive.find(dataset, payload.required("entityId"))
    if product is None:
        raise ApiError("NOT_FOUND", "Scene not found")
    return scene(service, product, payload.text("metadataType") or "summary")


def scene_metadata_list(service: Service, payload: Payload) -> Any:
    """scene-metadata-list."""
    from landsat_async.sim.datasets import DATASETS

    found: dict[str, list[Any]] = {}
    only = service.dataset(payload).alias if payload.text("datasetName") else None
    for alias, entity_id in service.lists.rows(payload.required("listId"), service.now_s(), only):
        if alias in DATASETS and (product := service.archive.find(DATASETS[alias], entity_id)) is not None:
            found.setdefault(alias, []).append(scene(service, product, payload.text("metadataType") or "summary"))
    if service.script.metadata_list != "all":
        found = {alias: rows[:1] for alias, rows in found.items() if service.script.metadata_list == "first"}
    return found or []


def scene_search_secondary(service: Service, payload: Payload) -> Any:
    """scene-search-secondary: no Landsat Collection 2 dataset has the relation."""
    service.dataset(payload)
    raise ApiError("DATASET_ERROR", "The dataset does not support this operation")


def scene_search_delete(service: Service, payload: Payload) -> Any:
    """scene-search-delete."""
    service.dataset(payload)
    return {"results": [], "totalHits": 0, "nextRecord": 0, "recordsReturned": 0}


ENDPOINTS: dict[str, Endpoint] = {
    "scene-search": scene_search,
    "scene-metadata": scene_metadata,
    "scene-metadata-list": scene_metadata_list,
    "scene-search-secondary": scene_search_secondary,
    "scene-search-delete": scene_search_delete,
}
