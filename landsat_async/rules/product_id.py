"""Landsat product identifiers (display ids) and scene identifiers (entity ids), taken apart.

LC08_L2SP_004053_20240705_20240712_02_T1     a scene of a level data set
LC08_CU_008001_20231101_20231116_02          an analysis-ready tile (no level, no tier)
LC08_CU_015007_20220416_20220423_02_BA       a level 3 product of a tile (BA, DSWE, FSCA)
LC80040532024187LGN00                        a scene identifier: the same for all levels and versions
"""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache

import msgspec

_LEVEL_ID = re.compile(r"(L[COTEM]\d\d)_(L\d[A-Z]{2})_(\d{3})(\d{3})_(\d{8})_(\d{8})_(\d\d)_(T1|T2|RT|A1|A2)", re.ASCII)
_TILE_ID = re.compile(r"(L[COTEM]\d\d)_(CU|AK|HI)_(\d{3})(\d{3})_(\d{8})_(\d{8})_(\d\d)(?:_(BA|DSWE|FSCA))?", re.ASCII)
_ENTITY_ID = re.compile(r"L[COTEM]\d(\d{3})(\d{3})(\d{4})(\d{3})[A-Z]{3}\d\d", re.ASCII)

_SENSOR_DATASETS = {
    "LC08": "ot", "LC09": "ot", "LO08": "ot", "LO09": "ot", "LT08": "ot", "LT09": "ot",
    "LE07": "etm", "LT04": "tm", "LT05": "tm",
    "LM01": "mss", "LM02": "mss", "LM03": "mss", "LM04": "mss", "LM05": "mss",
}  # fmt: skip


class ProductId(msgspec.Struct, frozen=True):
    """The parts of a display id."""

    sensor: str
    """Sensor and satellite: LC08, LE07 ..."""
    level: str
    """L1TP, L2SP ...; "ARD" for an analysis-ready tile, "BA", "DSWE" or "FSCA" for a level 3 product of one."""
    path: int
    """WRS path; the horizontal tile number when `region` is set."""
    row: int
    """WRS row; the vertical tile number when `region` is set."""
    acquired: dt.date
    processed: dt.date
    collection: str
    tier: str | None
    """T1, T2 or RT, A1 or A2 on the Albers grid; None for tiles."""
    region: str | None = None
    """CU, AK or HI for an analysis-ready tile; None for a WRS scene."""

    @property
    def version_key(self) -> tuple[object, ...]:
        """Equal for all versions (RT, T1, reprocessed) of one scene at one level."""
        return (self.sensor, self.region, self.path, self.row, self.acquired, self.level[:2])

    @property
    def dataset(self) -> str | None:
        """Alias of the Collection 2 data set that holds the product; None when there is none we know."""
        if self.collection != "02":
            return None
        if self.region is not None:
            return f"landsat_{self.level.lower()}_tile_c2"
        family = _SENSOR_DATASETS.get(self.sensor)
        level = self.level[1]
        if family is None or level not in "12" or (family == "mss" and level == "2"):
            return None
        return f"landsat_{family}_c2_l{level}"


class SceneKey(msgspec.Struct, frozen=True):
    """What a scene identifier tells: where and when."""

    path: int
    row: int
    acquired: dt.date


@lru_cache(maxsize=1024)  # each step that a scene passes asks once
def parse_product_id(display_id: str) -> ProductId | None:
    """Take a display id apart; None when it is none."""
    text = display_id.upper()
    if match := _LEVEL_ID.fullmatch(text):
        sensor, level, path, row, acquired, processed, collection, tier = match.groups()
        region = None
    elif match := _TILE_ID.fullmatch(text):
        sensor, region, path, row, acquired, processed, collection, product = match.groups()
        level, tier = product or "ARD", None
    else:
        return None
    days = _day(acquired), _day(processed)
    if days[0] is None or days[1] is None:
        return None
    return ProductId(sensor, level, int(path), int(row), days[0], days[1], collection, tier, region)


def is_level_scene(display_id: str) -> bool:
    """Tell whether a display id is that of a scene of level 1 or 2, which has one bundle, a tar.

    False for tiles, their single files and whatever else there is.
    """
    product = parse_product_id(display_id)
    return product is not None and product.region is None


def parse_scene_key(entity_or_display_id: str) -> SceneKey | None:
    """Read path, row and date from either kind of id; None when it holds none (tiles have no path and row)."""
    product = parse_product_id(entity_or_display_id)
    if product is not None:
        return None if product.region else SceneKey(product.path, product.row, product.acquired)
    match = _ENTITY_ID.fullmatch(entity_or_display_id.upper())
    if match is None:
        return None
    path, row, year, day_of_year = (int(part) for part in match.groups())
    if not (1 <= year <= 9998 and 1 <= day_of_year <= 366):
        return None
    return SceneKey(path, row, dt.date(year, 1, 1) + dt.timedelta(days=day_of_year - 1))


def datasets_of_entity_id(entity_id: str) -> tuple[str, ...]:
    """Aliases of the Collection 2 data sets that can hold an entity id, level 1 first; () when it is none."""
    text = entity_id.upper()
    family = _SENSOR_DATASETS.get(f"{text[:2]}0{text[2:3]}") if _ENTITY_ID.fullmatch(text) else None
    if family is None:
        return ()
    return tuple(f"landsat_{family}_c2_l{level}" for level in ((1,) if family == "mss" else (1, 2)))


def _day(digits: str) -> dt.date | None:
    try:
        return dt.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None
