"""How commands are written in texts: as the user has called the program."""

from __future__ import annotations

import shlex
import sys
from pathlib import PurePath


def command(*parts: object) -> str:
    """Return a command that can be pasted into the same shell: landsat-async run config.toml."""
    return " ".join([_program(), *(shlex.quote(str(part)) for part in parts)])


def _program() -> str:
    return "python -m landsat_async" if PurePath(sys.argv[0]).name == "__main__.py" else "landsat-async"
