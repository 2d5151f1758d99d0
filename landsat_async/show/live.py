"""The progress display on a terminal: one bar for all, a row for each running file, pauses, recent failures.

The picture is drawn four times a second by rich's own thread, so a slow or stopped terminal never holds the
event loop up. The loop's side only replaces values in small dicts; the drawing side works on copies of them.
At most 20 rows: more cost more time to draw than they tell.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from landsat_async.events import (
    Error,
    Event,
    Failed,
    Finished,
    Notice,
    Planned,
    Progress,
    Retrying,
    Skipped,
    Started,
    Transferred,
    Verified,
)
from landsat_async.show.error_report import tell_error
from landsat_async.show.formatting import clean, clock_text, left_s, preparing_text, rate_text, size_text, span_text
from landsat_async.show.output import Output
from landsat_async.show.plain import file_text, state_text
from landsat_async.show.run_summary import kind_of

ROWS = 20
FAILURES = 3
PAUSES = 3
DRAWINGS_A_SECOND = 4
NARROW_COLUMNS = 70


@dataclass(frozen=True, slots=True)
class _LiveRow:
    file: str
    begun_at: float
    begun_bytes: int
    position_bytes: int
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class _Pause:
    text: str
    count: int
    until: float
    last: float


class LiveRenderer:
    """Draws what happens on a terminal, on stderr."""

    def __init__(self, output: Output, *, console: Console | None = None, now: Callable[[], float] = time.time) -> None:
        self._output = output
        self._now = now
        self._console = console or Console(file=output.err, markup=False, highlight=False)  # type: ignore[arg-type]
        self._rows: dict[str, _LiveRow] = {}
        self._pauses: dict[str, _Pause] = {}
        self._failures: deque[str] = deque(maxlen=FAILURES)
        self._progress = Progress(0, 0, 0, None, 0.0)
        self._headline = "searching"
        self._live = Live(
            get_renderable=self.picture,
            console=self._console,
            refresh_per_second=DRAWINGS_A_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._talking = output.talking_through(self._print_above)

    def open(self) -> None:
        """Start to draw."""
        self._talking.__enter__()
        self._live.start()

    def close(self) -> None:
        """Remove the picture and give the cursor back."""
        self._live.stop()
        self._talking.__exit__(None, None, None)

    def tick(self) -> None:
        """Nothing to do: the picture draws itself."""

    def show(self, event: Event) -> None:
        """Take one event."""
        match event:
            case Progress():
                self._progress = event
            case Started(file=file, offset_bytes=offset, size_bytes=size):
                self._rows[file] = _LiveRow(file, self._now(), offset, offset, size)
            case Transferred(file=file) if file in self._rows:
                row = self._rows[file]
                size = event.size_bytes if event.size_bytes is not None else row.size_bytes
                self._rows[file] = replace(row, position_bytes=event.position_bytes, size_bytes=size)
            case Verified(file=file) | Skipped(file=file):
                self._rows.pop(file, None)
            case Failed(file=file):
                self._rows.pop(file, None)
                self._failures.append(f"failed {file}: {event.reason}")
            case Retrying():
                self._note_retry(event)
            case Notice():
                self._output.message(event.text, urgent=event.level == "warning")
            case Error():
                tell_error(self._output, event)
            case Finished():
                self._rows.clear()
            case _:
                self._headline = state_text(event) or self._headline
                if isinstance(event, Planned):
                    self._progress = replace(self._progress, files_total=event.files)
        if self._output.output_options.verbose and (text := file_text(event)) is not None:
            self._output.message(text)

    def picture(self) -> RenderableType:
        """Return what is on screen now, made for the width and height that the terminal has now."""
        width, height = self._console.size
        lines: list[RenderableType] = [*self._overall(width), *self._status(width)]
        room = max(1, min(ROWS, height - len(lines) - FAILURES - 2))
        rows = list(self._rows.values())
        lines += [self._row(row, width) for row in rows[:room]]
        if len(rows) > room:
            lines.append(_line(f"and {len(rows) - room:,} more", "dim"))
        lines += [_line(text, "red") for text in list(self._failures)]
        return Group(*lines)

    def _overall(self, width: int) -> list[RenderableType]:
        p = self._progress
        known = p.bytes_total is not None and p.bytes_total >= p.bytes_done
        parts = [
            f"{p.files_done:,}/{p.files_total:,} files",
            f"{size_text(p.bytes_done)} of {size_text(p.bytes_total)}" if known else size_text(p.bytes_done),
        ]
        if p.rate_bytes_s > 0:
            parts.append(rate_text(p.rate_bytes_s))
        left = left_s(p.bytes_done, p.bytes_total, p.rate_bytes_s)
        if left is not None:
            parts.append(f"{span_text(left)} left")
        if width < NARROW_COLUMNS:
            return [_line(fit(parts, width))]
        share = (p.bytes_done, p.bytes_total) if known and p.bytes_total else (p.files_done, p.files_total)
        bar = ProgressBar(total=max(1, share[1] or 1), completed=share[0], width=24)
        return [_side_by_side(bar, _line("  ".join(parts), "bold"))]

    def _status(self, width: int) -> list[RenderableType]:
        parts = [self._headline]
        if self._progress.files_preparing:
            parts.append(preparing_text(self._progress.files_preparing, self._progress.staging_eta_s))
        if self._progress.workers:
            parts.append(f"{self._progress.workers} workers")
        lines: list[RenderableType] = [_line(fit(parts, width), "dim")]
        now = self._now()
        current = [t for t in list(self._pauses.values()) if t.until >= now]
        for pause in sorted(current, key=lambda t: -t.last)[:PAUSES]:
            times = f"{pause.count:,} x " if pause.count > 1 else ""
            lines.append(_line(f"{times}{pause.text}; next try {clock_text(pause.until)}", "yellow"))
        return lines

    def _row(self, row: _LiveRow, width: int) -> RenderableType:
        name = row.file.rpartition("/")[2]
        done = size_text(row.position_bytes)
        if width < NARROW_COLUMNS:
            share = f"{_share(row):.0%}" if row.size_bytes else done
            return _line(f"{_tail(name, width - len(share) - 1)} {share}")
        seconds = max(0.001, self._now() - row.begun_at)
        speed = rate_text((row.position_bytes - row.begun_bytes) / seconds)
        size = f"{done} of {size_text(row.size_bytes)}" if row.size_bytes is not None else done
        bar = ProgressBar(total=100, completed=100 * _share(row), width=12)
        return _side_by_side(bar, _line(f"{_tail(name, max(12, width - 50))}  {size}  {speed}"))

    def _note_retry(self, event: Retrying) -> None:
        """One line for each thing that waits: a host or the service by its reason, files by theirs together."""
        if event.file is not None:
            self._rows.pop(event.file, None)
        kind = kind_of(event.reason)
        before = self._pauses.get(kind)
        now = self._now()
        until = now + event.wait_s
        if len(self._pauses) > 100:
            self._pauses = {k: t for k, t in self._pauses.items() if t.until >= now}
        count = before.count + 1 if before is not None and event.file is not None else 1
        text = event.reason if event.file is None or count > 1 else f"{event.file}: {event.reason}"
        self._pauses[kind] = _Pause(text, count, until, now)

    def _print_above(self, text: str) -> None:
        self._console.print(_line(text), soft_wrap=True)


def fit(parts: list[str], width: int) -> str:
    """Join as many parts as the width has room for, the first in any case."""
    text = parts[0]
    for part in parts[1:]:
        if len(text) + len(part) + 2 <= width:
            text += f"  {part}"
    return text


def _share(row: _LiveRow) -> float:
    return min(1.0, row.position_bytes / row.size_bytes) if row.size_bytes else 0.0


def _tail(name: str, room: int) -> str:
    """Keep the end of a name: it holds the date, the tier and the band."""
    return name if len(name) <= room else ".." + name[len(name) - max(1, room - 2) :]


def _line(text: str, style: str = "") -> Text:
    return Text(clean(text), style=style, no_wrap=True, overflow="crop")


def _side_by_side(bar: ProgressBar, text: Text) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_row(bar, text)
    return grid
