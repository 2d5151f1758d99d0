"""How values are written for people. Pure: text in, text out."""

from __future__ import annotations

import math
import re
import time

# C0 and C1 controls, line and paragraph separators, and the marks that reorder text on screen: texts of the
# service, of web pages and of file names may hold them, and a terminal obeys them.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_LINK = re.compile(r"(https?://[^/\s?#'\"<>]+)[^\s'\"<>]*")
_KEY = re.compile(r"(?i)((?:x-auth-token|token|api_?key|password)['\"]?\s*[:=,]\s*['\"]?)[^\s'\",)}]+")


def clean(text: str) -> str:
    """Return `text` as one line that no terminal can be steered with."""
    return _UNPRINTABLE.sub(" ", text).strip()


def mask(text: str) -> str:
    """Return a foreign text without what a link says behind its host, and without tokens.

    For tracebacks and messages of exceptions that other packages made; ours hold no secrets.
    """
    return _KEY.sub(r"\1***", _LINK.sub(r"\1/***", text))


def size_text(size_bytes: float | None) -> str:
    """Write a size with a binary unit: 512 B, 1.5 KiB, 907 MiB; "?" when unknown."""
    if size_bytes is None or not math.isfinite(size_bytes):
        return "?"
    value = float(max(0, size_bytes))
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def rate_text(rate_bytes_s: float) -> str:
    """Write a speed: 41.2 MiB/s."""
    return f"{size_text(rate_bytes_s)}/s"


def span_text(span_s: float | None) -> str:
    """Write a time span: 8 s, 2:05 min, 3:20 h, 2 d 4 h; "?" when unknown."""
    if span_s is None or not math.isfinite(span_s):
        return "?"
    whole_s = round(max(0.0, span_s))
    if whole_s < 60:
        return f"{whole_s} s"
    if whole_s < 3600:
        return f"{whole_s // 60}:{whole_s % 60:02} min"
    if whole_s < 86400:
        return f"{whole_s // 3600}:{whole_s % 3600 // 60:02} h"
    return f"{whole_s // 86400} d {whole_s % 86400 // 3600} h"


def count_text(count: int, noun: str) -> str:
    """Write a counted noun: 1 file, 1,960 files."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def clock_text(unix_s: float) -> str:
    """Write a moment as local time of day; people compare it with their watch."""
    return time.strftime("%H:%M:%S", time.localtime(unix_s))


def left_s(bytes_done: int, bytes_total: int | None, rate_bytes_s: float) -> float | None:
    """Return how long the rest takes at this speed; None when that cannot be said."""
    if bytes_total is None or bytes_total <= bytes_done or rate_bytes_s <= 0:
        return None
    return (bytes_total - bytes_done) / rate_bytes_s


def preparing_text(files: int, eta_s: float | None) -> str:
    """Say what USGS still prepares and, when staging times are known and not over, how long it is likely to take."""
    text = f"{files:,} being prepared by USGS"
    if not eta_s:
        return text
    minutes = math.ceil(eta_s / 60)
    return f"{text} (about {minutes} min)" if minutes < 100 else f"{text} (about {span_text(eta_s)})"
