"""The fault catalogue as a test matrix: what once had a test keeps one, and marks name rows that exist.

`fault_rows_covered.txt` holds the rows of priority 0 that have a test; it only grows.
"""

from __future__ import annotations

from tests.fault_rows import COVERED, covered, rows


def test_every_row_that_had_a_test_still_has_one():
    lost = [name for name in COVERED.read_text().split() if name not in covered()]
    assert not lost, (
        f"rows without a test now: {lost}; mark their new tests, or say in the commit why a row is given up"
    )


def test_marks_name_rows_of_the_catalogue():
    unknown = {name: places for name, places in covered().items() if name not in rows()}
    assert not unknown
