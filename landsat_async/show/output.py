"""The two streams of the command line: data on stdout, talk on stderr.

Whatever the other end does (a closed pipe, a terminal that knows no "é", a full disk under `> file`), writing
never raises: the run goes on and keeps its exit code. Every line is cleaned of control characters here, so no
text of the service or of a file name can steer the terminal.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import TextIO

import msgspec

from landsat_async.errors import is_disk_full
from landsat_async.events import Error, Event, Finished, Notice
from landsat_async.show.colour import paint, wants_colour
from landsat_async.show.formatting import between_words, clean
from landsat_async.show.safe_stream import SafeStream


class OutputOptions(msgspec.Struct, frozen=True):
    """How a command was asked to talk."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    progress: bool = True


class Output:
    """Where a command says things. One per process; made by `main`."""

    def __init__(
        self, output_options: OutputOptions, *, stdout: TextIO | None = None, stderr: TextIO | None = None
    ) -> None:
        self.output_options = output_options
        self.out = SafeStream(stdout if stdout is not None else sys.stdout)
        self.err = SafeStream(stderr if stderr is not None else sys.stderr)
        self.finished = False
        """A `finished` line was written: nothing may follow it on stdout."""
        self.out_colour = wants_colour(os.environ, is_terminal=self.out.isatty())
        self.err_colour = wants_colour(os.environ, is_terminal=self.err.isatty())
        self._reads_here = self.err.isatty()
        self._looks_here = self.out.isatty()
        self.stopping = False
        """A signal has asked for a stop."""
        self.told: set[tuple[str, str]] = set()
        """(reference, message) of fatal errors that were shown already."""
        self._live: Callable[[str], None] | None = None
        self._reader_gone: Callable[[], None] | None = None

    def data(self, line: str = "") -> None:
        """Write one line for the user's eyes or pipe to stdout."""
        line = clean_end(line)
        self.out.write((paint(line) if self.out_colour else line) + "\n")

    def sentence(self, text: str, *, indent: str = "") -> None:
        """Write a sentence for the user's eyes to stdout; on a terminal it is broken between words."""
        text, width = clean(text), shutil.get_terminal_size().columns
        for line in between_words(text, width, indent) if self._looks_here else [indent + text]:
            self.data(line)

    def path(self, path: str) -> None:
        """Write a path as the system has it, for other programs: only what would break the line is taken out."""
        self.out.write(path.replace("\n", "?").replace("\r", "?") + "\n")

    def json(self, text: str) -> None:
        """Write one JSON line at once, so that a reader at the other end sees it now."""
        if not self.finished:
            self.out.write(text + "\n")
            self.out.flush()
            failed, told = self.out.failed, self._reader_gone
            if told is not None and failed is not None and reader_has_gone(failed):
                self._reader_gone = None
                told()

    def when_reader_goes(self, told: Callable[[], None]) -> None:
        """Have `told` called once when nobody reads the JSON lines any more."""
        self._reader_gone = told

    def event(self, event: Event) -> None:
        """Write one event as a JSON line, where it has one."""
        from landsat_async.show.jsonlines import json_line

        text = json_line(event)
        if text is not None:
            self.json(text)
        if isinstance(event, Finished):
            self.finished = True
        elif isinstance(event, Error):
            self.told.add((event.reference, event.message))

    def message(self, line: str, *, urgent: bool = False, indent: str = "") -> None:
        """Say one line on stderr. With -q or --json only what is urgent is said; what has an `indent` is a sentence."""
        if (self.output_options.quiet or self.output_options.json) and not urgent:
            return
        line = self._on_screen(clean_end(line), indent)
        if self.err_colour:
            line = paint(line)
        self.out.flush()  # where both streams end in one place, the order is kept
        if self._live is not None:
            self._live(line)
            return
        self.err.write(line + "\n")
        self.err.flush()

    def _on_screen(self, line: str, indent: str) -> str:
        """Break a sentence between words where a person reads it; commands and tables stay as they are."""
        if not self._reads_here or (line[:1] == " " and not indent):
            return indent + line
        width = shutil.get_terminal_size().columns
        if line.startswith("next:"):
            if len(line) > width:  # a command is never broken: it is pasted
                line = line.replace("; ", ";\n  ").replace("then: ", "then:\n  ")
            return line
        return "\n".join(between_words(line, width, indent)) or line

    def notice(self, notice: Notice) -> None:
        """Say a notice of a run; a warning is said with -q too."""
        warning = notice.level == "warning"
        self.message(f"warning: {notice.text}" if warning else notice.text, urgent=warning)

    @contextlib.contextmanager
    def talking_through(self, live: Callable[[str], None]) -> Iterator[None]:
        """Let a live display print the talk above itself for the time of the block."""
        self._live = live
        try:
            yield
        finally:
            self._live = None

    @property
    def lost(self) -> OSError | None:
        """Why data could not be written to stdout; a reader who has closed the pipe does not count."""
        self.out.flush()
        failed = self.out.failed
        return failed if failed is not None and not reader_has_gone(failed) else None

    def checked(self, code: int) -> int:
        """Return the exit code of a command whose purpose is what it prints: 0 is none for half of it."""
        lost = self.lost
        if code or lost is None:
            return code
        return 9 if is_disk_full(lost) else 2

    def close(self) -> None:
        """Flush both streams; tell a person when data was lost for another reason than a closed pipe."""
        lost = self.lost
        if lost is not None:
            self.message(f"standard output could not be written: {lost.strerror}", urgent=True)
        self.err.flush()


def reader_has_gone(error: OSError, platform: str = sys.platform) -> bool:
    """Tell whether an error of writing says that nobody reads any more; Windows says "invalid argument" of a pipe."""
    return error.errno == errno.EPIPE or (error.errno == errno.EINVAL and platform == "win32")


def clean_end(line: str) -> str:
    """Clean a line but keep its indentation."""
    indent = len(line) - len(line.lstrip(" "))
    return " " * indent + clean(line)
