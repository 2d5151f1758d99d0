"""The mistakes that are put into the program fit the program; whether they are noticed is the work of a lab."""

from __future__ import annotations

import pytest

from benchmarks.mutants import PROJECT, TESTS, Mutant, read_mutants

MUTANTS = tuple(read_mutants())


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_the_text_of_each_mistake_stands_once_in_its_file_and_the_mistake_compiles(mutant):
    """Whoever changes such a line puts the same mistake into the new one, in benchmarks/mutants.txt."""
    assert mutant.source()
    assert mutant.tests


def test_each_mistake_is_another_one():
    assert len({(mutant.file, mutant.old, mutant.new) for mutant in MUTANTS}) == len(MUTANTS) >= 140


@pytest.mark.parametrize("prefix", TESTS)
def test_the_tests_that_are_to_notice_mistakes_are_there(prefix):
    assert (PROJECT / "landsat_async" / prefix).exists()
    assert [name for name in TESTS[prefix] if not (PROJECT / name).exists()] == []


def test_a_mistake_in_a_line_that_has_gone_is_refused_and_named():
    with pytest.raises(ValueError, match=r"model\.py: gone: its text stands 0 times"):
        Mutant("model.py", "gone", "no such line", "pass").source()
