"""Whether an answer is one to a range of just this file."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.transfer.headers import ContentRange, Reply
from landsat_async.transfer.ranges import RangeMismatch, Span
from landsat_async.transfer.window_answers import facts_of_first, mismatch_of

DATE, LATER = "Mon, 01 Jul 2024 00:00:00 GMT", "Tue, 02 Jul 2024 00:00:00 GMT"
HEAD, SPAN = Span(0, 100), Span(500, 600)
FIRST = Reply(206, 100, ContentRange(0, 100, 1000), etag='"v1"', last_modified=DATE)
NEXT = Reply(206, 100, ContentRange(500, 600, 1000), etag='"v1"', last_modified=DATE)
STRONG = Checkpoint(source_bytes=1000, etag='"v1"', last_modified=DATE)
WEAK = Checkpoint(source_bytes=1000, last_modified=DATE, joined_weakly=True)


def test_the_first_answer_says_what_all_others_are_held_against():
    facts, end = facts_of_first(HEAD, FIRST, named=True)
    assert (facts.source_bytes, facts.etag, facts.last_modified, facts.named, facts.joined_weakly, end) == (
        1000, '"v1"', DATE, True, False, 100)  # fmt: skip
    weak, _ = facts_of_first(HEAD, replace(FIRST, etag='W/"v1"'), named=False)
    assert (weak.joined_weakly, weak.named) == (True, False)


def test_a_file_shorter_than_the_range_is_all_there():
    _, end = facts_of_first(HEAD, replace(FIRST, length=60, range=ContentRange(0, 60, 60)), named=False)
    assert end == 60


@pytest.mark.parametrize("etag", [None, 'W/"v1"'])
def test_one_that_no_other_can_be_held_against_is_the_beginning_of_the_whole_file(etag):
    facts, end = facts_of_first(HEAD, replace(FIRST, etag=etag, last_modified=None), named=False)
    assert (facts.source_bytes, facts.total, facts.joined_weakly, end) == (None, 1000, False, 100)


@pytest.mark.parametrize(
    "reply",
    [
        replace(FIRST, status=200),
        replace(FIRST, status=416),
        replace(FIRST, range=None),
        replace(FIRST, range=ContentRange(1, 100, 1000)),
        replace(FIRST, range=ContentRange(0, 50, 1000), length=50),
        replace(FIRST, range=ContentRange(0, 100, None)),
        replace(FIRST, length=99),
        replace(FIRST, content_type="multipart/byteranges; boundary=x"),
    ],
    ids=str,
)
def test_other_answers_say_nothing_to_go_on_with(reply):
    assert facts_of_first(HEAD, reply, named=True) is None


@pytest.mark.parametrize(
    ("facts", "changes", "wrong"),
    [
        (STRONG, {}, None),
        (STRONG, {"length": None}, None),
        (STRONG, {"last_modified": None}, None),
        (WEAK, {}, None),
        (WEAK, {"etag": None}, None),
        (STRONG, {"status": 412}, RangeMismatch.CHANGED),
        (STRONG, {"status": 416}, RangeMismatch.CHANGED),
        (STRONG, {"etag": '"v2"'}, RangeMismatch.CHANGED),
        (STRONG, {"last_modified": LATER}, RangeMismatch.CHANGED),
        (WEAK, {"last_modified": LATER}, RangeMismatch.CHANGED),
        (STRONG, {"range": ContentRange(500, 600, 1001)}, RangeMismatch.CHANGED),
        (STRONG, {"status": 200, "etag": '"v2"'}, RangeMismatch.CHANGED),
        (STRONG, {"status": 200, "range": None}, RangeMismatch.UNABLE),
        (STRONG, {"etag": None}, RangeMismatch.UNABLE),
        (WEAK, {"last_modified": None}, RangeMismatch.UNABLE),
        (STRONG, {"range": ContentRange(500, 600, None)}, RangeMismatch.UNABLE),
        (STRONG, {"range": ContentRange(501, 600, 1000)}, RangeMismatch.UNABLE),
        (STRONG, {"range": ContentRange(500, 599, 1000)}, RangeMismatch.UNABLE),
        (STRONG, {"range": None}, RangeMismatch.UNABLE),
        (STRONG, {"range": None, "range_bad": True}, RangeMismatch.UNABLE),
        (STRONG, {"length": 99}, RangeMismatch.UNABLE),
        (STRONG, {"encoding": "gzip"}, RangeMismatch.UNABLE),
        (STRONG, {"content_type": "multipart/byteranges"}, RangeMismatch.UNABLE),
    ],
    ids=str,
)
def test_a_further_answer_is_taken_only_when_all_of_it_fits(facts, changes, wrong):
    assert mismatch_of(SPAN, facts, replace(NEXT, **changes)) is wrong
