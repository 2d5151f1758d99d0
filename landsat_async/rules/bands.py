"""Common band names: which file of each sensor and level is `red`, `nir08`, `lwir`.

A band number means another colour on another sensor (B4 is red on OLI, near infrared on TM, green on the first MSS), so
whoever wants one colour of the whole archive needs names. They are the asset keys of stactools-landsat, which follow
the common names of the STAC extension `eo`; what level 1 has beyond them is named as USGS does in its own STAC items.

    ("oli", 2)  red -> SR_B4        lwir11, lwir -> ST_B10
    ("tm", 2)   red -> SR_B3        lwir -> ST_B6
    ("etm", 1)  red -> B3           lwir -> B6_VCID_1 and B6_VCID_2
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias

import msgspec

from landsat_async.rules.product_id import ProductId, parse_product_id
from landsat_async.rules.similar import similar

Kind: TypeAlias = tuple[str, int]
"""Kind of sensor ("mss13", "mss45", "tm", "etm", "oli") and level (1 or 2)."""


class Band(msgspec.Struct, frozen=True):
    """One raster of a scene."""

    key: str
    """Its own name among the rasters of a scene: the asset key of its STAC item."""
    stem: str
    """What stands between the display id and ".TIF" in its file name: SR_B4."""
    group: str = ""
    """A name that it shares with others, or has on other sensors: "lwir" for lwir11. "" = none."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every common name that stands for it."""
        return (self.key, self.group) if self.group else (self.key,)


SENSORS = {
    "MSS": ("LM01", "LM02", "LM03", "LM04", "LM05"),
    "TM": ("LT04", "LT05"),
    "ETM": ("LE07",),
    "OLI": ("LC08", "LC09", "LO08", "LO09", "LT08", "LT09"),
}
"""Sensor as users write it -> how display ids begin. OLI stands for OLI and TIRS, together or alone."""

_KIND_OF_SENSOR = {
    **dict.fromkeys(("LM01", "LM02", "LM03"), "mss13"),
    **dict.fromkeys(("LM04", "LM05"), "mss45"),
    **dict.fromkeys(SENSORS["TM"], "tm"),
    **dict.fromkeys(SENSORS["ETM"], "etm"),
    **dict.fromkeys(SENSORS["OLI"], "oli"),
}
_KINDS_OF_DATASET: dict[str, tuple[Kind, ...]] = {
    "landsat_mss_c2_l1": (("mss13", 1), ("mss45", 1)),
    "landsat_tm_c2_l1": (("tm", 1),),
    "landsat_tm_c2_l2": (("tm", 2),),
    "landsat_etm_c2_l1": (("etm", 1),),
    "landsat_etm_c2_l2": (("etm", 2),),
    "landsat_ot_c2_l1": (("oli", 1),),
    "landsat_ot_c2_l2": (("oli", 2),),
    "landsat_ard_tile_c2": (("tm", 2), ("etm", 2), ("oli", 2)),
}


def _bands(prefix: str, *pairs: tuple[str, str]) -> tuple[Band, ...]:
    return tuple(Band(key, prefix + number) for key, number in pairs)


_QUALITY = (Band("qa_pixel", "QA_PIXEL"), Band("qa_radsat", "QA_RADSAT"))
_ANGLES = tuple(Band(name, name) for name in ("VAA", "VZA", "SAA", "SZA"))
_TEMPERATURE = (
    Band("atran", "ST_ATRAN"), Band("cdist", "ST_CDIST"), Band("drad", "ST_DRAD"), Band("urad", "ST_URAD"),
    Band("trad", "ST_TRAD"), Band("emis", "ST_EMIS"), Band("emsd", "ST_EMSD"), Band("qa", "ST_QA"),
)  # fmt: skip
_TM_COLOURS = (
    ("blue", "B1"), ("green", "B2"), ("red", "B3"), ("nir08", "B4"), ("swir16", "B5"), ("swir22", "B7"),
)  # fmt: skip
_OLI_COLOURS = (
    ("coastal", "B1"), ("blue", "B2"), ("green", "B3"), ("red", "B4"), ("nir08", "B5"), ("swir16", "B6"),
    ("swir22", "B7"),
)  # fmt: skip
_TM_L2 = (
    *_bands("SR_", *_TM_COLOURS),
    Band("atmos_opacity", "SR_ATMOS_OPACITY"), Band("cloud_qa", "SR_CLOUD_QA"),
    Band("lwir", "ST_B6"), *_TEMPERATURE, *_QUALITY,
)  # fmt: skip

BANDS: dict[Kind, tuple[Band, ...]] = {
    ("mss13", 1): (*_bands("", ("green", "B4"), ("red", "B5"), ("nir08", "B6"), ("nir09", "B7")), *_QUALITY),
    ("mss45", 1): (*_bands("", ("green", "B1"), ("red", "B2"), ("nir08", "B3"), ("nir09", "B4")), *_QUALITY),
    ("tm", 1): (*_bands("", *_TM_COLOURS), Band("lwir", "B6"), *_QUALITY, *_ANGLES),
    ("tm", 2): _TM_L2,
    ("etm", 1): (
        *_bands("", *_TM_COLOURS),
        Band("lwir_vcid_1", "B6_VCID_1", "lwir"), Band("lwir_vcid_2", "B6_VCID_2", "lwir"), Band("pan", "B8"),
        *_QUALITY, *_ANGLES,
    ),
    ("etm", 2): _TM_L2,
    ("oli", 1): (
        *_bands("", *_OLI_COLOURS), Band("pan", "B8"), Band("cirrus", "B9"),
        Band("lwir11", "B10", "lwir"), Band("lwir12", "B11", "lwir"), *_QUALITY, *_ANGLES,
    ),
    ("oli", 2): (
        *_bands("SR_", *_OLI_COLOURS), Band("qa_aerosol", "SR_QA_AEROSOL"),
        Band("lwir11", "ST_B10", "lwir"), *_TEMPERATURE, *_QUALITY,
    ),
}  # fmt: skip
"""Every raster of each sensor and level, in the order of the bands."""

_TITLES = {
    "mss13": "Landsat 1-3 MSS", "mss45": "Landsat 4-5 MSS", "tm": "Landsat 4-5 TM", "etm": "Landsat 7 ETM+",
    "oli": "Landsat 8-9 OLI/TIRS",
}  # fmt: skip

COMMON_NAMES = frozenset(name for bands in BANDS.values() for band in bands for name in band.names)
"""Everything that is a common name on some sensor, as it is written here."""


@lru_cache(maxsize=1024)
def kind_of(display_id: str) -> Kind | None:
    """Return which bands a scene has, by its display id; None where its rasters have no common names."""
    product = parse_product_id(display_id)
    return None if product is None else kind_of_product(product)


def kind_of_product(product: ProductId) -> Kind | None:
    """Return which bands a scene has; a tile's are those of level 2. None for level 3, which has no colours."""
    sensor = _KIND_OF_SENSOR.get(product.sensor)
    level = {"L1": 1, "L2": 2, "AR": 2}.get(product.level[:2])
    kind = (sensor, level) if sensor is not None and level is not None else None
    return kind if kind in BANDS else None


def kinds_of_dataset(dataset: str) -> tuple[Kind, ...]:
    """Return the sensors and levels that a dataset holds; () = its rasters have no common names."""
    return _KINDS_OF_DATASET.get(dataset.casefold(), ())


def bands_named(name: str, kind: Kind | None) -> tuple[Band, ...]:
    """Return the rasters that a common name stands for; () where that sensor has none at that level."""
    folded = name.casefold()
    bands = BANDS[kind] if kind is not None else ()
    return tuple(band for band in bands if any(own.casefold() == folded for own in band.names))


def names_of_kinds(kinds: Iterable[Kind]) -> list[str]:
    """Return every common name that one of the kinds has, in the order of the bands."""
    return list(dict.fromkeys(name for kind in kinds for band in BANDS[kind] for name in band.names))


def band_of_file(display_id: str, name: str) -> Band | None:
    """Return which raster of a scene a file is, by its name; None when it is none (metadata, another scene's file)."""
    stem = name.removesuffix(".TIF").removesuffix(".tif")
    kind = kind_of(display_id)
    if kind is None or not stem.startswith(f"{display_id}_"):
        return None
    own = stem[len(display_id) + 1 :]
    return next((band for band in BANDS[kind] if band.stem == own), None)


def title_of(kind: Kind) -> str:
    """Return the name of a sensor and level, for people."""
    return f"{_TITLES[kind[0]]} (Level {kind[1]})"


@lru_cache(maxsize=1024)
def stems_named(written: str, kind: Kind | None) -> frozenset[str]:
    """Return the file names, in small letters and without ending, that a common name stands for; empty for others."""
    return frozenset(band.stem.casefold() for band in bands_named(written, kind))


@lru_cache(maxsize=1024)
def lacks(written: str, kind: Kind) -> bool:
    """Tell whether a sensor has no such band at that level: a band as users write it, that other ones have.

    False for what is no raster of any sensor (ANG, MTL, a slip of the pen): only its scenes can tell.
    """
    having = [other for other, bands in BANDS.items() if any(_stands_for(written, band) for band in bands)]
    return bool(having) and kind not in having


def _stands_for(written: str, band: Band) -> bool:
    folded = written.casefold()
    if any(name.casefold() == folded for name in band.names):
        return True
    return band_matches(written, f"{band.stem}.tif")


def where_else(written: str, datasets: Iterable[str]) -> list[str]:
    """Return the datasets beside those named that have a band."""
    asked = {name.casefold() for name in datasets}
    return [
        name
        for name, kinds in _KINDS_OF_DATASET.items()
        if name not in asked and any(_stands_for(written, band) for kind in kinds for band in BANDS[kind])
    ]


def nearest_band(written: str, kinds: Iterable[Kind], *, by_parts: bool = True) -> str | None:
    """Return the band of these sensors that is likely meant, by common or file name; None when nothing comes near.

    `by_parts`: a name that is one of several words may be meant, see `similar`.
    """
    known = list(kinds)
    names = [*names_of_kinds(known), *dict.fromkeys(band.stem for kind in known for band in BANDS[kind])]
    spoken = {word: name for word, name in _SPOKEN.items() if name in names}
    meant = spoken.get(written.casefold()) or similar(written, names, alike=_ALIKE, by_parts=by_parts)
    if meant is not None:
        return meant
    word = similar(written, spoken, by_parts=by_parts)
    return None if word is None else spoken[word]


def is_band(written: str) -> bool:
    """Tell whether a word is a band of some sensor as users write it, or a slip of the pen in one."""
    if any(letter in written for letter in "./\\:"):
        return False
    is_pattern = any(letter in written for letter in "*?[")
    if is_pattern or written.casefold() in _NO_RASTERS:
        return True
    return nearest_band(written, BANDS, by_parts=False) is not None  # "green-lake" is the name of a file


_NO_RASTERS = frozenset({"ang", "mtl", "gcp"})


_ALIKE = 0.7
_SPOKEN = {
    "nir": "nir08", "swir1": "swir16", "swir2": "swir22", "swir": "swir16", "tir": "lwir", "thermal": "lwir",
    "panchromatic": "pan", "aerosol": "coastal", "ultrablue": "coastal", "bqa": "qa_pixel", "cloud": "qa_pixel",
}  # fmt: skip
"""What people call them elsewhere."""


@lru_cache(maxsize=4096)
def band_matches(pattern: str, suffix: str) -> bool:
    """Compare a band with what follows the product id, with and without the ending; case does not matter."""
    wanted, whole = pattern.casefold(), suffix.casefold()
    return any(fnmatch.fnmatchcase(one, wanted) for one in (whole, stem_of(whole)))


@lru_cache(maxsize=4096)
def bands_of(suffix: str, bands: tuple[str, ...], kind: Kind | None) -> frozenset[str]:
    """Return which of some bands, as users write them, a file of this suffix is; many have the same."""
    own = stem_of(suffix).casefold()
    return frozenset(band for band in bands if own in stems_named(band, kind) or band_matches(band, suffix))


def stem_of(suffix: str) -> str:
    """Return what follows the product id in a name, without the ending."""
    return suffix.rpartition(".")[0] or suffix
