"""Items that stand there and were made by another machine, of files below the same prefix: what is believed of them."""

from __future__ import annotations

import posixpath
from typing import Any

import msgspec

from landsat_async.stac.collection import CollectionBuilder
from landsat_async.stac.item_columns import ColumnType, row_of_item
from landsat_async.stac.ours import is_ours

_IN_BUNDLE = "/vsitar/"


class _Asset(msgspec.Struct):
    href: str


class _Properties(msgspec.Struct):
    """What a collection is made of."""

    datetime: str | None
    start_datetime: str | None = None
    end_datetime: str | None = None
    platform: str | None = None
    instruments: list[str] = msgspec.field(default_factory=list)
    gsd: int | float | None = None


class _Item(msgspec.Struct):
    id: str
    collection: str
    properties: _Properties
    assets: dict[str, _Asset]
    bbox: tuple[float, float, float, float] | None = None


def read_item(data: bytes, collection: str, display_id: str) -> dict[str, Any] | None:
    """Return an item as `stac.item` makes them; None for anything else, whatever it is.

    Args:
        data: The document.
        collection: Id of the collection that it has to be of.
        display_id: The id that it has to have.
    """
    if not is_ours(data):
        return None
    try:
        item: dict[str, Any] = msgspec.json.decode(data, type=dict[str, Any])
        known = msgspec.convert(item, _Item)
        ColumnType().learn(row_of_item(item))
        alone = CollectionBuilder(collection)
        alone.add(item)
        msgspec.json.encode(alone.document())
    except (msgspec.MsgspecError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
        return None
    return item if (known.id, known.collection) == (display_id, collection) and known.assets else None


def files_of_item(item: dict[str, Any], folder: str, root: str) -> set[str] | None:
    """Return the files that an item from `read_item` names, by path below the target; None: one lies elsewhere.

    Args:
        item: The item.
        folder: Where it stands, below the target.
        root: Path by which GDAL opens what lies below the target, with / at its end.
    """
    found = set()
    for asset in item["assets"].values():
        href = asset["href"]
        if href.startswith(_IN_BUNDLE):
            bundle, ending, _ = href.removeprefix(_IN_BUNDLE).partition(".tar/")
            if not ending or not bundle.startswith(root):
                return None
            path = f"{bundle.removeprefix(root)}.tar"
        else:
            path = posixpath.normpath(posixpath.join(folder, href))
        if path.startswith(("/", "../")) or "://" in href:
            return None
        found.add(path)
    return found
