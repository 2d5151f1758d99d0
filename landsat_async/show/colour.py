"""Words in colour, where the other end can show it and nobody has said no. Pure: text in, text out."""

from __future__ import annotations

import re
from collections.abc import Mapping

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_WORDS = (
    (re.compile(r"^error:"), "red"),
    (re.compile(r"^warning:"), "yellow"),
    (re.compile(r"^failed\b.*"), "red"),
    (re.compile(r"^next:"), "cyan"),
    (re.compile(r"^\s*(?:✓|ok\b)"), "green"),
    (re.compile(r"^\s*✗"), "red"),
    (re.compile(r"^\s*!(?= )"), "yellow"),
)
"""What begins a line, and its colour; a line has at most one."""


def wants_colour(environ: Mapping[str, str], *, is_terminal: bool) -> bool:
    """Tell whether a stream gets colours: NO_COLOR says no, FORCE_COLOR yes, else a terminal that is not dumb does."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR", "") not in ("", "0"):
        return True
    return is_terminal and environ.get("TERM", "").lower() not in ("dumb", "unknown")


def paint(line: str) -> str:
    """Return a line with the word in colour that says of which kind it is."""
    for pattern, style in _WORDS:
        if match := pattern.match(line):
            return styled(match[0], style) + line[match.end() :]
    return line


def styled(text: str, style: str) -> str:
    """Return text in a style: bold, dim, or a colour."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"
