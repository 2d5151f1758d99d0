"""`run`: the main job, from config.toml to proven files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from landsat_async.config import Config
from landsat_async.events import Finished
from landsat_async.show.error_report import report
from landsat_async.show.output import Output
from landsat_async.show.render import follow
from landsat_async.show.run_summary import RunOverview
from landsat_async.show.signals import STOPPED, Stopper, run_async
from landsat_async.show.tables import failed_lines, left_out_lines, proven_lines, totals_line, width_of

if TYPE_CHECKING:
    from landsat_async.credentials import Credentials


def run(path: str, overrides: tuple[str, ...], overwrite: bool, output: Output, shard: str | None = None) -> int:
    """Load the config and do the job."""
    config = Config.load(path, overrides=overrides).sharded(shard)

    async def work(stopper: Stopper) -> int:
        return conclude(await do_job(config, output, stopper, overwrite=overwrite), output)

    return run_async(output, work)


async def do_job(
    config: Config,
    output: Output,
    stopper: Stopper,
    *,
    overwrite: bool = False,
    credentials: Credentials | None = None,
) -> RunOverview:
    """Run the pipeline and show it; a signal asks it to stop."""
    from landsat_async.run.runner import open_run

    overview = RunOverview()
    output.when_reader_goes(stopper.on_reader_gone)
    try:
        async with open_run(config, overwrite=overwrite, credentials=credentials) as job:
            with stopper.calling(job.stop):
                overview = await follow(job.events(), output)
                await job.wait()
    except Exception as error:
        if overview.finished is None:
            raise
        overview.cause = error
    return overview


def conclude(overview: RunOverview, output: Output) -> int:
    """Say how it ended and return the exit code."""
    end = overview.finished
    never_began = overview.error is not None and overview.planned is None
    if end is not None and not never_began and not output.output_options.json:
        _say_end(overview, end, output)
    if end is not None and output.lost:
        output.message(totals_line(end), urgent=True)
    code = report(overview.cause, output) if overview.cause is not None else 1
    return code if end is None else end.exit_code


def _say_end(overview: RunOverview, end: Finished, output: Output) -> None:
    """Print the tables: proven files and totals are data, failures are said even with -q."""
    width = width_of(output.out)
    if not output.output_options.quiet:
        for line in proven_lines(overview.verified, overview.verified_count, width):
            output.data(line)
    for line in failed_lines(overview.failures, overview, width_of(output.err)):
        output.message(line, urgent=True)
    if not output.output_options.quiet:
        for line in left_out_lines(overview.left_out):
            output.data(line)
        output.data(totals_line(end))
    elif end.exit_code:
        output.message(totals_line(end), urgent=True)
    if end.exit_code == STOPPED:
        output.message("stopped; the same command continues where it was", urgent=True)
    elif end.exit_code == 0 and end.files_total == 0:
        output.message("nothing matched: widen dates, area or cloud cover; `plan` tells what was left out and why")
