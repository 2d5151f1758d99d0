"""H09, H10: whatever has become of a part, the file that comes of it is right; see `damaged_parts`."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.disk.damaged_parts import bench, one

SEED = 20240705


@pytest.mark.faults("H09", "H10")
async def test_H09_H10_damaged_parts(tmp_path):
    seen: Counter[str] = Counter()
    async with bench(tmp_path) as opened:
        for number in range(300):
            try:
                seen[await one(opened, random.Random(SEED + number))] += 1
            except BaseException as error:
                error.add_note(f"seed {SEED + number}")
                raise
    assert min(seen["kept some"], seen["fetched anew"]) > 15, seen
