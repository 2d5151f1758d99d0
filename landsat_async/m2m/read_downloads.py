"""Reads the `data` of the download calls into the types of `replies`. Pure; proven on recorded bodies.

Every reader takes the raw `data` and a list for rows that cannot be used. BadReply means that nothing in the answer
can be used; its message names call and member.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from operator import attrgetter
from typing import Annotated

import msgspec

from landsat_async.errors import BadReply
from landsat_async.m2m.replies import (
    DownloadItem,
    DownloadReply,
    ProductOption,
    QueueItem,
    Remaining,
    RetrieveReply,
    SecondaryFile,
)
from landsat_async.m2m.tolerant import (
    INT64_MAX,
    NULL,
    READ_ERRORS,
    FailedItem,
    Flag,
    Row,
    SizeOrZero,
    Text,
    TextOrEmpty,
    TextOrNone,
    TextsOrNone,
    Unusable,
    WholeOrZero,
    build_rows,
    call_of,
    flag,
    have_plain_texts,
    is_blank,
    plain,
    read_object,
    read_usual,
    refused_rows,
    salvage_rows,
    text,
    whole,
)


class _OptionRow(Row):
    id: Text
    entity_id: Text
    display_id: Text
    dataset_id: TextOrNone = None
    product_name: TextOrEmpty = ""
    download_system: TextOrEmpty = ""
    available: Flag = False
    filesize: SizeOrZero = 0
    file_groups: TextsOrNone = None
    secondary_downloads: msgspec.Raw = NULL


def read_options(data: msgspec.Raw, unusable: list[FailedItem]) -> tuple[ProductOption, ...]:
    """download-options; null means that nothing matched."""
    option = _option_maker(unusable)
    return build_rows(data, _OptionRow, option, where="download-options: data", unusable=unusable)


def usual_options(body: bytearray) -> tuple[ProductOption, ...] | None:
    """A whole answer to download-options of which each row is as promised; None for any other."""
    rows, unusable = read_usual(body, tuple[_OptionRow, ...]), list[FailedItem]()
    if not rows or not have_plain_texts(rows):
        return None
    try:
        options = tuple(map(_option_maker(unusable), rows))
    except Unusable:
        return None
    return None if unusable else options


def _option_maker(unusable: list[FailedItem]) -> Callable[[_OptionRow], ProductOption]:
    """Return what makes options of rows; `unusable` takes the files below them that cannot be used."""
    kept: list[tuple[bytes, tuple[SecondaryFile, ...]]] = []
    scene: str | None = None

    def secondary(row: _OptionRow) -> tuple[SecondaryFile, ...]:
        # The identical list hangs under every product of a scene: read it once, keep it once.
        nonlocal scene
        if scene != row.entity_id:
            kept.clear()
            scene = row.entity_id
        listed = bytes(row.secondary_downloads)
        for known, files in kept:  # compared and not hashed: they are long, and one or two
            if known == listed:
                return files
        files = _secondary_files(listed, unusable)
        kept.append((listed, files))
        return files

    def option(row: _OptionRow) -> ProductOption:
        try:
            below = secondary(row)
        except BadReply:
            raise Unusable("secondaryDownloads is not a list") from None
        return ProductOption(
            entity_id=row.entity_id,
            display_id=row.display_id,
            product_id=row.id,
            product_name=row.product_name,
            system=row.download_system,
            available=row.available,
            bytes_nominal=row.filesize or None,
            dataset_id=row.dataset_id,
            secondary=below,
        )

    return option


def _secondary_files(listed: bytes, unusable: list[FailedItem]) -> tuple[SecondaryFile, ...]:
    """Decode as they are, when every value is of the type and form that was promised; otherwise row by row."""
    try:
        files = _STRICT.decode(listed)
        texts = chain(chain.from_iterable(map(_TEXTS, files)), *filter(None, map(_GROUPS, files)))
        joined = "".join(filter(None, texts))
        if joined.isascii() and joined.isprintable() and " " not in joined:  # else `text` might make others of them
            return files
    except READ_ERRORS:
        pass
    where = "download-options: secondaryDownloads"
    return build_rows(msgspec.Raw(listed), _OptionRow, _secondary, where=where, unusable=unusable)


_STRICT = msgspec.json.Decoder(tuple[SecondaryFile, ...])
_TEXTS = attrgetter("entity_id", "display_id", "product_id", "system", "dataset_id")
_GROUPS = attrgetter("file_groups")


def _secondary(row: _OptionRow) -> SecondaryFile:
    return SecondaryFile(
        entity_id=row.entity_id,
        display_id=row.display_id,
        product_id=row.id,
        system=row.download_system,
        available=row.available,
        bytes_nominal=row.filesize or None,
        dataset_id=row.dataset_id,
        file_groups=row.file_groups,
    )


# -- requests


class _RequestData(Row):
    available_downloads: msgspec.Raw = NULL
    preparing_downloads: msgspec.Raw = NULL
    failed: msgspec.Raw = NULL
    new_records: msgspec.Raw = NULL
    duplicate_products: msgspec.Raw = NULL
    num_invalid_scenes: WholeOrZero = 0
    remaining_limits: msgspec.Raw = NULL


def read_download_reply(data: msgspec.Raw, _unusable: list[FailedItem]) -> DownloadReply:
    """download-request. Rows that cannot be used stand in `failed`, so that no item gets lost."""
    call = "download-request"
    reply = read_object(data, _RequestData, call)
    failed: list[FailedItem] = []
    new_records = read_labels(reply.new_records, f"{call}: newRecords", failed)
    duplicates = read_labels(reply.duplicate_products, f"{call}: duplicateProducts", failed)
    available = salvage_rows(
        reply.available_downloads, DownloadItem, where=f"{call}: availableDownloads", unusable=failed
    )
    preparing = salvage_rows(
        reply.preparing_downloads, DownloadItem, where=f"{call}: preparingDownloads", unusable=failed
    )
    failed += refused_rows(reply.failed, f"{call}: failed")
    remaining = read_remaining(reply.remaining_limits)
    return DownloadReply(
        available, preparing, tuple(failed), duplicates, new_records, reply.num_invalid_scenes, remaining
    )


_Labels = dict[Annotated[int, msgspec.Meta(gt=0, le=INT64_MAX)], str]
_LABELS = msgspec.json.Decoder(_Labels)
_Nothing = Annotated[list[msgspec.Raw], msgspec.Meta(max_length=0)]


class _UsualRequest(Row):
    available_downloads: tuple[DownloadItem, ...]
    failed: _Nothing
    preparing_downloads: tuple[DownloadItem, ...] = ()
    new_records: _Labels | _Nothing = msgspec.field(default_factory=dict)
    duplicate_products: _Nothing = msgspec.field(default_factory=list)
    num_invalid_scenes: WholeOrZero = 0
    remaining_limits: tuple[Remaining, ...] = ()


def usual_download_reply(body: bytearray) -> DownloadReply | None:
    """A whole answer to download-request that accepts all, and of which each row is as promised; None for any other."""
    reply = read_usual(body, _UsualRequest)
    if reply is None or not have_plain_texts(chain(reply.available_downloads, reply.preparing_downloads)):
        return None
    new = reply.new_records if isinstance(reply.new_records, dict) else {}
    if list(map(str.strip, new.values())) != list(new.values()):
        return None
    remaining = _smallest(reply.remaining_limits)
    available, preparing = reply.available_downloads, reply.preparing_downloads
    return DownloadReply(available, preparing, (), {}, new, reply.num_invalid_scenes, remaining)


def read_labels(raw: msgspec.Raw, where: str, unusable: list[FailedItem]) -> dict[int, str]:
    """Read a map of download id to label; `[]` when it is empty."""
    if is_blank(raw):
        return {}
    try:
        usual = _LABELS.decode(raw)
        if list(map(str.strip, usual.values())) == list(usual.values()):
            return usual
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


def read_remaining(raw: msgspec.Raw) -> Remaining | None:
    """Limits per user and per address; the smaller one counts. None when absent or unreadable: it is only advice."""
    return _smallest(salvage_rows(raw, Remaining, where="remainingLimits", unusable=[]))


def _smallest(rows: Sequence[Remaining]) -> Remaining | None:
    columns = zip(*map(msgspec.structs.astuple, rows), strict=True)
    return Remaining(*[min(set(column) - {None}, default=None) for column in columns]) if rows else None


# -- the queue


class _RetrieveData(Row):
    available: msgspec.Raw = NULL
    requested: msgspec.Raw = NULL
    queue_size: WholeOrZero = 0


def read_retrieved(data: msgspec.Raw, _unusable: list[FailedItem]) -> RetrieveReply:
    """download-retrieve. One download can stand in both lists."""
    if is_blank(data):
        return RetrieveReply()
    call = "download-retrieve"
    reply = read_object(data, _RetrieveData, call)
    failed: list[FailedItem] = []
    available = salvage_rows(reply.available, QueueItem, where=f"{call}: available", unusable=failed)
    requested = salvage_rows(reply.requested, QueueItem, where=f"{call}: requested", unusable=failed)
    return RetrieveReply(available, requested, reply.queue_size, tuple(failed))


def read_queue(data: msgspec.Raw, unusable: list[FailedItem]) -> tuple[QueueItem, ...]:
    """download-search and download-order-load; null means nothing."""
    return build_rows(data, QueueItem, None, where="download queue: data", unusable=unusable)


class _Completed(Row):
    failed: msgspec.Raw = NULL
    updated_downloads_count: WholeOrZero = 0


def read_completed(data: msgspec.Raw, unusable: list[FailedItem]) -> int:
    """download-complete-proxied: how many downloads are now complete at the service."""
    reply = read_object(data, _Completed, "download-complete-proxied")
    unusable += refused_rows(reply.failed, "download-complete-proxied: failed")
    return reply.updated_downloads_count


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
