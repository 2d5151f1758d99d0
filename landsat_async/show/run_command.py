"""`run`: the main job, from config.toml to proven files."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Literal

from landsat_async.config import Config
from landsat_async.events import Finished
from landsat_async.rules.store_url import is_store_url
from landsat_async.show.error_report import report
from landsat_async.show.formatting import flow
from landsat_async.show.lean_aiohttp import import_aiohttp
from landsat_async.show.output import Output
from landsat_async.show.plain import tell_wait
from landsat_async.show.program import SameJob
from landsat_async.show.render import follow, not_shown
from landsat_async.show.run_summary import KEPT, RunOverview
from landsat_async.show.signals import STOPPED, Stopper, run_async
from landsat_async.show.sync_tables import superseded_lines, synced_line
from landsat_async.show.tables import end_lines, failed_lines, left_out_lines, more, width_of

_COLLECT_AFTER_OBJECTS = 10_000

if TYPE_CHECKING:
    from landsat_async.credentials import Credentials


def run(
    path: str,
    overrides: tuple[str, ...],
    overwrite: bool,
    output: Output,
    shard: str | None = None,
    *,
    again: SameJob | None = None,
) -> int:
    """Load the config and do the job."""
    config = Config.load(path, overrides=overrides).sharded(shard)

    async def work(stopper: Stopper) -> int:
        overview = await do_job(config, output, stopper, overwrite=overwrite)
        return conclude(overview, output, config, again or SameJob(path))

    return run_async(output, work)


async def do_job(
    config: Config,
    output: Output,
    stopper: Stopper,
    *,
    overwrite: bool = False,
    credentials: Credentials | None = None,
    sync: Literal["new", "full"] | None = None,
) -> RunOverview:
    """Run the pipeline and show it; a signal asks it to stop."""
    import_aiohttp()
    from landsat_async.run.opening import open_run

    overview = RunOverview()
    output.when_reader_goes(stopper.on_reader_gone)
    try:
        on_wait = partial(tell_wait, output)
        async with open_run(config, overwrite=overwrite, credentials=credentials, sync=sync, on_wait=on_wait) as job:
            job.bus.not_read = not_shown(output)
            with stopper.calling(job.stop), _few_collections():
                overview = await follow(job.events(), output, folder=near(config.download.directory))
                await job.wait()
    except Exception as error:
        if overview.finished is None:
            raise
        overview.cause = error
    return overview


@contextmanager
def _few_collections() -> Iterator[None]:
    """Let Python look for garbage in rings less often, and not among what was imported: 5 % of the CPU time."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def conclude(
    overview: RunOverview, output: Output, config: Config, again: SameJob | None = None, name: str = "run"
) -> int:
    """Say how it ended and return the exit code; `again`: the job, for the command `name` that goes on with it."""
    end = overview.finished
    never_began = overview.error is not None and overview.planned is None
    directory = near(config.download.directory)
    if end is not None and not never_began and not output.output_options.json:
        _say_end(overview, end, output, directory, next_text(end, again, name))
    if end is not None and output.lost:
        output.message(end_lines(end, overview, directory)[0], urgent=True)
    code = report(overview.cause, output) if overview.cause is not None else 1
    return code if end is None else end.exit_code


def _say_end(overview: RunOverview, end: Finished, output: Output, directory: str, following: str) -> None:
    """Say the totals, what has failed, and what comes next; failures are said even with -q."""
    quiet = output.output_options.quiet
    if not quiet:
        for line in superseded_lines(overview.superseded, overview.superseded_count, width_of(output.out)):
            output.data(line)
        if overview.synced is not None:
            output.data(synced_line(overview.synced))
        for text in end_lines(end, overview, directory):
            for line in flow(text.split(" · "), width_of(output.out), " · ", "  "):
                output.data(line)
    for line in failed_lines(overview, width_of(output.err)):
        output.message(line, urgent=True)
    if quiet:
        if end.exit_code:
            output.message(end_lines(end, overview, directory)[0], urgent=True)
        return
    for line in left_out_lines(overview.left_out):
        output.sentence(line)
    for line in more(min(KEPT, overview.scenes_left_out), overview.scenes_left_out, "scene"):
        output.sentence(f"{line} left out (`plan` names all of them)")
    if following:
        output.message(f"next: {following}", urgent=bool(end.exit_code))


def next_text(end: Finished, job: SameJob | None, name: str = "run") -> str:
    """Return what to do now; "" where an error has said it, or there is nothing."""
    again = job.command(name) if job is not None else ""
    if end.exit_code == STOPPED:
        return f"{again} goes on where it was" if again else "the same command goes on where it was"
    if job is None:
        return ""
    if end.files_total == 0 and not end.exit_code:
        plan = job.command("plan")
        return f"widen dates, area or cloud cover; {plan} tells what was left out and why"
    if end.files_failed and end.exit_code == 4:
        return f"{again} tries them again; {job.command('status', '--failed')} names each"
    if end.exit_code:
        return f"{again} goes on where it was"
    return f"{job.command('status', '--paths')} lists the files"


def near(path: str) -> str:
    """Return a folder the shorter way, from where the user stands: data/; the address of a store as it is."""
    if is_store_url(path):
        return path.rstrip("/") + "/"
    try:
        path = min(path, os.path.relpath(path), key=len)
    except (ValueError, OSError):  # another drive of Windows; where the user stood has been removed
        pass
    return path if path.endswith(os.sep) else path + os.sep
