"""The same calls without `await`, also where an event loop is running already (a notebook, a web service).

    from landsat_async.blocking import download, plan, scenes

    summary = download(Config.load("config.toml"))

Each call has a thread and an event loop of its own, and the caller waits; the loop that is there already is left as it
is. Ctrl-C stops the job cleanly, as on the command line: what has come is kept, and the next call continues. A second
Ctrl-C does not wait for that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar

from anyio.from_thread import start_blocking_portal

from landsat_async.run.plan import Plan
from landsat_async.run.plan import plan as plan_async
from landsat_async.run.scenes import scenes as scenes_async
from landsat_async.whole_job import download as download_async

if TYPE_CHECKING:
    from landsat_async.config import Config
    from landsat_async.credentials import Credentials
    from landsat_async.model import Scene
    from landsat_async.run_summary import RunSummary

__all__ = ["download", "plan", "scenes"]

T = TypeVar("T")


def download(
    config: Config,
    *,
    credentials: Credentials | None = None,
    overwrite: bool = False,
    progress: Literal["auto"] | None = "auto",
) -> RunSummary:
    """Do the whole job and return its counts; arguments and errors as in `landsat_async.download`."""
    return _wait_for(partial(download_async, config, credentials=credentials, overwrite=overwrite, progress=progress))


def plan(config: Config, *, credentials: Credentials | None = None) -> Plan:
    """Return what a run would do; as `landsat_async.plan`."""
    return _wait_for(partial(plan_async, config, credentials=credentials))


def scenes(config: Config, *, credentials: Credentials | None = None) -> list[Scene]:
    """Return the scenes that the search finds, after all filters; needs no role for downloads.

    Raises:
        LandsatError: the search cannot be made.
    """
    return _wait_for(partial(scenes_async, config, credentials=credentials)).scenes


def _wait_for(call: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine in a loop of its own and wait for its result."""
    with start_blocking_portal(name="landsat_async") as portal:
        job = portal.start_task_soon(call)
        try:
            return job.result()
        except KeyboardInterrupt:
            job.cancel()  # the job's own clean-up runs; leaving the block waits for it
            raise
