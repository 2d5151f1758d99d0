"""Strict readers for the few header fields that decide about bytes.

A field that is not exactly what its RFC says is treated as damaged or absent, never as "probably meant": a wrong
guess about an offset or a validator puts the wrong bytes into a file. Readers take text from a stranger, so all of
them are bounded and none raises.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from urllib.parse import unquote

import msgspec

MAX_FIELD_CHARS = 256
"""A validator longer than this is treated as absent; it would be stored and sent back."""

MAX_BYTES = 10**18
"""Sizes and offsets beyond this are no sizes (and would not fit into 64 bits soon after)."""

STRONG_DATE_AGE_S = 60.0
"""A Last-Modified this much older than Date is a strong validator (RFC 9110 §8.8.2.2)."""

_PRINTABLE = re.compile(r"[\x20-\x7e]*")
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"')
_CONTENT_RANGE = re.compile(r"bytes (?:([0-9]{1,19})-([0-9]{1,19})|(\*))/(?:([0-9]{1,19})|(\*))", re.IGNORECASE)
_LENGTH = re.compile(r"[0-9]{1,19}")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_IMF_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d\d) (" + "|".join(_MONTHS) + r") (\d{4}) (\d\d):(\d\d):(\d\d) GMT",
    re.ASCII,
)
_DISPOSITION_PARAM = re.compile(r"""([^\s;,="']+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|'([^';]*)'|([^;]*))""")
"""A parameter. Quotes may be single or left open, and the type before the first one may be absent: a name that is
not found here cannot speak against a file."""

_USUAL_DISPOSITION = re.compile(r'attachment; ?filename="([A-Za-z0-9_][A-Za-z0-9._-]{0,254})"')
"""What nearly all hosts send: one plain name; read in a tenth of the time."""
_NO_CODINGS = frozenset({"", "identity", "none", "binary", "8bit", "aws-chunked"})
"""What hosts and stores write into Content-Encoding of a body that is as it was stored; the proof has the last word."""
_CHARSETS = frozenset({"", "us-ascii", "utf-8", "iso-8859-1", "windows-1252"})


class ContentRange(msgspec.Struct, frozen=True):
    """A readable Content-Range. `start` is None for the unsatisfied form `bytes */N`."""

    start: int | None
    end: int | None
    """First byte NOT contained; None in the unsatisfied form."""
    total: int | None
    """Size of the whole file; None for `*`."""


class Reply(msgspec.Struct, frozen=True):
    """What a file host's response head says, read strictly."""

    status: int
    length: int | None = None
    """Content-Length; None when absent or unreadable."""
    range: ContentRange | None = None
    range_bad: bool = False
    """There was a Content-Range, and it cannot be believed."""
    chunked: bool = False
    """The end of the body is marked, so that a cut is noticed even without a length."""
    encoding: str | None = None
    """Content-Encoding in lower case; None when absent or identity."""
    content_type: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    date: str | None = None
    location: str | None = None
    retry_after: str | None = None
    filename: str | None = None
    """Last path component that Content-Disposition suggests; never used as a path."""
    filenames: tuple[str, ...] = ()
    """All plain names that Content-Disposition gives, to be compared (`rules.identity`); a path is no name."""
    disposition: bool = False
    """There was a Content-Disposition."""
    accepts_ranges: bool = False
    """Accept-Ranges says bytes."""

    @property
    def length_known(self) -> bool:
        """True when a cut of the body cannot pass for its end."""
        return self.length is not None or self.chunked


_SINGLE = (
    "Content-Length", "Content-Type", "ETag", "Last-Modified", "Date", "Location", "Retry-After", "Accept-Ranges",
)  # fmt: skip
"""Fields that say nothing when they are there twice."""


def read_reply(status: int, fields: Callable[[str, Sequence[str]], Sequence[str]]) -> Reply:
    """Read a response head; `fields(name, ())` returns all values of a header field, as `getall` of aiohttp does."""
    said: dict[str, str] = {}
    for name in _SINGLE:  # a loop and no helper: this runs for each file, and calls are what small files cost
        values = fields(name, ())
        if len(values) == 1:
            said[name] = values[0]
    one = said.get
    modified, date = one("Last-Modified"), one("Date")
    ranges = fields("Content-Range", ())
    content_range = parse_content_range(ranges[0]) if len(ranges) == 1 else None
    encoding = ",".join(fields("Content-Encoding", ())).strip().lower()
    disposition = fields("Content-Disposition", ())
    usual = _USUAL_DISPOSITION.fullmatch(disposition[0]) if len(disposition) == 1 else None
    filename, names = (usual[1], (usual[1],)) if usual else _names_in(disposition)
    return Reply(
        status=status,
        length=parse_length(one("Content-Length")),
        range=content_range,
        range_bad=bool(ranges) and content_range is None,
        chunked="chunked" in ",".join(fields("Transfer-Encoding", ())).lower(),
        encoding=None if encoding in _NO_CODINGS else encoding[:40],
        content_type=_printable(one("Content-Type")),
        etag=parse_etag(one("ETag")),
        last_modified=modified if parse_http_date(modified) else None,
        date=date if parse_http_date(date) else None,
        location=one("Location"),
        retry_after=_printable(said["Retry-After"]) if "Retry-After" in said else None,
        filename=filename,
        filenames=names,
        disposition=bool(disposition),
        accepts_ranges=one("Accept-Ranges", "").strip(" \t").lower() == "bytes",
    )


def parse_length(text: str | None) -> int | None:
    """Read a Content-Length: digits only."""
    if text is None or not _LENGTH.fullmatch(text.strip(" \t")):
        return None
    value = int(text)
    return value if value <= MAX_BYTES else None


def parse_content_range(text: str) -> ContentRange | None:
    """Read a Content-Range; None for anything but `bytes a-b/N`, `bytes a-b/*` and `bytes */N`."""
    found = _CONTENT_RANGE.fullmatch(text.strip(" \t")) if len(text) <= MAX_FIELD_CHARS else None
    if found is None:
        return None
    total = int(found[4]) if found[4] else None
    if found[3]:
        return ContentRange(None, None, total) if total is not None and total <= MAX_BYTES else None
    start, end = int(found[1]), int(found[2]) + 1
    if start >= end or end > (MAX_BYTES if total is None else total) or (total or 0) > MAX_BYTES:
        return None
    return ContentRange(start, end, total)


def parse_etag(text: str | None) -> str | None:
    """Return an entity tag as it was sent, quotes included; None when it is no entity tag."""
    value = (text or "").strip(" \t")
    return value if len(value) <= MAX_FIELD_CHARS and _ETAG.fullmatch(value) else None


def is_strong(etag: str | None) -> bool:
    """Tell whether an entity tag promises byte for byte equality."""
    return etag is not None and not etag.startswith("W/")


@lru_cache(maxsize=256)
def parse_http_date(text: str | None) -> datetime.datetime | None:
    """Read a date in the one form that servers must send (RFC 9110 §5.6.7, IMF-fixdate)."""
    found = _IMF_DATE.fullmatch(text) if text and len(text) <= 64 else None
    if found is None:
        return None
    day, month, year, hour, minute, second = found.groups()
    try:
        return datetime.datetime(
            int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=datetime.UTC
        )
    except ValueError:
        return None


def is_strong_date(last_modified: str | None, date: str | None) -> bool:
    """Tell whether Last-Modified is old enough, by the server's own clock, to be a strong validator."""
    modified, answered = parse_http_date(last_modified), parse_http_date(date)
    if modified is None or answered is None:
        return False
    return (answered - modified).total_seconds() >= STRONG_DATE_AGE_S


def _names_in(dispositions: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    names: list[str] = []
    for text in dispositions[:4]:
        names += names_in_disposition(text)
    return parse_filename(dispositions[0]) if dispositions else None, tuple(names)


def parse_filename(disposition: str) -> str | None:
    """Return the last path component of the file name in a Content-Disposition; None when there is none.

    It is only ever compared with the name that was planned (RFC 6266 §4.3 warns of anything more).
    """
    names = _disposition_names(disposition)
    last = (names[-1] if names else "").replace("\\", "/").rpartition("/")[2][:MAX_FIELD_CHARS]
    return last if last not in ("", ".", "..") and last.isprintable() else None


def names_in_disposition(disposition: str) -> list[str]:
    """Return the names that a Content-Disposition gives, plain and extended; one with a path in it is none."""
    names = []
    for said in _disposition_names(disposition):
        name = said.strip()
        if name and "/" not in name and "\\" not in name and len(name) <= MAX_FIELD_CHARS:
            names.append(name)
    return names


@lru_cache(maxsize=64)
def _disposition_names(disposition: str) -> tuple[str, ...]:
    """Read `filename`, then `filename*`, which counts for more."""
    values: dict[str, str] = {}
    for found in _DISPOSITION_PARAM.finditer(disposition[:1024]):
        quoted, single, plain = found[2], found[3], found[4]
        value = single or (plain or "").strip() if quoted is None else quoted
        if quoted is not None and "\\" in quoted:
            value = re.sub(r"\\(.)", r"\1", quoted)
        values.setdefault(found[1].lower(), value)
    names = [values["filename"]] if "filename" in values else []
    charset, *rest = values.get("filename*", "").split("'", 2)
    if not rest and charset:  # no charset: a name all the same
        charset, rest = "utf-8", [charset]
    if charset.lower() in _CHARSETS and rest:
        names.append(unquote(rest[-1].strip('"'), encoding=charset or "utf-8", errors="replace"))
    return tuple(names)


@lru_cache(maxsize=64)
def _printable(text: str | None) -> str | None:
    if text is None or len(text) > MAX_FIELD_CHARS or not _PRINTABLE.fullmatch(text):
        return None
    return text.strip()
