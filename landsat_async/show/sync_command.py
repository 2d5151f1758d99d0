"""`sync`: a run that also puts older versions away; with --watch again and again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import anyio

from landsat_async.config import Config
from landsat_async.errors import ConfigError
from landsat_async.show.error_report import report
from landsat_async.show.output import Output
from landsat_async.show.program import SameJob
from landsat_async.show.run_command import conclude, do_job
from landsat_async.show.signals import Stopper, run_async

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST_S = 366 * 86400.0
_ENDS = (1, 2, 3)
"""Exit codes that waiting does not mend: a bug, the config, the credentials."""


def read_interval(text: str) -> float:
    """Return the seconds of "6h", "30m", "1d" or "90s".

    Raises:
        ConfigError: it is not an interval, or longer than a year.
    """
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)\s*([smhd])", text.strip().lower(), re.ASCII)
    seconds = float(match[1]) * _UNITS_S[match[2]] if match else 0.0
    if not 0.0 < seconds <= _LONGEST_S:
        raise ConfigError(
            f"--watch {text!r} is not an interval",
            hint="Write a number and a unit: 90s, 30m, 6h or 1d.",
            reference="usage",
        )
    return seconds


@dataclass(frozen=True, slots=True)
class Job:
    """What is synchronised, and how."""

    load: Callable[[], Config]
    """Reads the config; called before each time, so that days relative to today are counted anew."""
    again: SameJob
    """For the command that goes on."""
    full: bool = False
    """Look at everything, the first time."""
    overwrite: bool = False
    """Replace files in the way that are not ours."""

    async def once(self, config: Config, output: Output, stopper: Stopper, *, full: bool) -> int:
        """Synchronise, and return the exit code."""
        job = do_job(config, output, stopper, overwrite=self.overwrite, sync="full" if full else "new")
        return conclude(await job, output, config, self.again, "sync")


def sync(job: Job, output: Output, watch: str | None = None) -> int:
    """Synchronise once, or every so often; returns the exit code.

    Args:
        job: What to do.
        output: Where to say what.
        watch: The interval from one beginning to the next; None = once.
    """
    interval_s = None if watch is None else read_interval(watch)
    config = job.load()

    async def work(stopper: Stopper) -> int:
        if interval_s is None:
            return await job.once(config, output, stopper, full=job.full)
        return await watch_folder(job, config, interval_s, output, stopper)

    return run_async(output, work)


async def watch_folder(job: Job, config: Config, interval_s: float, output: Output, stopper: Stopper) -> int:
    """Go on until somebody stops it, or something is wrong that waiting does not mend; returns the exit code."""
    full = job.full
    while True:
        began_s = anyio.current_time()
        try:
            code = await job.once(config, output, stopper, full=full)
        except Exception as error:
            code = report(error, output)
        if code in _ENDS or stopper.asked:
            return code
        full = False
        wait_s = max(0.0, began_s + interval_s - anyio.current_time())
        at = time.strftime("%Y-%m-%d %H:%M", time.localtime(time.time() + wait_s))
        output.message(f"next synchronisation at {at}; Ctrl-C ends it")
        with anyio.CancelScope() as waiting, stopper.calling(waiting.cancel):
            await anyio.sleep(wait_s)
        if waiting.cancelled_caught or stopper.asked:
            return code
        try:
            config = job.load()
        except ConfigError as error:
            return report(error, output)
