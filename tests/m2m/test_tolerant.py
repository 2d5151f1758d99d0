"""Values that are not quite what was promised: every spelling is read, and what cannot be used is none."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.errors import BadReply
from landsat_async.m2m import tolerant
from landsat_async.m2m.tolerant import Unusable

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


def raw(value) -> msgspec.Raw:
    return msgspec.Raw(value if isinstance(value, bytes) else json.dumps(value).encode())


@pytest.mark.parametrize(
    ("value", "text"),
    [("x", "x"), (" x ", "x"), (7, "7"), ("", None), ("  ", None), (None, None), (True, None), (1.5, None), ([], None)],
)
def test_text(value, text):
    assert tolerant.text(value) == text


def test_a_lone_surrogate_breaks_no_writer():
    assert tolerant.text("a\ud800").encode()


@pytest.mark.parametrize(
    ("value", "whole"),
    [
        *[(0, 0), (7, 7), ("7", 7), (" 7 ", 7), (7.0, 7), (2**63 - 1, 2**63 - 1), (2**63, None), (-1, None)],
        *[("7.5", None), (7.5, None), ("٧", None), ("9" * 20, None), (True, None), (None, None), (float("nan"), None)],
    ],
)
def test_whole_numbers(value, whole):
    assert tolerant.whole(value) == whole


@pytest.mark.parametrize(("value", "size"), [(1, 1), ("970", 970), (0, None), (2**50, None), (2**50 - 1, 2**50 - 1)])
def test_sizes(value, size):
    assert tolerant.size_bytes(value) == size


@pytest.mark.parametrize(
    ("value", "number"),
    [(1, 1.0), ("-1.5", -1.5), ("inf", None), ("nan", None), (10**400, None), (True, None), ([], None), ("x", None)],
)
def test_numbers_are_finite(value, number):
    assert tolerant.number(value) == number


@pytest.mark.parametrize(
    ("value", "flag"),
    [(True, True), (1, True), ("Y", True), (" yes ", True), ("TRUE", True), ("1", True), ("on", False), (2, False)]
    + [(False, False), (None, False), ("N", False), ([1], False)],
)
def test_truth_values(value, flag):
    assert tolerant.flag(value) is flag


@given(VALUES)
def test_no_value_is_too_strange(value):
    for read in (tolerant.text, tolerant.whole, tolerant.size_bytes, tolerant.number, tolerant.flag):
        read(value)


@pytest.mark.parametrize(
    ("data", "rows"),
    [(b"[1,2]", 2), (b'{"0":1,"2":3}', 2), (b"[]", 0), (b"{}", 0), (b"null", 0)],
)
def test_a_list_with_gaps_comes_as_a_map(data, rows):
    assert len(tolerant.pieces(raw(data), "data")) == rows


@pytest.mark.parametrize("data", [b"7", b'"x"', b"true"])
def test_what_is_no_list_is_refused_by_name(data):
    with pytest.raises(BadReply, match=r"options is not a list"):
        tolerant.pieces(raw(data), "options")


class _Row(tolerant.Row):
    name: tolerant.Text
    size: tolerant.SizeOrNone = None


class _AllKinds(tolerant.Row):
    a_text: tolerant.Text
    whole: tolerant.Whole
    number: tolerant.Number
    maybe_text: tolerant.TextOrNone = None
    filled_text: tolerant.TextOrEmpty = ""
    texts: tolerant.TextsOrNone = None
    quoted: tolerant.QuotedOrNone = None
    link: tolerant.LinkOrNone = None
    maybe_whole: tolerant.WholeOrNone = None
    filled_whole: tolerant.WholeOrZero = 0
    size: tolerant.SizeOrNone = None
    filled_size: tolerant.SizeOrZero = 0
    maybe_number: tolerant.NumberOrNone = None
    flag: tolerant.Flag = False
    any: msgspec.Raw = tolerant.NULL


TEXTS = st.sampled_from(["x", "a b", "", " x", "x\n", "\u00a0x", "\ud800", "a/b", "\x7f", "7"])
WHOLES = st.sampled_from([0, 1, 7.0, -1, 2**50 - 1, 2**50, 2**63 - 1, 2**63, 2**64, 10**30, "7", " 7 ", True, 1.5])
NUMBERS = st.sampled_from([0, -1.5, 1e308, 10**30, "1.5", "nan", False])
PROMISED = {
    "aText": TEXTS, "maybeText": TEXTS, "filledText": TEXTS, "texts": st.lists(TEXTS, max_size=2), "quoted": TEXTS,
    "link": TEXTS, "whole": WHOLES, "maybeWhole": WHOLES, "filledWhole": WHOLES, "size": WHOLES, "filledSize": WHOLES,
    "number": NUMBERS, "maybeNumber": NUMBERS, "flag": st.booleans(), "any": st.just([1]),
}  # fmt: skip
USUAL = {"aText": "x", "whole": 7, "number": 1.5}
NEARLY_ROWS = st.dictionaries(st.sampled_from(sorted(PROMISED)), st.none() | VALUES, max_size=1).flatmap(
    lambda odd: st.fixed_dictionaries({}, optional=PROMISED).map(lambda row: USUAL | row | odd)
)


@given(st.lists(NEARLY_ROWS, max_size=3), st.sampled_from([None, 1]), st.booleans())
def test_what_is_read_in_one_call_is_what_is_read_member_by_member(rows, indent, ascii_only):
    text = json.dumps(rows, indent=indent, ensure_ascii=ascii_only).replace("/", "\\/")
    at_once = tolerant._usual_rows(msgspec.Raw(text.encode(errors="surrogatepass")), _AllKinds)
    if at_once is not None:
        assert at_once == tuple(tolerant._read_tolerantly(json.dumps(row).encode(), _AllKinds) for row in rows)


@pytest.mark.parametrize("member", sorted(PROMISED.keys() - USUAL.keys()))
def test_rows_that_are_as_promised_are_read_in_one_call(member):
    value = {"texts": ["x"], "size": 5, "filledSize": 0, "flag": True, "any": {}}.get(
        member, 7 if "hole" in member else "x"
    )
    value = 1.5 if member == "maybeNumber" else value
    assert tolerant._usual_rows(raw([USUAL, USUAL | {member: value}]), _AllKinds) is not None


def test_one_bad_row_costs_itself_only_and_is_named():
    unusable = []
    listed = raw([{"name": "a", "size": "7"}, {"size": 1}, {"name": 5, "size": {}}])
    rows = tolerant.build_rows(listed, _Row, None, where="data", unusable=unusable)
    assert [(row.name, row.size) for row in rows] == [("a", 7), ("5", None)]
    assert [one.message for one in unusable] == ["data, row 2: name is missing or of a wrong type"]


@pytest.mark.parametrize(
    "body", [b'\xef\xbb\xbf{"name":"a"}', b'{"name":"a","x":NaN}', b'{"name":"a","x":1e999}', b'{"name":"a\xff"}']
)
def test_nearly_json_is_read(body):
    assert tolerant.read_struct(raw(body), _Row).name.startswith("a")


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"name":', b"[" * 5000])
def test_what_is_no_object_is_unusable(body):
    with pytest.raises(Unusable):
        tolerant.read_struct(raw(body), _Row)
