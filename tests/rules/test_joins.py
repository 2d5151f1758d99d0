"""What is compared once more when a file came with several answers."""

from __future__ import annotations

from itertools import pairwise

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from landsat_async.disk.checkpoint import Checkpoint, _checksum
from landsat_async.rules.joins import MOST_COMPARED_BYTES, Next, Sums, after_proof, to_compare, without_sums

KIB = 1024
FAR = 1024 * KIB


@pytest.mark.parametrize(
    ("sums", "below", "expected"),
    [
        ([], 0, []),
        ([], 5, [(0, 5)]),
        ([(0, 10)], 10, []),
        ([(0, 10)], 74, []),  # so little behind a tile is what frames it, and has been looked at
        ([(0, 10)], 75, [(10, 75)]),
        ([(10, FAR)], FAR, [(0, 10)]),
        ([(10, FAR)], 5, [(0, 5)]),
        ([(10, FAR)], 2 * FAR, [(0, 10), (FAR, 2 * FAR)]),
        ([(200, FAR), (100, 196)], FAR, [(0, 100)]),
        ([(100, 200), (400, FAR)], FAR, [(0, 400)]),  # near ones as one
        ([(100, 200), (150, 300)], 300, [(0, 100)]),
    ],
)
def test_what_no_sum_covers(sums, below, expected):
    assert without_sums(sums, below) == expected


@given(
    st.lists(st.tuples(st.integers(0, 5 * FAR), st.integers(0, FAR)).map(lambda at: (at[0], at[0] + at[1]))),
    st.integers(0, 6 * FAR),
)
def test_every_byte_is_covered_by_a_sum_or_compared_or_a_frame(sums, below):
    stretches = without_sums(sums, below)
    assert all(0 <= start < end <= below for start, end in stretches)
    assert stretches == sorted(stretches)
    edges = sorted({0, below, *(edge for pair in (*sums, *stretches) for edge in pair if edge <= below)})
    for start, end in pairwise(edges):
        known = any(a <= start and end <= b for a, b in (*sums, *stretches))
        assert known or end - start <= 64


EIGHT = [(at * FAR, (at + 1) * FAR) for at in range(8)]
END = [(FAR - 128, FAR), (5 * FAR - 128, 5 * FAR)]


@pytest.mark.faults("X143")
@pytest.mark.parametrize(
    ("sums", "below", "weakly", "expected"),
    [
        (Sums(), FAR, True, [(0, FAR)]),
        (Sums(tied=EIGHT), 8 * FAR, True, []),
        (Sums(tied=EIGHT), 8 * FAR, False, []),
        (Sums(alone=EIGHT), 8 * FAR, True, [(0, 8 * FAR)]),
        (Sums(alone=EIGHT), 8 * FAR, False, END),
        (Sums(alone=EIGHT[::-1]), 8 * FAR, False, END),
        (Sums(alone=EIGHT), FAR, False, [(FAR - 128, FAR)]),
        (Sums(alone=EIGHT), FAR + 5, False, [(FAR - 128, FAR)]),
        (Sums(alone=EIGHT), FAR - 1, False, []),  # the join is in it, so its own sum tells
        (
            Sums(tied=EIGHT[:2], alone=EIGHT[2:4]),
            8 * FAR,
            False,
            [(3 * FAR - 128, 3 * FAR), (4 * FAR - 128, 4 * FAR), (4 * FAR, 8 * FAR)],
        ),
        (Sums(tied=EIGHT[:2], alone=EIGHT[2:4]), 8 * FAR, True, [(2 * FAR, 8 * FAR)]),
        (Sums(alone=[(100, 200)]), 5000, False, [(0, 5000)]),
    ],
)
def test_what_is_compared_of_what_sums_cover(sums, below, weakly, expected):
    assert to_compare(sums, below, joined_weakly=weakly) == expected


def test_what_has_been_compared_is_not_compared_again():
    sums = Sums(tied=[(10, FAR), (FAR + 100, 4 * FAR)])
    assert to_compare(sums, 4 * FAR, joined_weakly=True) == [(0, 10), (FAR, FAR + 100)]
    assert to_compare(sums, 4 * FAR, joined_weakly=True, compared=10) == [(FAR, FAR + 100)]
    assert to_compare(sums, 4 * FAR, joined_weakly=True, compared=FAR + 40) == [(FAR + 40, FAR + 100)]
    assert to_compare(sums, 4 * FAR, joined_weakly=True, compared=4 * FAR) == []


LITTLE, MUCH = [(0, 5), (90, 100)], [(0, MOST_COMPARED_BYTES + 1)]
SMALL, LARGE = MOST_COMPARED_BYTES, MOST_COMPARED_BYTES + 2


@pytest.mark.parametrize(
    ("stretches", "size", "weakly", "ranges", "expected"),
    [
        ([], LARGE, False, True, Next.NAME),
        ([], LARGE, True, True, Next.NAME),
        (LITTLE, LARGE, False, True, Next.COMPARE),
        ([(0, MOST_COMPARED_BYTES)], LARGE, False, True, Next.COMPARE),
        (LITTLE, LARGE, True, True, Next.COMPARE),
        (LITTLE, SMALL, False, False, Next.FETCH_ANEW),
        (LITTLE, SMALL, True, False, Next.FETCH_ANEW),
        (LITTLE, LARGE, False, False, Next.NAME_AND_SAY),
        (LITTLE, LARGE, True, False, Next.FETCH_ANEW),
        (MUCH, LARGE, False, True, Next.NAME_AND_SAY),
        (MUCH, LARGE, True, True, Next.FETCH_ANEW),
    ],
)
def test_what_follows_the_proof(stretches, size, weakly, ranges, expected):
    assert after_proof(stretches, size=size, joined_weakly=weakly, ranges=ranges) is expected


def test_facts_of_an_older_version_do_not_say_where_the_last_join_was_so_none_of_the_bytes_is_believed():
    old = {"durable": 500, "sha256": "x", "total": 900, "etag": '"v"', "last_modified": None, "date": None}
    old |= {"joined_weakly": False}
    packed = msgspec.json.encode({**old, "check": _checksum(old)})
    assert Checkpoint.unpack(packed) == Checkpoint(500, "x", 900, '"v"', joined=500)
    assert Checkpoint.unpack(Checkpoint(500, "x", 900).pack()) == Checkpoint(500, "x", 900)
