"""Files whose name only the server knows: products of which a tile or scene has several.

All bundles of an ARD tile share its entity id and displayId, so the name is that of Content-Disposition, else the last
part of the link's path. Until a link is there, such a file goes by a planned name, which no file ever gets: displayId,
product name and ".product".
"""

from __future__ import annotations

import re

from landsat_async.rules.naming import UnsafeName, name_from_url, safe_name

_END = ".product"
_PRODUCT_CHARS = 80


def planned_name(display_id: str, product_name: str) -> str:
    """Return what a product goes by until its name is known. Raises UnsafeName for a hostile displayId."""
    parts = re.sub(r"[^A-Za-z0-9]+", "_", product_name).strip("_") or "product"
    return safe_name(f"{display_id}.{parts[:_PRODUCT_CHARS]}{_END}")


def is_planned(name: str) -> bool:
    """Tell whether a name is only a planned one."""
    return name.endswith(_END)


def served_name(display_id: str, disposition: str | None, url: str) -> str | None:
    """Return the name that the server gives a product; None when it gives none that can be used.

    Args:
        display_id: What the name has to begin with: another one would be another tile, or no name at all.
        disposition: File name of Content-Disposition; None without one. A link is not looked at beside it.
        url: Where the answer came from.
    """
    name = disposition if disposition is not None else name_from_url(url)
    if name is None or not re.match(rf"{re.escape(display_id)}[._-]", name):
        return None
    try:
        return None if is_planned(name) else safe_name(name)
    except UnsafeName:
        return None
