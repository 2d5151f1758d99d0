"""How commands are written in texts: as the user has called the program, for the job that he has named."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from landsat_async.show.command_table import COMMANDS

PROGRAM = "landsat-async"
_LONG = 36
"""`.venv/bin/python -m landsat_async` is shorter; what a script has started by a whole path is not."""

_EVERYWHERE = frozenset({"--directory", "--set"})
_SELECTING = frozenset({"--scenes", "--shard"})
_TAKEN = {
    "scenes": _SELECTING,
    "plan": _SELECTING,
    "run": _SELECTING | {"--workers", "--overwrite", "--scheduler"},
    "sync": _SELECTING | {"--watch", "--full", "--overwrite"},
}
"""Options that make it the same job, by the commands that take them, besides those that all commands take."""
_SECRET = re.compile(r"\s*(service\.token_command|hooks\.\w+)\s*=")
"""What may hold secrets: programs with their arguments."""
_NAMED = re.compile(rf"\b{PROGRAM} (?=([a-z]+)\b)")
"""A command in a text of the library, which does not know how the program was started."""


def command(*parts: object) -> str:
    """Return a command that can be pasted into the same shell: landsat-async run config.toml."""
    return " ".join([program(), *(shlex.quote(str(part)) for part in parts)])


class SameJob(NamedTuple):
    """The job of this command line, for the commands that go on with it: they are pasted, and must do no other job.

    Attributes:
        config: The config as it was named; None = none was, and ./config.toml is meant.
        options: Options that were given, with their values; "" where one has none.
    """

    config: str | None = None
    options: tuple[tuple[str, str], ...] = ()

    def command(self, name: str, *more: str) -> str:
        """Return another command, or the same, for this job; what that command does not take is left out."""
        taken = _EVERYWHERE | _TAKEN.get(name, frozenset())
        given = [part for option, value in self.options if option in taken for part in _typed(option, value)]
        return command(name, *more, *([] if self.config is None else [self.config]), *given)


def _typed(option: str, value: str) -> list[str]:
    """Return an option as it is typed, without what may be a secret."""
    secret = _SECRET.match(value) if option == "--set" else None
    if secret is not None:
        value = f"{secret[1]}=..."
    if value.startswith("-") and value != "-":
        return [f"{option}={value}"]
    return [option, value] if value else [option]


def program() -> str:
    """Return how this program was started."""
    return started_as(sys.argv[0], sys.orig_argv)


def program_of_pages() -> str:
    """Return how this program was started, or its name where that would take too much of the lines of a page."""
    return started if len(started := program()) <= _LONG else PROGRAM


def as_started(text: str, started: str | None = None) -> str:
    """Return a text with its commands written as this program was started."""
    started = started or program()
    return _NAMED.sub(lambda found: f"{started} " if found[1] in COMMANDS else found[0], text)


def started_as(script: str, typed: Sequence[str], which: Callable[[str], str | None] = shutil.which) -> str:
    """Return how a program was started, as it can be typed again in the same shell and folder.

    Args:
        script: What Python runs, `sys.argv[0]`.
        typed: The whole command line, `sys.orig_argv`: there may be no `python`, only `python3` or `.venv/bin/python`.
        which: Finds a program on PATH.
    """
    folder, name = os.path.split(script)
    if (os.path.basename(folder), name) == ("landsat_async", "__main__.py"):
        return f"{_as_typed(typed[0] if typed else '', which) or 'python'} -m landsat_async"
    return (_as_typed(script, which) if os.path.splitext(name)[0] == PROGRAM else "") or PROGRAM


def _as_typed(path: str, which: Callable[[str], str | None]) -> str:
    """Return a program as it is typed: by its name alone where PATH leads to the same place."""
    name = os.path.basename(path)
    for short in (name, os.path.splitext(name)[0] if name.lower().endswith(".exe") else name):
        found = which(short) if name != path else None
        if found is not None and os.path.abspath(found) == os.path.abspath(path):
            return shlex.quote(short)
    return shlex.quote(path) if path else ""
