"""Putting values into a commented TOML text, line by line: comments, order and all other keys stay."""

from __future__ import annotations

import re
from collections.abc import Mapping

Place = tuple[str, str]
"""Table and key."""


def fill(template: str, values: Mapping[Place, str | None]) -> str:
    """Return the template with these values.

    A key may stand in the template as a value or as an example (`# key = ...`); the comment behind it stays.

    Args:
        template: TOML with one key a line.
        values: TOML values by table and key; None makes the line an example.

    Raises:
        KeyError: a key does not stand in its table.
    """
    lines = template.split("\n")
    left = dict(values)
    table = ""
    for number, line in enumerate(lines):
        if head := re.fullmatch(r"\[(\w+)\]\s*", line):
            table = head[1]
            continue
        match = re.match(r"(# )?(\w+) = ", line)
        if match is None or (table, match[2]) not in left:
            continue
        lines[number] = _line(match[2], left.pop((table, match[2])), line)
    if left:
        raise KeyError(f"the template has no line for {', '.join('.'.join(place) for place in left)}")
    return "\n".join(lines)


def _line(key: str, value: str | None, line: str) -> str:
    """Return the line with its new value, its comment where it stood."""
    at = _comment_at(line)
    comment = line[at:] if at is not None else ""
    if value is None:
        text = line[:at].rstrip() if at is not None else line
        text = text if text.startswith("# ") else f"# {text}"
    else:
        text = f"{key} = {value}"
    return f"{text.ljust(at or 0)} {comment}".rstrip() if at is None or len(text) >= at else text.ljust(at) + comment


def _comment_at(line: str) -> int | None:
    """Return where the comment behind the value begins; None when there is none. Texts in quotes may hold #."""
    quote = ""
    for number, letter in enumerate(line):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter == "#" and number > 1:
            return number
    return None


def toml_text(value: str) -> str:
    """Return a text as TOML: in single quotes where it has backslashes, as Windows paths do."""
    if "\\" in value and "'" not in value and value.isprintable():
        return f"'{value}'"
    escaped = "".join(
        f"\\{letter}" if letter in '"\\' else letter if letter.isprintable() else f"\\U{ord(letter):08X}"
        for letter in value
    )
    return f'"{escaped}"'


def toml_list(values: list[str]) -> str:
    """Return texts as a TOML list."""
    return f"[{', '.join(toml_text(value) for value in values)}]"
