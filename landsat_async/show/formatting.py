"""How values are written for people. Pure: text in, text out; sizes, spans and counts stand in `rules.quantities`."""

from __future__ import annotations

import re
import textwrap
import time
from collections.abc import Iterable

from landsat_async.rules.naming import window_source
from landsat_async.rules.product_id import parse_product_id

# C0 and C1 controls, line and paragraph separators, and the marks that reorder text on screen: texts of the
# service, of web pages and of file names may hold them, and a terminal obeys them. `re` compiles it when it is used.
_UNPRINTABLE = r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+"
_LINK = r"(https?://[^/\s?#'\"<>]+)[^\s'\"<>]*"
_ENDING = r"(?i)\.(TIF|txt|xml|json|tar)$"
_PARTS_OF_IDS = (7, 8, 6)
"""Of scenes, of products of tiles, of tiles."""
_KEY = r"(?i)((?:x-auth-token|token|api_?key|password)['\"]?\s*[:=,]\s*['\"]?)[^\s'\",)}]+"


def clean(text: str) -> str:
    """Return `text` as one line that no terminal can be steered with."""
    return re.sub(_UNPRINTABLE, " ", text).strip()


def mask(text: str) -> str:
    """Return a foreign text without what a link says behind its host, and without tokens.

    For tracebacks and messages of exceptions that other packages made; ours hold no secrets.
    """
    return re.sub(_KEY, r"\1***", re.sub(_LINK, r"\1/***", text))


def clock_text(unix_s: float, now_s: float | None = None) -> str:
    """Write a moment as local time, as people compare it with their watch; with its date where that is not today's.

    `now_s` is the unix time now; None = the time of day is enough.
    """
    then = time.localtime(unix_s)
    other_day = now_s is not None and time.localtime(now_s)[:3] != then[:3]
    return time.strftime("%Y-%m-%d %H:%M:%S" if other_day else "%H:%M:%S", then)


def short_name(file: str) -> str:
    """Return what tells a file from others to a person: LC09 004/053 2024-07-13 SR_B4; other names as they are."""
    name = file.rpartition("/")[2]
    parts = re.split(r"[_.]", name)
    for count in _PARTS_OF_IDS:
        display_id = name[: len("_".join(parts[:count]))]
        if parse_product_id(display_id) is not None:
            return f"{scene_name(display_id)} {band_name(name, display_id)}".strip()
    return name


def band_name(name: str, display_id: str) -> str:
    """Return which of the files of its scene a file is: SR_B4, MTL, bundle; other names as they are."""
    if not name.startswith(display_id):
        return name
    rest = window_source(name)[len(display_id) :].strip("_.")
    return "bundle" if rest == "tar" else re.sub(_ENDING, "", rest)


def scene_name(display_id: str) -> str:
    """Return sensor, place and date of a scene: LC09 004/053 2024-07-13; other ids as they are."""
    scene = parse_product_id(display_id)
    if scene is None:
        return display_id
    place = f"{scene.path:03}/{scene.row:03}"
    return f"{scene.sensor} {scene.region or ''}{place} {scene.acquired}"


def flow(parts: Iterable[str], width: int, between: str = "  ", indent: str = "") -> list[str]:
    """Set parts side by side in as many lines as they take: nothing is cut, and no part that fits a line is broken."""
    lines: list[str] = []
    for part in filter(None, parts):
        if lines and len(lines[-1]) + len(between) + len(part) <= width:
            lines[-1] += between + part
        elif len(indent) + len(part) <= width:
            lines.append((indent if lines else "") + part)
        else:
            lines += wrap(part, width, indent if lines else "")
    return lines


def wrap(text: str, width: int, indent: str = "") -> list[str]:
    """Break a text between words, and words that are longer than a line; a command in backticks is one word: pasted."""
    return _wrapped(text, max(1, width), indent, indent or "  ", break_long_words=True) or [""]


def between_words(text: str, width: int, indent: str = "") -> list[str]:
    """Break a text between its words alone; a command in backticks is one word as well. No lines of an empty text."""
    return _wrapped(text, width, indent, indent, break_long_words=False)


def _wrapped(text: str, width: int, first: str, others: str, *, break_long_words: bool) -> list[str]:
    # With NUL in place of the spaces within backticks `textwrap` keeps a command whole.
    whole = re.sub(r"`[^`]+`", lambda command: command[0].replace(" ", "\0"), text)
    lines = textwrap.wrap(
        whole,
        width,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=break_long_words,
        break_on_hyphens=False,
    )
    return [line.replace("\0", " ") for line in lines]
