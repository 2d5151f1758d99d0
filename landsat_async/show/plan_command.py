"""`plan`: what `run` would fetch, what is here already, and what is left out for which reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from landsat_async.config import Config
from landsat_async.events import Error, Event, Failed, Finished, LeftOut, Measured, Notice, Planned
from landsat_async.model import Scene
from landsat_async.rules.quantities import count_text
from landsat_async.run.area_clouds import measured_event
from landsat_async.show.error_report import tell_error
from landsat_async.show.jsonlines import line
from landsat_async.show.lean_aiohttp import import_aiohttp
from landsat_async.show.output import Output
from landsat_async.show.page_output import write_output
from landsat_async.show.plain import tell_long_wait
from landsat_async.show.plan_page import exit_reason, file_rows, plan_page, room_lacking
from landsat_async.show.program import SameJob
from landsat_async.show.render import showing
from landsat_async.show.scene_output import check_output
from landsat_async.show.scenes_command import scene_lines, scene_row
from landsat_async.show.signals import Stopper, run_async
from landsat_async.show.tables import columns, width_of

if TYPE_CHECKING:
    from landsat_async.run.plan import Plan

STATES = {
    "here": "here",
    "empty": "empty: no data in the area",
    "partial": "begun",
    "preparing": "at USGS",
    "unverified": "found, to be verified",
    "refused": "something is in the way",
    "missing": "to fetch",
}
"""State of a planned file -> what people are told."""


def plan(
    path: str,
    overrides: tuple[str, ...],
    output: Output,
    shard: str | None = None,
    *,
    file: str | None = None,
    list_scenes: bool = False,
    list_files: bool = False,
    browse: bool = True,
    measure: bool = False,
    again: SameJob | None = None,
) -> int:
    """Print the plan, or its lists, and write its scenes to a file where one is named; requests nothing.

    With `measure`, the clouds in the area are measured first, as a run would, and kept.
    """
    check_output(file)
    config = Config.load(path, overrides=overrides).sharded(shard)

    async def work(_: Stopper) -> int:
        import_aiohttp()
        from landsat_async.run.plan import plan as make_plan

        told: set[str] = set()
        if measure:
            told = await measure_clouds(config, output)
        with showing(output) as renderer:
            result = await make_plan(config, on_wait=partial(tell_long_wait, output), on_search=renderer.show)
        await write_output(file, result.scenes, config, output, files=result.files, browse=browse)
        if file is not None:
            output.message(f"wrote {file}: {count_text(len(result.scenes), 'scene')}")
        job = again or SameJob(path)
        if output.output_options.json:
            write_json(result, output)
        elif list_scenes or list_files:
            for text in list_lines(result, width_of(output.out), scenes=list_scenes, files=list_files):
                output.data(text)
        elif not output.output_options.quiet:
            for note in result.notes:
                if note not in told:
                    output.message(note)
            for text in lines(result, config, width_of(output.out), job):
                output.data(text)
        elif reason := exit_reason(result):
            named = ", ".join(one.file for one in result.unavailable[:3])
            output.message(f"run would end with exit code {result.exit_code}: {reason} {named}".rstrip(), urgent=True)
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
        text, hint = room_lacking(result)
        yield Error("disk-full", f"There is {text}.", f"{hint[0].upper()}{hint[1:]}.")


async def measure_clouds(config: Config, output: Output) -> set[str]:
    """Measure what is not measured yet, and show how far that is; the plan has the figures.

    Returns:
        Notes that were told: the plan, which searches once more, finds some of them again.
    """
    from landsat_async.run.measure_first import measure

    told: set[str] = set()
    with showing(output) as renderer:

        def on_event(event: Event) -> None:
            if isinstance(event, Notice):
                told.add(event.text)
            if not isinstance(event, Planned | Finished | Error | Measured | LeftOut):
                renderer.show(event)

        await measure(config, on_event=on_event)
    return told


def write_json(result: Plan, output: Output) -> None:
    """Write all scenes, all files, what is left out, and `planned` last."""
    for display_id, count in result.measured.items():
        output.event(measured_event(display_id, count))
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
                    **({} if planned.bundle is None else {"bundle": planned.bundle}),
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
    output.event(Planned(len(result.scenes), len(result.files), result.bytes_nominal, result.bytes_whole))


def lines(result: Plan, config: Config, width: int, again: SameJob) -> list[str]:
    """Return the plan for people."""
    if result.without_role is not None:
        return scene_lines(result.scenes, result.dropped, width)
    return plan_page(result, keep_bytes=config.download.min_free_bytes, width=width, again=again)


def list_lines(result: Plan, width: int, *, scenes: bool, files: bool) -> list[str]:
    """Return all scenes, all files, or both."""
    told: list[str] = []
    if scenes:
        rows = [(*scene_row(scene), *_figures(result, scene)) for scene in result.scenes]
        head = ["scene", "acquired", "cloud", "covers", *(["cloud in it", "with data"] if result.measured else [])]
        told += columns(head, rows, width, right=range(2, len(head)))
        told += [f"left out: {one.scene.display_id}: {one.reason}" for one in result.dropped]
    if files:
        told += columns(("file", "nominal", "state"), file_rows(result.files, STATES), width, right=(1,))
    return told


def _figures(result: Plan, scene: Scene) -> list[str]:
    """Return what is known of the area in a scene; nothing where none was measured."""
    if not result.measured:
        return []
    count = result.measured.get(scene.display_id)
    if count is None:
        return ["not measured", ""]
    cloud = "?" if count.cloud_percent is None else f"{count.cloud_percent:.1f} %"
    return [cloud, f"{count.valid_share:.0%}"]


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
