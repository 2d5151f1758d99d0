"""One vocabulary in all texts for people: "verified" for the act, "proof" for its level, plain sentences.

The texts are the string literals of the package, docstrings left out, and the comments of the example config.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "landsat_async"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent.name != "sim")

REFUSED = {
    r"\bledgers?\b": "say what it is to the reader: what is recorded, the database of the folder, its path",
    r"\blabel(?! of M2M)s?\b": "a label is between us and M2M",
    r"\b(un)?proven\b|\bproved?\b|\bproves\b|\bproving\b": "files are verified; proof is the level",
    r"(?<!there )(?<!There )\bis no (?!longer|more|reason|fault|harm)": 'write "is not a ..."',
    r"\blandsat_async (run|plan|status|verify|init|demo|datasets)\b": "commands are written landsat-async ...",
}
"""Pattern -> what to write instead."""

NOT_FOR_PEOPLE = re.compile(
    r"label( IS|=)|^(download-labels|<!doctype)|/ledger|ledger\.sqlite3|^\W*$|\b(SELECT|JOIN|WHERE)\b|"
    r"^\s*(INSERT|UPDATE|DELETE|CREATE|PRAGMA|FROM|AND |item |item,|file |evidence )"
)
"""SQL, paths and patterns."""


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the literals of a module that may be sentences, with their lines; parts of one text together."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    documented = {
        id(node.value) for node in nodes if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    inside: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            inside |= {id(part) for part in node.values}
            yield node.lineno, "".join(str(p.value) if isinstance(p, ast.Constant) else "x" for p in node.values)
    for node in nodes:
        text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if text and id(node) not in documented and id(node) not in inside:
            yield node.lineno, node.value


def refused_in(text: str) -> list[str]:
    """Return what is wrong with the words of a text."""
    if " " not in text.strip() or NOT_FOR_PEOPLE.search(text):
        return []
    return [f"{match[0]!r}: {why}" for pattern, why in REFUSED.items() if (match := re.search(pattern, text))]


@pytest.mark.faults("P42")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_P42_texts_for_people_use_the_one_vocabulary(path):
    wrong = [(line, text, why) for line, text in texts_of(path) for why in refused_in(text)]
    assert wrong == []


def test_P42_the_example_config_does_too():
    comments = [line.partition("#")[2] for line in (PACKAGE / "config.example.toml").read_text().splitlines()]
    assert [(text, why) for text in comments for why in refused_in(text)] == []


@pytest.mark.parametrize(
    "text", ["the ledger is damaged", "1 file is proven", "7 is no list", "run landsat_async plan first", "its label x"]
)
def test_the_words_are_found(text):
    assert refused_in(text) != []
