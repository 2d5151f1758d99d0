"""When a file comes over several connections, in which ranges, and what each answer must be."""

from __future__ import annotations

import itertools

import pytest
from msgspec.structs import replace

from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.transfer.headers import ContentRange, Reply
from landsat_async.transfer.ranges import BREAKS, Blame, RangeMismatch, Span, blame, connections_for, mismatch, spans
from landsat_async.transfer.resume import OVERLAP_BYTES, AcceptBody, RangeSupport
from landsat_async.transfer.retry import FaultKind

MIB = 1024 * 1024
TOTAL = 100 * MIB
FACTS = Checkpoint(total=TOTAL, etag='"v1"')
WHOLE = Reply(200, length=TOTAL, etag='"v1"', accepts_ranges=True)
TAKE = AcceptBody(0, TOTAL, FACTS, overwrite=True)
REST = Reply(206, length=60 * MIB, etag='"v1"', range=ContentRange(40 * MIB, TOTAL, TOTAL))
TAKE_REST = AcceptBody(40 * MIB, TOTAL, FACTS, overwrite=False)


def connections(take=TAKE, reply=WHOLE, host=None, here=0, wanted=4):
    return connections_for(wanted, take, reply, host or RangeSupport(), here=here, span_bytes=8 * MIB)


def test_a_large_file_with_proved_ranges_gets_what_was_asked_for():
    assert connections() == 4
    assert connections(wanted=1) == 1


def test_the_rest_of_a_file_that_was_resumed_by_etag_does_too():
    assert connections(TAKE_REST, REST, here=41 * MIB) == 4


@pytest.mark.parametrize(
    ("take", "reply", "host", "here"),
    [
        (replace(TAKE, facts=replace(FACTS, etag='W/"v1"')), replace(WHOLE, etag='W/"v1"'), None, 0),
        (replace(TAKE, facts=replace(FACTS, etag=None)), replace(WHOLE, etag=None), None, 0),
        (TAKE, replace(WHOLE, accepts_ranges=False), None, 0),
        (replace(TAKE, end=None, facts=replace(FACTS, total=None)), replace(WHOLE, length=None), None, 0),
        (replace(TAKE_REST, end=90 * MIB), REST, None, 41 * MIB),
        (TAKE, WHOLE, None, 5),
        (replace(TAKE_REST, etag_unstable=True), REST, None, 41 * MIB),
        (TAKE_REST, replace(REST, etag=None), None, 41 * MIB),
        (replace(TAKE_REST, start=TOTAL - 32 * MIB + 1), REST, None, 70 * MIB),
        (TAKE, WHOLE, RangeSupport(ignores_ranges=True), 0),
        (TAKE, WHOLE, RangeSupport(resume_off=True), 0),
        (TAKE, WHOLE, RangeSupport(etag_unstable=True), 0),
        (TAKE, WHOLE, RangeSupport(one_connection=True), 0),
    ],
    ids=[
        "weak", "no etag", "no Accept-Ranges", "no length", "not to the end", "to be compared first", "unstable etag",
        "range without etag", "little is left", "ignores", "wrong ranges", "changing etags", "pushed back",
    ],
)  # fmt: skip
def test_otherwise_one_connection_does(take, reply, host, here):
    assert connections(take, reply, host, here) == 1


def test_a_host_that_has_given_a_range_needs_no_accept_ranges():
    assert connections(reply=replace(WHOLE, accepts_ranges=False), host=RangeSupport(gives_ranges=True)) == 4


@pytest.mark.parametrize(("start", "end"), [(0, TOTAL), (3, TOTAL - 5), (0, 8 * MIB), (0, 8 * MIB + 1)])
def test_spans_cover_everything_and_overlap_by_what_a_resume_compares(start, end):
    found = list(spans(start, end, 8 * MIB))
    assert (found[0].start, found[-1].end) == (start, end)
    for before, after in itertools.pairwise(found):
        assert after.start == before.end - OVERLAP_BYTES
        assert before.end - before.start == 8 * MIB
        assert after.end > before.end


def test_a_span_is_asked_for_with_its_last_byte():
    assert Span(10, 20).headers == {"Range": "bytes=10-19"}


SPAN = Span(8 * MIB, 16 * MIB)
RIGHT = Reply(206, length=8 * MIB, range=ContentRange(8 * MIB, 16 * MIB, TOTAL), etag='"v1"')


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (RIGHT, None),
        (replace(RIGHT, length=None, chunked=True), None),
        (replace(RIGHT, status=200), RangeMismatch.UNABLE),
        (replace(RIGHT, etag=None), RangeMismatch.UNABLE),
        (replace(RIGHT, etag='W/"v1"'), RangeMismatch.CHANGED),
        (replace(RIGHT, etag='"v2"'), RangeMismatch.CHANGED),
        (Reply(200, length=TOTAL, etag='"v2"'), RangeMismatch.CHANGED),
        (Reply(412), RangeMismatch.CHANGED),
        (Reply(416), RangeMismatch.CHANGED),
        (replace(RIGHT, range=None), RangeMismatch.UNABLE),
        (replace(RIGHT, range=None, range_bad=True), RangeMismatch.UNABLE),
        (replace(RIGHT, range=ContentRange(8 * MIB + 1, 16 * MIB, TOTAL)), RangeMismatch.UNABLE),
        (replace(RIGHT, range=ContentRange(8 * MIB, 16 * MIB - 1, TOTAL)), RangeMismatch.UNABLE),
        (replace(RIGHT, range=ContentRange(8 * MIB, 16 * MIB, TOTAL + 1)), RangeMismatch.UNABLE),
        (replace(RIGHT, range=ContentRange(8 * MIB, 16 * MIB, None)), RangeMismatch.UNABLE),
        (replace(RIGHT, length=8 * MIB - 1), RangeMismatch.UNABLE),
        (replace(RIGHT, encoding="gzip"), RangeMismatch.UNABLE),
    ],
)
def test_only_the_very_span_of_the_very_version_is_taken(reply, expected):
    assert mismatch(SPAN, TOTAL, '"v1"', reply) is expected


@pytest.mark.parametrize(
    ("kind", "opening", "breaks", "expected"),
    [
        (FaultKind.BUSY, True, 1, Blame.HOST),
        (FaultKind.BUSY, False, 1, Blame.HOST),
        (FaultKind.UNREACHABLE, True, 1, Blame.HOST),
        (FaultKind.UNREACHABLE, False, 1, Blame.NOBODY),
        (FaultKind.UNREACHABLE, False, BREAKS, Blame.FILE),
        (FaultKind.HANDSHAKE, True, 1, Blame.HOST),
        (FaultKind.PROTOCOL, False, 1, Blame.HOST),
        (FaultKind.MISMATCH, False, 1, Blame.HOST),
        (FaultKind.NETWORK, True, 1, Blame.NOBODY),
        (FaultKind.NETWORK, False, BREAKS - 1, Blame.NOBODY),
        (FaultKind.NETWORK, False, BREAKS, Blame.FILE),
        (FaultKind.SLOW, False, BREAKS, Blame.FILE),
        (FaultKind.LINK_REFUSED, True, 1, Blame.HOST),
        (FaultKind.LINK_REFUSED, False, 1, Blame.NOBODY),
        (FaultKind.WRONG_BODY, False, 1, Blame.NOBODY),
    ],
)
def test_who_gets_one_connection_after_a_fault(kind, opening, breaks, expected):
    assert blame(kind, opening=opening, breaks=breaks) is expected
