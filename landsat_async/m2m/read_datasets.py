"""Reads the answers of the calls round datasets, labels and limits."""

from __future__ import annotations

import functools
import re
from typing import Any

import msgspec

from landsat_async.errors import BadReply
from landsat_async.m2m.read_downloads import read_remaining
from landsat_async.m2m.replies import (
    Dataset,
    DatasetFilter,
    FileGroup,
    GridCell,
    LabelInfo,
    LabelSummary,
    Notification,
    RateLimits,
)
from landsat_async.m2m.tolerant import (
    NULL,
    FailedItem,
    Flag,
    Number,
    Row,
    Text,
    TextOrEmpty,
    TextOrNone,
    WholeOrNone,
    build_rows,
    is_blank,
    number,
    pieces,
    plain,
    read_object,
    text,
)


class _DatasetRow(Row):
    dataset_id: Text
    dataset_alias: Text
    collection_name: TextOrEmpty = ""
    scene_count: WholeOrNone = None
    acquisition_start: TextOrNone = None
    acquisition_end: TextOrNone = None
    support_cloud_cover: Flag = False
    spatial_bounds: Any = None
    temporal_coverage: Any = None


def read_datasets(data: msgspec.Raw, unusable: list[FailedItem]) -> tuple[Dataset, ...]:
    """dataset-search."""
    return build_rows(data, _DatasetRow, _dataset, where="dataset-search: data", unusable=unusable)


def read_dataset(data: msgspec.Raw, unusable: list[FailedItem]) -> Dataset | None:
    """Dataset; None when the one that came cannot be used."""
    one = build_rows(_as_list(data), _DatasetRow, _dataset, where="dataset: data", unusable=unusable)
    return one[0] if one else None


def _as_list(data: msgspec.Raw) -> msgspec.Raw:
    return msgspec.Raw(b"[" + bytes(data) + b"]")


def _dataset(row: _DatasetRow) -> Dataset:
    return Dataset(
        dataset_id=row.dataset_id,
        alias=row.dataset_alias,
        name=row.collection_name,
        scene_count=row.scene_count,
        acquisition_start=row.acquisition_start,
        acquisition_end=row.acquisition_end,
        supports_cloud_cover=row.support_cloud_cover,
        bounds=_bounds(row.spatial_bounds),
        temporal_coverage=_coverage(row.temporal_coverage),
    )


def _coverage(value: object) -> tuple[str, str] | None:
    """A text that holds a list of two times, or the list itself."""
    days = re.findall(r"\d{4}-\d\d-\d\d", str(value), re.ASCII) if isinstance(value, str | list) else []
    return (days[0], days[1]) if len(days) == 2 else None


def _bounds(value: object) -> tuple[float, float, float, float] | None:
    if not isinstance(value, dict):
        return None
    west, south, east, north = (number(value.get(side)) for side in ("west", "south", "east", "north"))
    if west is None or south is None or east is None or north is None:
        return None
    return west, south, east, north


class _FilterRow(Row):
    id: Text
    field_label: Text
    field_config: Any = None
    value_list: Any = None


def read_filters(data: msgspec.Raw, unusable: list[FailedItem]) -> tuple[DatasetFilter, ...]:
    """dataset-filters."""
    return build_rows(data, _FilterRow, _filter, where="dataset-filters: data", unusable=unusable)


def _filter(row: _FilterRow) -> DatasetFilter:
    config = row.field_config if isinstance(row.field_config, dict) else {}
    values = row.value_list if isinstance(row.value_list, dict) else {}
    return DatasetFilter(
        row.id,
        row.field_label,
        text(config.get("type")) or "",
        tuple((code, text(label) or "") for code, label in values.items()),
    )


class _ProductRow(Row):
    product_name: Text


def read_product_names(data: msgspec.Raw, unusable: list[FailedItem]) -> tuple[str, ...]:
    """dataset-download-options: names of products, each once."""
    where = "dataset-download-options: data"
    names = build_rows(data, _ProductRow, lambda row: row.product_name, where=where, unusable=unusable)
    return tuple(dict.fromkeys(names))


class _GroupsData(Row):
    primary: msgspec.Raw = NULL
    secondary: msgspec.Raw = NULL


class _GroupRow(Row):
    id: Text
    label: TextOrEmpty = ""
    files: Any = None


def read_file_groups(data: msgspec.Raw, unusable: list[FailedItem]) -> tuple[FileGroup, ...]:
    """dataset-file-groups: groups by group id; those of secondary datasets by dataset id first."""
    if is_blank(data):
        return ()
    reply = read_object(data, _GroupsData, "dataset-file-groups")
    below = {} if is_blank(reply.secondary) else _by_key(reply.secondary)
    groups: list[FileGroup] = []
    for dataset_id, raw in {"": reply.primary, **below}.items():
        build = functools.partial(_group, dataset_id)
        where = f"dataset-file-groups: {dataset_id or 'primary'}"
        groups += build_rows(raw, _GroupRow, build, where=where, unusable=unusable)
    return tuple(groups)


def _by_key(raw: msgspec.Raw) -> dict[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise BadReply("dataset-file-groups: secondary is not an object") from None


def _group(dataset_id: str, row: _GroupRow) -> FileGroup:
    files = row.files if isinstance(row.files, list) else []
    names = (text(file.get("name")) for file in files if isinstance(file, dict))
    return FileGroup(dataset_id, row.id, row.label or row.id, tuple(name for name in names if name))


def read_labels_of_queue(data: msgspec.Raw, unusable: list[FailedItem]) -> tuple[LabelInfo, ...]:
    """download-labels."""
    return build_rows(data, LabelInfo, None, where="download-labels: data", unusable=unusable)


def read_summary(data: msgspec.Raw, _unusable: list[FailedItem]) -> LabelSummary:
    """download-summary: zeros for an unknown label."""
    return LabelSummary() if is_blank(data) else read_object(data, LabelSummary, "download-summary")


class _LimitsData(Row):
    initial_limits: msgspec.Raw = NULL
    remaining_limits: msgspec.Raw = NULL


def read_limits(data: msgspec.Raw, _unusable: list[FailedItem]) -> RateLimits:
    """rate-limit-summary."""
    row = read_object(data, _LimitsData, "rate-limit-summary")
    return RateLimits(read_remaining(row.initial_limits), read_remaining(row.remaining_limits))


def read_permissions(data: msgspec.Raw, _unusable: list[FailedItem]) -> tuple[str, ...]:
    """Names of the account's roles."""
    names = (text(plain(piece)) for piece in pieces(data, "permissions: data"))
    return tuple(name for name in names if name)


class _GridData(Row):
    shape: TextOrEmpty = ""
    coordinates: msgspec.Raw = NULL


class _PointRow(Row):
    latitude: Number
    longitude: Number


def read_grid(data: msgspec.Raw, unusable: list[FailedItem]) -> GridCell:
    """grid2ll."""
    row = read_object(data, _GridData, "grid2ll")
    points: tuple[_PointRow, ...] = build_rows(
        row.coordinates, _PointRow, None, where="grid2ll: coordinates", unusable=unusable
    )
    return GridCell(row.shape, tuple((point.longitude, point.latitude) for point in points))


def read_notifications(data: msgspec.Raw, unusable: list[FailedItem]) -> tuple[Notification, ...]:
    """Read messages to users."""
    return build_rows(data, Notification, None, where="notifications: data", unusable=unusable)
