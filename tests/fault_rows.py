"""Which rows of the fault catalogue have a test, read from the sources of the tests.

A test covers a row by `@pytest.mark.faults("F07")` or by the row's ID in its name (`test_F07_...`). Tests of the
simulator do not count: they show that it can do the fault, not that the program survives it.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
ROWS, COVERED = HERE / "fault_rows.txt", HERE / "fault_rows_covered.txt"
_ID = re.compile(r"(?<![A-Za-z0-9])[A-Z]\d{2}(?!\d)")


def rows() -> dict[str, int]:
    """Every row of the catalogue with its priority: 0 must be in the first release."""
    return {name: int(priority) for name, priority in map(str.split, ROWS.read_text().splitlines())}


@functools.cache
def covered() -> dict[str, list[str]]:
    """Rows that have tests, with the places of the tests."""
    found: dict[str, list[str]] = {}
    for path in sorted(HERE.rglob("test_*.py")):
        if path.parent != HERE / "sim":
            for name, place in _marks(ast.parse(path.read_text()), path.relative_to(HERE).as_posix()):
                found.setdefault(name, []).append(place)
    return found


def uncovered(priority: int) -> list[str]:
    """Rows of this priority without a test."""
    have = covered()
    return [name for name, own in rows().items() if own == priority and name not in have]


def _marks(tree: ast.AST, where: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            for name in re.findall(r"_([A-Z]\d{2})(?=_)", node.name):
                yield name, f"{where}:{node.lineno}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "faults":
            for argument in node.args:
                if isinstance(argument, ast.Constant) and _ID.fullmatch(str(argument.value)):
                    yield argument.value, f"{where}:{node.lineno}"
