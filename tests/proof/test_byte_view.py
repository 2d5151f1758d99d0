"""Bounded reading of a stretch that nobody vouches for."""

from __future__ import annotations

import pytest

from landsat_async.proof.byte_view import ByteView, Damage

DATA = bytes(range(200))


def _view(start=0, size=len(DATA), ahead=b"", ahead_at=0):
    return ByteView(lambda size, at: DATA[at : at + size], start, size, lambda: False, ahead, ahead_at)


@pytest.mark.parametrize(
    "view",
    [
        _view(),
        _view(ahead=memoryview(DATA)),
        _view(ahead=DATA[:60]),
        _view(ahead=DATA[50:90], ahead_at=50),
        _view(ahead=DATA).part(40, 120),
        _view(ahead=DATA[50:90], ahead_at=50).part(60, 100),
    ],
)
def test_many_small_reads_are_as_single_ones_whatever_has_been_read_ahead(view):
    last = view.size - 2
    offsets = [0, 1, 10, 48, 49, 50, 57, 58, 59, 88, 89, 90, last]
    assert view.read_each(offsets, 2) == [view.read(offset, 2) for offset in offsets]
    for outside in (-1, last + 1, 10**9):
        with pytest.raises(Damage):
            view.read_each([0, outside], 2)
