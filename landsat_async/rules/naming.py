"""Names: what a file may be called, which folder it goes to, and what a link says of it.

File names come from the service, so they are hostile until `safe_name` has let them through: one plain
component, no path, nothing that a shell, a terminal or Windows reads as something else.

Some products of a tile or scene have a name that only the server knows: all bundles of an ARD tile share its entity id
and displayId, so the name is that of Content-Disposition, else the last part of the link's path. Until a link is there,
such a file goes by a planned name, which no file ever gets: displayId, product name and ".product".

A window `LC08_..._SR_B3.w1a2b3c4d.TIF` is cut from `LC08_..._SR_B3.TIF`. So a USGS name always stays a whole USGS file,
and windows of two areas lie side by side.
"""

from __future__ import annotations

import re
import string
from urllib.parse import parse_qs, unquote

from landsat_async.model import Scene
from landsat_async.rules.product_id import parse_product_id

LAYOUT_FIELDS = (
    "sensor", "path", "row", "year", "month", "day", "tier", "level", "entity_id", "display_id",
)  # fmt: skip

SUPERSEDED = "superseded"
"""Folder below the output folder where files of older versions are moved; they keep their own folders there."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,180}", re.ASCII)
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE)
_REFUSED_ON_WINDOWS = re.compile(r'[<>:"|?*]')
_LAYOUT_LENGTH_MAX = 200
_UNKNOWN = "unknown"
_PLANNED_END = ".product"
_PRODUCT_CHARS = 80

OUTSIDE = "the area lies outside of it"
NO_DATA = "nothing but fill in the area"
"""Why there is no file of a window."""

_RASTER = re.compile(r"(?P<stem>.+)(?P<end>\.tiff?)", re.IGNORECASE)
_WINDOW = re.compile(r"(?P<stem>.+)\.w(?P<key>[0-9a-f]{8})(?P<end>\.tiff?)", re.IGNORECASE)


class UnsafeName(ValueError):
    """A name that must not become a file name."""


def safe_name(display_name: str) -> str:
    """Return the name unchanged when it is one harmless path component; raise UnsafeName otherwise."""
    if not _NAME.fullmatch(display_name):
        raise UnsafeName(f"{shown(display_name)} is not a plain file name")
    if display_name.endswith(".") or _DEVICES.fullmatch(display_name):
        raise UnsafeName(f"{shown(display_name)} is a name that some systems reserve")
    return display_name


def shown(text: str, limit: int = 80) -> str:
    """Return foreign text so that it can be printed: ASCII, no control characters, bounded."""
    plain = text if text.isascii() and text.isprintable() else ascii(text)[1:-1]
    return plain if len(plain) <= limit else plain[: limit - 3] + "..."


def bundle_name(display_id: str) -> str:
    """Name of a scene's product bundle."""
    return safe_name(display_id) + ".tar"


def is_member(kind: str, name: str) -> bool:
    """Tell whether a wanted file is cut or copied out of a bundle, which itself is not kept.

    Args:
        kind: Of the wanted file.
        name: Its own name.
    """
    return kind == "bundle" and not name.lower().endswith(".tar")


def check_layout(template: str) -> str | None:
    """Say what is wrong with a folder template; None when it can be used."""
    if len(template) > _LAYOUT_LENGTH_MAX:
        return f"is longer than {_LAYOUT_LENGTH_MAX} characters"
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        return f"is not a folder template: {error}"
    for _, field, spec, conversion in parts:
        if field is not None and (field not in LAYOUT_FIELDS or spec or conversion):
            asked = shown(field + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else ""))
            known = " ".join(f"{{{name}}}" for name in LAYOUT_FIELDS)
            return f"holds the unknown field {{{asked}}}; known are {known}"
    return _check_folders("".join(literal + ("x" if field else "") for literal, field, _, _ in parts))


def _check_folders(example: str) -> str | None:
    if not example:
        return None
    if "\\" in example or not example.isprintable():
        return "holds a backslash or control character; write folders with /"
    if found := _REFUSED_ON_WINDOWS.search(example):
        return f"holds {found[0]!r}, which Windows takes in no name; it is a folder below `directory`"
    if example.partition("/")[0].casefold() == SUPERSEDED:
        return f"begins with {SUPERSEDED}, where `sync` puts files of older versions"
    for folder in example.split("/"):
        if not folder:
            return "starts or ends with / or holds //; it is a folder below `directory`"
        if folder.startswith((".", "~", "-", " ")) or folder.endswith((".", " ")):
            return f"holds the folder {folder!r}; a folder may not start with . ~ - or end with a dot or blank"
        if _DEVICES.fullmatch(folder) or len(folder.encode()) > 120:
            return f"holds the folder {folder!r}, which some file systems refuse"
    return None


def layout_folder(template: str, scene: Scene) -> str:
    """Fill a checked template for a scene; "" for the flat layout. Raises UnsafeName for a hostile id."""
    if not template:
        return ""
    product = parse_product_id(scene.display_id)
    day = scene.acquired or (product.acquired.isoformat() if product else "")
    known_day = bool(re.fullmatch(r"\d{4}-\d\d-\d\d", day, re.ASCII))
    values = {
        "sensor": product.sensor if product else _UNKNOWN,
        "level": product.level if product else _UNKNOWN,
        "path": f"{product.path:03d}" if product else _UNKNOWN,
        "row": f"{product.row:03d}" if product else _UNKNOWN,
        "tier": (product.tier if product else None) or _UNKNOWN,
        "year": day[:4] if known_day else _UNKNOWN,
        "month": day[5:7] if known_day else _UNKNOWN,
        "day": day[8:] if known_day else _UNKNOWN,
        "entity_id": safe_name(scene.entity_id) if "{entity_id}" in template else "",
        "display_id": safe_name(scene.display_id) if "{display_id}" in template else "",
    }
    return template.format_map(values)


_PRODUCT_KEY = "landsat_product_id"
_BEFORE_CREDENTIALS = frozenset(("download-staging", "download"))
"""Folders of links."""


def name_from_url(url: str) -> str | None:
    """Read the file name that a link carries; None when it carries none that is safe."""
    address, _, query = url.partition("#")[0].partition("?")
    scheme, absolute, place = address.partition("://")
    path = place.partition("/")[2] if absolute and "/" not in scheme else address
    folders, _, name = path.rpartition("/")
    folders = folders.lower()
    if not url.isprintable() or ("download" in folders and not _BEFORE_CREDENTIALS.isdisjoint(folders.split("/"))):
        return None  # what follows is a credential, whatever it looks like
    try:
        product = parse_qs(query).get(_PRODUCT_KEY) if _PRODUCT_KEY in query else None
    except ValueError:
        return None
    if product:
        name = product[0] + ".tar"
    elif "%" in name:
        name = unquote(name)
    try:
        return safe_name(name)
    except UnsafeName:
        return None


def planned_name(display_id: str, product_name: str) -> str:
    """Return what a product goes by until its name is known. Raises UnsafeName for a hostile displayId."""
    parts = re.sub(r"[^A-Za-z0-9]+", "_", product_name).strip("_") or "product"
    return safe_name(f"{display_id}.{parts[:_PRODUCT_CHARS]}{_PLANNED_END}")


def is_planned(name: str) -> bool:
    """Tell whether a name is only a planned one."""
    return name.endswith(_PLANNED_END)


def _is_file_name(display_id: str, name: str) -> bool:
    """Whether a displayId is a whole file name already, as in datasets of single files, and the name is just that."""
    return name == display_id and re.search(r"\.[A-Za-z]{3,4}$", display_id) is not None


def served_name(display_id: str, disposition: str | None, url: str) -> str | None:
    """Return the name that the server gives a product; None when it gives none that can be used.

    Args:
        display_id: What the name has to begin with: another one would be another tile, or no name at all.
        disposition: File name of Content-Disposition; None without one. A link is not looked at beside it.
        url: Where the answer came from.
    """
    name = disposition if disposition is not None else name_from_url(url)
    if name is None or not (_is_file_name(display_id, name) or re.match(rf"{re.escape(display_id)}[._-]", name)):
        return None
    try:
        return None if is_planned(name) else safe_name(name)
    except UnsafeName:
        return None


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
    if ".w" not in name and ".W" not in name:  # as a rule
        return name
    window = _WINDOW.fullmatch(name)
    return window["stem"] + window["end"] if window else name


def window_key(name: str) -> str | None:
    """Return the key in the name of a window; None for all other files."""
    if ".w" not in name and ".W" not in name:  # as a rule
        return None
    window = _WINDOW.fullmatch(name)
    return window["key"].lower() if window else None


def fill_of(name: str) -> int:
    """Return the value of pixels without data, of a band that does not say it itself; QA_PIXEL has a bit for them."""
    return 1 if window_source(name).upper().endswith("_QA_PIXEL.TIF") else 0
