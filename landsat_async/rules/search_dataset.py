"""Which datasets a [search] table asks, and what is wrong with that before anybody is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from landsat_async.rules.datasets import dataset_of, facts_of
from landsat_async.rules.scene_ids import RequestedId, ended_dataset, read_scene_ids

_EXAMPLE = 'dataset = "landsat_ot_c2_l2"'


def choose_datasets(search: dict[str, Any], notes: list[str]) -> list[str]:
    """Put the datasets to be asked into `search["datasets"]`; return the problems, each with its dotted key in front.

    Args:
        search: The table as written; `dataset`, `sensors` and `level` are taken out of it.
        notes: Which datasets are left out, and why, is added here.
    """
    written: tuple[str, ...] = search.pop("dataset", ())
    sensors: tuple[str, ...] = search.pop("sensors", ())
    level: int | None = search.pop("level", None)
    if written and sensors:
        return ["search.sensors: cannot be used together with search.dataset; remove one of them"]
    problems = _of_ended(written) or _wrong_level(written, sensors, level)
    if problems:
        return problems
    datasets = written or tuple(name for sensor in sensors if level and (name := dataset_of(sensor, level)))
    if search.get("scenes"):
        return _of_ids(search, datasets, level)
    if not datasets:
        if level is not None:
            return [f'search.sensors: needed beside level = {level}, for example sensors = ["TM", "ETM", "OLI"]']
        return [f'search.dataset: missing, for example {_EXAMPLE}, or sensors = ["TM", "ETM", "OLI"] and level = 2']
    search["datasets"], problems = _those_that_can(datasets, search, notes)
    return problems


def _of_ended(datasets: Sequence[str]) -> list[str]:
    ended = [found for name in datasets if (found := ended_dataset(name))]
    return [f"search.dataset: {what}. {successor}" for what, successor in ended]


def _wrong_level(datasets: Sequence[str], sensors: Sequence[str], level: int | None) -> list[str]:
    if sensors and level is None:
        return ["search.level: needed beside search.sensors: level = 1, or level = 2 (surface reflectance)"]
    if level is None:
        return []
    known = [(name, facts) for name in datasets if (facts := facts_of(name))]
    return [
        *(
            f"search.level: {level} does not go with {name}; remove one of them"
            for name, facts in known
            if facts.level not in (level, None)
        ),
        *(
            f"search.sensors: {sensor} has no Level {level}; leave it out, or take level = 1"
            for sensor in sensors
            if dataset_of(sensor, level) is None
        ),
    ]


def _those_that_can(
    datasets: Sequence[str], search: dict[str, Any], notes: list[str]
) -> tuple[tuple[str, ...], list[str]]:
    """Leave the datasets out that cannot have what is asked for; a problem when none is left."""
    left = list(datasets)
    for key, told in _LACKS.items():
        out = [name for name in left if _cannot_have(key, name, search)]
        left = [name for name in left if name not in out]
        if out and not left:
            return (), [f"search.{key}: {' and '.join(out)} {'has' if len(out) == 1 else 'have'} {told}"]
        notes += [f"search.{key}: {name} has {told}; it is not searched" for name in out]
    return tuple(left), []


_LACKS = {
    "satellites": "none of these satellites",
    "day_night": "no scenes taken at night",
    "tiles": "no tiles, which path_row is for; landsat_ard_tile_c2 has",
    "path_row": 'no paths and rows but tiles, as in tiles = ["CU/008001"]',
}
"""Key -> what a dataset lacks that has nothing of what the key asks for."""


def _cannot_have(key: str, dataset: str, search: dict[str, Any]) -> bool:
    facts = facts_of(dataset)
    if facts is None:
        return False
    if key == "satellites":
        wanted: tuple[int, ...] = search.get("satellites", ())
        return bool(wanted) and not set(wanted) & set(facts.satellites)
    if key == "day_night":
        return search.get("day_night") == "night" and not facts.has_night
    if bool(search.get("tiles")) == bool(search.get("path_row")):
        return False
    return bool(search.get(key)) and facts.has_tiles != (key == "tiles")


def _of_ids(search: dict[str, Any], datasets: tuple[str, ...], level: int | None) -> list[str]:
    """Which datasets ids are looked up in: those that were named, and otherwise those that the ids tell."""
    if datasets:
        search["datasets"] = datasets
        return []
    requested = [one for one in read_scene_ids(search["scenes"]) if one.fault is None]
    own = {id(one): _own(one, level) for one in requested}
    unclear = [one for one in requested if own[id(one)] is None]
    if unclear:
        possible = sorted({name for one in unclear for name in one.datasets})
        example = f'dataset = "{possible[-1]}"' if possible else _EXAMPLE
        which = f"; possible are {' and '.join(possible)}" if possible else ""
        return [
            f"search.dataset: needed, because {unclear[0].written} does not tell level 1 from level 2 "
            f"(display ids do){which}; for example {example}, or level = 2 for ids of all sensors"
        ]
    search["datasets"] = tuple(dict.fromkeys(name for one in requested if (name := own[id(one)])))
    return []


def _own(one: RequestedId, level: int | None) -> str | None:
    """The one dataset that can hold an id, or the one of that level."""
    if one.dataset is not None or level is None:
        return one.dataset
    return next((name for name in one.datasets if name.endswith(f"_l{level}")), None)
