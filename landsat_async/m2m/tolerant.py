"""Reads JSON that is not quite what was promised.

The service is written in PHP: an empty map arrives as `[]`, a list with gaps as an object, a number as text, and fields
come and go between versions. Therefore every field is declared as "anything" and read by one of the functions below,
which return None for what they cannot use. Only a field without which a row is worthless makes the row fail, and then
that row alone: a list is first cut into raw pieces, each piece is read on its own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

import msgspec

from landsat_async.errors import BadReply
from landsat_async.m2m.replies import FailedItem

NULL = msgspec.Raw(b"null")
_READ_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)
_INT64_MAX = 2**63 - 1
_RELAXED_MAX_BYTES = 16 * 2**20
"""Sloppy JSON needs a detour through Python objects, which a huge answer must not take."""

S = TypeVar("S", bound=msgspec.Struct)
T = TypeVar("T")


class Unusable(Exception):
    """A row without something that it must have; the text names the field."""


class AnyRow(msgspec.Struct, rename="camel"):
    """What is told about a row that cannot be used."""

    entity_id: object = None
    product_id: object = None
    download_id: object = None
    error_message: object = None


def relaxed(body: bytes | bytearray | memoryview) -> bytes:
    """Turn nearly-JSON into JSON: byte order mark, NaN, endless numbers, lone surrogates, bytes that are no UTF-8.

    Raises:
        ValueError, RecursionError: it is not even nearly JSON.
    """
    if len(body) > _RELAXED_MAX_BYTES:
        raise ValueError("too large for a second reading")
    text = bytes(body).decode("utf-8-sig", errors="replace")
    value = json.loads(text, parse_int=_short_int, parse_float=_finite, parse_constant=lambda _: None)
    return json.dumps(value, ensure_ascii=False).encode("utf-8", errors="replace")


def _short_int(digits: str) -> int | None:
    return int(digits) if len(digits) <= 20 and -_INT64_MAX <= int(digits) <= _INT64_MAX else None


def _finite(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def read_struct(raw: msgspec.Raw, kind: type[S]) -> S:
    """Read one JSON object.

    Raises:
        Unusable: it is none, or it is broken.
    """
    decoder: msgspec.json.Decoder[S] = _decoder(kind)
    try:
        return decoder.decode(raw)
    except RecursionError:
        raise Unusable("is nested too deeply") from None
    except _READ_ERRORS:
        pass
    try:
        return decoder.decode(relaxed(memoryview(raw)))
    except _READ_ERRORS:
        raise Unusable("is no readable object") from None


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def read_object(data: msgspec.Raw, kind: type[S], endpoint: str) -> S:
    """Read `data` of an answer as one object.

    Raises:
        BadReply: it is none.
    """
    try:
        return read_struct(data, kind)
    except Unusable as error:
        raise BadReply(f"{endpoint}: data {error}") from None


def plain(raw: msgspec.Raw) -> object:
    """Read a small value of unknown shape; None when it cannot be read."""
    try:
        value: object = msgspec.json.decode(raw)
    except _READ_ERRORS:
        return None
    return value


def is_blank(raw: msgspec.Raw) -> bool:
    """null, and the empty list that PHP makes of an empty map."""
    view = memoryview(raw)
    return len(view) <= 4 and bytes(view) in {b"null", b"[]", b"{}", b'""'}


def pieces(raw: msgspec.Raw, where: str) -> Sequence[msgspec.Raw]:
    """Cut a list into its rows without reading them. null, absent and empty maps are empty lists.

    Raises:
        BadReply: `raw` is neither a list nor an object.
    """
    try:
        listed = msgspec.json.decode(raw, type=list[msgspec.Raw] | None)
        return listed or ()
    except _READ_ERRORS:
        pass
    try:
        # PHP writes a list with gaps in its numbering as an object.
        return tuple(msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).values())
    except _READ_ERRORS:
        raise BadReply(f"{where} is no list") from None


def read_rows(
    raw: msgspec.Raw, kind: type[S], build: Callable[[S], T], *, where: str, unusable: list[FailedItem]
) -> tuple[T, ...]:
    """Read every row of a list; what cannot be used goes to `unusable`, naming the row and the field."""
    good: list[T] = []
    for number, piece in enumerate(pieces(raw, where), start=1):
        try:
            good.append(build(read_struct(piece, kind)))
        except Unusable as error:
            unusable.append(failed_row(piece, f"{where}, row {number}: {error}"))
    return tuple(good)


def failed_row(piece: msgspec.Raw, message: str) -> FailedItem:
    """Tell whatever can be told about a row that cannot be used."""
    try:
        row = read_struct(piece, AnyRow)
    except Unusable:
        return FailedItem(None, None, None, message)
    return FailedItem(text(row.entity_id), text(row.product_id), whole(row.download_id), message)


def text(value: object) -> str | None:
    """Text or a number as text; None for anything else and for blank text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return None
    if not value.isascii():
        value = value.encode("utf-8", errors="replace").decode()  # a lone surrogate breaks every later writer
    return value.strip() or None


def whole(value: object) -> int | None:
    """A number of 0 or more that fits 64 bits, also as text; None for anything else, booleans too."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    elif isinstance(value, str):
        digits = value.strip()
        value = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _INT64_MAX:
        return value
    return None


def size_bytes(value: object) -> int | None:
    """A listed size; None for 0 and for sizes that no file has."""
    size = whole(value)
    return size if size and size < 2**50 else None


def number(value: object) -> float | None:
    """A finite number, also as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def flag(value: object) -> bool:
    """A truth value in any of its spellings (true, 1, "Y", "true"); False for anything else."""
    if isinstance(value, str):
        return value.strip().casefold() in {"y", "yes", "true", "1"}
    return value is True or value == 1


def required(value: T | None, field: str) -> T:
    """Return the value, or fail the row with the name of the field."""
    if value is None:
        raise Unusable(f"{field} is missing or of a wrong type")
    return value
