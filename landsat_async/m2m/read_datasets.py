"""Reads the answers of the calls round datasets, labels and limits; a sibling of `wire`."""

from __future__ import annotations

import functools
import re

import msgspec

from landsat_async.errors import BadReply
from landsat_async.m2m.read_downloads import read_remaining
from landsat_async.m2m.replies import (
    Dataset,
    DatasetFilter,
    FailedItem,
    FileGroup,
    GridCell,
    LabelInfo,
    LabelSummary,
    Notification,
    RateLimits,
)
from landsat_async.m2m.tolerant import (
    NULL,
    flag,
    is_blank,
    number,
    pieces,
    plain,
    read_object,
    read_rows,
    required,
    size_bytes,
    text,
    whole,
)


class _Row(msgspec.Struct, rename="camel"):
    """Names of fields are the service's; values may be anything."""


class _DatasetRow(_Row):
    dataset_id: object = None
    dataset_alias: object = None
    collection_name: object = None
    scene_count: object = None
    acquisition_start: object = None
    acquisition_end: object = None
    support_cloud_cover: object = None
    spatial_bounds: object = None
    temporal_coverage: object = None


def read_datasets(data: msgspec.Raw, unusable: list[FailedItem]) -> tuple[Dataset, ...]:
    """dataset-search."""
    return read_rows(data, _DatasetRow, _dataset, where="dataset-search: data", unusable=unusable)


def read_dataset(data: msgspec.Raw, unusable: list[FailedItem]) -> Dataset | None:
    """Dataset; None when the one that came cannot be used."""
    one = read_rows(_as_list(data), _DatasetRow, _dataset, where="dataset: data", unusable=unusable)
    return one[0] if one else None


def _as_list(data: msgspec.Raw) -> msgspec.Raw:
    return msgspec.Raw(b"[" + bytes(data) + b"]")


def _dataset(row: _DatasetRow) -> Dataset:
    return Dataset(
        dataset_id=required(text(row.dataset_id), "datasetId"),
        alias=required(text(row.dataset_alias), "datasetAlias"),
        name=text(row.collection_name) or "",
        scene_count=whole(row.scene_count),
        acquisition_start=text(row.acquisition_start),
        acquisition_end=text(row.acquisition_end),
        supports_cloud_cover=flag(row.support_cloud_cover),
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


class _FilterRow(_Row):
    id: object = None
    field_label: object = None
    field_config: object = None
    value_list: object = None


def read_filters(data: msgspec.Raw, unusable: list[FailedItem]) -> tuple[DatasetFilter, ...]:
    """dataset-filters."""
    return read_rows(data, _FilterRow, _filter, where="dataset-filters: data", unusable=unusable)


def _filter(row: _FilterRow) -> DatasetFilter:
    config = row.field_config if isinstance(row.field_config, dict) else {}
    values = row.value_list if isinstance(row.value_list, dict) else {}
    return DatasetFilter(
        required(text(row.id), "id"),
        required(text(row.field_label), "fieldLabel"),
        text(config.get("type")) or "",
        tuple((code, text(label) or "") for code, label in values.items()),
    )


class _GroupsData(_Row):
    primary: msgspec.Raw = NULL
    secondary: msgspec.Raw = NULL


class _GroupRow(_Row):
    id: object = None
    label: object = None
    files: object = None


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
        groups += read_rows(raw, _GroupRow, build, where=where, unusable=unusable)
    return tuple(groups)


def _by_key(raw: msgspec.Raw) -> dict[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise BadReply("dataset-file-groups: secondary is no object") from None


def _group(dataset_id: str, row: _GroupRow) -> FileGroup:
    files = row.files if isinstance(row.files, list) else []
    names = (text(file.get("name")) for file in files if isinstance(file, dict))
    group_id = required(text(row.id), "id")
    return FileGroup(dataset_id, group_id, text(row.label) or group_id, tuple(name for name in names if name))


class _LabelRow(_Row):
    label: object = None
    date_entered: object = None
    download_count: object = None
    total_complete: object = None


def read_labels(data: msgspec.Raw, unusable: list[FailedItem]) -> tuple[LabelInfo, ...]:
    """download-labels."""
    return read_rows(data, _LabelRow, _label_info, where="download-labels: data", unusable=unusable)


def _label_info(row: _LabelRow) -> LabelInfo:
    return LabelInfo(
        required(text(row.label), "label"),
        whole(row.date_entered),
        whole(row.download_count) or 0,
        whole(row.total_complete) or 0,
    )


class _SummaryData(_Row):
    label: object = None
    scene_count: object = None
    download_count: object = None
    total_estimated_size: object = None


def read_summary(data: msgspec.Raw, _unusable: list[FailedItem]) -> LabelSummary:
    """download-summary: zeros for an unknown label."""
    row = _SummaryData() if is_blank(data) else read_object(data, _SummaryData, "download-summary")
    return LabelSummary(
        text(row.label) or "",
        whole(row.scene_count) or 0,
        whole(row.download_count) or 0,
        size_bytes(row.total_estimated_size),
    )


class _LimitsData(_Row):
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


class _GridData(_Row):
    shape: object = None
    coordinates: msgspec.Raw = NULL


class _PointRow(_Row):
    latitude: object = None
    longitude: object = None


def read_grid(data: msgspec.Raw, unusable: list[FailedItem]) -> GridCell:
    """grid2ll."""
    row = read_object(data, _GridData, "grid2ll")
    points = read_rows(row.coordinates, _PointRow, _point, where="grid2ll: coordinates", unusable=unusable)
    return GridCell(text(row.shape) or "", points)


def _point(row: _PointRow) -> tuple[float, float]:
    return required(number(row.longitude), "longitude"), required(number(row.latitude), "latitude")


class _NotificationRow(_Row):
    subject: object = None
    message_content: object = None
    severity_text: object = None
    date_updated: object = None


def read_notifications(data: msgspec.Raw, unusable: list[FailedItem]) -> tuple[Notification, ...]:
    """Messages to users, as written: not safe to print without cleaning."""
    return read_rows(data, _NotificationRow, _notification, where="notifications: data", unusable=unusable)


def _notification(row: _NotificationRow) -> Notification:
    return Notification(
        text(row.subject) or "",
        text(row.message_content) or "",
        text(row.severity_text) or "",
        text(row.date_updated),
    )
