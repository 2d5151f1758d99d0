"""Collections and the catalogue above them: made while the items go by, so that no item is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from landsat_async.stac.item import STAC_VERSION

CATALOG_ID = "landsat_async"
OF_THIS_FOLDER = ": the scenes of this folder."
"""What the description of each of our collections ends with."""
_TITLES = {
    "landsat-c2-l1": "Landsat Collection 2 Level-1",
    "landsat-c2-l2": "Landsat Collection 2 Level-2",
    "landsat-c2-ard": "Landsat Collection 2 analysis-ready tiles",
    "landsat-c2-l3": "Landsat Collection 2 Level-3",
    "landsat-c2": "Landsat Collection 2",
}
COLLECTION_IDS = frozenset(_TITLES)
"""Of all that we make, see `item.collection_of`."""
_USGS = {
    "name": "USGS",
    "roles": ["producer", "processor", "licensor"],
    "url": "https://www.usgs.gov/landsat-missions",
}
_LICENSE_PAGE = "https://www.usgs.gov/faqs/are-there-any-restrictions-use-or-redistribution-landsat-data"
_ITEMS = {"type": "application/vnd.apache.parquet", "title": "All items", "roles": ["collection-mirror"]}
_SUMMARISED = ("platform", "instruments", "gsd")


class CollectionBuilder:
    """One collection while its items go by."""

    def __init__(self, collection_id: str) -> None:
        self.id = collection_id
        self._hrefs: list[str] = []
        self._days: list[str] = []
        """Earliest and latest moment, and nothing between them."""
        self._bbox: list[float] | None = None
        self._values: dict[str, set[Any]] = {name: set() for name in _SUMMARISED}

    def add(self, item: Mapping[str, Any]) -> None:
        """Take an item into extent, summaries and links."""
        self._hrefs.append(f"{item['id']}.json")
        properties = item["properties"]
        moments = [properties.get(name) for name in ("datetime", "start_datetime", "end_datetime")]
        known = sorted([*self._days, *(one for one in moments if one)])
        self._days = [known[0], known[-1]]
        if "bbox" in item:
            self._bbox = joined(self._bbox, item["bbox"])
        for name, values in self._values.items():
            value = properties.get(name)
            values.update(value if isinstance(value, list) else [] if value is None else [value])

    @property
    def hrefs(self) -> frozenset[str]:
        """File names of its items."""
        return frozenset(self._hrefs)

    def document(self, table: str = "") -> dict[str, Any]:
        """Return the collection; `table` names the file beside it that has all its items, "" = there is none."""
        title = _TITLES.get(self.id, self.id)
        items = [{"rel": "item", "href": href, "type": "application/geo+json"} for href in sorted(self._hrefs)]
        return {
            "type": "Collection",
            "stac_version": STAC_VERSION,
            "id": self.id,
            "title": title,
            "description": f"{title}{OF_THIS_FOLDER}",
            "license": "PDDL-1.0",
            "providers": [_USGS],
            "extent": {
                "spatial": {"bbox": [self._bbox or [-180.0, -90.0, 180.0, 90.0]]},
                "temporal": {"interval": [self._days or [None, None]]},
            },
            "summaries": {name: sorted(values) for name, values in self._values.items() if values},
            **({"assets": {"items": {"href": table, **_ITEMS}}} if table else {}),
            "links": [
                {"rel": "root", "href": "../catalog.json", "type": "application/json"},
                {"rel": "parent", "href": "../catalog.json", "type": "application/json"},
                {"rel": "license", "href": _LICENSE_PAGE, "type": "text/html"},
                *items,
            ],
        }


def joined(box: list[float] | None, other: list[float]) -> list[float]:
    """Return the box round two boxes; the whole turn where one of them crosses the 180° meridian."""
    if box is None:
        return list(other)
    south, north = min(box[1], other[1]), max(box[3], other[3])
    if (box[0] > box[2]) == (other[0] > other[2]):
        return [min(box[0], other[0]), south, max(box[2], other[2]), north]
    return [-180.0, south, 180.0, north]


def catalog_of(collection_ids: Iterable[str]) -> dict[str, Any]:
    """Return the catalogue above the collections."""
    children = [
        {"rel": "child", "href": f"{one}/collection.json", "type": "application/json", "title": _TITLES.get(one, one)}
        for one in sorted(collection_ids)
    ]
    return {
        "type": "Catalog",
        "stac_version": STAC_VERSION,
        "id": CATALOG_ID,
        "title": "Landsat scenes of this folder",
        "description": "Made by landsat_async of what is here; `landsat-async stac` makes it anew.",
        "links": [{"rel": "root", "href": "catalog.json", "type": "application/json"}, *children],
    }
