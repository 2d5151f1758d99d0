from __future__ import annotations

import pytest

from landsat_async.show.colour import paint, wants_colour


@pytest.mark.parametrize(
    ("environ", "terminal", "wanted"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_colours_come_where_they_are_wanted(environ, terminal, wanted):
    assert wants_colour(environ, is_terminal=terminal) is wanted


@pytest.mark.parametrize(
    ("line", "painted"),
    [
        ("error: no [x]", "\x1b[31merror:\x1b[0m no [x]"),
        ("warning: odd", "\x1b[33mwarning:\x1b[0m odd"),
        ("failed (2):", "\x1b[31mfailed (2):\x1b[0m"),
        ("next: run", "\x1b[36mnext:\x1b[0m run"),
        ("✓ login", "\x1b[32m✓\x1b[0m login"),
        ("12 new", "12 new"),
    ],
)
def test_the_word_that_tells_the_kind_of_a_line_has_the_colour(line, painted):
    assert paint(line) == painted
