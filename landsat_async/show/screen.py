"""A picture of a few lines that stays at the bottom of a terminal, with talk above it.

It is drawn by a thread of its own, so a slow or stopped terminal never holds the event loop up. Before each drawing the
old picture is taken away, as many rows as it has now: a terminal that was made narrower breaks each line into several.
"""

from __future__ import annotations

import io
import os
import shutil
import threading
from collections import deque
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.text import Text

from landsat_async.show.safe_stream import SafeStream

DRAWINGS_A_SECOND = 4
CLOSING_S = 2.0
"""A terminal that takes nothing for so long at the end is left as it is."""
_HIDE, _SHOW, _CLEAR_BELOW = "\x1b[?25l", "\x1b[?25h", "\x1b[J"


class Screen:
    """Draws what `lines(width, height)` returns, again and again, from `open` to `close`."""

    def __init__(
        self,
        stream: SafeStream,
        lines: Callable[[int, int], Sequence[Text]],
        *,
        colour: bool,
        size: Callable[[], tuple[int, int]] | None = None,
    ) -> None:
        self._stream, self._lines = stream, lines
        self._size = size or self._size_of_terminal
        self._paper = Console(
            file=io.StringIO(), force_terminal=True, color_system="standard" if colour else None, no_color=not colour,
            legacy_windows=False, markup=False, highlight=False, emoji=False, width=80, height=25,
        )  # fmt: skip
        self._drawn: list[int] = []
        """Width of each line that stands there."""
        self._above: deque[str] = deque()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Start to draw."""
        thread = threading.Thread(target=self._draw_until_stopped, name="screen", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no thread left: talk goes out as it comes, without a picture
            return
        self._thread = thread

    def close(self) -> None:
        """Take the picture away, say what is left to be said, and give the cursor back."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join(CLOSING_S)
        else:
            self._say_above()

    def above(self, text: str) -> None:
        """Say a line above the picture; does not wait for the terminal."""
        self._above.append(text)
        if self._thread is None:
            self._say_above()

    def draw(self) -> None:
        """Take the old picture away and put the new one there."""
        width, height = self._size()
        self._stream.write(_HIDE + self._erasing(width, height))
        self._say_above()
        lines = list(self._lines(width, height))[: max(1, height - 1)]
        self._drawn = [line.cell_len for line in lines]
        self._stream.write(self.text_of(lines, width))
        self._stream.flush()

    def text_of(self, lines: Sequence[Text], width: int) -> str:
        """Return lines as they are written: none is wider than the screen."""
        self._paper.width = max(1, width)
        with self._paper.capture() as capture:
            for line in lines:
                self._paper.print(line, no_wrap=True, overflow="crop", crop=True)
        return capture.get()

    def _erasing(self, width: int, height: int) -> str:
        """Return what takes the old picture away on a screen that is `width` wide now."""
        rows = sum(max(1, -(-cells // max(1, width))) for cells in self._drawn)
        rows = min(rows, max(1, height - 1))
        return f"\r\x1b[{rows}A{_CLEAR_BELOW}" if self._drawn else ""

    def _say_above(self) -> None:
        while self._above:
            self._stream.write(self._above.popleft() + "\n")
        self._stream.flush()

    def _draw_until_stopped(self) -> None:
        while not self._stop.is_set():
            self.draw()
            self._stop.wait(1 / DRAWINGS_A_SECOND)
        width, height = self._size()
        self._stream.write(self._erasing(width, height))
        self._say_above()
        self._stream.write(_SHOW)
        self._stream.flush()

    def _size_of_terminal(self) -> tuple[int, int]:
        try:
            columns, rows = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            columns = rows = 0
        fallback = shutil.get_terminal_size()  # some terminals say that they have no columns
        return columns or fallback.columns, max(2, rows or fallback.lines)
