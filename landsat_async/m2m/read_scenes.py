"""Reads the answers of scene-search, scene-metadata and the scene lists; a sibling of `wire`."""

from __future__ import annotations

import re

import msgspec

from landsat_async.errors import BadReply
from landsat_async.m2m.replies import FailedItem, ListedScene, SceneMetadata, ScenePage
from landsat_async.m2m.tolerant import (
    NULL,
    Unusable,
    is_blank,
    number,
    read_object,
    read_rows,
    required,
    text,
    whole,
)
from landsat_async.model import Scene
from landsat_async.rules.product_id import parse_product_id

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class _Row(msgspec.Struct, rename="camel"):
    """Names of fields are the service's; values may be anything."""


class _SceneRow(_Row):
    entity_id: object = None
    display_id: object = None
    cloud_cover: object = None
    publish_date: object = None
    temporal_coverage: object = None
    spatial_coverage: msgspec.Raw = NULL
    metadata: msgspec.Raw = NULL
    options: object = None


class _SearchData(_Row):
    results: msgspec.Raw = NULL
    total_hits: object = None


def read_scene_page(data: msgspec.Raw, unusable: list[FailedItem]) -> ScenePage:
    """scene-search. recordsReturned and nextRecord are not used: they have been seen to mislead."""
    page = _SearchData() if is_blank(data) else read_object(data, _SearchData, "scene-search")
    failed: list[FailedItem] = []
    scenes = read_rows(page.results, _SceneRow, _scene, where="scene-search: results", unusable=failed)
    unusable += failed
    return ScenePage(scenes, tuple(failed), len(scenes) + len(failed), whole(page.total_hits))


def _scene(row: _SceneRow) -> Scene:
    entity_id = required(text(row.entity_id), "entityId")
    display_id = required(text(row.display_id), "displayId")
    published = text(row.publish_date)
    return Scene(
        entity_id=entity_id,
        display_id=display_id,
        acquired=_acquired(row.temporal_coverage, display_id),
        cloud_cover=_percent(row.cloud_cover),
        footprint=_geojson(row.spatial_coverage),
        published=None if published == "Unknown" else published,
        order_only=_has_to_be_ordered(row.options),
    )


def _has_to_be_ordered(options: object) -> bool:
    """Only where both are said: members may be absent."""
    return isinstance(options, dict) and options.get("download") is False and options.get("order") is True


def _acquired(coverage: object, display_id: str) -> str | None:
    start = coverage.get("startDate") if isinstance(coverage, dict) else None
    if isinstance(start, str) and (day := _DAY.match(start)):
        return day.group()
    product = parse_product_id(display_id)
    return product.acquired.isoformat() if product else None


def _percent(value: object) -> float | None:
    """Text in 2021, whole numbers since; null and -1 mean unknown."""
    percent = number(value)
    return percent if percent is not None and 0 <= percent <= 100 else None


def _geojson(raw: msgspec.Raw) -> str | None:
    """Kept as the text it came in: a search of 50,000 scenes must not become millions of Python numbers."""
    geometry = bytes(raw).decode("utf-8", errors="replace")
    return geometry if geometry.startswith("{") else None


def read_metadata_list(data: msgspec.Raw, unusable: list[FailedItem]) -> tuple[Scene, ...]:
    """scene-metadata-list: lists of scenes by dataset alias; an empty list when there are none."""
    if bytes(memoryview(data)[:1]) == b"[" or is_blank(data):
        return read_rows(data, _SceneRow, _scene, where="scene-metadata-list: data", unusable=unusable)
    try:
        by_alias = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError):
        raise BadReply("scene-metadata-list: data is no object") from None
    return tuple(
        scene
        for alias, rows in by_alias.items()
        for scene in read_rows(rows, _SceneRow, _scene, where=f"scene-metadata-list: {alias}", unusable=unusable)
    )


class _MetadataRow(_Row):
    field_name: object = None
    value: object = None


def read_scene_metadata(data: msgspec.Raw, unusable: list[FailedItem]) -> SceneMetadata:
    """scene-metadata."""
    row = read_object(data, _SceneRow, "scene-metadata")
    try:
        scene = _scene(row)
    except Unusable as error:
        raise BadReply(f"scene-metadata: {error}") from None
    fields = read_rows(row.metadata, _MetadataRow, _metadata_field, where="scene-metadata: metadata", unusable=unusable)
    return SceneMetadata(scene, fields)


def _metadata_field(row: _MetadataRow) -> tuple[str, str]:
    value = row.value if isinstance(row.value, str | int | float) else ""
    return required(text(row.field_name), "fieldName"), text(value) or str(value).strip()


class _ListedRow(_Row):
    entity_id: object = None
    dataset_name: object = None


def read_listed(data: msgspec.Raw, unusable: list[FailedItem]) -> tuple[ListedScene, ...]:
    """scene-list-get."""
    return read_rows(
        data,
        _ListedRow,
        lambda row: ListedScene(required(text(row.entity_id), "entityId"), text(row.dataset_name) or ""),
        where="scene-list-get: data",
        unusable=unusable,
    )
