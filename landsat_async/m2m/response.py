"""From the bytes of an answer to a typed value or an error. Pure, so that it can run in a thread.

What is long and as promised was read in one pass before (`Call.usual`). Any other answer is opened (`{requestId,
version, data, errorCode, errorMessage}`), its `data` is held against the shape that the endpoint gives, and read. The
shape matters because answers of M2M do not say which call they belong to. A proxy that mixes them up turns a list of
products into a count of scenes, and readers that forgive much read it as 0. Only what can be nothing else than the
answer to another call is refused; null, empty values and members that are missing are for the readers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from landsat_async.errors import BadReply, LandsatError, OutcomeUnknown, ServiceDown
from landsat_async.m2m.api_errors import from_answer, from_code
from landsat_async.m2m.payloads import LOGOUT, Call
from landsat_async.m2m.tolerant import NULL, FailedItem, Unusable, is_blank, read_struct, text, whole

if TYPE_CHECKING:
    from landsat_async.m2m.transport import ApiReply

T = TypeVar("T")
_NOT_ACTED_STATUS = {404, 408, 425, 429, 503}
"""Statuses with which a server says that it did not take the request on."""


def understand(call: Call[T], reply: ApiReply, secrets: Sequence[str]) -> tuple[T, list[FailedItem]]:
    """Read an answer: the value, and the rows that cannot be used.

    Raises:
        LandsatError: what the answer says, or that it says nothing. No text of it holds one of the `secrets`.
    """
    try:
        return _read(call, reply)
    except LandsatError as error:
        error.args = (_masked(str(error), secrets),)
        if call.effects and _may_have_acted(error):
            raise outcome_unknown(call.endpoint, str(error)) from None
        raise


def _read(call: Call[T], reply: ApiReply) -> tuple[T, list[FailedItem]]:
    unusable: list[FailedItem] = []
    envelope = open_envelope(reply.body)
    if envelope is not None and envelope.code is not None:
        raise from_code(
            call.endpoint,
            envelope.code,
            envelope.message,
            request_id=envelope.request_id,
            status=reply.status,
            retry_after_s=reply.retry_after_s,
        )
    if envelope is not None and (reply.status < 400 or not is_blank(envelope.data)):
        came = foreign_shape(call.endpoint, envelope.data)
        if came is not None:
            raise BadReply(f"{call.endpoint}: {came} came, which is not an answer to this call")
        return call.read(envelope.data, unusable), unusable
    if call.endpoint == LOGOUT and reply.status == 200 and not reply.body:
        return call.read(NULL, unusable), unusable
    raise from_answer(
        call.endpoint,
        status=reply.status,
        content_type=reply.content_type,
        body=reply.body,
        retry_after_s=reply.retry_after_s,
        location=reply.location,
    )


def _may_have_acted(error: LandsatError) -> bool:
    if isinstance(error, ServiceDown):
        status = error.http_status or 0
        return not error.maintenance and not 300 <= status < 400 and status not in _NOT_ACTED_STATUS
    return isinstance(error, BadReply) and error.reference != "endpoint-gone"


def outcome_unknown(endpoint: str, why: str) -> OutcomeUnknown:
    """The answer of a call with effects got lost."""
    return OutcomeUnknown(
        f"{endpoint} was sent, but its answer was lost ({why})",
        hint="Look under the label of M2M what the service did before asking again.",
    )


def _masked(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        if len(secret) >= 3:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", text)
    return text


# -- the frame


class Envelope(msgspec.Struct, frozen=True):
    """An answer whose frame has been read; `data` has not."""

    data: msgspec.Raw
    code: str | None = None
    """errorCode as sent; None means success."""
    message: str = ""
    """Of an error."""
    request_id: int | None = None
    """Of a call that has failed."""


class _Frame(msgspec.Struct, rename="camel"):
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error_code: Any = msgspec.UNSET
    error_message: Any = None
    request_id: Any = None


def open_envelope(body: bytes | bytearray) -> Envelope | None:
    """Read the frame; None when the body is no envelope at all.

    The code decides, not the message: successes carry null or "" as message, and both kinds come with any HTTP status.
    """
    try:
        frame = read_struct(body, _Frame)
    except Unusable:
        return None
    if frame.data is msgspec.UNSET and frame.error_code is msgspec.UNSET:
        return None
    data = NULL if isinstance(frame.data, msgspec.UnsetType) else frame.data
    code = frame.error_code
    if code is msgspec.UNSET or code is None or code == "":
        return Envelope(data)
    return Envelope(data, text(code) or "UNKNOWN", text(frame.error_message) or "", whole(frame.request_id))


# -- the shape

_EMPTY = (b"", b"[]", b"{}", b'""')
"""Nothing, in one spelling or another: PHP has one empty array for lists and objects."""
_KINDS = {b"{": "object", b"[": "list", b'"': "text", b"t": "flag", b"f": "flag", b"n": "null"}
_ARTICLES = {"object": "an object", "list": "a list", "text": "a text", "flag": "true or false", "number": "a number"}


class Shape(msgspec.Struct, frozen=True):
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


def foreign_shape(endpoint: str, data: bytes | msgspec.Raw) -> str | None:
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
            rows = msgspec.json.decode(text, type=list[msgspec.Raw])[:1]
        else:
            named = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
            if not members.isdisjoint(named):
                return True
            rows = list(named.values())[:1]
            if rows and bytes(rows[0]).lstrip()[:1] != b"{":
                return False  # else it is a list that was sent as an object
        first = msgspec.json.decode(rows[0], type=dict[str, msgspec.Raw]) if rows else {}
        return not first or not members.isdisjoint(first)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return True
