"""How wide a page of text is, and how it is wrapped. Standard library only: `--help` must stay quick."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable

_WIDEST = 100
_NARROWEST = 30


def page_width() -> int:
    """Return the width of pages in letters: that of the terminal, and never too wide to read."""
    return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size().columns))


def wrapped(text: str, width: int, *, indent: str = "") -> list[str]:
    """Return a text in lines that are no longer than `width`; words stay whole."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def two_columns(rows: Iterable[tuple[str, str]], width: int, *, first: int) -> list[str]:
    """Return rows of name and text; where the name is long or the page narrow, the text stands below.

    Args:
        rows: Names and what they mean.
        width: Of the page.
        first: Where the texts begin.
    """
    lines: list[str] = []
    for name, text in rows:
        if width - first < 24:
            lines += [f"  {name}", *wrapped(text, width, indent="      ")]
            continue
        below = wrapped(text, width, indent=" " * first) or [""]
        if len(name) + 4 <= first:
            below[0] = f"  {name}".ljust(first) + below[0].lstrip()
            lines += below
        else:
            lines += [f"  {name}", *below]
    return [line.rstrip() for line in lines]
