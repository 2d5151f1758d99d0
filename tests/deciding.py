"""`python -m tests.deciding -n 2`: runs the tests of the modules that decide, with the options of pytest."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from tests.test_layers import FILES, PACKAGE, is_pure, module_of

TESTS = Path(__file__).parent
PLUGINS = ("-p", "no:logging", "-p", "tests.support.without_s3")
"""No decision writes to a log; to catch that costs each test a tenth of its time."""


def decides(path: Path) -> bool:
    """Whether a pure module holds a decision, and not only the shapes of values."""
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    return any(not _is_stub(function) for function in functions)


def _is_stub(function: ast.FunctionDef) -> bool:
    last = function.body[-1]
    return isinstance(last, ast.Expr) and isinstance(last.value, ast.Constant)


def deciding_modules() -> list[Path]:
    """Return the pure modules that hold decisions; each has its tests, see test_structure.py."""
    return [path for path in _pure_modules() if decides(path)]


def _pure_modules() -> list[Path]:
    return [path for path in FILES if is_pure(module_of(path)) and path.stem != "__init__"]


def own_tests_of(path: Path) -> Path:
    """Return where the tests of a module stand: tests mirror modules."""
    where = path.relative_to(PACKAGE)
    return TESTS / where.parent / f"test_{where.name}"


if __name__ == "__main__":
    own = {tests for tests in map(own_tests_of, _pure_modules()) if tests.exists()}
    files = sorted(own | set((TESTS / "rules").glob("test_*.py")))
    sys.exit(pytest.main([*PLUGINS, *sys.argv[1:], *map(str, files)]))
