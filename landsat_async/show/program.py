"""How commands are written in texts: as the user has called the program, for the job that he has named."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import PurePath

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


def command(*parts: object) -> str:
    """Return a command that can be pasted into the same shell: landsat-async run config.toml."""
    return " ".join([_program(), *(shlex.quote(str(part)) for part in parts)])


@dataclass(frozen=True, slots=True)
class SameJob:
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


def _program() -> str:
    module = PurePath(sys.argv[0]).parts[-2:] == ("landsat_async", "__main__.py")
    return "python -m landsat_async" if module else "landsat-async"
