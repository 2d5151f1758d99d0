from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.rules.fill_template import fill, toml_list, toml_text

TEMPLATE = """# a file
[a]
# one = "x # y"     # the first
two = 2             # the second
# three = 3
[b]
two = "b"
"""


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({("a", "one"): '"z"'}, 'one = "z"           # the first'),
        ({("a", "two"): None}, "# two = 2           # the second"),
        ({("a", "two"): '"' + "long" * 9 + '"'}, 'two = "' + "long" * 9 + '" # the second'),
        ({("a", "three"): "4"}, "three = 4"),
        ({("b", "two"): '"c"'}, 'two = "c"'),
        ({("b", "two"): None}, '# two = "b"'),
    ],
)
def test_a_line_gets_its_value_and_keeps_its_comment(values, line):
    filled = fill(TEMPLATE, values).split("\n")
    assert line in filled
    assert len([new for new, old in zip(filled, TEMPLATE.split("\n"), strict=True) if new != old]) == 1


def test_a_key_that_has_no_line_is_a_mistake_of_ours():
    with pytest.raises(KeyError, match=r"b\.one"):
        fill(TEMPLATE, {("b", "one"): "1"})


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
@pytest.mark.faults("W37")
def test_every_text_is_read_again_as_it_was(text):
    assert tomllib.loads(f"a = {toml_text(text)}") == {"a": text}
    assert tomllib.loads(f"a = {toml_list([text, 'b'])}") == {"a": [text, "b"]}
    filled = fill(TEMPLATE, {("a", "one"): toml_text(text)})
    assert tomllib.loads(filled)["a"] == {"one": text, "two": 2}
