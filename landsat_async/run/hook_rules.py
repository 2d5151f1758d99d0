"""Hooks as plain values: what a hook's command line and environment are, and what the queue of FORCE holds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from landsat_async.rules.redact import said_by_program

SECRET_NAMES = re.compile(r"(USGS|M2M|EROS|ERS)_?(TOKEN|PASSWORD|PASS)|LANDSAT_ASYNC__SERVICE__.*", re.IGNORECASE)
"""Variables that no hook gets to see."""
QUEUED = "QUEUED"


def command_of(command: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """Put values into the arguments of a command that `config_readers.hook_command` has let through."""
    return [word.format_map(values) for word in command]


def environment_of(environ: Mapping[str, str], values: Mapping[str, str], secrets: Sequence[str]) -> dict[str, str]:
    """Return the environment of a hook: the process's own without secrets, and `values` as LANDSAT_<NAME>.

    A variable is left out whose name says that it holds a secret, or whose value holds one.
    """
    hidden = [secret for secret in secrets if secret]
    kept = {
        name: value
        for name, value in environ.items()
        if not SECRET_NAMES.fullmatch(name) and not any(secret in value for secret in hidden)
    }
    return kept | {f"LANDSAT_{name.upper()}": value for name, value in values.items()}


def queue_has(text: str, path: str) -> bool:
    """Whether the queue of FORCE names a path; a line that FORCE has changed counts, whatever it says now."""
    return any(line == path or line.rpartition(" ")[0] == path for line in map(str.strip, text.splitlines()))


def queue_addition(text: str, path: str) -> str:
    """Return what has to be added to the queue for a path; "" where it is named already."""
    if queue_has(text, path):
        return ""
    return f"{'' if not text or text.endswith(chr(10)) else chr(10)}{path} {QUEUED}\n"


def why_failed(rc: int | None, limit_s: float, said: str, secrets: Sequence[str] = ()) -> str:
    """Return why a hook counts as failed, with the last that it said; `rc` None = it did not end in time."""
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "")
    last = said_by_program(last, secrets)  # before it is cut: half a token is no token
    last = "".join(one if one.isprintable() else "?" for one in last)[:200]
    if rc is None:
        what = f"did not end within {limit_s:g} s"
    else:
        what = f"ended with {rc}" if rc >= 0 else f"died of signal {-rc}"
    return f"{what}: {last}" if last else what
