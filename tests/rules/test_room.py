from __future__ import annotations

import pytest

from landsat_async.rules.room import fitting

MIB = 1024**2


@pytest.mark.faults("P43")
@pytest.mark.parametrize(
    ("sizes", "free", "keep", "coming", "files", "fits"),
    [
        ([10, 10, 10], 100, 50, 0, 0, 3),
        ([10, 10, 10], 75, 50, 0, 0, 2),
        ([10, 10, 10], 75, 50, 10, 1, 1),
        ([10, 10, 10], 55, 50, 0, 0, 1),  # sizes are rounded: one is tried
        ([10, 10, 10], 55, 50, 20, 2, 0),
        ([10, 10, 10], 50, 50, 0, 0, 0),
        ([10, 10, 10], 2, 50, 0, 0, 0),
        ([None, None, 60], 100, 50, 0, 0, 2),
        ([], 100, 50, 0, 0, 0),
    ],
)
def test_P43_no_more_is_requested_than_has_room(sizes, free, keep, coming, files, fits):
    given = [None if size is None else size * MIB for size in sizes]
    found = fitting(given, free_bytes=free * MIB, keep_bytes=keep * MIB, coming_bytes=coming * MIB, coming_files=files)
    assert found == fits
