"""Log records of the library and of what it stands on: shown with -v, else silent.

Without any handler Python would print warnings, tracebacks among them, straight to stderr, through a progress display.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from landsat_async.show.formatting import mask
from landsat_async.show.output import Output

OURS = logging.getLogger("landsat_async")


class _TalkHandler(logging.Handler):
    """Says records as lines of talk, without secrets."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Say one record."""
        try:
            lines = mask(self.format(record)).splitlines()
        except Exception:  # a record that cannot be formatted must not end a run
            lines = [f"{record.levelname} {record.name}: (unreadable record)"]
        for line in lines:
            self._output.message(line, urgent=True)


@contextmanager
def showing_logs(output: Output) -> Iterator[None]:
    """Send log records to the talk with -v, and nowhere without, for the time of the block."""
    handler = _TalkHandler(output) if output.output_options.verbose else logging.NullHandler()
    root = logging.getLogger()
    level_before = OURS.level
    root.addHandler(handler)
    if output.output_options.verbose:
        OURS.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        OURS.setLevel(level_before)
