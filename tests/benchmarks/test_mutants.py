"""The mistakes that are put into the program fit the program; whether they are noticed is the work of a lab."""

from __future__ import annotations

import pytest

from benchmarks import mutants
from benchmarks.mutants import PROJECT, TESTS, Bench, Mutant, read_mutants

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


@pytest.mark.faults("X148")
@pytest.mark.parametrize("failing", ["tests/test_x.py::test_a", "tests/test_x.py"], ids=["test", "module"])
def test_X148_what_fails_without_any_mistake_as_well_has_noticed_none(tmp_path, monkeypatch, failing):
    """Also a module that cannot be imported in the copy."""
    mutant = MUTANTS[0]
    file = tmp_path / "landsat_async" / mutant.file
    file.parent.mkdir(parents=True)
    file.write_text("")
    monkeypatch.setattr(mutants, "noticed_by", lambda folder, tests: failing)
    assert Bench(tmp_path).try_out(mutant) is None
    monkeypatch.setattr(mutants, "noticed_by", lambda folder, tests: failing if len(tests) > 1 else None)
    assert Bench(tmp_path).try_out(mutant) == failing
