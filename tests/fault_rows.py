"""Which rows of the fault catalogue have a test, read from the sources of the tests.

A test covers a row by `@pytest.mark.faults("F07")` or by the row's ID in its name (`test_F07_...`). Tests of the
simulator do not count: they show that it can do the fault, not that the program survives it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
ROWS, COVERED = HERE / "fault_rows.txt", HERE / "fault_rows_covered.txt"
_MARK = re.compile(r"\bfaults\(([^)]*)\)")
_QUOTED = re.compile(r"[\"']([A-Z]\d{2,3})[\"']")
_TEST = re.compile(r"^[ ]*(?:async )?def (test_\w+)\(", re.M)
_IN_NAME = re.compile(r"_([A-Z]\d{2,3})(?=_)")


def rows() -> dict[str, int]:
    """Every row of the catalogue with its priority: 0 must be in the first release."""
    return {name: int(priority) for name, priority in map(str.split, ROWS.read_text().splitlines())}


@functools.cache
def covered() -> dict[str, list[str]]:
    """Rows that have tests, with the places of the tests."""
    found: dict[str, list[str]] = {}
    for path in sorted(HERE.rglob("test_*.py")):
        if path.parent != HERE / "sim":
            for name, place in _marks(path.read_text(), path.relative_to(HERE).as_posix()):
                found.setdefault(name, []).append(place)
    return found


def uncovered(priority: int) -> list[str]:
    """Rows of this priority without a test."""
    have = covered()
    return [name for name, own in rows().items() if own == priority and name not in have]


def _marks(source: str, where: str) -> Iterator[tuple[str, str]]:
    """Yield rows with places. Read as text: to parse all tests takes a second, after every run of any of them."""
    for mark in _MARK.finditer(source):
        for name in _QUOTED.findall(mark[1]):
            yield name, f"{where}:{source.count(chr(10), 0, mark.start()) + 1}"
    for test in _TEST.finditer(source):
        for name in _IN_NAME.findall(test[1]):
            yield name, f"{where}:{source.count(chr(10), 0, test.start(1)) + 1}"
