"""Reads the `data` of the download calls but download-request into the types of `replies`. Pure.

Every reader takes the raw `data` and a list for rows that cannot be used. BadReply means that nothing in the answer
can be used; its message names call and member.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from operator import attrgetter

import msgspec

from landsat_async.errors import BadReply
from landsat_async.m2m.replies import (
    ProductOption,
    QueueItem,
    Remaining,
    RetrieveReply,
    SecondaryFile,
)
from landsat_async.m2m.tolerant import (
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

    def option(row: _OptionRow) -> ProductOption:
        # The identical list hangs under every product of a scene: read it once, keep it once.
        nonlocal scene
        if scene != row.entity_id:
            kept.clear()
            scene = row.entity_id
        listed = bytes(row.secondary_downloads)
        below: tuple[SecondaryFile, ...] | None = None
        for known, files in kept:  # compared and not hashed: they are long, and one or two
            if known == listed:
                below = files
        if below is None:
            try:
                below = _secondary_files(listed, unusable)
            except BadReply:
                raise Unusable("secondaryDownloads is not a list") from None
            kept.append((listed, below))
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


# -- limits


def read_remaining(raw: msgspec.Raw) -> Remaining | None:
    """Limits per user and per address; the smaller one counts. None when absent or unreadable: it is only advice."""
    rows = salvage_rows(raw, Remaining, where="remainingLimits", unusable=[])
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
