"""`plan`: what `run` would fetch, what is here already, and what is left out for which reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from landsat_async.config import Config
from landsat_async.events import Error, Failed, Planned
from landsat_async.model import DroppedScene, Scene
from landsat_async.rules.quantities import count_text, size_text
from landsat_async.show.error_report import tell_error
from landsat_async.show.jsonlines import line
from landsat_async.show.output import Output
from landsat_async.show.plain import tell_wait
from landsat_async.show.scene_output import check_output, write_scenes
from landsat_async.show.scenes_command import scene_lines
from landsat_async.show.signals import Stopper, run_async
from landsat_async.show.tables import columns, left_out_lines, more, width_of

if TYPE_CHECKING:
    from landsat_async.run.plan import Plan

ROWS = 200
"""Rows of each table for people; the JSON has all."""
DROPPED_NAMES = 3
"""Examples that are named for each reason to leave a scene out."""


def plan(
    path: str, overrides: tuple[str, ...], output: Output, shard: str | None = None, *, file: str | None = None
) -> int:
    """Print the plan, and write its scenes to a file where one is named; requests and downloads nothing."""
    check_output(file)
    config = Config.load(path, overrides=overrides).sharded(shard)

    async def work(_: Stopper) -> int:
        from landsat_async.run.plan import plan as make_plan

        result = await make_plan(config, on_wait=partial(tell_wait, output))
        if file is not None:
            await write_scenes(file, result.scenes)
        if output.output_options.json:
            write_json(result, output)
        elif not output.output_options.quiet:
            for note in result.notes:
                output.message(note)
            for text in lines(result, config, width_of(output.out)):
                output.data(text)
        elif result.exit_code:
            for text in (*_unavailable(result, width_of(output.err)), *_ending(result)):
                output.message(text, urgent=True)
        for error in verdicts(result):
            tell_error(output, error)
        return result.exit_code

    return run_async(output, work)


def verdicts(result: Plan) -> Iterator[Error]:
    """What would end a run early, worst first; said with -q too."""
    if result.busy is not None:
        yield Error(result.busy.reference, str(result.busy), result.busy.hint)
    if result.without_role is not None:
        lacking = result.without_role
        text = f"{str(lacking).rstrip('.')}. So files and their sizes are not known."
        yield Error(lacking.reference, text, lacking.hint)
    if result.bytes_short:
        text = f"The disk has no room for all of it: about {size_text(result.bytes_short)} too little."
        yield Error("disk-full", text, "Free space, choose less, or lower [download] min_free_bytes.")


def write_json(result: Plan, output: Output) -> None:
    """Write all scenes, all files, what is left out, and `planned` last."""
    for scene in result.scenes:
        output.json(line("scene", _scene_values(scene)))
    for planned in result.files:
        wanted = planned.file
        output.json(
            line(
                "file",
                {
                    "file": wanted.relpath,
                    "scene": wanted.scene_entity_id,
                    "bytes_nominal": wanted.bytes_nominal,
                    "state": planned.state,
                },
            )
        )
    for dropped in result.dropped:
        ids = {"entity_id": dropped.scene.entity_id, "display_id": dropped.scene.display_id}
        output.json(line("dropped", {**ids, "reason": dropped.reason}))
    for missing in result.unavailable:
        output.event(Failed(missing.file, missing.reason, missing.hint))
    for lack in result.left_out:
        output.event(lack)
    for error in verdicts(result):
        output.event(error)
    output.event(Planned(len(result.scenes), len(result.files), result.bytes_nominal))


def lines(result: Plan, config: Config, width: int) -> list[str]:
    """Return the plan for people."""
    if result.without_role is not None:
        return scene_lines(result.scenes, result.dropped, width)
    return [
        *_scene_table(result.scenes, width),
        *_file_table(result, width),
        *_dropped(result.dropped),
        *_unavailable(result, width),
        *left_out_lines(result.left_out),
        *_totals(result, config.download.min_free_bytes),
        *_ending(result),
    ]


def _scene_values(scene: Scene) -> dict[str, object]:
    try:
        geometry = json.loads(scene.footprint) if scene.footprint else None
    except ValueError:
        geometry = None
    return {
        "entity_id": scene.entity_id,
        "display_id": scene.display_id,
        "acquired": scene.acquired,
        "cloud_cover": scene.cloud_cover,
        "coverage": scene.coverage,
        "geometry": geometry,
    }


def _scene_table(scenes: list[Scene], width: int) -> list[str]:
    if not scenes:
        return ["no scene matches"]
    rows = [
        (
            scene.display_id,
            scene.acquired or "?",
            "?" if scene.cloud_cover is None else f"{scene.cloud_cover:g} %",
            "" if scene.coverage is None else f"{scene.coverage:.0%}",
        )
        for scene in scenes[:ROWS]
    ]
    head = ("scene", "acquired", "cloud", "covers the area")
    return [*columns(head, rows, width, right=(2, 3)), *more(len(rows), len(scenes), "scene"), ""]


def _file_table(result: Plan, width: int) -> list[str]:
    if not result.files:
        return []
    rows = [(p.file.relpath, size_text(p.file.bytes_nominal), p.state) for p in result.files[:ROWS]]
    head = ("file", "nominal", "state")
    return [*columns(head, rows, width, right=(1,)), *more(len(rows), len(result.files), "file"), ""]


def _dropped(dropped: list[DroppedScene]) -> list[str]:
    """Group the scenes that are left out by reason, with a few names each."""
    if not dropped:
        return []
    counts = Counter(d.reason for d in dropped)
    lines = [f"left out: {count_text(len(dropped), 'scene')}"]
    for reason, count in counts.most_common():
        names = [d.scene.display_id for d in dropped if d.reason == reason][:DROPPED_NAMES]
        rest = f" and {count - len(names):,} more" if count > len(names) else ""
        lines.append(f"  {reason}: {', '.join(names)}{rest}")
    return [*lines, ""]


def _unavailable(result: Plan, width: int) -> list[str]:
    if not result.unavailable:
        return []
    rows = [(u.file, u.reason, u.hint) for u in result.unavailable[:ROWS]]
    head = ("cannot be had", "reason", "what to do")
    return [*columns(head, rows, width), *more(len(rows), len(result.unavailable), "file"), ""]


def _totals(result: Plan, min_free_bytes: int) -> list[str]:
    here = sum(1 for planned in result.files if planned.state == "here")
    left = len(result.files) - here
    rest = f"{left:,} left, about {size_text(result.bytes_left)}" if left else "nothing left"
    scenes, files = count_text(len(result.scenes), "scene"), count_text(len(result.files), "file")
    return [
        f"{scenes}, {files}, {size_text(result.bytes_nominal)} (nominal sizes; the service rounds them)",
        f"{here:,} here already, {rest}",
        f"free disk space: {size_text(result.free_bytes)}, of which {size_text(min_free_bytes)} stay free",
    ]


def _ending(result: Plan) -> list[str]:
    """Say what `run` would end with, unless that is 0."""
    if not result.exit_code or result.without_role is not None:
        return []
    refused = sum(1 for planned in result.files if planned.state == "refused")
    lacking = [
        *([f"{len(result.unavailable):,} cannot be had"] if result.unavailable else []),
        *([f"{count_text(refused, 'file')} cannot come because something is in the way"] if refused else []),
    ]
    reasons = {
        8: "another run holds the folder",
        9: "the disk would be full before all is here",
        4: f"{' and '.join(lacking)}, the rest comes",
    }
    return [f"`run` would end with exit code {result.exit_code}: {reasons[result.exit_code]}"]
