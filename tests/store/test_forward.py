from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.store.forward import ForwardReads

BODY = bytes(range(256)) * 5


def pieces_of(body, size):
    return (body[at : at + size] for at in range(0, len(body), size))


@given(st.integers(1, 300), st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 400), st.integers(0, 1400))))
def test_any_read_gives_what_is_there(piece, reads):
    forward = ForwardReads(lambda key: pieces_of(key.encode() + BODY, piece))
    for key, size, offset in reads:
        assert forward.read(key, size, offset) == (key.encode() + BODY)[offset : offset + size]


def test_going_on_and_comparing_two_objects_opens_each_once():
    opened = []
    forward = ForwardReads(lambda key: opened.append(key) or pieces_of(BODY, 100))
    for at in range(0, len(BODY), 64):
        assert forward.read("a", 64, at) == forward.read("b", 64, at) == BODY[at : at + 64]
    assert opened == ["a", "b"]


def test_after_an_error_a_stream_begins_anew():
    def broken(key):
        yield BODY[:100]
        raise OSError

    streams = [broken("a"), pieces_of(BODY, 100)]
    forward = ForwardReads(lambda key: streams.pop(0))
    with pytest.raises(OSError):
        forward.read("a", 300, 0)
    assert forward.read("a", 300, 50) == BODY[50:350]
