"""What the doctor says: a check as lines, and the last line. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from landsat_async.rules.quantities import count_text
from landsat_async.show.formatting import wrap
from landsat_async.show.program import SameJob, as_started, command, program

_MARKS = {"ok": "✓", "warn": "!", "fail": "✗"}
_NAME_WIDTH = 13
_NARROW = 60
"""On a narrower page texts stand below the names."""
_WIDE = 100
NEXT = {
    "config": "mend the config, then: {doctor}",
    "area": "mend [search] aoi, then: {doctor}",
    "folder": "choose another [download] directory",
    "store": "mend the store, its credentials or [store], then: {doctor}",
    "cluster": "mend the cluster or [scale] scheduler, then: {doctor}",
    "lock": "wait for the other run, or look with: {status}",
    "credentials": "{login}",
    "login": "{login}",
    "role": "ask for the MACHINE role; meanwhile: {scenes}",
    "service": "the same again later",
    "certificate": "give the CA of your company with [service] ca_bundle",
    "dataset": "{datasets} landsat",
    "search": "{plan}",
    "room": "free space, then: {doctor}",
    "disk": "free space, then: {doctor}",
}
"""What to do about a check that fails, by its name; commands in braces are those of the same job."""
_OF_A_JOB = frozenset({"doctor", "plan", "run", "scenes", "status"})


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
    texts = [as_started(text) for text in texts]
    if width < _NARROW:
        return [head, *(line for text in texts for line in _wrapped(text, width, "     "))]
    lines = [line for text in texts for line in _wrapped(text, width, indent)]
    if lines:
        lines[0] = head.ljust(len(indent)) + lines[0][len(indent) :]
    return lines


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    """Break a text; its later lines begin where the first does."""
    return [f"{indent}{line.strip()}" for line in wrap(text, width - len(indent))]


def last_lines(checks: Sequence[Check], job: SameJob = SameJob()) -> list[str]:
    """Return how many problems there are, what a run would end with, and what to do next.

    Args:
        checks: All checks.
        job: What the command line has named, for the commands that are told.
    """
    problems = sum(check.state == "fail" for check in checks)
    doubts = sum(check.state == "warn" for check in checks)
    also = f", {count_text(doubts, 'warning')}" if doubts else ""
    first = _first(checks)
    if first is None:
        counted = f"{count_text(problems, 'problem')}{also}" if problems else f"No problems{also}"
        return [f"{counted}. Next: {next_of(checks, job)}"]
    return [
        f"{count_text(problems, 'problem')}{also}. A run would end with exit {first.exit_code}. "
        f"Next: {next_of(checks, job)}"
    ]


def verdict_lines(checks: Sequence[Check], job: SameJob, width: int) -> list[str]:
    """Return the last lines for a page so wide; a command is never broken, since it is pasted."""
    lines: list[str] = []
    for whole in last_lines(checks, job):
        told, _, after = whole.partition(" Next: ")
        if len(whole) <= width:
            lines.append(whole)
            continue
        lines += wrap(told, width)
        before, starts, rest = f"Next: {after}".partition(f"{program()} ")
        if len(before + starts + rest) <= width or not (starts and before.removeprefix("Next: ")):
            lines += wrap(before, width) if not starts else [before + starts + rest]
        else:
            lines += [*wrap(before, width), f"  {starts}{rest}"]
    return lines


def next_of(checks: Sequence[Check], job: SameJob = SameJob()) -> str:
    """Return what to do next: about the fault that a run would meet first, or what comes after the doctor."""
    first = _first(checks)
    if first is not None:
        return _with_commands(NEXT.get(first.name, "see above"), job)
    looked = any(check.name == "search" for check in checks)
    return _with_commands("{run}" if looked else "{init}" if _no_config(checks) else "{plan}", job)


def _with_commands(text: str, job: SameJob) -> str:
    """Put the commands of this job in the place of their names."""
    return re.sub(r"\{(\w+)\}", lambda found: _command(found[1], job), text)


def _command(name: str, job: SameJob) -> str:
    return job.command(name) if name in _OF_A_JOB else command(name)


def _no_config(checks: Sequence[Check]) -> bool:
    return any(check.name == "config" and check.message.startswith("no config.toml") for check in checks)
