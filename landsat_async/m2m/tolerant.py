"""Reads JSON that is not quite what was promised.

The service is written in PHP: an empty map arrives as `[]`, a list with gaps as an object, a number as text, and fields
come and go between versions. A strict type would refuse a whole answer for one odd value. Therefore the members of a
row are declared with the types of this module (`Text`, `WholeOrNone` ...). A list that is as promised is decoded in one
call; any other is cut into raw pieces, each read on its own, its members by functions that take every spelling. Only a
member without which a row is worthless (`Text`, `Whole`, `Number`) makes a row fail, and then that row alone.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar, cast

import msgspec

from landsat_async.errors import BadReply
from landsat_async.rules.links import SecretUrl
from landsat_async.rules.redact import quoted_from_outside

NULL = msgspec.Raw(b"null")
READ_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)
INT64_MAX = 2**63 - 1
_SIZES_BELOW = 2**50
"""No file has so many bytes."""
_RELAXED_MAX_BYTES = 16 * 2**20
"""Sloppy JSON needs a detour through Python objects, which a huge answer must not take."""

S = TypeVar("S", bound=msgspec.Struct)
T = TypeVar("T")
_IS_TEXT = str.__instancecheck__


class Unusable(Exception):
    """A row without something that it must have; the text names the field."""


class FailedItem(msgspec.Struct, frozen=True):
    """An item that the service refused, or a row of an answer that cannot be used."""

    entity_id: str | None
    product_id: str | None
    download_id: int | None
    message: str
    call: str | None = None
    """The call whose answer has the row, when it cannot be used; None when the service has refused the item."""


# -- values


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
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= INT64_MAX:
        return value
    return None


def size_bytes(value: object) -> int | None:
    """A listed size; None for 0 and for sizes that no file has."""
    size = whole(value)
    return size if size and size < _SIZES_BELOW else None


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


def _link(value: object) -> SecretUrl | None:
    url = text(value)
    return SecretUrl(url) if url else None


def _quoted(value: object) -> str | None:
    said = text(value)
    return quoted_from_outside(said) if said else None


def _texts(value: object) -> tuple[str, ...] | None:
    return tuple(name for one in value if (name := text(one))) if isinstance(value, list) else None


# -- types of members

_FAILS = object()

if TYPE_CHECKING:
    Text = str
    """A row without it fails."""
    TextOrNone = str | None
    TextOrEmpty = str
    TextsOrNone = tuple[str, ...] | None
    QuotedOrNone = str | None
    """Text of the service that is shown to people: harmless to print."""
    LinkOrNone = SecretUrl | None
    Whole = int
    """A row without it fails."""
    WholeOrNone = int | None
    WholeOrZero = int
    SizeOrNone = int | None
    """Bytes."""
    SizeOrZero = int
    """Bytes; rows of which many have no size have it."""
    Number = float
    """A row without it fails."""
    NumberOrNone = float | None
    Flag = bool
else:

    class _Member(type):
        """What a reader returns belongs to each of these types: msgspec asks, and gets True at the speed of C."""

        __instancecheck__ = staticmethod(id)

    def _member(read: Callable[[object], object], default: object = None, *, usual: object = None) -> type:
        """Make a type; `usual` is what msgspec reads alike where a value is as promised, None = null."""
        member = _Member("Member", (), {"read": staticmethod(read), "default": default})
        return Annotated[usual or member | None, msgspec.Meta(extra={"member": member})]

    _TEXT = Annotated[str, msgspec.Meta(min_length=1)]
    _WHOLE = Annotated[int, msgspec.Meta(ge=0, le=INT64_MAX)]
    _SIZE = Annotated[int, msgspec.Meta(gt=0, lt=_SIZES_BELOW)]
    Text = _member(text, _FAILS, usual=_TEXT)
    TextOrNone, TextOrEmpty = _member(text, usual=_TEXT | None), _member(text, "", usual=_TEXT)
    TextsOrNone, QuotedOrNone, LinkOrNone = _member(_texts), _member(_quoted), _member(_link)
    Whole, WholeOrNone = _member(whole, _FAILS, usual=_WHOLE), _member(whole, usual=_WHOLE | None)
    WholeOrZero = _member(whole, 0, usual=_WHOLE)
    Number, NumberOrNone = _member(number, _FAILS, usual=float), _member(number, usual=float | None)
    SizeOrNone, Flag = _member(size_bytes, usual=_SIZE | None), _member(flag, usual=bool)
    SizeOrZero = _member(size_bytes, 0, usual=Annotated[int, msgspec.Meta(ge=0, lt=_SIZES_BELOW)])


def _read_member(member: Any, value: object) -> object:
    """Read one member of a row for msgspec."""
    read = member.read(value)
    if read is not None:
        return read
    if member.default is _FAILS:
        raise ValueError("cannot be used")
    return member.default


class Row(msgspec.Struct, rename="camel"):
    """A row as the service names its members; what has no default makes the row fail when it is missing."""


class _FailedRow(Row):
    entity_id: TextOrNone = None
    product_id: TextOrNone = None
    download_id: WholeOrNone = None
    error_message: TextOrNone = None
    message: TextOrNone = None


# -- objects and lists


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
    return int(digits) if len(digits) <= 20 and -INT64_MAX <= int(digits) <= INT64_MAX else None


def _finite(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def read_struct(raw: msgspec.Raw | bytes | bytearray, kind: type[S]) -> S:
    """Read one JSON object.

    Raises:
        Unusable: it is none, or it is broken.
    """
    try:
        row: S = _usual(kind).decode(raw)
        if have_plain_texts((row,)):
            return row
    except READ_ERRORS:
        pass
    try:
        return _read_tolerantly(raw, kind)
    except RecursionError:
        raise Unusable("is nested too deeply") from None
    except READ_ERRORS:
        pass
    try:
        return _read_tolerantly(relaxed(memoryview(raw)), kind)
    except READ_ERRORS as error:
        raise Unusable(_why(error)) from None


def _read_tolerantly(raw: msgspec.Raw | bytes | bytearray, kind: type[S]) -> S:
    return kind(*msgspec.structs.astuple(_tolerant(kind).decode(raw)))


def have_plain_texts(rows: Iterable[msgspec.Struct]) -> bool:
    """Tell whether each text in these rows is as `text` would make it."""
    texts = list(filter(_IS_TEXT, chain.from_iterable(map(msgspec.structs.astuple, rows))))
    return "".join(texts).isascii() and list(map(str.strip, texts)) == texts


def _why(error: Exception) -> str:
    """Name the member that makes a row unusable, from msgspec's text."""
    member = re.search(r"missing required field `(\w+)`|- at `\$\.(\w+)", str(error))
    return f"{member[1] or member[2]} is missing or of a wrong type" if member else "is not a readable object"


@cache
def _usual(kind: Any) -> msgspec.json.Decoder[Any]:
    """Reads rows of which all is as promised, at the speed of C; refuses all others."""
    return msgspec.json.Decoder(kind, dec_hook=_read_member)


@cache
def _tolerant(kind: type[S]) -> msgspec.json.Decoder[msgspec.Struct]:
    """Reads the same members, in every spelling, each by its own function."""
    members: list[Any] = []
    for one in msgspec.structs.fields(kind):
        told = getattr(one.type, "__metadata__", ())
        reader = told[-1].extra["member"] if told else one.type  # which is msgspec.Raw or Any
        how: Any = {"default": one.default, "default_factory": one.default_factory, "name": one.encode_name}
        members.append((one.name, reader, msgspec.field(**how)))
    return msgspec.json.Decoder(msgspec.defstruct(kind.__name__, members), dec_hook=_read_member)


class _Answer(msgspec.Struct, Generic[T], rename="camel"):
    """A whole answer that brings what was asked for."""

    data: T
    error_code: None = None


def read_usual(body: bytearray, kind: type[T]) -> T | None:
    """Read a whole answer in which all is as promised, in one pass at the speed of C; None for any other.

    Texts are as they were sent: `have_plain_texts` tells whether they can be taken so.
    """
    try:
        data: T = _usual(_Answer[kind]).decode(body).data  # type: ignore[valid-type]
    except READ_ERRORS:
        return None
    return data


def read_object(data: msgspec.Raw, kind: type[S], endpoint: str) -> S:
    """Read `data` of an answer as one object.

    Raises:
        BadReply: it is none.
    """
    try:
        return read_struct(data, kind)
    except Unusable as error:
        what = str(error)
        raise BadReply(f"{endpoint}: data {what}" if what.startswith("is ") else f"{endpoint}: {what}") from None


def plain(raw: msgspec.Raw) -> object:
    """Read a small value of unknown shape; None when it cannot be read."""
    try:
        value: object = msgspec.json.decode(raw)
    except READ_ERRORS:
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
    except READ_ERRORS:
        pass
    try:
        # PHP writes a list with gaps in its numbering as an object.
        return tuple(msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).values())
    except READ_ERRORS:
        raise BadReply(f"{where} is not a list") from None


def build_rows(
    raw: msgspec.Raw, kind: type[S], build: Callable[[S], T] | None, *, where: str, unusable: list[FailedItem]
) -> tuple[T, ...]:
    """Read every row of a list, and return what `build` makes of each, which may raise Unusable; None = the rows.

    What cannot be used goes to `unusable`, naming the row and the member.

    Raises:
        BadReply: `raw` is not a list at all.
    """
    rows = _usual_rows(raw, kind)
    if rows is not None and build is None:
        return cast("tuple[T, ...]", rows)
    good: list[Any] = []
    for place, piece in enumerate(pieces(raw, where)):
        try:
            row = read_struct(piece, kind) if rows is None else rows[place]
            good.append(row if build is None else build(row))
        except Unusable as error:
            unusable.append(failed_row(piece, f"{where}, row {place + 1}: {error}", call_of(where)))
    return tuple(good)


def _usual_rows(raw: msgspec.Raw, kind: type[S]) -> tuple[S, ...] | None:
    """Read a list of which all is as promised; None for any other."""
    try:
        rows: tuple[S, ...] = _usual(tuple[kind, ...]).decode(raw)  # type: ignore[valid-type]
    except READ_ERRORS:
        return None
    return rows if have_plain_texts(rows) else None


def salvage_rows(raw: msgspec.Raw, kind: type[S], *, where: str, unusable: list[FailedItem]) -> tuple[S, ...]:
    """Read every row; what is not a list at all becomes one unusable row, so the other lists still count."""
    try:
        return build_rows(raw, kind, None, where=where, unusable=unusable)
    except BadReply as error:
        unusable.append(FailedItem(None, None, None, str(error), call_of(where)))
        return ()


def call_of(where: str) -> str:
    """Return the call of a place in its answer, which is written as `call: list`."""
    return where.partition(":")[0]


def failed_row(piece: msgspec.Raw, message: str = "", call: str | None = None) -> FailedItem:
    """Return what can be told about a row that was refused or cannot be used: `message`, or what it says itself."""
    try:
        row = read_struct(piece, _FailedRow)
    except Unusable:
        row = _FailedRow(message=text(plain(piece)))
    said = row.error_message or row.message or "refused without a reason"
    said = message or quoted_from_outside(said, 300)
    return FailedItem(row.entity_id, row.product_id, row.download_id, said, call)


def refused_rows(raw: msgspec.Raw, where: str) -> list[FailedItem]:
    """Read the items that the service refused. None was ever recorded, so every shape is taken."""
    try:
        return list(map(failed_row, pieces(raw, where)))
    except BadReply as error:
        return [FailedItem(None, None, None, str(error), call_of(where))]
