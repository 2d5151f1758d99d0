"""Where the next page of a search begins: the rows decide, and no service can make it go on for ever."""

from __future__ import annotations

import pytest

from landsat_async.m2m.replies import HITS_MAX, ScenePage
from landsat_async.m2m.tolerant import FailedItem

ODD = FailedItem(None, None, None, "odd")


@pytest.mark.parametrize(
    ("rows", "total", "start", "new", "unusable", "following"),
    [
        (100, 250, 1, 100, 0, 101),
        (50, 250, 201, 50, 0, None),
        (0, 250, 1, 0, 0, None),
        (100, 100, 1, 100, 0, 101),
        (100, None, 1, 100, 0, 101),
        (60, 250, 1, 60, 0, 61),
        (60, None, 1, 60, 0, None),
        (60, 60, 1, 60, 0, None),
        (100, 250, 101, 0, 0, None),
        (100, 250, 101, 0, 3, 201),
        (100, 10**9, 2 * HITS_MAX, 100, 0, None),
    ],
    ids=[
        "full", "short, past the total", "empty", "full, at the total", "full, no total", "short of its own",
        "short, no total", "short, all", "only repeats", "only unusable rows", "endless",
    ],
)  # fmt: skip
def test_the_next_page(rows, total, start, new, unusable, following):
    page = ScenePage((), (ODD,) * unusable, rows, total)
    assert page.next_start(start=start, new=new, page_size=100) == following


def test_the_end_is_where_the_service_claims_no_more_hits():
    assert ScenePage((), (), 1, None).is_past_end(1)
    assert ScenePage((), (), 1, 7).is_past_end(8)
    assert not ScenePage((), (), 1, 7).is_past_end(7)
