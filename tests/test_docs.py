"""What docs/ says is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from landsat_async.rules.bands import COMMON_NAMES, bands_named
from tests.support.lifecycle_diagram import PAGE, page_with_diagram
from tests.test_layers import FILES, module_of

PROJECT = Path(__file__).parents[1]
DOCS = PROJECT / "docs"


def test_the_diagram_of_the_lifecycle_is_made_from_its_table():
    assert PAGE.read_text() == page_with_diagram(PAGE.read_text())


def test_the_table_of_bands_is_that_of_the_code():
    page = (DOCS / "sensors.md").read_text()
    table = page.partition("<!-- bands: made from rules/bands.py -->\n")[2].partition("<!-- end")[0]
    columns = [("mss13", 1), ("mss45", 1), ("tm", 1), ("etm", 1), ("oli", 1), ("tm", 2), ("oli", 2)]
    rows = {cells[1].strip(" `"): cells[2:-1] for line in table.splitlines()[2:] if (cells := line.split("|"))}
    assert rows.keys() == COMMON_NAMES
    for name, cells in rows.items():
        stems = [" ".join(band.stem for band in bands_named(name, kind)) for kind in columns]
        assert [cell.strip() for cell in cells] == stems


def test_the_glossary_stays_short_enough_to_read():
    terms = re.findall(r"^\| (?!term|---)", (DOCS / "glossary.md").read_text(), re.MULTILINE)
    assert 20 <= len(terms) <= 30


def test_modules_that_a_page_names_are_there():
    for page in [*DOCS.glob("*.md"), PROJECT / "CONTRIBUTING.md"]:
        for name in re.findall(
            r"`((?:rules|m2m|disk|proof|transfer|run|show|sim)/[a-z_]+)(?:\.py)?[`.]", page.read_text()
        ):
            assert (PROJECT / f"landsat_async/{name}.py").exists() or (PROJECT / f"tests/{name}").exists(), (page, name)


def test_links_between_pages_lead_somewhere():
    for page in [*DOCS.glob("*.md"), PROJECT / "CONTRIBUTING.md", PROJECT / "README.md"]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), (page, target)


@pytest.mark.parametrize(
    "topic",
    ["resume", "selection", "lifecycle", "a kind of file", "a level of proof", "target", "pool", "retry", "quota"],
)
def test_a_stranger_finds_it_in_one_hop(topic):
    """The architecture page names a module in the row of each topic, and the README leads to the page."""
    assert "](docs/architecture.md" in (PROJECT / "README.md").read_text()
    rows = [row for row in (DOCS / "architecture.md").read_text().splitlines() if row.startswith("|") and topic in row]
    assert any(re.search(r"`[a-z]+/[a-z_]+\.py`", row) for row in rows)


def test_what_is_added_says_how_many_files_that_takes():
    table = (DOCS / "architecture.md").read_text().partition("| to add | where | files |\n")[2].partition("\n\n")[0]
    rows = table.splitlines()[1:]
    assert len(rows) >= 4
    assert all(re.search(r"\| \d[^|]*\|$", row) for row in rows)


PACKAGES = "rules|m2m|disk|proof|transfer|run|show|sim"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_modules_that_a_docstring_or_comment_names_are_there(path):
    for name in re.findall(rf"`((?:{PACKAGES})[./][a-z_0-9]+)(?:\.py)?(?:\.\w+)?`", path.read_text()):
        below = name.replace(".", "/")
        assert (PROJECT / f"landsat_async/{below}.py").exists() or (PROJECT / f"tests/{below}.py").exists(), name
