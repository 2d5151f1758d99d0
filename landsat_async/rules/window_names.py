"""Names of windows: the name of the file that they are cut from, and what they are a window of.

`LC08_..._SR_B3.w1a2b3c4d.TIF` is cut from `LC08_..._SR_B3.TIF`. So a USGS name always stays a whole USGS file, and
windows of two areas lie side by side.
"""

from __future__ import annotations

import re

OUTSIDE = "the area lies outside of it"
NO_DATA = "nothing but fill in the area"
"""Why there is no file of a window."""

_RASTER = re.compile(r"(?P<stem>.+)(?P<end>\.tiff?)", re.IGNORECASE)
_WINDOW = re.compile(r"(?P<stem>.+)\.w(?P<key>[0-9a-f]{8})(?P<end>\.tiff?)", re.IGNORECASE)


def window_name(name: str, key: str) -> str | None:
    """Return the name of the window of a file; None where it is no raster, and comes whole.

    Args:
        name: USGS name of the file.
        key: Eight hexadecimal digits of area and mode.
    """
    raster = _RASTER.fullmatch(name)
    return f"{raster['stem']}.w{key}{raster['end']}" if raster else None


def window_source(name: str) -> str:
    """Return the USGS name of the file that a window is cut from; for all other files that is their own name."""
    window = _WINDOW.fullmatch(name)
    return window["stem"] + window["end"] if window else name


def window_key(name: str) -> str | None:
    """Return the key in the name of a window; None for all other files."""
    window = _WINDOW.fullmatch(name)
    return window["key"].lower() if window else None


def fill_of(name: str) -> int:
    """Return the value of pixels without data, of a band that does not say it itself; QA_PIXEL has a bit for them."""
    return 1 if window_source(name).upper().endswith("_QA_PIXEL.TIF") else 0
