"""Reads the answers of scene-search, scene-metadata and the scene lists."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from landsat_async.errors import BadReply
from landsat_async.m2m.replies import ListedScene, SceneMetadata, ScenePage
from landsat_async.m2m.tolerant import (
    NULL,
    FailedItem,
    NumberOrNone,
    Row,
    Text,
    TextOrNone,
    WholeOrNone,
    build_rows,
    have_plain_texts,
    is_blank,
    read_object,
    read_usual,
    text,
)
from landsat_async.model import Scene
from landsat_async.rules.product_id import parse_product_id

_ADDRESS_MAX = 2048
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class _SceneRow(Row):
    entity_id: Text
    display_id: Text
    cloud_cover: NumberOrNone = None
    """Text in 2021, whole numbers since; null and -1 mean unknown."""
    publish_date: TextOrNone = None
    temporal_coverage: Any = None
    spatial_coverage: msgspec.Raw = NULL
    metadata: msgspec.Raw = NULL
    options: Any = None
    browse: Any = None


class _SearchData(Row):
    results: msgspec.Raw = NULL
    total_hits: WholeOrNone = None


def read_scene_page(data: msgspec.Raw, unusable: list[FailedItem]) -> ScenePage:
    """scene-search. recordsReturned and nextRecord are not used: they have been seen to mislead."""
    page = _SearchData() if is_blank(data) else read_object(data, _SearchData, "scene-search")
    failed: list[FailedItem] = []
    scenes = build_rows(page.results, _SceneRow, _scene, where="scene-search: results", unusable=failed)
    unusable += failed
    return ScenePage(scenes, tuple(failed), len(scenes) + len(failed), page.total_hits)


class _UsualPage(Row):
    results: tuple[_SceneRow, ...]
    total_hits: WholeOrNone = None


def usual_scene_page(body: bytearray) -> ScenePage | None:
    """A whole answer to scene-search of which each row is as promised; None for any other."""
    page = read_usual(body, _UsualPage)
    if page is None or not have_plain_texts(page.results):
        return None
    scenes = tuple(map(_scene, page.results))
    return ScenePage(scenes, (), len(scenes), page.total_hits)


def _scene(row: _SceneRow) -> Scene:
    cloud = row.cloud_cover
    return Scene(
        entity_id=row.entity_id,
        display_id=row.display_id,
        acquired=_acquired(row.temporal_coverage, row.display_id),
        cloud_cover=cloud if cloud is not None and 0 <= cloud <= 100 else None,
        footprint=_geojson(row.spatial_coverage),
        published=None if row.publish_date == "Unknown" else row.publish_date,
        order_only=_has_to_be_ordered(row.options),
        browse=_thumbnail(row.browse),
    )


def _thumbnail(browse: Any) -> str | None:
    """Return the address of the smallest picture; what is not a list of objects has none."""
    for row in browse if isinstance(browse, list) else ():
        path = row.get("thumbnailPath") if isinstance(row, dict) else None
        if isinstance(path, str) and 0 < len(path) <= _ADDRESS_MAX:
            return path
    return None


def _has_to_be_ordered(options: object) -> bool:
    """Only where both are said: members may be absent."""
    return isinstance(options, dict) and options.get("download") is False and options.get("order") is True


def _acquired(coverage: object, display_id: str) -> str | None:
    start = coverage.get("startDate") if isinstance(coverage, dict) else None
    if isinstance(start, str) and (day := _DAY.match(start)):
        return day.group()
    product = parse_product_id(display_id)
    return product.acquired.isoformat() if product else None


def _geojson(raw: msgspec.Raw) -> str | None:
    """Kept as the text it came in: a search of 50,000 scenes must not become millions of Python numbers."""
    geometry = bytes(raw).decode("utf-8", errors="replace")
    return geometry if geometry.startswith("{") else None


def read_metadata_list(data: msgspec.Raw, unusable: list[FailedItem]) -> tuple[Scene, ...]:
    """scene-metadata-list: lists of scenes by dataset alias; an empty list when there are none."""
    if bytes(memoryview(data)[:1]) == b"[" or is_blank(data):
        return build_rows(data, _SceneRow, _scene, where="scene-metadata-list: data", unusable=unusable)
    try:
        by_alias = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError):
        raise BadReply("scene-metadata-list: data is not an object") from None
    return tuple(
        scene
        for alias, rows in by_alias.items()
        for scene in build_rows(rows, _SceneRow, _scene, where=f"scene-metadata-list: {alias}", unusable=unusable)
    )


class _MetadataRow(Row):
    field_name: Text
    value: Any = None


def read_scene_metadata(data: msgspec.Raw, unusable: list[FailedItem]) -> SceneMetadata:
    """scene-metadata."""
    row = read_object(data, _SceneRow, "scene-metadata")
    where = "scene-metadata: metadata"
    fields = build_rows(row.metadata, _MetadataRow, _metadata_field, where=where, unusable=unusable)
    return SceneMetadata(_scene(row), fields)


def _metadata_field(row: _MetadataRow) -> tuple[str, str]:
    value = row.value if isinstance(row.value, str | int | float) else ""
    return row.field_name, text(value) or str(value).strip()


def read_listed(data: msgspec.Raw, unusable: list[FailedItem]) -> tuple[ListedScene, ...]:
    """scene-list-get."""
    return build_rows(data, ListedScene, None, where="scene-list-get: data", unusable=unusable)
