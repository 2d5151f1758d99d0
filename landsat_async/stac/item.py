"""The STAC item of a scene: what stactools-landsat makes of the same metadata file, of the files that are here.

Where this differs on purpose
- The id is the whole display id: without the date of processing two versions would have one id.
- The footprint is the one that M2M gave with the search, not the box of the image; it is cut at the 180° meridian.
- Only files that are here are assets; each has its size and SHA-256.
- `created` is when the last of its files was verified here. `version`, `deprecated` and links to other versions.
- Level 1 of TM, ETM+, OLI has its own bands and their radiances; pan and windows have their own place.
- The meaning of the bits of quality bands (`classification:bitfields`) is left out: pystac raises that extension to a
  newer version when it reads an item, and then no longer validates it without a network.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from landsat_async.rules.bands import kind_of
from landsat_async.rules.product_id import ProductId, parse_product_id
from landsat_async.stac.assets import EO_V1, FILE_V2, PROJECTION_V2, RASTER_V1, Asset, own_grid
from landsat_async.stac.footprint import Footprint, footprint_of_mtl, footprint_of_text
from landsat_async.stac.mtl import Mtl
from landsat_async.stac.pixel_grid import PixelGrid, grid_of_mtl

STAC_VERSION = "1.1.0"
_SCHEMAS = "https://stac-extensions.github.io"
VIEW_V1 = f"{_SCHEMAS}/view/v1.0.0/schema.json"
LANDSAT_V2 = f"{_SCHEMAS}/landsat/v2.0.0/schema.json"
GRID_V1 = f"{_SCHEMAS}/grid/v1.1.0/schema.json"
SCIENTIFIC_V1 = f"{_SCHEMAS}/scientific/v1.0.0/schema.json"
VERSION_V1 = f"{_SCHEMAS}/version/v1.2.0/schema.json"

_IMAGE, _CONTENTS = "IMAGE_ATTRIBUTES", "PRODUCT_CONTENTS"
_LEVEL1, _LEVEL2 = "LEVEL1_PROCESSING_RECORD", "LEVEL2_PROCESSING_RECORD"
_INSTRUMENTS = {"LC": ["oli", "tirs"], "LO": ["oli"], "LE": ["etm+"], "LM": ["mss"]}
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?Z?", re.ASCII)
_DOI = re.compile(r"10\.5066/[A-Z0-9]{4,12}", re.ASCII)
_USGS_STAC = "https://landsatlook.usgs.gov/stac-server/collections"


@dataclass(frozen=True, slots=True)
class SceneFacts:
    """What the ledger knows of a scene."""

    display_id: str
    entity_id: str
    dataset: str = ""
    acquired: str | None = None
    cloud_cover: float | None = None
    footprint: str | None = None
    """GeoJSON text as M2M sent it."""
    created: float = 0.0
    """When the last of its files was verified, unix seconds."""


@dataclass(frozen=True, slots=True)
class Versions:
    """Other versions of the scene that are here, by display id."""

    older: str | None = None
    newer: str | None = None
    latest: str | None = None


def collection_of(display_id: str) -> str:
    """Return the id of the collection that an item belongs to."""
    product = parse_product_id(display_id)
    if product is None:
        return "landsat-c2"
    level = {"L1": "l1", "L2": "l2", "AR": "ard"}.get(product.level[:2], "l3")
    return f"landsat-c2-{level}"


def item_of(
    scene: SceneFacts, mtl: Mtl | None, assets: Sequence[Asset], versions: Versions | None = None
) -> dict[str, Any]:
    """Return the STAC item of a scene. Without a metadata file it says as much as display id, search and files tell."""
    product = parse_product_id(scene.display_id)
    footprint = footprint_of_text(scene.footprint) or (footprint_of_mtl(mtl) if mtl is not None else None)
    grid = grid_of_item(mtl, assets)
    doi = _doi(mtl)
    properties = {
        **_common(scene, product, mtl),
        **_view(mtl),
        **_projection(grid, footprint),
        **_landsat(scene, product, mtl),
        **({"sci:doi": doi} if doi else {}),
        **_version(product, versions or Versions()),
    }
    by_key = _keyed(assets, grid)
    links = [*_links(scene, product, doi), *_version_links(versions or Versions())]
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": _extensions(properties, by_key),
        "id": scene.display_id,
        "collection": collection_of(scene.display_id),
        "geometry": footprint.geometry if footprint is not None else None,
        **({"bbox": footprint.bbox} if footprint is not None else {}),
        "properties": properties,
        "links": links,
        "assets": by_key,
    }
    return item


def moment(unix_s: float) -> str:
    """Return a unix time as STAC writes it."""
    return dt.datetime.fromtimestamp(int(unix_s), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_of(text: str | None) -> str | None:
    """Return date and time with microseconds, digits beyond them cut off; None for what is neither."""
    match = _MOMENT.fullmatch(text or "")
    if match is None:
        return None
    day, time, fraction = match.groups()
    return f"{day}T{time}.{fraction:0<6}Z" if fraction and int(fraction) else f"{day}T{time}Z"


def _common(scene: SceneFacts, product: ProductId | None, mtl: Mtl | None) -> dict[str, Any]:
    fields: dict[str, Any] = _when(scene, product, mtl) | {"created": moment(scene.created)}
    if product is not None:
        sensor, level = kind_of(scene.display_id) or ("", 0)
        fields["platform"] = f"landsat-{int(product.sensor[2:])}"
        fields["instruments"] = _instruments(product.sensor)
        fields["gsd"] = 79 if sensor.startswith("mss") else 30
        name = f"Level-{level}" if product.region is None else f"tile ({product.level})"
        fields["description"] = f"Landsat Collection 2 {name}"
    cloud = mtl.number("CLOUD_COVER", _IMAGE) if mtl is not None else scene.cloud_cover
    if cloud is not None and 0 <= cloud <= 100:  # -1 = unknown
        fields["eo:cloud_cover"] = cloud
    return fields


def _instruments(sensor: str) -> list[str]:
    if sensor.startswith("LT"):
        return ["tirs"] if sensor[2:] in ("08", "09") else ["tm"]
    return _INSTRUMENTS[sensor[:2]]


def _when(scene: SceneFacts, product: ProductId | None, mtl: Mtl | None) -> dict[str, Any]:
    """Return the moment of acquisition; the whole day where only that is known, as STAC wants it."""
    if mtl is not None:
        at = moment_of(f"{mtl.text('DATE_ACQUIRED', _IMAGE)} {mtl.text('SCENE_CENTER_TIME', _IMAGE)}")
        if at is not None:
            return {"datetime": at}
    day = scene.acquired or (product.acquired.isoformat() if product is not None else None)
    if day is None:
        return {"datetime": moment(scene.created)}
    return {"datetime": None, "start_datetime": f"{day}T00:00:00Z", "end_datetime": f"{day}T23:59:59Z"}


def _view(mtl: Mtl | None) -> dict[str, Any]:
    if mtl is None:
        return {}
    roll = mtl.number("ROLL_ANGLE", _IMAGE) or 0.0
    fields = {"view:off_nadir": abs(roll) if mtl.text("NADIR_OFFNADIR", _IMAGE) == "OFFNADIR" else 0}
    if (elevation := mtl.number("SUN_ELEVATION", _IMAGE)) is not None:
        fields["view:sun_elevation"] = elevation
    if (azimuth := mtl.number("SUN_AZIMUTH", _IMAGE)) is not None:
        fields["view:sun_azimuth"] = azimuth + 360 if azimuth < 0 else azimuth
    return fields


def grid_of_item(mtl: Mtl | None, assets: Sequence[Asset]) -> PixelGrid | None:
    """Return the grid of the item: that of the product, or where nothing tells it, of most of its rasters."""
    grid = grid_of_mtl(mtl) if mtl is not None else None
    if grid is not None:
        return grid
    own = Counter(asset.file.raster.grid for asset in assets if asset.file.raster is not None and not asset.window)
    return own.most_common(1)[0][0] if own else None


def _projection(grid: PixelGrid | None, footprint: Footprint | None) -> dict[str, Any]:
    if grid is None:
        return {}
    fields: dict[str, Any] = {"proj:code": f"EPSG:{grid.epsg}" if grid.epsg is not None else None}
    if grid.epsg is None and grid.wkt is not None:
        fields["proj:wkt2"] = grid.wkt
    fields |= {"proj:shape": grid.shape, "proj:transform": grid.transform}
    if footprint is not None:
        lon, lat = footprint.centroid
        fields["proj:centroid"] = {"lat": round(lat, 5), "lon": round(lon, 5)}
    return fields


def _landsat(scene: SceneFacts, product: ProductId | None, mtl: Mtl | None) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if product is not None and product.region is None:
        wrs_type = "1" if product.sensor in ("LM01", "LM02", "LM03") else "2"
        path, row = f"{product.path:03}", f"{product.row:03}"
        fields = {
            "landsat:wrs_type": wrs_type,
            "landsat:wrs_path": path,
            "landsat:wrs_row": row,
            "landsat:collection_category": product.tier,
            "landsat:collection_number": product.collection,
            "landsat:correction": product.level,
            "landsat:scene_id": (mtl and mtl.text("LANDSAT_SCENE_ID", _LEVEL1, _LEVEL2)) or scene.entity_id,
            "grid:code": f"WRS{wrs_type}-{path}{row}",
        }
    elif product is not None:  # a tile: as USGS names these in its own items, and as they are searched for
        fields = {
            "landsat:grid_region": product.region,
            "landsat:grid_horizontal": f"{product.path:02}",
            "landsat:grid_vertical": f"{product.row:02}",
            "landsat:collection_number": product.collection,
        }
    if mtl is not None:
        if (land := mtl.number("CLOUD_COVER_LAND", _IMAGE)) is not None:
            fields["landsat:cloud_cover_land"] = land
        if generated := moment_of(mtl.text("DATE_PRODUCT_GENERATED", _LEVEL2, _LEVEL1)):
            fields["landsat:product_generated"] = generated
    return fields


def _doi(mtl: Mtl | None) -> str | None:
    match = _DOI.search((mtl and mtl.text("DIGITAL_OBJECT_IDENTIFIER", _CONTENTS)) or "")
    return match[0] if match else None


def _version(product: ProductId | None, versions: Versions) -> dict[str, Any]:
    if product is None:
        return {}
    return {"version": product.processed.isoformat()} | ({"deprecated": True} if versions.newer else {})


def _links(scene: SceneFacts, product: ProductId | None, doi: str | None) -> list[dict[str, str]]:
    links = [
        {"rel": "root", "href": "../catalog.json", "type": "application/json"},
        {"rel": "parent", "href": "collection.json", "type": "application/json"},
        {"rel": "collection", "href": "collection.json", "type": "application/json"},
    ]
    if doi is not None:
        links.append({"rel": "cite-as", "href": f"https://doi.org/{doi}"})
    if product is not None and product.region is None:
        parts = {"L1": [("l1", "")], "L2SP": [("l2-sr", "_SR"), ("l2-st", "_ST")], "L2SR": [("l2-sr", "_SR")]}
        for level, ending in parts.get(product.level, parts.get(product.level[:2], [])):
            href = f"{_USGS_STAC}/landsat-c2{level}/items/{scene.display_id}{ending}"
            links.append({"rel": "via", "href": href, "type": "application/json", "title": "STAC item of USGS"})
    return links


def _version_links(versions: Versions) -> list[dict[str, str]]:
    pairs = (
        ("predecessor-version", versions.older),
        ("successor-version", versions.newer),
        ("latest-version", versions.latest if versions.newer else None),
    )
    return [{"rel": rel, "href": f"{other}.json", "type": "application/geo+json"} for rel, other in pairs if other]


def _keyed(assets: Sequence[Asset], grid: PixelGrid | None) -> dict[str, dict[str, Any]]:
    """Give each asset its key; a window has that of its band unless the whole raster, or another window, has it."""
    keyed: dict[str, dict[str, Any]] = {}
    for asset in sorted(assets, key=lambda asset: asset.window):
        key = asset.key if asset.key not in keyed else f"{asset.key}_{asset.window or len(keyed)}"
        keyed[key] = asset.fields | own_grid(asset, grid)
    return keyed


def _extensions(properties: dict[str, Any], assets: dict[str, dict[str, Any]]) -> list[str]:
    """Return the schemas of what is there, and of nothing else."""
    names = {*properties, *(name for fields in assets.values() for name in fields)}
    used = {
        RASTER_V1: "raster:", EO_V1: "eo:", VIEW_V1: "view:", PROJECTION_V2: "proj:", GRID_V1: "grid:",
        SCIENTIFIC_V1: "sci:", FILE_V2: "file:",
    }  # fmt: skip
    found = [schema for schema, prefix in used.items() if any(name.startswith(prefix) for name in names)]
    if "landsat:cloud_cover_land" in properties and "landsat:scene_id" in properties:  # the schema requires them
        found.append(LANDSAT_V2)
    return [*found, VERSION_V1] if "version" in properties else found
