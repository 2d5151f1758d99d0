"""The picture on a terminal that is emulated: what stands there after drawings, talk and changes of the width."""

from __future__ import annotations

import io
import re

import pytest
from rich.text import Text

from landsat_async.show.safe_stream import SafeStream
from landsat_async.show.screen import Screen


class Terminal:
    """A terminal that breaks lines anew when its width changes, as most do."""

    def __init__(self, width):
        self.width = width
        self.paragraphs = [""]
        """Lines as they were written; the cursor stands at the beginning of the last."""

    def rows(self):
        return [
            row
            for line in self.paragraphs
            for row in ([line[i : i + self.width] for i in range(0, len(line), self.width)] or [""])
        ]

    def feed(self, text):
        for piece in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\n|\r|[^\x1b\n\r]+", text):
            if piece == "\n":
                self.paragraphs.append("")
            elif (up := re.fullmatch(r"\x1b\[(\d+)A", piece)) is not None:
                self._up(int(up[1]))
            elif piece[0] not in "\x1b\r":
                self.paragraphs[-1] += piece

    def _up(self, rows):
        """Up, and everything below is taken away at once: the program always clears after it has gone up."""
        while rows > 0 and len(self.paragraphs) > 1:
            rows -= max(1, -(-len(self.paragraphs[-2]) // self.width))
            del self.paragraphs[-2]


@pytest.fixture
def drawn():
    """Return (terminal, screen, set the lines)."""

    def make(width=40, height=10):
        terminal, lines = Terminal(width), []
        file = io.StringIO()
        file.write = terminal.feed
        screen = Screen(
            SafeStream(file), lambda w, h: [Text(line) for line in lines], colour=False,
            size=lambda: (terminal.width, height),
        )  # fmt: skip
        return terminal, screen, lines

    return make


def test_a_new_picture_takes_the_place_of_the_old_one(drawn):
    terminal, screen, lines = drawn()
    lines[:] = ["one", "two", "three"]
    screen.draw()
    lines[:] = ["four"]
    screen.draw()
    assert terminal.rows() == ["four", ""]


@pytest.mark.faults("P35")
@pytest.mark.parametrize("width", [40, 25, 13, 60])
def test_P35_a_change_of_the_width_leaves_nothing_of_the_old_picture(drawn, width):
    terminal, screen, lines = drawn(40, 30)
    terminal.feed("what stood there before\n")
    lines[:] = ["a" * 40, "b" * 39, ""]
    screen.draw()
    terminal.width = width
    lines[:] = ["c" * 10]
    screen.draw()
    assert "".join(terminal.rows()) == "what stood there before" + "c" * 10


def test_talk_stands_above_the_picture(drawn):
    terminal, screen, lines = drawn()
    lines[:] = ["picture"]
    screen.draw()
    screen._thread = object()
    screen.above("talk")
    screen.draw()
    assert terminal.rows() == ["talk", "picture", ""]


def test_a_picture_is_never_higher_or_wider_than_the_screen(drawn):
    terminal, screen, lines = drawn(20, 5)
    lines[:] = ["x" * 50] * 30
    screen.draw()
    assert terminal.rows() == ["x" * 20] * 4 + [""]


def test_the_cursor_comes_back_and_what_was_said_last_is_shown(drawn):
    terminal, screen, lines = drawn()
    heard = []
    feed = terminal.feed
    terminal_write = lambda text: (heard.append(text), feed(text))  # noqa: E731
    screen._stream._stream.write = terminal_write
    lines[:] = ["picture"]
    screen.open()
    screen.above("last words")
    screen.close()
    assert terminal.rows() == ["last words", ""]
    assert heard[-1].endswith("\x1b[?25h")
