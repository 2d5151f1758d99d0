"""Datasets: aliases, ids, products and filter fields, with the service's own ids where they are known."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from landsat_async.sim.dataset_ids import FILTER_IDS, PRODUCT_IDS

if TYPE_CHECKING:
    from landsat_async.sim.scenes import Product


def made_up_id(*parts: str) -> str:
    """Opaque 16-character id for things whose real id is not public."""
    return hashlib.sha1(":".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class ProductRow:
    """One line of download-options: a way to fetch something of a scene."""

    id: str
    code: str
    name: str
    system: str
    download_name: str | None
    kind: str
    """bundle, folder or browse."""
    suffix: str = ""
    """What follows the product id in the file name, for browse images and for one of several bundles (_SR)."""


@dataclass(frozen=True, slots=True)
class FilterField:
    """One field that metadataFilter can name."""

    id: str
    label: str
    kind: str
    """Text, Range or Select."""
    sql: str
    value: Callable[[Product], str]
    choices: Mapping[str, str] | None = None
    is_date: bool = False
    legacy_id: int | None = None


@dataclass(frozen=True, slots=True)
class SimDataset:
    """A dataset whose scenes can be searched, and its secondary dataset of single files."""

    alias: str
    id: str
    name: str
    long_name: str
    category: str
    level: int
    sensors: tuple[str, ...]
    instrument: str
    """Folder name below the level on the file host."""
    first_year: int
    rows: tuple[ProductRow, ...]
    filters: tuple[FilterField, ...]

    @property
    def secondary(self) -> SecondaryDataset:
        """Dataset of the single files."""
        return SECONDARY[self.level]


@dataclass(frozen=True, slots=True)
class SecondaryDataset:
    """A dataset of single files."""

    alias: str
    id: str
    name: str
    file_product: Mapping[str, tuple[str, str]]
    """Storage system -> (product id, product code) of a single file."""
    product_name: str
    groups: Mapping[str, str]
    """File group id -> label."""


TILE_LEVELS = {"ARD": 3, "DSWE": 4, "BA": 5}
"""Kinds of tiles, and the numbers that stand for them among the levels."""

SECONDARY = {
    1: SecondaryDataset(
        "landsat_band_files_c2_l1",
        "5e81ff5f86d11d08",
        "Landsat Collection 2 Level-1 Band Files",
        {"dds": ("gy7bvmukhtkl910o", "D687"), "ls_s3": ("rp9zq1ewx8s985mp", "D689")},
        "Landsat Collection 2 Level-1 Band File",
        {"ls_c2l1_all": "All Level-1 Files"},
    ),
    2: SecondaryDataset(
        "landsat_band_files_c2_l2",
        "5f85f041c828327a",
        "Landsat Collection 2 Level-2 Band Files",
        {"dds": (made_up_id("l2", "dds"), "D691"), "ls_s3": ("5f85f041a2ea6695", "D693")},
        "Landsat Collection 2 Level-2 Band File",
        {
            "ls_c2l2_sr_band": "Landsat Collection-2 Level-2 Surface Reflectance Bands",
            "ls_c2l2_st_band": "Landsat Collection-2 Level-2 Surface Temperature Bands",
        },
    ),
}

SECONDARY[TILE_LEVELS["ARD"]] = SecondaryDataset(
    "landsat_ard_tile_files_c2",
    made_up_id("ard", "files"),
    "Landsat ARD Tile Files C2",
    {"dds": (made_up_id("ard", "file"), "D771"), "ls_s3": (made_up_id("ard", "file", "s3"), "D770")},
    "C2 ARD Tile Band Download",
    {},
)

for _kind in ("DSWE", "BA"):
    SECONDARY[TILE_LEVELS[_kind]] = SecondaryDataset(
        f"landsat_{_kind.lower()}_tile_files_c2",
        made_up_id(_kind, "files"),
        f"Landsat {_kind} Tile Files C2",
        {system: (made_up_id(_kind, "file", system), "D789") for system in ("dds", "ls_s3")},
        f"C2 {_kind} Tile Band Download",
        {},
    )

_TIERS = {"": "All", "T1": "Tier 1", "T2": "Tier 2", "RT": "Real-Time"}
_DICTIONARY = "https://www.usgs.gov/centers/eros/science/landsat-collection-2-data-dictionary"


def dictionary_link(label: str) -> str:
    """Link into the data dictionary, as the service gives it."""
    return f"{_DICTIONARY}#{'_'.join(label.split('(')[0].lower().split())}"


def _browse_rows(alias: str) -> tuple[ProductRow, ...]:
    kinds = (("refl", "Natural Color"), ("tir", "Thermal"), ("qb", "Quality"))
    known = {
        ("refl", "tif"): ("5e9eb01274d7924f", "D734", "Full Resolution Browse (Reflective Color) GeoTIFF"),
        ("tir", "tif"): ("5e9eb12795d8231b", "D735", ""),
        ("qb", "tif"): ("5e9eb2249228fe8f", "D736", None),
        ("refl", "jpg"): ("5f6184a83f05bbf9", "D731", "Full Resolution Browse (Reflective Color) JPEG"),
        ("tir", "jpg"): ("5f618512b2d7b4be", "D732", None),
        ("qb", "jpg"): ("5f618552dc40c587", "D733", None),
    }
    rows = []
    for form, word in (("tif", "GeoTIFF"), ("jpg", "JPEG")):
        for kind, text in kinds:
            row_id, code, name = known[kind, form]
            if alias != "landsat_ot_c2_l1":
                row_id = made_up_id(alias, kind, form)
            title = f"Full-Resolution Browse ({text}) {word}"
            rows.append(ProductRow(row_id, code, title, "ls_frb", name, "browse", f"_{kind}.{form}"))
    return tuple(rows)


def _rows(alias: str, level: int, ids: Mapping[str, str]) -> tuple[ProductRow, ...]:
    bundle = f"Landsat Collection 2 Level-{level} Product Bundle"
    files = f"Landsat Collection 2 Level-{level} Band File"
    folder_name = f"C2L{level} Tile Product Files"
    codes = {1: ("D805", "D687", "D689", "D690"), 2: ("D806", "D691", "D693", "D694")}[level]

    def row_id(what: str) -> str:
        return ids.get(what) or made_up_id(alias, what)

    empty = "" if level == 1 else None
    dds_ms = ProductRow(row_id("dds_ms"), codes[0], bundle, "dds_ms", empty, "bundle")
    ls_zip = ProductRow(row_id("ls_zip"), codes[3], bundle, "ls_zip", empty, "bundle")
    folder_1 = ProductRow(row_id("folder_1"), codes[1], files, "folder", folder_name, "folder")
    folder_2 = ProductRow(row_id("folder_2"), codes[2], files, "folder", folder_name, "folder")
    if level == 1:
        return dds_ms, folder_1, folder_2, ls_zip, *_browse_rows(alias)
    return ls_zip, folder_2, folder_1, dds_ms


def _fields(alias: str, level: int, ids: Mapping[str, str], sensors: tuple[str, ...]) -> tuple[FilterField, ...]:
    def make(
        label: str,
        kind: str,
        sql: str,
        value: Callable[[Product], str],
        choices: Mapping[str, str] | None = None,
        *,
        is_date: bool = False,
    ) -> FilterField:
        field_id = ids.get(label) or made_up_id(alias, label)
        return FilterField(field_id, label, kind, sql, value, choices, is_date)

    satellites = {"": "All", **{str(int(s[2:])): str(int(s[2:])) for s in sensors}}
    day_night = {"": "All", "DAY": "Day", "NIGHT": "Night"}
    product_id = f"Landsat Product Identifier L{level}"
    generated = f"Date Product Generated L{level} (YYYY/MM/DD)"
    fields = [
        make(product_id, "Text", f"LANDSAT_PRODUCT_ID_L{level} like ?", lambda p: p.display_id),
        make("Landsat Scene Identifier", "Text", "ENTITY_ID like ?", lambda p: p.entity_id),
        make("WRS Path", "Range", "WRS_PATH between ?", lambda p: str(p.path)),
        make("WRS Row", "Range", "WRS_ROW between ?", lambda p: str(p.row)),
        make("Satellite", "Select", "satellite = ?", lambda p: str(int(p.sensor[2:])), satellites),
        make("Sensor Identifier", "Select", "SENSOR_ID = ?", lambda p: p.sensor_id, {"": "All"}),
        make("Nadir/Off Nadir", "Select", "NADIR_OFFNADIR = ?", lambda p: "NADIR", {"": "All", "NADIR": "Nadir"}),
        make("Collection Category", "Select", "COLLECTION_CATEGORY = ?", lambda p: p.tier, _TIERS),
        make(
            generated,
            "Range",
            f"trunc(DATE_L{level}_GENERATED) between ?",
            lambda p: f"{p.processed:%Y/%m/%d}",
            is_date=True,
        ),
    ]
    if level == 1:
        fields += [
            make("Day/Night Indicator", "Select", "DAY_NIGHT = ?", lambda p: p.day_night, day_night),
            make("Data Type L1", "Select", "RIGHT(DATA_TYPE_L1, 4) = ?", lambda p: p.level, {"": "All"}),
            make("Geometric RMSE Model (meters)", "Range", "GEOMETRIC_RMSE_MODEL between ?", lambda p: "7.992"),
        ]
    return tuple(fields)


def _dataset(
    alias: str,
    dataset_id: str,
    name: str,
    long_name: str,
    sensors: tuple[str, ...],
    instrument: str,
    first_year: int,
) -> SimDataset:
    level = int(alias[-1])
    return SimDataset(
        alias,
        dataset_id,
        f"{name} C2 L{level}",
        f"{long_name} Collection 2 Level-{level}",
        f"Landsat Collection 2 Level-{level}",
        level,
        sensors,
        instrument,
        first_year,
        _rows(alias, level, PRODUCT_IDS.get(alias, {})),
        _fields(alias, level, FILTER_IDS.get(alias, {}), sensors),
    )


_OT = ("Landsat 8-9 OLI/TIRS", "Landsat 8-9 Operational Land Imager and Thermal Infrared Sensor")
_ETM = ("Landsat 7 ETM+", "Landsat 7 Enhanced Thematic Mapper Plus")
_TM = ("Landsat 4-5 TM", "Landsat 4-5 Thematic Mapper")
_OT_SENSORS = ("LC08", "LC09", "LO08", "LO09", "LT08")

DATASETS: dict[str, SimDataset] = {
    dataset.alias: dataset
    for dataset in (
        _dataset("landsat_ot_c2_l1", "5e81f14f59432a27", *_OT, _OT_SENSORS, "oli-tirs", 2013),
        _dataset("landsat_ot_c2_l2", "5e83d14f2fc39685", *_OT, _OT_SENSORS, "oli-tirs", 2013),
        _dataset("landsat_etm_c2_l1", "5e83d0d02b146ae0", *_ETM, ("LE07",), "etm", 1999),
        _dataset("landsat_etm_c2_l2", "5e83d12add5d4aa1", *_ETM, ("LE07",), "etm", 1999),
        _dataset("landsat_tm_c2_l1", "5e83d0a05ee25348", *_TM, ("LT04", "LT05"), "tm", 1982),
        _dataset("landsat_tm_c2_l2", "5e83d1193824e4fc", *_TM, ("LT04", "LT05"), "tm", 1982),
        _dataset(
            "landsat_mss_c2_l1",
            "5e83d0e09a752cff",
            "Landsat 1-5 MSS",
            "Landsat 1-5 Multispectral Scanner",
            ("LM01", "LM02", "LM03", "LM04", "LM05"),
            "mss",
            1972,
        ),
    )
}

ARD = "landsat_ard_tile_c2"


def _ard() -> SimDataset:
    """Tiles with six bundles of one entity id and displayId, and a folder."""
    kinds = (
        ("D772", "META", "Metadata"),
        ("D773", "SR", "Surface Reflectance"),
        ("D774", "ST", "Surface Temperature"),
        ("D775", "TOA", "Top of Atmosphere"),
        ("D776", "BT", "Brightness Temperature"),
        ("D777", "QA", "Quality Assessment"),
    )
    rows = [ProductRow(made_up_id(ARD, "bands"), "D771", "C2 ARD Tile Band Download", "folder", None, "folder")]
    for code, kind, name in kinds:
        title = f"C2 ARD Tile {name} Bundle Download"
        rows.append(ProductRow(made_up_id(ARD, kind), code, title, "dds", None, "bundle", f"_{kind}"))
    browse = "Full Resolution Browse"
    rows.append(ProductRow(made_up_id(ARD, "browse"), "D778", browse, "ls_frb", None, "browse", "_refl.jpg"))
    return _tiles(ARD, "60fabf67f0a1a7e3", "Landsat C2 U.S. ARD Tiles", "ARD", tuple(rows))


def _tiles(alias: str, dataset_id: str, name: str, kind: str, rows: tuple[ProductRow, ...]) -> SimDataset:
    fields = (
        FilterField("60fabf689767f137", "Tile Grid Region", "Select", "TILE_GRID_REGION like ?", lambda p: p.region),
        FilterField("60fabf683e8957ca", "Tile Grid Horizontal", "Range", "TILE_GRID_HORIZONTAL between ?", _path),
        FilterField("60fabf68a4fb8ff9", "Tile Grid Vertical", "Range", "TILE_GRID_VERTICAL between ?", _row),
        FilterField("60fabf6880073f49", "Tile Identifier", "Text", "TILE_ID like ?", lambda p: p.display_id),
    )
    sensors = ("LC08", "LC09", "LE07", "LT04", "LT05")
    level = TILE_LEVELS[kind]
    return SimDataset(alias, dataset_id, name, name, name, level, sensors, kind.lower(), 1982, rows, fields)


def _level_3(kind: str, row: ProductRow) -> SimDataset:
    """Tiles with one product, whose name only the host tells."""
    alias = f"landsat_{kind.lower()}_tile_c2"
    return _tiles(alias, made_up_id(alias), f"Landsat C2 U.S. {kind} Tiles", kind, (row,))


def _path(product: Product) -> str:
    return str(product.path)


def _row(product: Product) -> str:
    return str(product.row)


DATASETS[ARD] = _ard()
_DSWE = ProductRow(made_up_id("DSWE", "row"), "D788", "C2 DSWE Tile Product Download", "dds", None, "bundle")
_BA = ProductRow(made_up_id("BA", "row"), "D784", "C2 BA Tile Product Download", "dds", None, "file", "_BC.TIF")
for _tile_dataset in (_level_3("DSWE", _DSWE), _level_3("BA", _BA)):
    DATASETS[_tile_dataset.alias] = _tile_dataset
_SRTM = "SRTM 1 Arc-Second Global"
_SRTM_FORMS = (("D538", "GeoTIFF 1 Arc-second"), ("D539", "BIL 1 Arc-second"), ("D540", "DTED 1 Arc-second"))
_SRTM_ROWS = tuple(
    ProductRow(made_up_id("srtm", form), code, form, "dds", None, "bundle") for code, form in _SRTM_FORMS
)
OTHERS: dict[str, SimDataset] = {
    "srtm_v3": SimDataset(
        "srtm_v3", made_up_id("srtm_v3"), _SRTM, _SRTM, "Digital Elevation", 0, (), "srtm", 2000, _SRTM_ROWS, ()
    )
}
"""Datasets of other missions: there are some, and nothing is in them."""

_BY_SENSOR_AND_LEVEL = {(s, d.level): d for d in DATASETS.values() for s in d.sensors}


@functools.cache
def dataset_of(sensor: str, level: str) -> SimDataset:
    """Return the dataset that holds a product, by sensor ("LC08") and level ("L2SP", "ARD")."""
    if level in TILE_LEVELS:
        return DATASETS[f"landsat_{level.lower()}_tile_c2"]
    return _BY_SENSOR_AND_LEVEL[sensor, int(level[1])]
