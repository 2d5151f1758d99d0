"""What is compared once more when a file came with several answers."""

from __future__ import annotations

from itertools import pairwise

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from landsat_async.disk.checkpoint import Checkpoint, _checksum
from landsat_async.model import Proof
from landsat_async.rules.joins import MOST_COMPARED_BYTES, Next, after_proof, without_sums

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


LITTLE, MUCH = [(0, 5), (90, 100)], [(0, MOST_COMPARED_BYTES + 1)]
SMALL, LARGE = MOST_COMPARED_BYTES, MOST_COMPARED_BYTES + 2


@pytest.mark.parametrize(
    ("proof", "stretches", "size", "weakly", "ranges", "expected"),
    [
        (Proof.CONTENT, [], LARGE, False, True, Next.NAME),
        (Proof.CONTENT, LITTLE, LARGE, False, True, Next.COMPARE),
        (Proof.STRUCTURE, LITTLE, LARGE, False, True, Next.COMPARE),
        (Proof.STRUCTURE, [(0, MOST_COMPARED_BYTES)], LARGE, False, True, Next.COMPARE),
        (Proof.STRUCTURE, LITTLE, LARGE, True, True, Next.COMPARE),
        (Proof.STRUCTURE, LITTLE, SMALL, False, False, Next.FETCH_ANEW),
        (Proof.STRUCTURE, MUCH, LARGE, False, True, Next.NAME_AND_SAY),
        (Proof.STRUCTURE, MUCH, LARGE, True, True, Next.FETCH_ANEW),
        (Proof.CONTENT, LITTLE, LARGE, False, False, Next.NAME_AND_SAY),
        (Proof.CONTENT, MUCH, LARGE, True, True, Next.NAME_AND_SAY),
    ],
)
def test_what_follows_the_proof(proof, stretches, size, weakly, ranges, expected):
    assert after_proof(proof, stretches, size=size, joined_weakly=weakly, ranges=ranges) is expected


def test_facts_of_an_older_version_do_not_say_where_the_last_join_was_so_none_of_the_bytes_is_believed():
    old = {"durable": 500, "sha256": "x", "total": 900, "etag": '"v"', "last_modified": None, "date": None}
    old |= {"joined_weakly": False}
    packed = msgspec.json.encode({**old, "check": _checksum(old)})
    assert Checkpoint.unpack(packed) == Checkpoint(500, "x", 900, '"v"', joined=500)
    assert Checkpoint.unpack(Checkpoint(500, "x", 900).pack()) == Checkpoint(500, "x", 900)
