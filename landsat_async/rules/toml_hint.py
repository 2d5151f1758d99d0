"""What is likely meant by a line that is no TOML. The line is never quoted: it may hold a token."""

from __future__ import annotations

import re

_HINTS = (
    (r'.*"[^"]*\\', r"In double quotes \ starts an escape: write the path in single quotes ('C:\data') or with /."),
    (r"(start|end)\s*=\s*\d", 'A day of the calendar is written like 2024-07-05, others in quotes: "-60 days".'),
    (r"[\w.-]+\s*:", 'Between a key and its value stands "=".'),
    (r"""[^"]*"([^"]*"[^"]*")*[^"]*$|[^"']*'[^']*$""", "A quote of this line is not closed."),
    (r"[\w.-]+\s*=\s*[A-Za-z/~*]", 'Text stands in quotes: "data". Only true and false do not, in small letters.'),
    (r"[\w.-]+\s*=\s*[^\[\"']+,", "A list stands in brackets: [0, 10]."),
)
"""The beginning of a line without its comment, and how to mend it; the first that fits."""


def toml_hint(line: str, reason: str) -> str:
    """Return how the line that `reason` complains of should be written; "" where nothing comes to mind."""
    bare = line.split(" #")[0].strip()
    for pattern, hint in _HINTS:
        if re.match(pattern, bare):
            return hint
    return "A list stands in brackets, with commas between: [0, 10]." if "array" in reason else ""
