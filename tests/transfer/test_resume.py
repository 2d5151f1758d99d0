"""The ladder: what is asked for, and what an answer may do to the part. One row a case."""

from __future__ import annotations

import pytest

from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.transfer.headers import ContentRange, Reply
from landsat_async.transfer.resume import (
    OVERLAP_BYTES,
    AcceptBody,
    Ask,
    AskPlainly,
    Complete,
    RangeSupport,
    Refuse,
    Restart,
    next_ask,
    read_answer,
)

KIB = 1024
TOTAL = 900 * KIB
HERE = 300 * KIB
START = HERE - OVERLAP_BYTES
OLD, NEW = "Tue, 14 Nov 2023 22:13:20 GMT", "Tue, 14 Nov 2023 23:13:20 GMT"
STRONG = Checkpoint(HERE, "x", TOTAL, '"v1"')
WEAK = Checkpoint(HERE, "x", TOTAL, 'W/"v1"')
DATED = Checkpoint(HERE, "x", TOTAL, None, OLD, NEW)
BARE = Checkpoint(HERE, "x", TOTAL)
NO_TOTAL = Checkpoint(HERE, "x", None, '"v1"')


@pytest.mark.parametrize(
    ("part", "support", "whole", "expected"),
    [
        (Checkpoint(), RangeSupport(), False, Ask(0, None)),
        (Checkpoint(OVERLAP_BYTES, "x", TOTAL, '"v1"'), RangeSupport(), False, Ask(0, None)),
        (Checkpoint(OVERLAP_BYTES + 1, "x", TOTAL, '"v1"'), RangeSupport(), False, Ask(1, '"v1"')),
        (STRONG, RangeSupport(), False, Ask(START, '"v1"')),
        (WEAK, RangeSupport(), False, Ask(START, None)),
        (DATED, RangeSupport(), False, Ask(START, OLD)),
        (Checkpoint(HERE, "x", TOTAL, None, OLD, OLD), RangeSupport(), False, Ask(START, None)),
        (BARE, RangeSupport(), False, Ask(START, None)),
        (STRONG, RangeSupport(dislikes_if_range=True), False, Ask(START, None)),
        (STRONG, RangeSupport(etag_unstable=True), False, Ask(START, None)),
        (Checkpoint(HERE, "x", TOTAL, '"v1"', OLD, NEW), RangeSupport(etag_unstable=True), False, Ask(START, OLD)),
        (STRONG, RangeSupport(ignores_ranges=True), False, Ask(0, None)),
        (STRONG, RangeSupport(resume_off=True), False, Ask(0, None)),
        (STRONG, RangeSupport(), True, Ask(0, None)),
    ],
)
def test_what_is_asked_for(part, support, whole, expected):
    assert next_ask(part, support, whole=whole) == expected


def test_the_headers_of_an_ask():
    assert Ask(0, '"v"').headers == {}
    assert Ask(5, None).headers == {"Range": "bytes=5-"}
    assert Ask(5, '"v"').headers == {"Range": "bytes=5-", "If-Range": '"v"'}


def partial(start=START, end=TOTAL, total=TOTAL, etag='"v1"', **more):
    return Reply(206, range=ContentRange(start, end, total), etag=etag, **more)


def full(length=TOTAL, **more):
    return Reply(200, length=length, **more)


WITH_TAG, WITH_DATE, PLAIN = Ask(START, '"v1"'), Ask(START, OLD), Ask(START, None)


@pytest.mark.parametrize(
    ("ask", "part", "reply", "joined_weakly", "unstable"),
    [
        (WITH_TAG, STRONG, partial(), False, False),
        (WITH_TAG, STRONG, partial(total=None), False, False),
        (WITH_TAG, STRONG, partial(length=TOTAL - START), False, False),
        (WITH_TAG, STRONG, partial(end=HERE + KIB), False, False),
        (PLAIN, STRONG, partial(), False, False),  # If-Range left out, the tag is the same
        (WITH_TAG, STRONG, partial(etag='"v2"'), True, True),
        (WITH_TAG, STRONG, partial(etag=None), True, False),
        (WITH_TAG, NO_TOTAL, partial(), False, False),
        (WITH_TAG, NO_TOTAL, partial(total=None), False, False),
        (PLAIN, WEAK, partial(etag='W/"v1"'), True, False),
        (PLAIN, BARE, partial(etag=None), True, False),
        (WITH_DATE, DATED, partial(etag=None, last_modified=OLD), False, False),
        (WITH_DATE, DATED, partial(etag=None), False, False),
    ],
)
@pytest.mark.faults("F09", "F10", "F11")
def test_partial_answers_that_are_compared_and_joined(ask, part, reply, joined_weakly, unstable):
    take = read_answer(ask, part, reply)
    assert isinstance(take, AcceptBody)
    assert (take.start, take.end, take.overwrite) == (START, reply.range.end, False)
    assert take.facts.joined_weakly is joined_weakly
    assert take.facts.joined == START > 0, "no part is weakly joined and does not say where"
    assert take.facts.total == (reply.range.total or part.total)
    assert take.etag_unstable is unstable


def test_once_joined_weakly_a_part_stays_so():
    part = Checkpoint(HERE, "x", TOTAL, '"v1"', joined_weakly=True)
    assert read_answer(WITH_TAG, part, partial()).facts.joined_weakly


def test_an_answer_without_validators_leaves_those_of_the_part():
    assert read_answer(WITH_TAG, STRONG, partial(etag=None)).facts.etag == '"v1"'


@pytest.mark.faults("F12")
@pytest.mark.parametrize(
    ("ask", "part", "reply"),
    [
        (WITH_TAG, STRONG, Reply(206)),
        (WITH_TAG, STRONG, Reply(206, range_bad=True)),
        (WITH_TAG, STRONG, Reply(206, range=ContentRange(None, None, TOTAL))),
        (WITH_TAG, STRONG, partial(start=START - 1)),
        (WITH_TAG, STRONG, partial(start=START + 1)),
        (WITH_TAG, STRONG, partial(start=0)),
        (WITH_TAG, STRONG, partial(total=TOTAL + 1)),
        (WITH_TAG, STRONG, partial(end=TOTAL - 1, total=TOTAL - 1)),
        (WITH_TAG, STRONG, partial(end=TOTAL + 1, total=None)),
        (WITH_TAG, NO_TOTAL, partial(total=None, etag='"v2"')),
        (WITH_DATE, DATED, partial(etag=None, last_modified=NEW)),
    ],
)
def test_F12_partial_answers_that_do_not_belong_to_the_part(ask, part, reply):
    assert isinstance(read_answer(ask, part, reply), Restart)


@pytest.mark.faults("F13", "F14")
@pytest.mark.parametrize(
    ("ask", "reply", "resume_off"),
    [
        (Ask(0, None), partial(start=0), False),
        (Ask(0, None), Reply(200, range_bad=True), False),
        (WITH_TAG, partial(length=5), False),
        (WITH_TAG, Reply(206, content_type="multipart/byteranges; boundary=x"), True),
        (Ask(0, None), Reply(416, range=ContentRange(None, None, 5)), False),
        (Ask(0, None), Reply(412), False),
        (WITH_TAG, Reply(200, range=ContentRange(START, TOTAL, TOTAL)), False),
        (WITH_TAG, Reply(200, range=ContentRange(0, HERE, TOTAL)), False),
        (WITH_TAG, Reply(200, length=5, range=ContentRange(0, TOTAL, TOTAL)), False),
    ],
)
def test_F13_F14_answers_that_are_dropped_without_harm(ask, reply, resume_off):
    assert read_answer(ask, STRONG, reply) == Refuse(read_answer(ask, STRONG, reply).reason, resume_off)


@pytest.mark.faults("F08")
@pytest.mark.parametrize(
    ("ask", "part", "reply"),
    [
        (Ask(0, None), Checkpoint(), full()),
        (WITH_TAG, STRONG, full(etag='"v2"')),
        (WITH_TAG, STRONG, full(TOTAL + 1, etag='"v1"')),
        (WITH_TAG, STRONG, full()),
        (PLAIN, STRONG, full(etag='"v1"')),
        (PLAIN, BARE, full()),
        (WITH_DATE, DATED, full(last_modified=NEW)),
        (PLAIN, STRONG, Reply(200, range=ContentRange(0, TOTAL, TOTAL))),
    ],
)
def test_F08_a_whole_answer_is_compared_and_overwrites(ask, part, reply):
    take = read_answer(ask, part, reply)
    assert isinstance(take, AcceptBody)
    assert (take.start, take.overwrite, take.facts.joined_weakly) == (0, True, False)
    assert take.facts.total == (reply.length or TOTAL)


@pytest.mark.parametrize(
    ("ask", "part", "reply"),
    [
        (WITH_TAG, STRONG, full(etag='"v1"')),
        (WITH_TAG, STRONG, full(None, etag='"v1"')),
        (WITH_DATE, DATED, full(last_modified=OLD)),
        (WITH_TAG, STRONG, Reply(412)),
    ],
)
def test_a_host_that_may_dislike_if_range_is_asked_once_without(ask, part, reply):
    assert read_answer(ask, part, reply) == AskPlainly()


@pytest.mark.faults("F16", "F17")
@pytest.mark.parametrize(
    ("part", "said", "complete"),
    [
        (NO_TOTAL, HERE, True),
        (Checkpoint(HERE, "x", HERE), HERE, True),
        (STRONG, HERE, False),
        (NO_TOTAL, HERE - 1, False),
        (NO_TOTAL, HERE + 1, False),
        (NO_TOTAL, None, False),
    ],
)
def test_F16_F17_a_refused_range_means_complete_only_at_our_own_size(part, said, complete):
    reply = Reply(416, range=ContentRange(None, None, said) if said else None)
    assert isinstance(read_answer(WITH_TAG, part, reply), Complete if complete else Restart)
