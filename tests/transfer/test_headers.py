"""Header fields that decide about bytes, read strictly."""

from __future__ import annotations

import random

import pytest

from landsat_async.transfer.headers import (
    ContentRange,
    is_strong,
    is_strong_date,
    parse_content_range,
    parse_etag,
    parse_filename,
    parse_http_date,
    parse_length,
    read_reply,
)

DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes 0-9/10", ContentRange(0, 10, 10)),
        ("bytes 5-9/10", ContentRange(5, 10, 10)),
        ("bytes 5-9/*", ContentRange(5, 10, None)),
        ("bytes */10", ContentRange(None, None, 10)),
        ("bytes */0", ContentRange(None, None, 0)),
        ("Bytes 0-0/1", ContentRange(0, 1, 1)),
        (" bytes 0-9/10\t", ContentRange(0, 10, 10)),
    ],
)
def test_content_ranges_that_are_read(text, expected):
    assert parse_content_range(text) == expected


@pytest.mark.faults("F12")
@pytest.mark.parametrize(
    "text",
    [
        "", "bytes", "bytes 0-9", "bytes 0-9/", "bytes 9-0/10", "bytes 0-10/10", "bytes 0-9/5", "bytes -9/10",
        "bytes 0-/10", "bytes */*", "items 0-9/10", "bytes=0-9/10", "bytes  0-9/10", "bytes 0 - 9/10", "bytes 0-9/10,",
        "bytes 0-9/10, bytes 0-9/10", "bytes +0-9/10", "bytes 0-9/-10", "bytes ٠-٩/١٠", "bytes 0x0-0x9/0xa",
        "bytes 0-9/10\n", "bytes 0_0-9/10", f"bytes 0-{10**18}/{10**18 + 1}", "bytes */" + "9" * 19,
        "bytes 0-9/" + "1" * 5000,
    ],
)  # fmt: skip
def test_F12_content_ranges_that_are_not_believed(text):
    assert parse_content_range(text) is None


@pytest.mark.faults("F12", "F37")
@pytest.mark.parametrize("count", [20_000, pytest.param(1_000_000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_F12_F37_no_text_makes_a_reader_fail_or_say_something_impossible(count):
    """Seeded mutations of good fields."""
    draw = random.Random(20240705)
    seeds = ["bytes 5-9/10", "bytes */10", 'attachment; filename="a.tar"', "attachment; filename*=UTF-8''a%2Etar"]
    alphabet = "bytes 0123456789-/*=;\"'%\\.,filename\x00\xff\u0660\n "
    for _ in range(count):
        text = list(draw.choice(seeds))
        for _ in range(draw.randint(1, 6)):
            at = draw.randint(0, len(text))
            text[at : at + draw.randint(0, 2)] = draw.choice(alphabet)
        text = "".join(text)
        found = parse_content_range(text)
        if found is not None and found.start is not None:
            assert 0 <= found.start < found.end <= (found.total or found.end)
        name = parse_filename(text)
        assert name is None or (name.isprintable() and not {"/", "\\"} & set(name) and name not in ("", ".", ".."))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("17", 17), (" 17 ", 17), ("-1", None), ("+1", None), ("1.0", None), ("1,1", None), ("", None),
     (None, None), ("٣", None), ("9" * 18, 10**18 - 1), ("9" * 19, None), ("0x1", None)],
)  # fmt: skip
def test_lengths(text, expected):
    assert parse_length(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [('"a"', '"a"'), ('W/"a"', 'W/"a"'), ('""', '""'), (' "a" ', '"a"'), ("a", None), ('w/"a"', None), ('"a', None),
     ('"a"b"', None), ('"a b"', None), ('"é"', None), ('"a\r\nX: y"', None), ('"' + "x" * 300 + '"', None),
     (None, None)],
)  # fmt: skip
@pytest.mark.faults("K16")
def test_K16_entity_tags(text, expected):
    assert parse_etag(text) == expected
    assert is_strong(parse_etag(text)) is (expected is not None and not expected.startswith("W/"))


@pytest.mark.parametrize(
    "text",
    [None, "", "yesterday", "Tue, 14 Nov 2023 22:13:20", "Tue, 14-Nov-23 22:13:20 GMT", "Tue Nov 14 22:13:20 2023",
     "Tue, 31 Feb 2023 22:13:20 GMT", "Tue, 14 Nov 2023 25:13:20 GMT", DATE + " ", "Tue, 14 Nov 2023 22:13:20 +0000"],
)  # fmt: skip
def test_dates_in_other_forms_are_no_validators(text):
    assert parse_http_date(text) is None
    assert not is_strong_date(text, DATE)


@pytest.mark.faults("F11")
def test_F11_a_date_is_strong_when_it_is_a_minute_older_than_the_answer():
    assert is_strong_date(DATE, "Tue, 14 Nov 2023 22:14:20 GMT")
    assert not is_strong_date(DATE, "Tue, 14 Nov 2023 22:14:19 GMT")
    assert not is_strong_date(DATE, "Tue, 14 Nov 2023 22:13:00 GMT")
    assert not is_strong_date(DATE, None)


@pytest.mark.faults("F37")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('attachment; filename="LC08.tar"', "LC08.tar"),
        ("attachment; filename=LC08.tar", "LC08.tar"),
        ("attachment;filename=LC08.tar;size=5", "LC08.tar"),
        ('attachment; FileName="a\\"b.tar"', 'a"b.tar'),
        ("attachment; filename=x; filename*=UTF-8''LC08%2Etar", "LC08.tar"),
        ("attachment; filename*=UTF-16''x; filename=y.tar", "y.tar"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ("attachment; filename*=utf-8''..%2F..%2Fetc%2Fpasswd", "passwd"),
        ('attachment; filename="C:\\\\evil.tar"', "evil.tar"),
        ('attachment; filename=".."', None),
        ('attachment; filename="a\x00b"', None),
        ("attachment", None),
        ("", None),
        ("; filename=" * 500, None),
    ],
)
def test_F37_file_names_are_reduced_to_their_last_part(text, expected):
    assert parse_filename(text) == expected


def reply(status=200, *fields):
    return read_reply(status, lambda name, _: [value for key, value in fields if key.lower() == name.lower()])


def test_a_whole_head_is_read():
    got = reply(
        206,
        ("Content-Length", "5"),
        ("Content-Range", "bytes 5-9/10"),
        ("ETag", '"v"'),
        ("Last-Modified", DATE),
        ("Date", DATE),
        ("Content-Type", "image/tiff"),
        ("Content-Disposition", "attachment; filename=x.TIF"),
        ("Retry-After", "5"),
    )
    assert (got.length, got.range, got.range_bad) == (5, ContentRange(5, 10, 10), False)
    assert (got.etag, got.last_modified, got.date) == ('"v"', DATE, DATE)
    assert (got.content_type, got.filename, got.disposition, got.retry_after) == ("image/tiff", "x.TIF", True, "5")
    assert got.length_known


def test_a_field_that_comes_twice_is_not_chosen_from():
    got = reply(
        206, ("Content-Range", "bytes 5-9/10"), ("Content-Range", "bytes 0-9/10"), ("ETag", '"a"'), ("ETag", '"b"')
    )
    assert got.range is None
    assert got.range_bad
    assert got.etag is None


@pytest.mark.parametrize(
    ("fields", "length_known"),
    [([("Content-Length", "5")], True), ([("Transfer-Encoding", "chunked")], True), ([], False)],
)
def test_only_a_marked_end_is_an_end(fields, length_known):
    assert reply(200, *fields).length_known is length_known


@pytest.mark.faults("N06")
@pytest.mark.parametrize("value", ["none", "binary", "8bit", "aws-chunked", "AWS-Chunked"])
def test_N06_words_that_name_no_coding_refuse_no_file(value):
    assert reply(200, ("Content-Encoding", value)).encoding is None


@pytest.mark.parametrize(
    ("value", "expected"), [("gzip", "gzip"), ("Identity", None), ("", None), ("identity, br", "identity, br")]
)
def test_any_encoding_but_identity_is_told(value, expected):
    assert reply(200, ("Content-Encoding", value)).encoding == expected


@pytest.mark.faults("K16")
def test_K16_fields_that_would_be_stored_are_short_and_printable():
    got = reply(200, ("Content-Type", "x" * 5000), ("Last-Modified", DATE + "\r\nX: y"), ("Retry-After", "\x1b[2J"))
    assert (got.content_type, got.last_modified, got.retry_after) == (None, None, None)
