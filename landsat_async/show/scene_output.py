"""`--output FILE` of `scenes` and `plan`: the scenes in the form that the ending of the file names.

A new form is a function from scenes to bytes and a row in `WRITERS`.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import anyio.to_thread

from landsat_async.disk.fs import local_fs
from landsat_async.disk.whole_file import write_whole
from landsat_async.errors import ConfigError
from landsat_async.model import Scene
from landsat_async.rules.product_id import parse_product_id
from landsat_async.show.error_report import unwritable
from landsat_async.show.scene_page import scenes_page

ANOTHER_NAME = "Nothing was written; give a name in a folder that you may write."
Writer = Callable[[Sequence[Scene]], bytes]


def check_output(path: str | None) -> None:
    """Refuse an ending that nobody can write, before anything is asked for. Raises ConfigError."""
    if path is not None:
        _writer_of(path)
        folder = os.path.dirname(os.path.abspath(path))
        if not os.path.isdir(folder):
            raise ConfigError(f"--output {path}: there is no folder {folder}", reference="usage")


async def write_scenes(path: str, scenes: Sequence[Scene], page: Writer | None = None) -> None:
    """Write the scenes, whole, in place of a file that is there.

    Args:
        path: Where to; its ending says in which form.
        scenes: The scenes.
        page: Makes the page of `.html`.

    Raises:
        ConfigError: the file cannot be written.
        DiskFull: there is no room for it.
    """
    full = os.path.abspath(path)
    writer = page if page is not None and is_page(path) else _writer_of(path)
    body = await anyio.to_thread.run_sync(writer, scenes)
    try:
        await anyio.to_thread.run_sync(partial(write_whole, local_fs(), full, body))
    except OSError as error:
        raise unwritable(f"--output {path}:", error, hint=ANOTHER_NAME, reference="usage") from None


def _writer_of(path: str) -> Writer:
    ending = os.path.splitext(path)[1].lower()
    if ending not in WRITERS:
        hint = f"Known endings: {', '.join(WRITERS)}"
        raise ConfigError(f"--output {path}: this ending is not known", hint=hint, reference="usage")
    return WRITERS[ending]


def is_page(path: str | None) -> bool:
    """Whether a file is to become a page to look at."""
    return path is not None and path.lower().endswith(".html")


def scene_values(scene: Scene) -> dict[str, Any]:
    """Return what is known of a scene as plain values, without its footprint."""
    product = parse_product_id(scene.display_id)
    on_wrs = product if product is not None and product.region is None else None
    on_grid = product if product is not None and product.region is not None else None
    return {
        "display_id": scene.display_id,
        "entity_id": scene.entity_id,
        "dataset": scene.dataset,
        "acquired": scene.acquired,
        "cloud_cover": scene.cloud_cover,
        "coverage": scene.coverage,
        "path": None if on_wrs is None else on_wrs.path,
        "row": None if on_wrs is None else on_wrs.row,
        "tile": None if on_grid is None else f"{on_grid.region}/{on_grid.path:03}{on_grid.row:03}",
        "tier": None if product is None else product.tier,
    }


def footprint_of(scene: Scene) -> dict[str, Any] | None:
    """Return the footprint as GeoJSON geometry; None where there is none that can be read."""
    try:
        geometry = json.loads(scene.footprint) if scene.footprint else None
    except (ValueError, RecursionError):
        return None
    return geometry if isinstance(geometry, dict) else None


def _geojson(scenes: Sequence[Scene]) -> bytes:
    features = [
        {
            "type": "Feature",
            "id": scene.display_id,
            "properties": scene_values(scene),
            "geometry": footprint_of(scene),
        }
        for scene in scenes
    ]
    lines = ",\n".join(json.dumps(feature, ensure_ascii=False, separators=(",", ":")) for feature in features)
    return f'{{"type":"FeatureCollection","features":[\n{lines}\n]}}\n'.encode()


def _csv(scenes: Sequence[Scene]) -> bytes:
    text = io.StringIO(newline="")
    rows = csv.DictWriter(text, list(scene_values(Scene("", ""))), lineterminator="\r\n")
    rows.writeheader()
    for scene in scenes:
        rows.writerow({key: "" if value is None else value for key, value in scene_values(scene).items()})
    return text.getvalue().encode()


def _ids(scenes: Sequence[Scene]) -> bytes:
    return "".join(f"{scene.display_id}\n" for scene in scenes).encode()


def _page(scenes: Sequence[Scene]) -> bytes:
    return scenes_page(scenes, title="Scenes", area=None)


WRITERS: dict[str, Writer] = {".geojson": _geojson, ".csv": _csv, ".txt": _ids, ".html": _page}
"""Forms by ending."""
