"""`scenes`: what the search finds. Needs an account, and not the MACHINE role."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from landsat_async.config import Config
from landsat_async.events import Failed
from landsat_async.model import DroppedScene, Scene
from landsat_async.rules.quantities import count_text
from landsat_async.show.jsonlines import line
from landsat_async.show.lean_aiohttp import import_aiohttp
from landsat_async.show.output import Output
from landsat_async.show.page_output import write_output
from landsat_async.show.plain import tell_long_wait
from landsat_async.show.program import SameJob
from landsat_async.show.scene_output import check_output, footprint_of, scene_values
from landsat_async.show.signals import Stopper, run_async
from landsat_async.show.tables import columns, width_of

if TYPE_CHECKING:
    from landsat_async.run.search import Found

ROWS = 15
"""Scenes that a person is shown; the rest is counted, and stands in --json and --output."""


def scenes(
    path: str,
    overrides: tuple[str, ...],
    output: Output,
    *,
    file: str | None = None,
    shard: str | None = None,
    browse: bool = True,
    again: SameJob | None = None,
) -> int:
    """Search, show, and write the scenes to a file where one is named; 4 when ids of the config are not there."""
    check_output(file)
    config = Config.load(path, overrides=overrides).sharded(shard)

    async def work(_: Stopper) -> int:
        import_aiohttp()
        from landsat_async.run.scenes import scenes as find

        found = await find(config, on_wait=partial(tell_long_wait, output))
        await write_output(file, found.scenes, config, output, browse=browse)
        code = 4 if found.missing else 0
        if output.output_options.json:
            _write_json(found, output)
        else:
            _tell(found, config, file, (again or SameJob(path)).command("plan"), output)
        return code

    return run_async(output, work)


def _write_json(found: Found, output: Output) -> None:
    """Write a line for each scene, for each that is left out, and how many there are."""
    for scene in found.scenes:
        output.json(line("scene", {**scene_values(scene), "geometry": footprint_of(scene)}))
    for dropped in found.dropped:
        ids = {"entity_id": dropped.scene.entity_id, "display_id": dropped.scene.display_id}
        output.json(line("dropped", {**ids, "reason": dropped.reason}))
    for missing in found.missing:
        output.event(Failed(missing.file, missing.reason, missing.hint))
    output.json(line("found", {"scenes": len(found.scenes), "dropped": len(found.dropped)}))


def _tell(found: Found, config: Config, file: str | None, again: str, output: Output) -> None:
    quiet = output.output_options.quiet
    if not quiet:
        for note in (*config.remarks, *config.notes, *found.notes, *(f"warning: {text}" for text in found.warnings)):
            output.message(note)
        for text in scene_lines(found.scenes, found.dropped, width_of(output.out)):
            output.data(text)
    for missing in found.missing:
        output.message(f"failed: {missing.file}: {missing.reason}. {missing.hint}".rstrip(), urgent=True)
    if file is not None:
        output.message(f"wrote {file}: {count_text(len(found.scenes), 'scene')}")
    if found.scenes and not quiet:
        also = "" if file is not None else "; `--output scenes.geojson` for QGIS, `--output ids.txt` for their ids"
        output.message(f"next: {again}{also}")


def scene_lines(scenes: Sequence[Scene], dropped: Sequence[DroppedScene], width: int) -> list[str]:
    """Return the scenes for people: some of them, then sums by year, and what is left out."""
    if not scenes:
        return ["no scene matches", *_left_out(dropped)]
    rows = [scene_row(scene) for scene in scenes[:ROWS]]
    lines = columns(("scene", "acquired", "cloud", "covers"), rows, width, right=(2, 3))
    if len(scenes) > ROWS:
        lines.append(f"... and {count_text(len(scenes) - ROWS, 'more scene')}")
    years = Counter((scene.acquired or "?")[:4] for scene in scenes)
    places = Counter(f"{v['path']:03}/{v['row']:03}" for s in scenes if (v := scene_values(s))["row"] is not None)
    sums = [f"{count_text(len(scenes), 'scene')}"]
    if 1 < len(years) <= 60:
        sums.append("by year: " + ", ".join(f"{year} {number:,}" for year, number in sorted(years.items())))
    if len(places) > 1:
        most = ", ".join(f"{place} {number:,}" for place, number in places.most_common(5))
        sums.append(f"by path/row: {most}" + (f", and {len(places) - 5:,} more" if len(places) > 5 else ""))
    return [*lines, *sums, *_left_out(dropped)]


def scene_row(scene: Scene) -> tuple[str, ...]:
    """Return a scene as the cells of a row."""
    cloud = "?" if scene.cloud_cover is None else f"{scene.cloud_cover:g} %"
    return scene.display_id, scene.acquired or "?", cloud, "" if scene.coverage is None else f"{scene.coverage:.0%}"


def _left_out(dropped: Sequence[DroppedScene]) -> list[str]:
    counts = Counter(one.reason for one in dropped)
    return [f"left out: {count_text(number, 'scene')}: {reason}" for reason, number in counts.most_common(5)]
