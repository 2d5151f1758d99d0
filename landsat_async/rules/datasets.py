"""What is known of the Landsat datasets of M2M by their names alone: sensors, satellites, level, day or night."""

from __future__ import annotations

import re

import msgspec

_FAMILIES = {
    "mss": ("Landsat 1-5 MSS", (1, 2, 3, 4, 5)),
    "tm": ("Landsat 4-5 TM", (4, 5)),
    "etm": ("Landsat 7 ETM+", (7,)),
    "ot": ("Landsat 8-9 OLI/TIRS", (8, 9)),
}
FAMILY_OF_SENSOR = {"MSS": "mss", "TM": "tm", "ETM": "etm", "OLI": "ot"}
"""Sensor as users write it -> its part of a dataset's name."""
_SCENES = re.compile(r"landsat_(mss|tm|etm|ot)_c2_l([12])")
_TILES = re.compile(r"landsat_(ard|ba|dswe|fsca)_tile(_files|_stat)?_c2")
_TILE_SATELLITES = (4, 5, 7, 8, 9)
FETCHED = "Landsat Collection 2: Level 1, Level 2, ARD tiles and the Level-3 products of tiles"
"""What can be fetched, for people."""


class DatasetFacts(msgspec.Struct, frozen=True):
    """A Landsat dataset."""

    title: str
    """For people: "Landsat 8-9 OLI/TIRS, Level 2"."""
    level: int | None
    """1 or 2; None for tiles."""
    satellites: tuple[int, ...]

    @property
    def has_tiles(self) -> bool:
        """Tiles of ARD or Level 3, which have no WRS path and row."""
        return self.level is None

    @property
    def has_night(self) -> bool:
        """Scenes taken at night: only Level 1 has them, since the others need the sun."""
        return self.level == 1


def facts_of(dataset: str) -> DatasetFacts | None:
    """Return what is known of a dataset; None when it is none of Landsat's that we know."""
    name = dataset.strip().casefold()
    if match := _SCENES.fullmatch(name):
        title, satellites = _FAMILIES[match[1]]
        return None if (match[1], match[2]) == ("mss", "2") else DatasetFacts(
            f"{title}, Level {match[2]}", int(match[2]), satellites
        )  # fmt: skip
    if match := _TILES.fullmatch(name):
        kind = (
            "ARD" if match[1] == "ard" else match[1].replace("fsca", "fSCA").replace("dswe", "DSWE").replace("ba", "BA")
        )
        return DatasetFacts(f"Landsat {kind} tiles", None, _TILE_SATELLITES)
    return None


def dataset_of(sensor: str, level: int) -> str | None:
    """Return the dataset of a sensor as users write it (MSS, TM, ETM, OLI); None where there is none."""
    alias = f"landsat_{FAMILY_OF_SENSOR[sensor]}_c2_l{level}"
    return alias if facts_of(alias) is not None else None
