"""`--output FILE.html`: the pictures are fetched, the area is read, and the page is made of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from landsat_async.config import Config
from landsat_async.model import Scene
from landsat_async.rules.quantities import count_text
from landsat_async.show.output import Output
from landsat_async.show.scene_output import is_page, write_scenes
from landsat_async.show.scene_page import scenes_page

if TYPE_CHECKING:
    from landsat_async.run.plan import PlannedFile


async def write_output(
    file: str | None,
    scenes: Sequence[Scene],
    config: Config,
    output: Output,
    *,
    files: Iterable[PlannedFile] = (),
    browse: bool = True,
) -> None:
    """Write what `--output` asks for; nothing without it. Raises ConfigError."""
    if file is None:
        return
    if not is_page(file):
        await write_scenes(file, scenes)
        return
    from landsat_async.run.search import read_aoi

    page = partial(
        scenes_page,
        title=_title(config),
        area=await read_aoi(config),
        files=files,
        pictures=await _pictures(scenes, config, output) if browse else {},
        notes=config.remarks,
    )
    await write_scenes(file, scenes, page)


async def _pictures(scenes: Sequence[Scene], config: Config, output: Output) -> dict[str, bytes]:
    from landsat_async.run.browse import browse_pictures

    if any(scene.browse for scene in scenes):
        output.message(f"fetching the pictures of {count_text(len(scenes), 'scene')}; --no-browse leaves them out")
    found = await browse_pictures(scenes, config.service)
    if found.too_large:
        text = f"{count_text(found.too_large, 'picture')} left out: they are larger than 12 kB, and"
        output.message(f"{text} the extra page, which makes them smaller, is not installed")
    if found.failed:
        output.message(f"{count_text(found.failed, 'picture')} could not be had and left out")
    return found.pictures


def _title(config: Config) -> str:
    search = config.search
    what = ", ".join(search.datasets) or "scenes"
    days = f", {search.start} to {search.end}" if search.start and search.end else ""
    name = os.path.basename(config.path) if config.path else ""
    return f"{what}{days}" + (f" ({name})" if name and name != "config.toml" else "")
