"""Laws of the code that no type checker knows, read from its syntax trees.

Where states are written and where SQL stands; that one thing has one name; that tests lie
beside what they test, and assert no times.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from landsat_async.m2m.client import M2MClient
from tests.deciding import TESTS, deciding_modules, own_tests_of
from tests.support.syntax import facts_of
from tests.test_layers import FILES, PACKAGE, imports_of, module_of

TEST_FILES = sorted(TESTS.rglob("test_*.py"))
DECIDING = deciding_modules()
CLOCKS = frozenset(("monotonic", "perf_counter", "process_time", "thread_time"))
MEASURES_A_BENCHMARK = ("benchmarks/test_planning.py",)


@pytest.mark.parametrize("path", DECIDING, ids=module_of)
def test_each_module_that_decides_has_a_test_file_of_its_own_name(path):
    """What acts is tested with what it acts on (tests/whole, crash, orders, ...); CONTRIBUTING says where."""
    own = own_tests_of(path)
    assert own.exists(), f"{own.relative_to(TESTS.parent)} is missing"


def test_there_are_modules_that_decide():
    assert len(DECIDING) > 35


def clocks_in_assertions(source: str) -> list[int]:
    """Return the lines that assert that something took no longer than so many seconds."""
    if not any(clock in source for clock in CLOCKS):
        return []  # most of 400 files are not parsed at all
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assert)
        and isinstance(node.test, ast.Compare)
        and any(isinstance(operator, ast.Lt | ast.LtE) for operator in node.test.ops)
        and any(isinstance(one, ast.Attribute) and one.attr in CLOCKS for one in ast.walk(node.test))
    ]


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: str(path.relative_to(TESTS)))
def test_a_timing_is_no_test(path):
    """A busy machine is no fault of the program: count, order events, or measure in benchmarks/.

    Lower bounds ("it was waited for") hold on any machine.
    """
    if str(path.relative_to(TESTS)) not in MEASURES_A_BENCHMARK:
        allowed = ("end", "until")  # a loop that gives up waiting for a process
        source = path.read_text()
        lines = source.splitlines()
        found = [n for n in clocks_in_assertions(source) if not any(w in lines[n - 1] for w in allowed)]
        assert found == []


def test_the_test_itself_sees_a_timing():
    assert clocks_in_assertions("assert time.monotonic() - began_s < 5") == [1]
    assert clocks_in_assertions("assert time.monotonic() - began_s > 0.1") == []


STATES_ARE_WRITTEN_IN = PACKAGE / "disk/ledger_rows.py"
DISK = PACKAGE / "disk"
_SQL = re.compile(r"\s*(SELECT|INSERT (OR|INTO)|UPDATE \w+ SET|DELETE FROM|CREATE (TABLE|TEMP|INDEX)|PRAGMA) ?", re.A)
_SQL_WORD = re.compile("SELECT|INSERT|UPDATE|DELETE|CREATE|PRAGMA")
"""A file without any of them is not parsed."""
_ASSIGNS_STATE = re.compile(r"(\bSET\b|,)\s*state\s*=|\bINTO item\b")
_ONE_COLUMN = re.compile(r"(\bSET\b|,)\s*\{\}\s*=")
"""A column whose name is put in at run time could be the state."""


def texts(path: Path) -> Iterator[str]:
    """All strings of a file but docstrings; what is put into an f-string is {}."""
    tree = ast.parse(path.read_text())
    in_f_strings = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (in_f_strings | bare):
            yield node.value


@pytest.mark.parametrize("path", [path for path in FILES if path.parent != DISK], ids=module_of)
def test_sql_stands_in_disk_alone(path):
    source = path.read_text()
    assert "sqlite3" not in source or "sqlite3" not in imports_of(source, module_of(path))
    assert not _SQL_WORD.search(source) or [text for text in texts(path) if _SQL.match(text)] == []


@pytest.mark.parametrize("path", [path for path in FILES if path.parent == DISK], ids=module_of)
def test_states_are_written_in_one_place(path):
    found = [text for text in texts(path) if _ASSIGNS_STATE.search(text) or _ONE_COLUMN.search(text)]
    assert bool(found) == (path == STATES_ARE_WRITTEN_IN), found


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE item SET state=?",
        "UPDATE item SET label=NULL, state = 'done'",
        ", state=?",
        "INSERT OR IGNORE INTO item(",
    ],
)
def test_what_writes_a_state_is_seen(sql):
    assert _ASSIGNS_STATE.search(sql)
    assert not _ASSIGNS_STATE.search("SELECT 1 FROM item WHERE state='done' AND state=?")


OLD_WORDS = frozenset(
    (
        "course", "crew", "crowded", "distrusted", "easing", "farewell", "fsops", "habits", "hurry", "lander",
        "landing",
        "manner", "mended", "misfit", "pacing", "poke", "portion", "portions", "pulse", "recap", "settle", "settled",
        "tally", "trip", "trouble", "troubles", "unfit",
    )
)  # fmt: skip
"""Private words that names of the field have replaced; docs/glossary.md has those."""
OLD_NAMES = frozenset(("Gaps", "Net", "PartFacts", "Take", "framed", "gen", "last_words", "parked", "talk", "words"))
"""Whole names that said too little; as parts of others they may stand."""


def names_in(source: str) -> Iterator[str]:
    """Yield every name that a source defines or uses, texts and comments left out."""
    for node in ast.walk(ast.parse(source)):
        for field in ("id", "attr", "name", "arg", "asname"):
            name = getattr(node, field, None)
            if isinstance(name, str):
                yield name


_LOWER = "|".join(sorted(OLD_WORDS))
_OLD = re.compile(
    rf"\b({'|'.join(sorted(OLD_NAMES))})\b|(?<![A-Za-z])({_LOWER})(?![a-z])|({_LOWER.title()}|{_LOWER.upper()})(?![a-z])"
)


def old_names(source: str) -> set[str]:
    """Return the names of a source that hold a word of the list."""
    if not _OLD.search(source):
        return set()  # no name can hold one, and nothing has to be parsed
    parts = {name: re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name) for name in names_in(source)}
    return {name for name, words in parts.items() if name in OLD_NAMES or OLD_WORDS & {word.lower() for word in words}}


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_no_old_name_is_left(path):
    found = old_names(path.read_text()) | (old_names(path.stem) if path.stem.isidentifier() else set())
    assert found == set()


def test_the_test_itself_sees_an_old_name():
    assert old_names("class TallyBook:\n    def gen(self):\n        return self.last_portion") == {
        "TallyBook",
        "gen",
        "last_portion",
    }
    assert old_names("trip = 'crew'\nstripe = general = 1") == {"trip"}


def test_no_class_name_stands_twice_in_the_package():
    where: dict[str, list[str]] = defaultdict(list)
    for path in FILES:
        for name in facts_of(path.read_text()).classes:
            where[name].append(module_of(path))
    assert {name: modules for name, modules in where.items() if len(modules) > 1} == {}


def test_calls_of_the_client_that_serve_nobody_inside_are_named_as_library_calls():
    inside = [path for path in FILES if path.parent.name not in ("m2m", "sim")]
    used = set().union(*(facts_of(path.read_text()).mentioned for path in inside))
    calls = {name for name in vars(M2MClient) if not name.startswith("_")}
    assert calls - used == {name for name in calls if f"`{name}`" in (M2MClient.__doc__ or "")}
