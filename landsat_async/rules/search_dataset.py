"""Which dataset a [search] table asks, and what is wrong with it before anybody is asked."""

from __future__ import annotations

from typing import Any

from landsat_async.rules.scene_ids import ended_dataset, read_scene_ids


def choose_dataset(search: dict[str, Any]) -> list[str]:
    """Fill `dataset` in where the ids tell it; return the problems found, each beginning with the dotted key."""
    if "dataset" in search:
        ended = ended_dataset(search["dataset"])
        return [f"search.dataset: {ended[0]}. {ended[1]}"] if ended else []
    if not search.get("scenes"):
        return ['search.dataset: missing, for example dataset = "landsat_ot_c2_l2"']
    requested = [one for one in read_scene_ids(search["scenes"]) if one.fault is None]
    unclear = [one for one in requested if one.dataset is None]
    if unclear:
        possible = sorted({name for one in unclear for name in one.datasets})
        example = possible[-1] if possible else "landsat_ot_c2_l2"
        which = f"; possible are {' and '.join(possible)}" if possible else ""
        return [
            f"search.dataset: needed, because {unclear[0].written} does not tell level 1 from level 2 "
            f'(display ids do){which}; for example dataset = "{example}"'
        ]
    datasets = {one.dataset for one in requested}
    if len(datasets) == 1:
        search["dataset"] = datasets.pop()
    return []
