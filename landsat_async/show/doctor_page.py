"""What the doctor says: a check as lines, and the last line. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from landsat_async.rules.quantities import count_text
from landsat_async.show.formatting import wrap

_MARKS = {"ok": "✓", "warn": "!", "fail": "✗"}
_NAME_WIDTH = 13
_NARROW = 60
"""On a narrower page texts stand below the names."""
_WIDE = 100
NEXT = {
    "config": "mend the config, then: landsat-async doctor",
    "area": "mend [search] aoi, then: landsat-async doctor",
    "folder": "choose another [download] directory",
    "store": "mend the store, its credentials or [store], then: landsat-async doctor",
    "lock": "wait for the other run, or look with: landsat-async status",
    "credentials": "landsat-async login",
    "login": "landsat-async login",
    "role": "ask for the MACHINE role; meanwhile: landsat-async scenes",
    "service": "the same again later",
    "certificate": "give the CA of your company with [service] ca_bundle",
    "dataset": "landsat-async datasets landsat",
    "search": "landsat-async plan",
    "room": "free space, then: landsat-async doctor",
    "disk": "free space, then: landsat-async doctor",
}
"""What to do about a check that fails, by its name."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor."""

    name: str
    state: Literal["ok", "warn", "fail"]
    message: str
    hint: str = ""
    exit_code: int = 0
    """What a run would end with because of it; 0 unless the state is fail."""


def verdict(checks: Iterable[Check]) -> int:
    """Return the code that a run would end with: of the fault that it meets first.

    Of a full disk it hears last; and 4 is only the end of a run that nothing ends earlier.
    """
    first = _first(checks)
    return first.exit_code if first is not None else 0


def _first(checks: Iterable[Check]) -> Check | None:
    failed = [check for check in checks if check.exit_code]
    failed.sort(key=lambda check: (check.exit_code == 4, check.exit_code == 9))  # else in the order of a run
    return failed[0] if failed else None


def check_lines(check: Check, width: int) -> list[str]:
    """Return a check as lines: a mark, its name, what was found, and what to do."""
    width = min(width, _WIDE)
    head = f"{_MARKS[check.state]:<2} {check.name}"
    indent = " " * (3 + _NAME_WIDTH + 1)
    texts = [*check.message.split("\n"), *([check.hint] if check.hint else [])]  # a choice is listed line by line
    if width < _NARROW:
        return [head, *(line for text in texts for line in _wrapped(text, width, "     "))]
    lines = [line for text in texts for line in _wrapped(text, width, indent)]
    if lines:
        lines[0] = head.ljust(len(indent)) + lines[0][len(indent) :]
    return lines


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    """Break a text; its later lines begin where the first does."""
    return [f"{indent}{line.strip()}" for line in wrap(text, width - len(indent))]


def last_lines(checks: Sequence[Check]) -> list[str]:
    """Return how many problems there are, what a run would end with, and what to do next."""
    problems = sum(check.state == "fail" for check in checks)
    doubts = sum(check.state == "warn" for check in checks)
    also = f", {count_text(doubts, 'warning')}" if doubts else ""
    first = _first(checks)
    if first is None:
        counted = f"{count_text(problems, 'problem')}{also}" if problems else f"No problems{also}"
        return [f"{counted}. Next: {next_of(checks)}"]
    return [
        f"{count_text(problems, 'problem')}{also}. A run would end with exit {first.exit_code}. Next: {next_of(checks)}"
    ]


def next_of(checks: Sequence[Check]) -> str:
    """Return what to do next: about the fault that a run would meet first, or what comes after the doctor."""
    first = _first(checks)
    if first is not None:
        return NEXT.get(first.name, "see above")
    looked = any(check.name == "search" for check in checks)
    return "landsat-async run" if looked else "landsat-async init" if _no_config(checks) else "landsat-async plan"


def _no_config(checks: Sequence[Check]) -> bool:
    return any(check.name == "config" and check.message.startswith("no config.toml") for check in checks)
