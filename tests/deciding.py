"""`python -m tests.deciding`: prints the test files of the modules that decide, for `nox -s rules`."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.test_layers import FILES, PACKAGE, is_pure, module_of

TESTS = Path(__file__).parent


def decides(path: Path) -> bool:
    """Whether a pure module holds a decision, and not only the shapes of values."""
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    return any(not _is_stub(function) for function in functions)


def _is_stub(function: ast.FunctionDef) -> bool:
    last = function.body[-1]
    return isinstance(last, ast.Expr) and isinstance(last.value, ast.Constant)


DECIDING = [path for path in FILES if is_pure(module_of(path)) and path.stem != "__init__" and decides(path)]


def own_tests_of(path: Path) -> Path:
    """Return where the tests of a module stand: tests mirror modules."""
    where = path.relative_to(PACKAGE)
    return TESTS / where.parent / f"test_{where.name}"


if __name__ == "__main__":
    others = set((TESTS / "rules").glob("test_*.py"))
    for file in sorted(others | {own_tests_of(path) for path in DECIDING}):
        print(file.relative_to(TESTS.parent))
