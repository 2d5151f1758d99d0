"""One consumer of a run's events, three ways to show them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from landsat_async.errors import LandsatError
from landsat_async.events import Error, Event, Finished, Notice, Progress, Ready, Started
from landsat_async.show.error_report import tell_error
from landsat_async.show.output import Output
from landsat_async.show.plain import PlainRenderer
from landsat_async.show.run_summary import RunOverview

TICK_S = 1.0


class Renderer(Protocol):
    """Shows events; never raises, never waits."""

    def show(self, event: Event) -> None:
        """Take one event."""

    def tick(self) -> None:
        """Do what is due by the clock; called about once a second."""

    def close(self) -> None:
        """Leave the terminal as it was found."""


class JsonRenderer:
    """Writes JSON lines on stdout; warnings and fatal errors also reach stderr."""

    def __init__(self, output: Output, now: Callable[[], float] = time.monotonic) -> None:
        self._output = output
        self._now = now
        self._progress_at = -TICK_S

    def show(self, event: Event) -> None:
        """Take one event; of progress at most one a second."""
        if isinstance(event, Progress):
            if self._now() - self._progress_at < TICK_S:
                return
            self._progress_at = self._now()
        self._output.event(event)
        if isinstance(event, Notice):
            self._output.notice(event)
        elif isinstance(event, Error):
            tell_error(self._output, event)

    def tick(self) -> None:
        """Nothing is due by the clock."""

    def close(self) -> None:
        """Nothing to restore."""


async def follow(events: AsyncIterator[Event], output: Output, *, folder: str = "", doing: str = "") -> RunOverview:
    """Show all events until they end and return what is to be said at the end.

    Args:
        events: What happens.
        output: Where it is shown.
        folder: Where the files go.
        doing: What a command does that neither searches nor fetches, such as "verifying"; files are counted then.
    """
    overview = RunOverview()
    with _renderer(output, folder, doing) as renderer, _ticking(renderer):
        async for event in events:
            overview.note(event)
            renderer.show(event)
    _check(overview.finished)
    return overview


@contextmanager
def showing(output: Output) -> Iterator[Renderer]:
    """Show what the block passes to the renderer: of a command that only searches."""
    with _renderer(output) as renderer, _ticking(renderer):
        yield renderer


@contextmanager
def _renderer(output: Output, folder: str = "", doing: str = "") -> Iterator[Renderer]:
    renderer: Renderer
    if output.output_options.json:
        renderer = JsonRenderer(output)
    elif wants_live(output):
        from landsat_async.show.live import LiveRenderer

        renderer = live = LiveRenderer(output, folder=folder, doing=doing)
        live.open()
    else:
        renderer = PlainRenderer(output, doing=doing)
    try:
        yield renderer
    finally:
        renderer.close()


def not_shown(output: Output) -> tuple[type[Event], ...]:
    """Kinds of events that are neither shown nor counted here: two for each file, and most files are small."""
    options = output.output_options
    return () if options.json or options.verbose or wants_live(output) else (Ready, Started)


def wants_live(output: Output) -> bool:
    """Tell whether a display that moves the cursor makes sense here."""
    dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
    output_options = output.output_options
    return output_options.progress and not output_options.quiet and not dumb and output.err.isatty()


@contextmanager
def _ticking(renderer: Renderer) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    pending: list[asyncio.TimerHandle] = []

    def tick() -> None:
        renderer.tick()
        pending[:] = [loop.call_later(TICK_S, tick)]

    pending.append(loop.call_later(TICK_S, tick))
    try:
        yield
    finally:
        pending[0].cancel()


def _check(end: Finished | None) -> None:
    """Planned = done + failed + left, or the report is wrong and nobody may rely on it."""
    if end is None:
        return
    parts = end.files_verified + end.files_skipped + end.files_failed + end.files_pending
    if parts != end.files_total:
        raise LandsatError(f"the counts do not add up: {parts} files told, {end.files_total} planned")
