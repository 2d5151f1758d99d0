"""Readers of single configuration values: each returns the value, or raises ValueError with what is wrong.

Those of scenes, places and bands stand in `config_scene_readers`.

The texts name the value, what was expected and, where it helps, how to write it; file and key are added by
`config`. TOML brings nan, inf, true for 1, dates and datetimes: every reader says exactly what it takes.
"""

from __future__ import annotations

import ipaddress
import math
import re
import reprlib
import string
from collections.abc import Callable, Iterable
from typing import TypeAlias
from urllib.parse import urlsplit

import msgspec

from landsat_async.rules.similar import similar

PASSWORDS_ENDED = (
    "passwords stopped working in February 2025; make an application token at https://ers.cr.usgs.gov "
    "(menu Application Tokens) and put it in the variable USGS_TOKEN"
)
_UNITS = {
    "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip
_ITEMS_MAX = 50_000
_WRONG_TOLD = 5
RATE_LEAST_BYTES_S = 10_000
"""Slower than this no file would ever be here."""


class Written(msgspec.Struct, frozen=True):
    """One value as it was written."""

    value: object
    raw: str | None
    """The text it was read from, for variables and overrides; None for values of the file."""
    notes: list[str]
    """Readers add what the user should know."""
    dotted: str
    remarks: list[str] = msgspec.field(default_factory=list)
    """Readers add what they have worked out: no fault, and worth a line."""


Reader: TypeAlias = Callable[[Written], object]

MADE: dict[Reader, tuple[str, tuple[object, ...]]] = {}
"""Readers that were made by a function below: which one, and from what; `config_schema` describes them by it."""


def _made(reader: Reader, by: str, *of: object) -> Reader:
    MADE[reader] = by, of
    return reader


def shown(value: object) -> str:
    """Return a short, printable form of any TOML value."""
    try:
        text = reprlib.repr(value) if not isinstance(value, bool) else str(value).lower()
    except (ValueError, RecursionError):
        text = f"a {type(value).__name__} that is far too long"
    return text if len(text) <= 80 else text[:77] + "..."


def shown_key(key: str) -> str:
    """Return a foreign key so that it can be printed."""
    return key[:60] if key.isprintable() else ascii(key)[1:61]


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean X?", or the list of what is known when nothing comes near.

    No guess is better than a wrong one: a slip of the pen, or a word that holds the other one whole ("start_date").
    """
    names = list(known)
    meant = similar(word, names)
    return f"; did you mean {meant}?" if meant is not None else f"; known are {', '.join(names)}"


def plain_text(value: object) -> str:
    """Let a text through that has no control characters and no blanks around it."""
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not a text; put it in quotes")
    if not value.strip().isprintable():
        raise ValueError(
            f"{shown(value)} holds a control character; in double quotes \\t is a tab and \\n a line break: "
            "write Windows paths in single quotes or with /"
        )
    return value.strip()


def text(
    *,
    pattern: str | None = None,
    form: str = "",
    check: Callable[[str], str | None] | None = None,
    empty_ok: bool = False,
) -> Reader:
    """Read a text; `check` returns what is wrong with it, or None."""

    def reader(written: Written) -> str:
        value = written.value if written.raw is None or isinstance(written.value, str) else written.raw
        plain = plain_text(value)
        if not plain and not empty_ok:
            raise ValueError("is empty")
        if pattern is not None and not re.fullmatch(pattern, plain):
            raise ValueError(f"{shown(plain)} is not {form}")
        if check is not None and (wrong := check(plain)):
            raise ValueError(f"{shown(plain)} {wrong}")
        return plain

    return _made(reader, "text", pattern, empty_ok)


def path(written: Written) -> str:
    """Read the path of a file or folder. A blank at its end is not cut off: it would be another path."""
    value = written.value if written.raw is None or isinstance(written.value, str) else written.raw
    if isinstance(value, str):
        value = _readable(value)
    plain = plain_text(value)
    if not plain:
        raise ValueError("is empty")
    if plain != value:
        raise ValueError(f"{shown(value)} begins or ends with a blank; write the path without it")
    return plain


def _readable(path: str) -> str:
    """Read bytes of the command line again that Python could not, because the locale says ASCII."""
    if path.isascii() or not any("\udc80" <= char <= "\udcff" for char in path):
        return path
    try:
        return path.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        raise ValueError(f"{shown(path)} is not UTF-8") from None


def whole(low: int, high: int) -> Reader:
    """Read a whole number from low to high."""

    def reader(written: Written) -> int:
        value = written.value
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{shown(value)} is not a whole number; allowed is {low} to {high}")
        if not low <= value <= high:
            raise ValueError(f"{shown(value)} is not in {low} to {high}")
        return value

    return _made(reader, "whole", low, high)


def number(low: float, high: float) -> Reader:
    """Read a number from low to high; a whole one will do."""

    def reader(written: Written) -> float:
        return number_in(written.value, low, high)

    return _made(reader, "number", low, high)


def number_in(value: object, low: float, high: float) -> float:
    """Return a number from low to high."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{shown(value)} is not a number; allowed is {low:g} to {high:g}")
    if not low <= value <= high:  # nan fails here as well
        raise ValueError(f"{shown(value)} is not in {low:g} to {high:g}")
    return float(value)


def flag(written: Written) -> bool:
    """Read true or false."""
    if not isinstance(written.value, bool):
        raise ValueError(f"{shown(written.value)} is neither true nor false")
    return written.value


def choice(*names: str) -> Reader:
    """Read one of a few words."""

    def reader(written: Written) -> str:
        if written.value not in names:
            hint = nearest(written.value, names) if isinstance(written.value, str) else ""
            known = ", ".join(name or '""' for name in names)
            raise ValueError(f"{shown(written.value)} is not one of {known}{hint.partition('; known')[0]}")
        return str(written.value)

    return _made(reader, "choice", *names)


def items_of(value: object, form: str) -> list[object]:
    """Return the items of a list that is not too long; `form` says what they are."""
    if not isinstance(value, list | tuple):
        raise ValueError(f"{shown(value)} is not a list; write a list of {form} in [ ]")
    if len(value) > _ITEMS_MAX:
        raise ValueError(f"holds {len(value)} items; at most {_ITEMS_MAX} are taken")
    return list(value)


def texts(item: Callable[[object], str], form: str) -> Reader:
    """Read a list of texts, each through `item`; repeated ones count once, and all that are wrong are told."""

    def reader(written: Written) -> tuple[str, ...]:
        read: dict[str, None] = {}
        wrong: dict[str, None] = {}
        for value in items_of(written.value, form):
            try:
                read[item(value)] = None
            except ValueError as error:
                wrong[str(error)] = None
        if wrong:
            told, rest = list(wrong)[:_WRONG_TOLD], len(wrong) - _WRONG_TOLD
            raise ValueError("; ".join([*told, *([f"and {rest:,} more like this"] if rest > 0 else [])]))
        return tuple(read)

    return _made(reader, "texts", item)


def command(written: Written, example: str = '["pass", "show", "usgs"]') -> tuple[str, ...]:
    """Read a program and its arguments; never shown, since arguments may hold secrets."""
    value = written.value
    if not isinstance(value, list | tuple) or not value or not all(isinstance(word, str) for word in value):
        raise ValueError(f"must be a list of texts: program and arguments, like {example}")
    if not value[0] or any("\0" in word for word in value):
        raise ValueError("needs the name of a program first, and no NUL characters")
    return tuple(value)


HOOK_FIELDS = ("folder", "directory", "display_id", "entity_id", "dataset")
"""What the arguments of a hook may hold in braces."""


def hook_command(*fields: str) -> Reader:
    """Read a program and its arguments, which may hold these fields in braces; an empty list = none."""

    def reader(written: Written) -> tuple[str, ...]:
        if written.value in ([], ()):
            return ()
        texts = command(written, f'["python", "go.py", "{{{fields[0]}}}"]')
        for word in texts:
            try:
                parts = [(name, spec, conversion) for _, name, spec, conversion in string.Formatter().parse(word)]
            except ValueError:
                raise ValueError(f"{shown(word)} holds a single brace; write {{{{ or }}}} for one") from None
            for name, spec, conversion in parts:
                if name is not None and (name not in fields or spec or conversion):
                    known = ", ".join(f"{{{one}}}" for one in fields)
                    unknown = "{" + name + "}"
                    raise ValueError(f"holds the unknown field {shown(unknown)}; known are {known}")
        return texts

    return _made(reader, "hook_command", *fields)


def matching(value: object, pattern: str, form: str) -> str:
    """Return a text without blanks around it that fits a pattern; `form` says what it is."""
    plain = plain_text(value)
    if not re.fullmatch(pattern, plain):
        raise ValueError(f"{shown(plain)} is not {form}")
    return plain


def host_pattern(value: object) -> str:
    """Read a host name, perhaps with *. in front."""
    form = 'a host name like "landsatlook.usgs.gov" or "*.usgs.gov"'
    return matching(value, r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?", form).lower()


def plain_word(value: object) -> str:
    """Read an identifier."""
    return matching(value, r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", "a plain identifier")


def size_bytes(written: Written) -> int:
    """Read a size: "1 GiB", "500 MB", "0 B" or a plain number of bytes."""
    value = written.value
    if isinstance(value, str):
        match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?)\s*([A-Za-z]*)", value.strip(), re.ASCII)
        if match is not None and (unit := _UNITS.get(match[2].lower() or "b")):
            value = math.ceil(float(match[1]) * unit)
        elif match is not None and (letter := match[2].upper()) in ("K", "M", "G", "T"):
            both = f'"{match[1]} {letter.replace("K", "k")}B" (by thousands) or "{match[1]} {letter}iB" (by 1024)'
            raise ValueError(f"{shown(value)} does not say which unit it means; write {both}")
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f'{shown(value)} is not a size; write "1 GiB", "500 MB", "0 B" or a number of bytes')
    if not 0 <= value < 2**63:
        raise ValueError(f"{shown(value)} bytes is not a possible size")
    return value


def rate_bytes_s(written: Written) -> int:
    """Read a speed: "2 MB", "500 KiB/s" or a plain number of bytes a second; 0 = no limit."""
    value = written.value
    if isinstance(value, str):
        value = re.sub(r"\s*/\s*s$", "", value.strip())
    rate = size_bytes(Written(value, written.raw, written.notes, written.dotted))
    if 0 < rate < RATE_LEAST_BYTES_S:
        raise ValueError(f'{shown(written.value)} a second is too slow; write at least "10 kB", or 0 for no limit')
    return rate


def service_url(written: Written) -> str:
    """Read the address of the service: https, or http to this machine; a trailing slash is added."""
    url = plain_text(written.value)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not an address; write https://host/path/") from None
    if parts.scheme not in ("https", "http") or not host or " " in url:
        raise ValueError("is not an address; write https://host/path/")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("may not hold a user name, password, ? or #")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ValueError("must begin with https://, because the token travels over it")
    return url.rstrip("/") + "/"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
