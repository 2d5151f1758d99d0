"""The progress display on a terminal: how far the run is, what it waits for, a row for each running file.

The picture is made and drawn four times a second by the thread of `screen`. The loop's side only replaces values in
small dicts; the drawing side works on copies of them. At most 20 rows: more cost more time to draw than they tell.
Nothing that matters is cut at the edge of a narrow terminal; it goes on in the next line.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from rich.text import Text

from landsat_async.events import (
    Error,
    Event,
    Failed,
    Finished,
    Measured,
    Notice,
    Planned,
    Progress,
    Retrying,
    Searching,
    Skipped,
    Started,
    Transferred,
    Verified,
)
from landsat_async.rules.clouds import measured_file
from landsat_async.rules.quantities import count_text, rate_text, size_text, span_text, stopwatch_text
from landsat_async.show import standing
from landsat_async.show.error_report import tell_error
from landsat_async.show.formatting import clean, flow, short_name, wrap
from landsat_async.show.output import Output
from landsat_async.show.plain import file_text, looked_text
from landsat_async.show.run_summary import kind_of
from landsat_async.show.screen import Screen

ROWS = 20
FAILURES = 3
PAUSES = 3
PAUSE_LINES = 3
BAR_LEAST, BAR_MOST = 8, 24
BAR_WORTH_COLUMNS = 60
SILENT_S = 5.0
"""After so long without a byte a row tells that, in place of a speed that is none any more."""


@dataclass(frozen=True, slots=True)
class _LiveRow:
    file: str
    begun_at: float
    begun_bytes: int
    position_bytes: int
    size_bytes: int | None
    moved_at: float


@dataclass(frozen=True, slots=True)
class _Pause:
    text: str
    count: int
    until: float
    last: float
    shared: bool


class LiveRenderer:
    """Draws what happens on a terminal, on stderr."""

    def __init__(
        self,
        output: Output,
        *,
        now: Callable[[], float] = time.time,
        size: Callable[[], tuple[int, int]] | None = None,
        folder: str = "",
        doing: str = "",
    ) -> None:
        self._output = output
        self._doing = doing
        """What a command does that neither searches nor fetches; "" of those that do."""
        self._looked_at = 0
        """Files that were verified, or are not as they should be."""
        self._now = now
        self._folder = folder
        self._begun_at = now()
        self._rows: dict[str, _LiveRow] = {}
        self._pauses: dict[str, _Pause] = {}
        self._failures: deque[str] = deque(maxlen=FAILURES)
        self._progress: Progress | None = None
        self._progress_at = now()
        self._planned: Planned | None = None
        self._searching = Searching(0, 0)
        self.screen = Screen(output.err, self.picture, colour=output.err_colour, size=size)
        self._talking = output.talking_through(self.screen.above)

    def open(self) -> None:
        """Start to draw."""
        self._talking.__enter__()
        self.screen.open()

    def close(self) -> None:
        """Remove the picture and give the cursor back."""
        self.screen.close()
        self._talking.__exit__(None, None, None)

    def tick(self) -> None:
        """Nothing to do: the picture draws itself."""

    def show(self, event: Event) -> None:
        """Take one event."""
        self._looked_at += isinstance(event, Verified | Failed)
        match event:
            case Progress():
                self._progress, self._progress_at = event, self._now()
            case Searching():
                self._searching = event
            case Planned():
                self._planned = event
            case Started(file=file, offset_bytes=offset, size_bytes=size):
                self._rows[file] = _LiveRow(file, self._now(), offset, offset, size, self._now())
            case Transferred(file=file) if file in self._rows:
                row = self._rows[file]
                size = event.size_bytes if event.size_bytes is not None else row.size_bytes
                self._rows[file] = replace(
                    row, position_bytes=event.position_bytes, size_bytes=size, moved_at=self._now()
                )
            case Measured(scene=scene):
                self._rows.pop(measured_file(scene), None)
            case Verified(file=file) | Skipped(file=file):
                self._rows.pop(file, None)
            case Failed(file=file):
                self._rows.pop(file, None)
                self._failures.append(f"failed {short_name(file)}: {event.reason}")
            case Retrying():
                self._note_retry(event)
            case Notice():
                self._output.notice(event)
            case Error():
                tell_error(self._output, event)
            case Finished():
                self._rows.clear()
            case _:
                pass
        if self._output.output_options.verbose and (text := file_text(event)) is not None:
            self._output.message(text)

    # -- the picture, made by the drawing thread ---------------------------------------------------------------------

    def picture(self, width: int, height: int) -> list[Text]:
        """Return what is on screen now, for a terminal of this size."""
        if self._output.stopping:
            running = f"{count_text(len(self._rows), 'file')} being made durable" if self._rows else "closing"
            return _lines(flow([f"stopping: {running}", "Ctrl-C once more leaves at once"], width, " · "), "yellow")
        if self._progress is None:
            lines = self._before_files(width)
        else:
            lines = [*self._headline(self._progress, width), *self._second(self._progress, width)]
        lines += self._waits(width)
        failures = [line for text in list(self._failures) for line in wrap(clean(text), width)[:2]]
        room = max(1, min(ROWS, height - len(lines) - len(failures) - 2))
        rows = list(self._rows.values())
        longest = max((len(short_name(row.file)) for row in rows[:room]), default=0)
        lines += [self._row(row, width, longest) for row in rows[:room]]
        if len(rows) > room:
            lines.append(_line(f"  and {len(rows) - room:,} more", "dim"))
        return lines + _lines(failures, "red")

    def _before_files(self, width: int) -> list[Text]:
        """While scenes are searched, and files are chosen and compared with what is here."""
        elapsed = f"{stopwatch_text(self._now() - self._begun_at)} elapsed"
        found = self._searching
        if self._planned is not None:
            files = count_text(self._planned.files, "file")
            parts = [f"looking at what is here of {files} of {count_text(self._planned.scenes, 'scene')}"]
        elif found.choosing:
            parts = [f"choosing the files of {count_text(found.scenes, 'scene')}"]
        else:
            parts = [looked_text(self._doing, self._looked_at) or "searching"]
            if found.pages:
                parts += [count_text(found.pages, "page"), f"{count_text(found.scenes, 'scene')} so far"]
        return _lines(flow([" · ".join(parts), elapsed], width), "bold")

    def _headline(self, p: Progress, width: int) -> list[Text]:
        parts = standing.headline(p, held_up=self._held_up())
        share = standing.share_of(p)
        if share is None or p.bytes_total is None or width < BAR_WORTH_COLUMNS:
            return _lines(flow(parts, width), "bold")
        beside = len(parts)
        while beside > 1 and len("  ".join(parts[:beside])) + 2 + BAR_LEAST > width:
            beside -= 1
        line = Text(f"{parts[0]} ", style="bold")
        line.append_text(_bar(share, min(BAR_MOST, width - len("  ".join(parts[:beside])) - 2)))
        line.append(" " + "  ".join(parts[1:beside]), style="bold")
        return [line, *_lines(flow(parts[beside:], width), "bold")]

    def _second(self, p: Progress, width: int) -> list[Text]:
        elapsed = f"{stopwatch_text(self._now() - self._begun_at)} elapsed"
        left = " · ".join(standing.counts(p))
        folder = f" · in {self._folder}" if self._folder else ""
        if folder and len(left) + len(folder) + len(elapsed) + 2 <= width:
            left += folder if left else folder.removeprefix(" · ")
        if len(left) + len(elapsed) + 2 <= width:
            return [_line(left + elapsed.rjust(min(width, 80) - len(left)), "dim")]
        return _lines(flow([*standing.counts(p), elapsed], width, " · "), "dim")

    def _held_up(self) -> bool:
        """Whether something that concerns all files is waited for."""
        return any(pause.shared and pause.until >= self._now() for pause in list(self._pauses.values()))

    def _waits(self, width: int) -> list[Text]:
        """What is waited for, each with its reason and its time, in full."""
        now, texts = self._now(), []
        if self._progress is not None:
            since_s = now - self._progress_at
            texts += [standing.staging_text(self._progress, since_s), standing.quota_text(self._progress, now, since_s)]
            texts.append(standing.hook_text(self._progress, since_s))
        current = [pause for pause in list(self._pauses.values()) if pause.until >= now]
        for pause in sorted(current, key=lambda one: -one.last)[:PAUSES]:
            times = f"{pause.count:,} x " if pause.count > 1 else ""
            texts.append(times + standing.next_try_text(pause.text, pause.until, now, holds_all=pause.shared))
        lines = [line for text in texts if text for line in flow(clean(text).split(" · "), width, " · ", "  ")]
        return _lines(lines[: PAUSES * PAUSE_LINES], "yellow")

    def _row(self, row: _LiveRow, width: int, longest: int) -> Text:
        name, now = short_name(row.file), self._now()
        share = f"{int(100 * row.position_bytes / row.size_bytes):3} %" if row.size_bytes else ""
        done = share or size_text(row.position_bytes)
        if row.size_bytes is not None and row.position_bytes >= row.size_bytes > 0:
            parts = ["verifying"]
        elif now - row.moved_at >= SILENT_S:
            parts = [done, f"nothing for {span_text(now - row.moved_at)}"]
        else:
            speed = (row.position_bytes - row.begun_bytes) / max(0.001, now - row.begun_at)
            parts = [done, rate_text(speed)] if speed > 0 else [done]
            if speed > 0 and row.size_bytes:
                parts.append(span_text((row.size_bytes - row.position_bytes) / speed))
        text = ""
        for part in parts:
            if not text or longest + 4 + len(text) + 2 + len(part) <= width:
                text += f"  {part}"
        room = max(1, width - 2 - len(text))
        return _line(f"  {_tail(clean(name), room).ljust(min(longest, room))}{text}")

    def _note_retry(self, event: Retrying) -> None:
        """One line for each thing that waits: a host or the service by its reason, files by theirs together."""
        if event.file is not None:
            self._rows.pop(event.file, None)
        if event.topic:
            return  # the picture tells these from the counts, which are newer
        kind = kind_of(event.reason)
        before = self._pauses.get(kind)
        now = self._now()
        until = now + event.wait_s
        if len(self._pauses) > 100:
            self._pauses = {k: t for k, t in self._pauses.items() if t.until >= now}
        count = before.count + 1 if before is not None and event.file is not None else 1
        single = event.file is not None and count == 1
        text = f"{short_name(event.file or '')}: {event.reason}" if single else event.reason
        self._pauses[kind] = _Pause(text, count, until, now, event.file is None)


def _bar(share: float, width: int) -> Text:
    """Draw a bar in half steps."""
    halves = round(2 * width * min(1.0, max(0.0, share)))
    full, half = divmod(halves, 2)
    bar = Text("━" * full + ("╸" if half else ""), style="green")
    bar.append("─" * (width - full - half), style="dim")
    return bar


def _tail(name: str, room: int) -> str:
    """Keep the end of a name: it holds the date, the tier and the band."""
    return name if len(name) <= room else ".." + name[len(name) - max(1, room - 2) :]


def _line(text: str, style: str = "") -> Text:
    indent = len(text) - len(text.lstrip(" "))
    return Text(" " * indent + clean(text), style=style, no_wrap=True, overflow="crop")


def _lines(texts: list[str], style: str = "") -> list[Text]:
    return [_line(text, style) for text in texts]
