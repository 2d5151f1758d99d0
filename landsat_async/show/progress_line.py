"""Progress for those who call the library: one line that is replaced in place, in a notebook or on a terminal.

At most one line a second is written, however many events there are, so the output of a cell stays small.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal, Protocol, TextIO

from landsat_async.events import Event, Finished, Planned, Progress, Retrying, Searching
from landsat_async.rules.quantities import count_text, size_text, span_text
from landsat_async.show import standing
from landsat_async.show.formatting import clean
from landsat_async.show.plain import searching_text
from landsat_async.show.safe_stream import fitting

EVERY_S = 1.0
CHARACTERS_MOST = 300


class LinePlace(Protocol):
    """Where the line stands."""

    def put(self, text: str) -> None:
        """Replace what stands there."""

    def end(self) -> None:
        """Leave what stands there, and let others write behind it."""


class TerminalPlace:
    """The last line of a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def put(self, text: str) -> None:
        """Replace the line; what does not fit is cut, or it could not be replaced."""
        text = text[: max(1, shutil.get_terminal_size().columns - 1)]
        try:
            self._stream.write(f"\r{fitting(text, self._stream.encoding or 'utf-8')}\x1b[K")
            self._stream.flush()
        except (OSError, ValueError):  # a terminal that has gone is no fault of the run
            pass

    def end(self) -> None:
        """Go on in the next line."""
        try:
            self._stream.write("\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass


class NotebookPlace:
    """The output of a notebook cell: a display that is updated."""

    def __init__(self, display: Callable[..., Any]) -> None:
        self._display = display
        self._handle: Any = None

    def put(self, text: str) -> None:
        """Show the line, or update it."""
        shown = {"text/plain": text}
        if self._handle is None:
            self._handle = self._display(shown, raw=True, display_id=True)
        elif hasattr(self._handle, "update"):
            self._handle.update(shown, raw=True)

    def end(self) -> None:
        """Nothing to do: what follows has an output of its own."""


class ProgressLine:
    """Takes events, and keeps one line up to date."""

    def __init__(self, place: LinePlace, *, folder: str = "", now: Callable[[], float] = time.time) -> None:
        self._place, self._folder, self._now = place, folder, now
        self._progress: Progress | None = None
        self._before = "starting"
        self._wait: tuple[str, float] | None = None
        self._put_at = -EVERY_S
        self._shown = ""

    def note(self, event: Event) -> None:
        """Take one event; returns at once."""
        match event:
            case Progress():
                self._progress = event
            case Searching():
                self._before = searching_text(event)
            case Planned():
                self._before = f"{count_text(event.files, 'file')} of {count_text(event.scenes, 'scene')}"
            case Retrying(file=None) if not event.topic:
                self._wait = event.reason, self._now() + event.wait_s
            case Finished():
                self._put(_end_text(event, self._folder))
                self._place.end()
                return
            case _:
                return
        if self._now() - self._put_at >= EVERY_S:
            self._put(self._text())

    def _text(self) -> str:
        now, p = self._now(), self._progress
        held_up = self._wait is not None and self._wait[1] > now
        parts: list[str | None] = [self._before]
        if p is not None:
            parts = [", ".join([*standing.headline(p, held_up=held_up), *standing.counts(p)])]
            parts += [standing.staging_text(p), standing.quota_text(p, now), standing.hook_text(p)]
        if held_up and self._wait is not None:
            parts.append(standing.next_try_text(*self._wait, now))
        return " · ".join(filter(None, parts))

    def _put(self, text: str) -> None:
        self._put_at = self._now()
        text = clean(text)[:CHARACTERS_MOST]
        if text != self._shown:
            self._shown = text
            self._place.put(text)


def _end_text(end: Finished, folder: str) -> str:
    if end.exit_code and not end.files_total:  # nobody has looked into the folder: "0 already here" may be wrong
        return f"ended before it was known which files are wanted · in {folder}"
    counts = f"{end.files_verified:,} new, {end.files_skipped:,} already here, {end.files_failed:,} failed"
    if end.files_pending:
        counts += f", {end.files_pending:,} not here yet"
    return f"{counts} · {size_text(end.bytes_received)} in {span_text(end.elapsed_s)} · in {folder}"


def place_for(progress: Literal["auto"] | None) -> LinePlace | None:
    """Return where progress goes: a notebook's cell, a terminal's stderr, or None = nowhere.

    Raises:
        ValueError: for anything but "auto" and None.
    """
    if progress is None:
        return None
    if progress != "auto":
        raise ValueError(f'progress is "auto" or None, not {progress!r}')
    display = _display_of_notebook()
    if display is not None:
        return NotebookPlace(display)
    if sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown"):
        return TerminalPlace(sys.stderr)
    return None


def _display_of_notebook() -> Callable[..., Any] | None:
    """Return the function that shows something in a cell; None outside of a notebook's kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    display: Callable[..., Any] = import_module("IPython.display").display  # whose types are here only where it is
    return display
