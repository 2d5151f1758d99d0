"""Pieces of a remote file that are here."""

from __future__ import annotations

import pytest

from landsat_async.raster.grid import BrokenRaster
from landsat_async.raster.held_bytes import HeldBytes, Needs


def test_what_is_here_is_given_and_what_is_not_is_asked_for():
    held = HeldBytes(100)
    held.add(50, bytes(range(50, 60)))
    held.add(0, bytes(range(10)))
    held.add(52, bytes(range(52, 70)))
    assert (held.read(3, 4), held.read(50, 10), held.read(55, 14)) == (
        bytes(range(3, 7)), bytes(range(50, 60)), bytes(range(55, 69)))  # fmt: skip
    with pytest.raises(Needs) as wanted:
        held.read(8, 4)
    assert (wanted.value.start, wanted.value.end, held.size) == (8, 12, 38)


@pytest.mark.faults("X145")
def test_X145_what_comes_twice_has_to_be_the_same():
    held = HeldBytes(100)
    held.add(10, bytes(range(10, 30)))
    held.add(0, bytes(range(15)))
    for start, data in ((28, b"\x1c\x1c"), (5, bytes(20)), (14, bytes(3))):
        with pytest.raises(BrokenRaster, match="twice"):
            held.add(start, data)
    held.add(30, b"after")
