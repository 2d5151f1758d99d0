"""Reads the `data` of the download calls into the types of `replies`. Pure; proven on recorded bodies.

Every reader takes the raw `data` and a list for rows that cannot be used. BadReply means that nothing in the answer
can be used; its message names call and field.
"""

from __future__ import annotations

import msgspec

from landsat_async.errors import BadReply
from landsat_async.m2m.options import ProductOption, SecondaryFile
from landsat_async.m2m.replies import (
    DownloadItem,
    DownloadReply,
    FailedItem,
    QueueItem,
    Remaining,
    RetrieveReply,
)
from landsat_async.m2m.tolerant import (
    NULL,
    Unusable,
    flag,
    is_blank,
    pieces,
    plain,
    read_object,
    read_rows,
    read_struct,
    required,
    size_bytes,
    text,
    whole,
)
from landsat_async.model import SecretUrl
from landsat_async.rules.redact import quoted_from_outside


class _Row(msgspec.Struct, rename="camel"):
    """Names of fields are the service's; values may be anything."""


class _OptionRow(_Row):
    id: object = None
    entity_id: object = None
    display_id: object = None
    dataset_id: object = None
    product_name: object = None
    download_system: object = None
    available: object = None
    filesize: object = None
    file_groups: object = None
    secondary_downloads: msgspec.Raw = NULL


def read_options(data: msgspec.Raw, unusable: list[FailedItem]) -> tuple[ProductOption, ...]:
    """download-options; null means that nothing matched."""
    where = "download-options: data"
    kept: list[tuple[bytes, tuple[SecondaryFile, ...]]] = []
    scene: object = None

    def secondary(row: _OptionRow) -> tuple[SecondaryFile, ...]:
        # The identical list hangs under every product of a scene: read it once, keep it once.
        nonlocal scene
        if scene != row.entity_id:
            kept.clear()
            scene = row.entity_id
        listed = bytes(row.secondary_downloads)
        files = next((files for known, files in kept if known == listed), None)
        if files is None:
            files = _secondary_files(listed, unusable)
            kept.append((listed, files))
        return files

    def option(row: _OptionRow) -> ProductOption:
        try:
            below = secondary(row)
        except BadReply:
            raise Unusable("secondaryDownloads is no list") from None
        return ProductOption(
            entity_id=required(text(row.entity_id), "entityId"),
            display_id=required(text(row.display_id), "displayId"),
            product_id=required(text(row.id), "id"),
            product_name=text(row.product_name) or "",
            system=text(row.download_system) or "",
            available=flag(row.available),
            bytes_nominal=size_bytes(row.filesize),
            dataset_id=text(row.dataset_id),
            secondary=below,
        )

    return read_rows(data, _OptionRow, option, where=where, unusable=unusable)


def _secondary_files(listed: bytes, unusable: list[FailedItem]) -> tuple[SecondaryFile, ...]:
    """As they are, when every value is of the type and form that was promised; otherwise row by row."""
    if listed.isascii() and not any(mark in listed for mark in _TO_BE_MENDED):
        try:
            return _STRICT.decode(listed)
        except msgspec.MsgspecError:
            pass
    where = "download-options: secondaryDownloads"
    return read_rows(msgspec.Raw(listed), _OptionRow, _secondary, where=where, unusable=unusable)


_STRICT = msgspec.json.Decoder(tuple[SecondaryFile, ...])
_TO_BE_MENDED = (b"\\", b'" ', b' "')
"""Only texts with escapes or blanks at an end could be other than `text` makes them."""


def _secondary(row: _OptionRow) -> SecondaryFile:
    groups = row.file_groups if isinstance(row.file_groups, list) else None
    return SecondaryFile(
        entity_id=required(text(row.entity_id), "entityId"),
        display_id=required(text(row.display_id), "displayId"),
        product_id=required(text(row.id), "id"),
        system=text(row.download_system) or "",
        available=flag(row.available),
        bytes_nominal=size_bytes(row.filesize),
        dataset_id=text(row.dataset_id),
        file_groups=None if groups is None else tuple(name for group in groups if (name := text(group))),
    )


# -- requests


class _RequestData(_Row):
    available_downloads: msgspec.Raw = NULL
    preparing_downloads: msgspec.Raw = NULL
    failed: msgspec.Raw = NULL
    new_records: msgspec.Raw = NULL
    duplicate_products: msgspec.Raw = NULL
    num_invalid_scenes: object = None
    remaining_limits: msgspec.Raw = NULL


class _DownloadRow(_Row):
    download_id: object = None
    entity_id: object = None
    product_id: object = None
    display_id: object = None
    url: object = None
    eula_code: object = None


class _FailedRow(_Row):
    entity_id: object = None
    product_id: object = None
    download_id: object = None
    error_message: object = None
    message: object = None


def read_download_reply(data: msgspec.Raw, unusable: list[FailedItem]) -> DownloadReply:
    """download-request. Rows that cannot be used stand in `failed`, so that no item gets lost."""
    reply = read_object(data, _RequestData, "download-request")
    failed: list[FailedItem] = []
    new_records = _labels(reply.new_records, "newRecords", failed)
    duplicates = _labels(reply.duplicate_products, "duplicateProducts", failed)

    def item(row: _DownloadRow) -> DownloadItem:
        download_id = required(whole(row.download_id), "downloadId")
        return DownloadItem(
            download_id,
            text(row.entity_id),
            _link(row.url),
            new_records.get(download_id) or duplicates.get(download_id),
            text(row.product_id),
            text(row.display_id),
            text(row.eula_code),
        )

    def accepted(raw: msgspec.Raw, name: str) -> tuple[DownloadItem, ...]:
        try:
            return read_rows(raw, _DownloadRow, item, where=f"download-request: {name}", unusable=failed)
        except BadReply as error:
            failed.append(FailedItem(None, None, None, str(error)))
            return ()

    available = accepted(reply.available_downloads, "availableDownloads")
    preparing = accepted(reply.preparing_downloads, "preparingDownloads")
    failed += _refused(reply.failed)
    return DownloadReply(
        available,
        preparing,
        tuple(failed),
        duplicates,
        new_records,
        whole(reply.num_invalid_scenes) or 0,
        read_remaining(reply.remaining_limits),
    )


def _refused(raw: msgspec.Raw) -> list[FailedItem]:
    """No refused item was ever recorded, only its errorMessage is documented: every shape is taken."""
    try:
        rows = pieces(raw, "download-request: failed")
    except BadReply as error:
        return [FailedItem(None, None, None, str(error))]
    return [_refused_item(row) for row in rows]


def _refused_item(piece: msgspec.Raw) -> FailedItem:
    try:
        row = read_struct(piece, _FailedRow)
    except Unusable:
        row = _FailedRow(message=plain(piece))
    message = text(row.error_message) or text(row.message) or "refused without a reason"
    return FailedItem(
        text(row.entity_id), text(row.product_id), whole(row.download_id), quoted_from_outside(message, 300)
    )


def _labels(raw: msgspec.Raw, name: str, failed: list[FailedItem]) -> dict[int, str]:
    """A map of download id to label; `[]` when it is empty."""
    if is_blank(raw):
        return {}
    try:
        entries = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        failed.append(FailedItem(None, None, None, f"download-request: {name} is no map"))
        return {}
    labels: dict[int, str] = {}
    for key, piece in entries.items():
        download_id = whole(key)
        if download_id is None:
            failed.append(FailedItem(None, None, None, f"download-request: {name} has no download id as key"))
            continue
        labels[download_id] = text(plain(piece)) or ""
    return labels


def _link(value: object) -> SecretUrl | None:
    url = text(value)
    return SecretUrl(url) if url else None


class _LimitRow(_Row):
    recent_download_count: object = None
    pending_download_count: object = None
    unattempted_download_count: object = None


def read_remaining(raw: msgspec.Raw) -> Remaining | None:
    """Limits per user and per address; the smaller one counts. None when absent or unreadable: it is only advice."""
    try:
        rows = read_rows(raw, _LimitRow, lambda row: row, where="remainingLimits", unusable=[])
    except BadReply:
        return None
    if not rows:
        return None
    return Remaining(
        _least([row.recent_download_count for row in rows]),
        _least([row.pending_download_count for row in rows]),
        _least([row.unattempted_download_count for row in rows]),
    )


def _least(values: list[object]) -> int | None:
    return min((count for value in values if (count := whole(value)) is not None), default=None)


# -- the queue


class _QueueRow(_Row):
    download_id: object = None
    entity_id: object = None
    display_id: object = None
    product_code: object = None
    url: object = None
    status_code: object = None
    status_text: object = None
    label: object = None
    filesize: object = None
    eula_code: object = None


class _RetrieveData(_Row):
    available: msgspec.Raw = NULL
    requested: msgspec.Raw = NULL
    queue_size: object = None


def read_retrieved(data: msgspec.Raw, unusable: list[FailedItem]) -> RetrieveReply:
    """download-retrieve. One download can stand in both lists."""
    if is_blank(data):
        return RetrieveReply()
    reply = read_object(data, _RetrieveData, "download-retrieve")
    failed: list[FailedItem] = []
    lists = []
    for name, raw in (("available", reply.available), ("requested", reply.requested)):
        try:
            where = f"download-retrieve: {name}"
            lists.append(read_rows(raw, _QueueRow, _queue_item, where=where, unusable=failed))
        except BadReply as error:
            failed.append(FailedItem(None, None, None, str(error)))
            lists.append(())
    return RetrieveReply(lists[0], lists[1], whole(reply.queue_size) or 0, tuple(failed))


def _queue_item(row: _QueueRow) -> QueueItem:
    return QueueItem(
        download_id=required(whole(row.download_id), "downloadId"),
        entity_id=text(row.entity_id),
        display_id=text(row.display_id),
        product_code=text(row.product_code),
        url=_link(row.url),
        status_code=text(row.status_code),
        status_text=None if (status := text(row.status_text)) is None else quoted_from_outside(status),
        label=text(row.label),
        bytes_nominal=size_bytes(row.filesize),
        eula=text(row.eula_code),
    )


def read_queue(data: msgspec.Raw, unusable: list[FailedItem]) -> tuple[QueueItem, ...]:
    """download-search and download-order-load; null means nothing."""
    return read_rows(data, _QueueRow, _queue_item, where="download queue: data", unusable=unusable)


class _Completed(_Row):
    failed: msgspec.Raw = NULL
    updated_downloads_count: object = None


def read_completed(data: msgspec.Raw, unusable: list[FailedItem]) -> int:
    """download-complete-proxied: how many downloads are now complete at the service."""
    reply = read_object(data, _Completed, "download-complete-proxied")
    unusable += _refused(reply.failed)
    return whole(reply.updated_downloads_count) or 0


def read_added(data: msgspec.Raw, _unusable: list[FailedItem]) -> int:
    """scene-list-add: a number; an object with sceneCount on the development branch."""
    value = plain(data)
    return whole(value.get("sceneCount") if isinstance(value, dict) else value) or 0


def read_count(data: msgspec.Raw, _unusable: list[FailedItem]) -> int:
    """A bare number."""
    return whole(plain(data)) or 0


def read_flag(data: msgspec.Raw, _unusable: list[FailedItem]) -> bool:
    """A bare truth value."""
    return flag(plain(data))


def read_text(data: msgspec.Raw, _unusable: list[FailedItem]) -> str | None:
    """A bare text; None for anything else."""
    value = plain(data)
    return text(value) if isinstance(value, str) else None


def read_nothing(_data: msgspec.Raw, _unusable: list[FailedItem]) -> None:
    """For calls whose answer says nothing."""
