"""download-request, the call that asks for files: what is sent, and how the answer is read. Pure.

It is the one call with effects (`Call.effects`), and the one that is made again and again while files come. So an
answer that accepts all that was asked for, as most do, is read in one pass; any other row by row, in every spelling.
Rows that cannot be used stand in `failed`, so that no file gets lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from landsat_async.m2m.payloads import APPLICATION, LIMIT_S, Call, DataGroup
from landsat_async.m2m.read_downloads import read_remaining
from landsat_async.m2m.replies import DownloadItem, DownloadReply, Remaining
from landsat_async.m2m.tolerant import (
    INT64_MAX,
    NULL,
    READ_ERRORS,
    FailedItem,
    Row,
    WholeOrZero,
    call_of,
    is_blank,
    plain,
    read_object,
    refused_rows,
    salvage_rows,
    text,
    whole,
)
from landsat_async.rules.links import SecretUrl

ENDPOINT = "download-request"


def download_request(
    label: str,
    downloads: Sequence[tuple[str, str]],
    data_groups: Sequence[DataGroup],
    *,
    limit_s: float | None,
) -> Call[DownloadReply]:
    """Asks for files. The label at the top overrides those of single items."""
    payload: dict[str, object] = {"label": label, "downloadApplication": APPLICATION}
    if downloads:
        payload["downloads"] = [{"entityId": entity, "productId": product} for entity, product in downloads]
    if data_groups:
        payload["dataGroups"] = [
            {"datasetName": one.dataset, "fileGroups": one.file_groups, "listId": one.list_id, "label": label}
            for one in data_groups
        ]
    return Call(
        ENDPOINT, payload, read_reply,
        limit_s=limit_s or LIMIT_S, effects=True, input_matters=True, usual=usual_reply,
    )  # fmt: skip


# -- an answer that accepts all

_Whole = Annotated[int, msgspec.Meta(ge=0, le=INT64_MAX)]
_PLAIN = r"\A(?=\S)(?s:.*)(?<=\S)\Z"
"""No blanks at its ends: `text` would change nothing, as msgspec lets no lone surrogate through."""
_Text = Annotated[str, msgspec.Meta(pattern=_PLAIN)]
_LabelId = Annotated[int, msgspec.Meta(gt=0, le=INT64_MAX)]
_Labels = dict[_LabelId, Annotated[str, msgspec.Meta(pattern=rf"\A\Z|{_PLAIN}")]]
_Nothing = Annotated[list[msgspec.Raw], msgspec.Meta(max_length=0)]


class _UsualItem(msgspec.Struct, rename="camel"):
    download_id: _Whole
    entity_id: _Text | None = None
    url: _Text | None = None
    product_id: _Text | None = None
    display_id: _Text | None = None
    eula_code: None = None


class _UsualLimits(msgspec.Struct, rename="camel"):
    recent_download_count: _Whole
    pending_download_count: _Whole
    unattempted_download_count: _Whole


class _UsualData(msgspec.Struct, rename="camel"):
    available_downloads: list[_UsualItem]
    failed: _Nothing
    preparing_downloads: list[_UsualItem] = msgspec.field(default_factory=list)
    new_records: _Labels | _Nothing = msgspec.field(default_factory=dict)
    duplicate_products: _Nothing = msgspec.field(default_factory=list)
    num_invalid_scenes: _Whole = 0
    remaining_limits: list[_UsualLimits] = msgspec.field(default_factory=list)


class _UsualAnswer(msgspec.Struct, rename="camel"):
    data: _UsualData
    error_code: None = None


_USUAL = msgspec.json.Decoder(_UsualAnswer)


def usual_reply(body: bytearray) -> DownloadReply | None:
    """Read a whole answer that accepts all that was asked for, and in which all is as promised; None for any other."""
    try:
        data = _USUAL.decode(body).data
    except READ_ERRORS:
        return None
    labels = data.new_records if isinstance(data.new_records, dict) else {}
    available, preparing = _items(data.available_downloads), _items(data.preparing_downloads)
    limits = data.remaining_limits
    smallest = Remaining(*map(min, zip(*map(msgspec.structs.astuple, limits), strict=True))) if limits else None
    return DownloadReply(available, preparing, (), {}, labels, data.num_invalid_scenes, smallest)


def _items(rows: Sequence[_UsualItem]) -> tuple[DownloadItem, ...]:
    items = []
    for row in rows:
        url = None if row.url is None else SecretUrl(row.url)
        items.append(DownloadItem(row.download_id, row.entity_id, url, row.product_id, row.display_id))
    return tuple(items)


# -- any other answer


class _Data(Row):
    available_downloads: msgspec.Raw = NULL
    preparing_downloads: msgspec.Raw = NULL
    failed: msgspec.Raw = NULL
    new_records: msgspec.Raw = NULL
    duplicate_products: msgspec.Raw = NULL
    num_invalid_scenes: WholeOrZero = 0
    remaining_limits: msgspec.Raw = NULL


def read_reply(data: msgspec.Raw, _unusable: list[FailedItem]) -> DownloadReply:
    """Read the `data` of an answer in every spelling. BadReply: nothing in it can be used."""
    reply = read_object(data, _Data, ENDPOINT)
    failed: list[FailedItem] = []
    new_records = read_labels(reply.new_records, f"{ENDPOINT}: newRecords", failed)
    duplicates = read_labels(reply.duplicate_products, f"{ENDPOINT}: duplicateProducts", failed)
    where = f"{ENDPOINT}: availableDownloads"
    available = salvage_rows(reply.available_downloads, DownloadItem, where=where, unusable=failed)
    where = f"{ENDPOINT}: preparingDownloads"
    preparing = salvage_rows(reply.preparing_downloads, DownloadItem, where=where, unusable=failed)
    failed += refused_rows(reply.failed, f"{ENDPOINT}: failed")
    remaining = read_remaining(reply.remaining_limits)
    return DownloadReply(
        available, preparing, tuple(failed), duplicates, new_records, reply.num_invalid_scenes, remaining
    )


_LABELS = msgspec.json.Decoder(_Labels)


def read_labels(raw: msgspec.Raw, where: str, unusable: list[FailedItem]) -> dict[int, str]:
    """Read a map of download id to label; `[]` when it is empty."""
    if is_blank(raw):
        return {}
    try:
        return _LABELS.decode(raw)
    except READ_ERRORS:
        pass
    try:
        entries = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except READ_ERRORS:
        unusable.append(FailedItem(None, None, None, f"{where} is not a map", call_of(where)))
        return {}
    labels: dict[int, str] = {}
    for key, piece in entries.items():
        download_id = whole(key)
        if download_id is None:
            unusable.append(FailedItem(None, None, None, f"{where} has no download id as key", call_of(where)))
            continue
        labels[download_id] = text(plain(piece)) or ""
    return labels
