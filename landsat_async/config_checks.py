"""What must hold between the keys of the configuration: pure checks of values that were read one by one."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from landsat_async import config_scene_readers as scenes
from landsat_async.rules.search_dataset import choose_datasets
from landsat_async.rules.store_url import is_store_url

_WRS_2 = re.compile("landsat_(ot|etm|tm)_", re.IGNORECASE)


def check_together(
    search: dict[str, Any], refused: set[str], source: str, problems: list[str], remarks: list[str]
) -> None:
    """Find what is wrong only in combination; nothing is said about a value that was refused by itself.

    Fills `datasets` in, from `dataset`, `sensors` and `level`; which of them are not asked is added to `remarks`.
    """
    if not refused & {"search.dataset", "search.sensors", "search.level", "search.scenes"}:
        problems += [f"{source}: {problem}" for problem in choose_datasets(search, remarks)]
    for key in ("dataset", "sensors", "level"):
        search.pop(key, None)
    if "aoi" in search and "bbox" in search:
        problems.append(f"{source}: search.bbox: cannot be used together with search.aoi; remove one of them")
    problems += [f"{source}: {problem}" for problem in (*_without_area(search, refused), *_nothing_counts(search))]
    datasets = search.get("datasets", ())
    if datasets and all(map(_WRS_2.match, datasets)):
        for wrs_path, wrs_row in search.get("path_row", ()):
            if wrs_path > scenes.WRS2_PATH_MAX:
                where = f"{wrs_path:03}/{wrs_row:03} does not exist in WRS-2, which Landsat 4 to 9 follow"
                problems.append(f"{source}: search.path_row: {where}; paths are 1 to {scenes.WRS2_PATH_MAX}")
    if "start" in search and "end" in search and search["start"] > search["end"]:
        problems.append(f"{source}: search.start: {search['start']} is later than search.end, {search['end']}")
    if "start" in search and search["start"] > dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1):
        problems.append(f"{source}: search.start: {search['start']} lies in the future")


def check_window(
    search: Mapping[str, Any], select: Mapping[str, Any], refused: set[str]
) -> tuple[list[str], list[str]]:
    """Return what is wrong with `select.window`, and what has no effect; to be called once the type is known."""
    wanted = select.get("window", "off") != "off"
    idle = ["select.window_buffer_m has no effect without select.window"] if select.get("window_buffer_m") else []
    if not wanted:
        return [], idle
    problems = []
    if not {"aoi", "bbox"} & set(search) and not refused & {"search.aoi", "search.bbox"}:
        problems.append("select.window: needs an area; set search.aoi or search.bbox")
    kind = select.get("type", "bundle")
    from_bundles = kind == "bundle" and bool(select.get("bands"))
    if kind not in ("band", "band_group") and not from_bundles and "select.type" not in refused:
        problems.append(
            f'select.window: cuts single bands, and type = "{kind}" names none; write bands = ["SR_B4", "QA_PIXEL"]'
        )
    return problems, []


def _nothing_counts(search: dict[str, Any]) -> list[str]:
    """Return what says that no pixel is ever cloud, by which every scene would be clear."""
    if search.get("aoi_cloud_counts") != ():
        return []
    return ['search.aoi_cloud_counts: is empty; name what counts as cloud, like ["cloud"], or leave it out']


def _without_area(search: dict[str, Any], refused: set[str]) -> list[str]:
    """Return what is measured in an area that nothing says."""
    if "aoi" in search or "bbox" in search or "scenes" in search or refused & {"search.aoi", "search.bbox"}:
        return []
    needs = "needs an area: set search.aoi or search.bbox"
    return [f"search.{key}: {needs}" for key in ("aoi_cloud", "aoi_valid", "aoi_cloud_counts") if key in search]


def ids_decide(search: Mapping[str, object]) -> list[str]:
    """Return the note on filters that say nothing beside `search.scenes`; empty where there are none."""
    filters = sorted(set(search) - {"datasets", "relative", "scenes", "scenes_file"})
    if not filters:
        return []
    return [f"search.scenes decides alone: {', '.join(filters)} not applied as a filter"]


def store_together(values: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what cannot be had in a store."""
    if is_store_url(values["download"]["directory"]) and values["hooks"].get("force_queue"):
        return ["hooks.force_queue: FORCE reads files of this machine, and download.directory is a store"]
    return []


def cluster_together(values: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what cannot be had with a cluster."""
    download = values["download"]
    return (
        what_no_cluster_does(str(download["directory"]), download.get("max_rate", 0))
        if values["scale"].get("scheduler")
        else []
    )


def what_no_cluster_does(directory: str, max_rate: int) -> list[str]:
    """Return what the processes of a cluster cannot do for a run."""
    problems = []
    if is_store_url(directory):
        problems.append("download.directory: a cluster needs a folder that all its machines see, not a store")
    if max_rate:
        problems.append("download.max_rate: cannot be kept by several processes; leave it out with a cluster")
    return problems
