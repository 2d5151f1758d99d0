"""Whether the `data` of an API answer has the shape that its endpoint gives.

The answers of M2M do not say which call they belong to. A proxy that mixes them up turns a list of products into a
count of scenes, and readers that forgive much read it as 0. Only what can be nothing else than the answer to another
call is a misfit; null, empty values and members that are missing are for the readers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

_EMPTY = (b"", b"[]", b"{}", b'""')
"""Nothing, in one spelling or another: PHP has one empty array for lists and objects."""
_KINDS = {b"{": "object", b"[": "list", b'"': "text", b"t": "flag", b"f": "flag", b"n": "null"}
_ARTICLES = {"object": "an object", "list": "a list", "text": "a text", "flag": "true or false", "number": "a number"}


@dataclass(frozen=True, slots=True)
class Shape:
    """What the data of an endpoint may be."""

    kinds: frozenset[str]
    members: frozenset[str] = frozenset()
    """Of an object, or of the rows of a list, if it has any member at all, one is among these."""
    is_count: bool = False
    """A text has to be a number."""


def _object(*members: str) -> Shape:
    return Shape(frozenset(("object",)), frozenset(members))


def _rows(*members: str) -> Shape:
    return Shape(frozenset(("list", "object")), frozenset(members))  # PHP sends a list with gaps as an object


_COUNT = Shape(frozenset(("number", "text")), is_count=True)
_QUEUE = _rows("downloadId", "entityId", "displayId", "statusCode", "statusText", "productCode")
SHAPES: Mapping[str, Shape] = {
    "login-token": Shape(frozenset(("text", "number"))),
    "rate-limit-summary": _object("initialLimits", "remainingLimits", "recentDownloadCounts"),
    "dataset": _rows("datasetAlias", "collectionName", "datasetId", "datasetCategoryName"),
    "dataset-search": _rows("datasetAlias", "collectionName", "datasetId", "datasetCategoryName"),
    "dataset-filters": _rows("fieldLabel", "fieldConfig", "dictionaryLink", "legacyFieldId", "filterXml", "searchSql"),
    "dataset-file-groups": _object("primary", "secondary"),
    "grid2ll": _object("coordinates", "shape"),
    "scene-search": _object("results", "totalHits", "recordsReturned", "nextRecord", "startingNumber"),
    "scene-metadata": _object("entityId", "displayId", "metadata", "cloudCover", "spatialBounds"),
    "scene-list-add": Shape(frozenset(("number", "text", "object")), frozenset(("sceneCount",)), is_count=True),
    "download-options": _rows(
        "id", "entityId", "displayId", "downloadSystem", "productName", "productCode", "available", "secondaryDownloads"
    ),
    "download-request": _object(
        "availableDownloads", "preparingDownloads", "failed", "newRecords", "duplicateProducts", "numInvalidScenes",
        "remainingLimits",
    ),
    "download-retrieve": _object("available", "requested", "queueSize", "eulas"),
    "download-search": _QUEUE,
    "download-order-load": _QUEUE,
    "download-order-remove": _COUNT,
    "download-remove": Shape(frozenset(("flag", "number", "text"))),
    "download-complete-proxied": _object("failed", "updatedDownloadsCount"),
    "download-summary": _object("downloadCount", "sceneCount", "label", "collections", "totalEstimatedSize"),
}  # fmt: skip


def misfit(endpoint: str, data: bytes | msgspec.Raw) -> str | None:
    """Say what came in place of an answer of this endpoint; None when it may be one, or nothing is known.

    Args:
        endpoint: The call.
        data: JSON text of the answer's `data`.
    """
    shape = SHAPES.get(endpoint)
    text = bytes(data).strip()
    if shape is None or text in _EMPTY:
        return None
    kind = _KINDS.get(text[:1], "number")
    if kind == "null":
        return None
    if kind not in shape.kinds or (kind == "text" and shape.is_count and not text.strip(b' "').isdigit()):
        return _ARTICLES[kind]
    if shape.members and kind in ("object", "list") and not _has_one(shape.members, kind, text):
        return "other data"
    return None


def _has_one(members: frozenset[str], kind: str, text: bytes) -> bool:
    """Look for one of the members in an object or in the first row; what cannot be read is for the readers."""
    try:
        if kind == "list":
            rows = msgspec.json.decode(text, type=list[msgspec.Raw])
            return not rows or _names_fit(members, rows[0])
        return _names_fit(members, text) or any(_names_fit(members, row) for row in _first_value(text))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return True


def _first_value(text: bytes) -> list[msgspec.Raw]:
    """Return the first value of an object when that is an object: a list that was sent as one."""
    values = list(msgspec.json.decode(text, type=dict[str, msgspec.Raw]).values())
    return [value for value in values[:1] if bytes(value).lstrip()[:1] == b"{"]


def _names_fit(members: frozenset[str], text: bytes | msgspec.Raw) -> bool:
    names = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    return not names or not members.isdisjoint(names)
