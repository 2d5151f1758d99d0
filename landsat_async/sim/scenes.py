"""One product: one processing level of one scene, with its names and its files."""

from __future__ import annotations

import datetime
import functools
import zlib
from dataclasses import dataclass, field

from landsat_async.sim.datasets import TILE_LEVELS, SimDataset, dataset_of
from landsat_async.sim.wrs import Frame, frame

_L1_ANGLES = ("VAA.TIF", "VZA.TIF", "SAA.TIF", "SZA.TIF")
_L1_OLI = tuple(f"B{n}.TIF" for n in range(1, 10))
_L1_ETM = tuple(f"{band}.TIF" for band in ("B1", "B2", "B3", "B4", "B5", "B6_VCID_1", "B6_VCID_2", "B7", "B8"))
_QA = ("QA_PIXEL.TIF", "QA_RADSAT.TIF")
_MTL = ("MTL.txt", "MTL.xml")
_ST_SET = tuple(f"ST_{what}.TIF" for what in ("ATRAN", "CDIST", "DRAD", "EMIS", "EMSD", "QA", "TRAD", "URAD"))
_ARD = (
    *(f"SR_B{n}.TIF" for n in range(1, 8)), "SR_QA_AEROSOL.TIF", "ST_B10.TIF", "ST_QA.TIF",
    *(f"TOA_B{n}.TIF" for n in range(1, 8)), "BT_B10.TIF", "BT_B11.TIF", *_QA, *_L1_ANGLES,
)  # fmt: skip
_OF_TILES = {
    "ARD": _ARD,
    "DSWE": tuple(f"{layer}.TIF" for layer in ("INTR", "INWM", "DIAG", "SHADE")),
    "BA": ("BC.TIF", "BP.TIF"),
}
_SENSOR_IDS = {"LC": "OLI_TIRS", "LO": "OLI", "LT08": "TIRS", "LE": "ETM", "LT": "TM", "LM": "MSS"}


@dataclass(frozen=True, slots=True)
class Product:
    """A product as the archive holds it. Everything else (names, footprint, bytes) follows from these."""

    sensor: str
    """LC08, LC09, LE07, LT05, LM01 ..."""
    level: str
    """L1TP, L1GT, L1GS, L2SP or L2SR; ARD for an analysis-ready tile, DSWE or BA for a Level-3 product of one."""
    path: int
    row: int
    acquired: datetime.date
    processed: datetime.date
    tier: str = "T1"
    cloud: float | None = 0.0
    """Percent; None = unknown."""
    storage: str = "ls"
    """ls: landsatlook serves it at once. dds: it is staged first."""
    night: bool = False
    region: str = "CU"
    """Of a tile, whose horizontal and vertical number stand in the place of path and row."""
    ingested: datetime.date | None = None
    """Day on which the service got it; None = when it was processed."""
    display_id: str = field(init=False, compare=False)
    """Landsat product identifier."""
    entity_id: str = field(init=False, compare=False)
    """Landsat scene identifier, shared by all levels."""

    def __post_init__(self) -> None:
        place = f"{self.path:03}{self.row:03}"
        days = f"{self.acquired:%Y%m%d}_{self.processed:%Y%m%d}"
        short = self.sensor[:2] + str(int(self.sensor[2:]))
        station = "PAC02" if self.acquired.year < 2013 and short != "LE7" else "LGN00"
        if self.is_tile:
            tile = f"{self.sensor}_{self.region}_{place}_{days}_02" + ("" if self.level == "ARD" else f"_{self.level}")
            object.__setattr__(self, "display_id", tile)
            object.__setattr__(self, "entity_id", tile)
            return
        object.__setattr__(self, "display_id", f"{self.sensor}_{self.level}_{place}_{days}_02_{self.tier}")
        object.__setattr__(self, "entity_id", f"{short}{place}{self.acquired:%Y%j}{station}")

    @property
    def is_tile(self) -> bool:
        """A tile of the ARD grid, of ARD or Level 3."""
        return self.level in TILE_LEVELS

    @property
    def dataset(self) -> SimDataset:
        """Dataset that lists it."""
        return dataset_of(self.sensor, self.level)

    @property
    def sensor_id(self) -> str:
        """OLI_TIRS, ETM, TM or MSS."""
        return _SENSOR_IDS.get(self.sensor) or _SENSOR_IDS[self.sensor[:2]]

    @property
    def published(self) -> datetime.date:
        """Day from which searches find it by ingestFilter."""
        return self.ingested or self.processed

    @property
    def day_night(self) -> str:
        """DAY or NIGHT."""
        return "NIGHT" if self.night else "DAY"

    @property
    def frame(self) -> Frame:
        """Footprint; that of a tile is made up, but each has its own."""
        return frame(self.path, self.row + (20 if self.is_tile else 0))

    @property
    def file_system(self) -> str:
        """Where its single files come from: ls_s3 or dds."""
        return "dds" if self.storage == "dds" or self.is_tile else "ls_s3"

    @property
    def bundle_system(self) -> str:
        """Where its bundle comes from: ls_zip or dds_ms; those of a tile come from dds."""
        if self.is_tile:
            return "dds"
        return "dds_ms" if self.storage == "dds" else "ls_zip"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What follows the product id in the names of its files, in the order of the listing."""
        return _suffixes(self.sensor, self.level)

    @property
    def seed(self) -> int:
        """Number that all its bytes follow from."""
        return zlib.crc32(self.display_id.encode())

    def file_name(self, suffix: str) -> str:
        """Name of one of its files."""
        return f"{self.display_id}_{suffix}"

    def secondary_id(self, suffix: str) -> str:
        """Entity id of one of its files in the secondary dataset."""
        before, after = _around_id(self.sensor, self.level)[suffix]
        return f"{before}{self.display_id}{after}"

    def suffix_of(self, secondary_id: str) -> str | None:
        """Return which of its files has this entity id in the secondary dataset; None when none has."""
        before, own, after = secondary_id.partition(self.display_id)
        return _suffix_around_id(self.sensor, self.level).get((before, after)) if own else None

    def file_groups(self, suffix: str) -> list[str]:
        """File groups that list one of its files; shared level-2 files belong to both groups."""
        if self.is_tile:
            return []
        if self.level.startswith("L1"):
            return ["ls_c2l1_all"]
        if suffix.startswith("SR_"):
            return ["ls_c2l2_sr_band"]
        if suffix.startswith("ST_"):
            return ["ls_c2l2_st_band"]
        return ["ls_c2l2_sr_band", *(["ls_c2l2_st_band"] if self.level == "L2SP" else [])]

    @property
    def folder(self) -> str:
        """Folder of its files on landsatlook."""
        place = f"{self.acquired.year}/{self.path:03}/{self.row:03}/{self.display_id}"
        return f"level-{self.dataset.level}/standard/{self.dataset.instrument}/{place}"


@functools.cache
def _around_id(sensor: str, level: str) -> dict[str, tuple[str, str]]:
    """What stands before and after the product id in the secondary ids of files, by suffix."""
    found = {}
    for suffix in _suffixes(sensor, level):
        after = f"_{suffix.replace('.', '_')}"
        if level in TILE_LEVELS:
            found[suffix] = "", after
            continue
        prefix = "L1" if level.startswith("L1") else "L2ST" if suffix.startswith("ST_") else "L2SR"
        found[suffix] = f"{prefix}_", after.upper()
    return found


@functools.cache
def _suffix_around_id(sensor: str, level: str) -> dict[tuple[str, str], str]:
    return {around: suffix for suffix, around in _around_id(sensor, level).items()}


@functools.cache
def _suffixes(sensor: str, level: str) -> tuple[str, ...]:
    kind = sensor[:2]
    if level in _OF_TILES:
        return _OF_TILES[level]
    if kind == "LM":
        first = 4 if sensor in ("LM01", "LM02", "LM03") else 1
        return (*(f"B{n}.TIF" for n in range(first, first + 4)), *_QA, *_MTL)
    if level.startswith("L2"):
        return _level_2(level, oli=sensor[2:] in ("08", "09"))
    if kind == "LE":
        control = ("GCP.txt",) if level == "L1TP" else ()
        return (*_L1_ETM, *_QA, *control, "ANG.txt", *_L1_ANGLES, *_MTL)
    if sensor in ("LT04", "LT05"):
        return (*(f"B{n}.TIF" for n in range(1, 8)), *_QA, "ANG.txt", *_L1_ANGLES, *_MTL)
    thermal = () if kind == "LO" else ("B10.TIF", "B11.TIF")
    return (*_L1_OLI, *thermal, *_QA, "ANG.txt", *_L1_ANGLES, *_MTL)


def _level_2(level: str, *, oli: bool) -> tuple[str, ...]:
    numbers = (1, 2, 3, 4, 5, 6, 7) if oli else (1, 2, 3, 4, 5, 7)
    quality = ("SR_QA_AEROSOL.TIF",) if oli else ("SR_ATMOS_OPACITY.TIF", "SR_CLOUD_QA.TIF")
    heat: tuple[str, ...] = ()
    if level == "L2SP":
        heat = (("ST_B10.TIF" if oli else "ST_B6.TIF"), *_ST_SET)
    return (*(f"SR_B{n}.TIF" for n in numbers), *quality, *heat, *_QA, "ANG.txt", *_MTL)
