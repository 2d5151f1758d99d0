"""Endpoints about datasets and their fields, and the small ones."""

from __future__ import annotations

import fnmatch
from typing import Any

from landsat_async.sim.datasets import (
    DATASETS,
    FilterField,
    SecondaryDataset,
    SimDataset,
    dictionary_link,
)
from landsat_async.sim.service import ApiError, Endpoint, Payload, Service
from landsat_async.sim.wrs import centre, frame


def _json(service: Service, dataset: SimDataset | SecondaryDataset) -> dict[str, Any]:
    searchable = isinstance(dataset, SimDataset)
    count = service.archive.count(dataset) if isinstance(dataset, SimDataset) else 0
    days = service.archive.days(dataset) if isinstance(dataset, SimDataset) else None
    start = f"{dataset.first_year}-04-11" if isinstance(dataset, SimDataset) else "1972-07-25"
    return {
        "abstractText": "Simulated archive: same names and shapes as the real one, made-up pixels.",
        "acquisitionStart": start,
        "acquisitionEnd": None,
        "catalogs": ["EE", "GV"] if searchable else [],
        "collectionName": dataset.name,
        "collectionLongName": dataset.long_name if isinstance(dataset, SimDataset) else dataset.name,
        "datasetId": dataset.id,
        "datasetAlias": dataset.alias,
        "datasetCategoryName": dataset.category if isinstance(dataset, SimDataset) else None,
        "dataOwner": "LSAA",
        "dateUpdated": "2023-10-17 12:38:49.315571-05",
        "doiNumber": "https://doi.org//10.5066/P975CC9B" if searchable else None,
        "ingestFrequency": "P1D" if searchable else None,
        "keywords": None,
        "legacyId": None,
        "sceneCount": count,
        "spatialBounds": {"north": 84.44, "east": 197.58, "south": -84.57, "west": -180.01} if searchable else None,
        "temporalCoverage": f'["{days[0]} 00:00:00-06","{days[-1]} 00:00:00-06"]' if days else None,
        "supportCloudCover": searchable,
        "supportDeletionSearch": searchable,
        "allowInKmz": searchable,
    }


def dataset(service: Service, payload: Payload) -> Any:
    """Answer dataset."""
    return _json(service, service.any_dataset(payload))


def dataset_search(service: Service, payload: Payload) -> Any:
    """dataset-search: the name is matched anywhere in alias and public name; secondary datasets are not listed."""
    wanted = (payload.text("datasetName") or "").lower()
    pattern = f"*{wanted}*"
    found = [
        dataset
        for dataset in DATASETS.values()
        if fnmatch.fnmatchcase(dataset.alias, pattern) or fnmatch.fnmatchcase(dataset.name.lower(), pattern)
    ]
    return [_json(service, dataset) for dataset in found]


def dataset_catalogs(service: Service, payload: Payload) -> Any:
    """dataset-catalogs."""
    return {"EE": "EarthExplorer", "GV": "GloVis", "HDDS": "HDDS Explorer"}


def dataset_categories(service: Service, payload: Payload) -> Any:
    """dataset-categories."""
    found = {}
    for number, category in enumerate(dict.fromkeys(d.category for d in DATASETS.values()), 1):
        found[str(number)] = {
            "id": number,
            "categoryName": category,
            "categoryDescription": None,
            "parentCategoryId": None,
            "parentCategoryName": None,
            "referenceLink": None,
            "datasets": [_json(service, d) for d in DATASETS.values() if d.category == category],
            "subCategories": [],
        }
    return found


def dataset_filters(service: Service, payload: Payload) -> Any:
    """dataset-filters."""
    return [_filter_json(field) for field in service.dataset(payload).filters]


def _filter_json(field: FilterField) -> dict[str, Any]:
    steps = []
    if field.kind == "Text":
        steps = [{"type": "StringToUpper", "options": []}, {"type": "Application\\Filter\\Like", "options": []}]
    row: dict[str, Any] = {
        "id": field.id,
        "legacyFieldId": field.legacy_id,
        "dictionaryLink": dictionary_link(field.label),
        "fieldConfig": {
            "type": field.kind,
            "filters": steps,
            "options": {"size": "30"} if field.kind == "Text" else [],
            "validators": [{"type": "Date", "options": []}] if field.is_date else [],
            **({} if field.choices else {"numElements": "5" if field.kind == "Text" else 1}),
            "displayListId": "2837" if field.choices else None,
        },
        "fieldLabel": field.label,
        "searchSql": field.sql,
    }
    if field.choices:
        row["valueList"] = dict(field.choices)
    return row


def dataset_file_groups(service: Service, payload: Payload) -> Any:
    """dataset-file-groups."""
    dataset = service.dataset(payload)
    secondary = dataset.secondary
    sample = next(iter(service.archive.products(dataset)), None)
    groups: dict[str, Any] = {}
    for order, (group_id, label) in enumerate(secondary.groups.items()):
        suffixes = [s for s in sample.suffixes if group_id in sample.file_groups(s)] if sample else []
        groups[group_id] = {
            "id": group_id,
            "color": None,
            "description": label,
            "displayOrder": order,
            "icon": None,
            "label": label,
            "files": [
                {
                    "name": suffix,
                    "productIds": {product_id: system for system, (product_id, _) in secondary.file_product.items()},
                    "productName": secondary.product_name,
                    "displayOrder": number,
                }
                for number, suffix in enumerate(suffixes)
            ],
        }
    return {"primary": [], "secondary": {secondary.id: groups}}


def dataset_download_options(service: Service, payload: Payload) -> Any:
    """dataset-download-options."""
    dataset = service.dataset(payload)
    return [
        {
            "productId": row.id,
            "productCode": row.code,
            "productName": row.name,
            "downloadName": row.download_name,
            "downloadSystem": row.system,
            "fileGroups": None,
        }
        for row in dataset.rows
    ]


def dataset_bulk_products(service: Service, payload: Payload) -> Any:
    """dataset-bulk-products."""
    return [
        {"productCode": row.code, "productName": row.name, "downloadName": row.download_name, "fileGroups": None}
        for row in service.dataset(payload).rows
    ]


def dataset_metadata(service: Service, payload: Payload) -> Any:
    """dataset-metadata."""
    rows = [
        {"id": field.id, "field_name": field.label, "display_order": number, "result_set_type": "full"}
        for number, field in enumerate(service.dataset(payload).filters)
    ]
    return {"shp": rows, "full": rows, "export": rows, "res_sum": rows[:4]}


def grid2ll(service: Service, payload: Payload) -> Any:
    """grid2ll: the centre or the footprint of a WRS-2 path and row."""
    if payload.required("gridType").upper() != "WRS2":
        raise ApiError("INPUT_INVALID", "The simulator knows the WRS2 grid only")
    path, row = payload.integer("path", 0), payload.integer("row", 0)
    if not (1 <= path <= 233 and 1 <= row <= 248):
        raise ApiError("INPUT_PARAMETER_INVALID", "Path or row is out of range", 400)
    if payload.text("responseShape") == "polygon":
        corners = [*frame(path, row).corners_deg, frame(path, row).corners_deg[0]]
        return {"shape": "polygon", "coordinates": [{"latitude": lat, "longitude": lon} for lon, lat in corners]}
    lon, lat = centre(path, row)
    return {"shape": "point", "coordinates": [{"latitude": lat, "longitude": lon}]}


def notifications(service: Service, payload: Payload) -> Any:
    """Answer notifications."""
    payload.required("systemId")
    return [
        {
            "id": 46,
            "subject": "Simulated service",
            "messageContent": "This is not the USGS. Pixels are made up.",
            "severityCode": "I",
            "severityText": "Informational",
            "severityCssClass": "alert-info",
            "dateUpdated": "2020-09-18 14:57:00-05",
        }
    ]


def data_owner(service: Service, payload: Payload) -> Any:
    """data-owner."""
    payload.required("dataOwner")
    names = ("organizationName", "contactName", "address", "city", "postalCode", "country", "phone", "email")
    return dict.fromkeys(names, "Simulated")


def permissions(service: Service, payload: Payload) -> Any:
    """Answer permissions."""
    return list(service.script.roles)


ENDPOINTS: dict[str, Endpoint] = {
    "dataset": dataset,
    "dataset-search": dataset_search,
    "dataset-catalogs": dataset_catalogs,
    "dataset-categories": dataset_categories,
    "dataset-filters": dataset_filters,
    "dataset-file-groups": dataset_file_groups,
    "dataset-download-options": dataset_download_options,
    "dataset-bulk-products": dataset_bulk_products,
    "dataset-metadata": dataset_metadata,
    "grid2ll": grid2ll,
    "notifications": notifications,
    "data-owner": data_owner,
    "permissions": permissions,
}
