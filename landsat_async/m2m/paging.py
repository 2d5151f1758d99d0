"""When a paged search has come to its end.

nextRecord points at the last record of the last page (recorded 2020 to 2023), so following it repeats that record for
ever; totalHits is a cached estimate; a server may hand out shorter pages than asked for. So the rows themselves decide,
and the total only saves a request.
"""

from __future__ import annotations

from landsat_async.m2m.replies import ScenePage

HITS_MAX = 50_000
"""The service hands out no more for one search."""


def next_start(page: ScenePage, *, start: int, new: int, page_size: int) -> int | None:
    """Return the startingNumber of the next page; None when this was the last.

    Args:
        page: what came.
        start: its startingNumber (1-based).
        new: scenes on it that were not seen before.
        page_size: maxResults that was asked for.
    """
    repeats = new == 0 and not page.unusable
    following = start + page.rows
    if page.rows == 0 or repeats or following > 2 * HITS_MAX:
        return None
    # A full page goes on even past the claimed total: one call too many costs less than a lost scene.
    short = page.rows < page_size
    return None if short and (page.total_hits is None or following > page.total_hits) else following


def is_past_end(page: ScenePage | None, start: int) -> bool:
    """Whether a page that begins at `start` was asked for although the service claims fewer hits."""
    return page is not None and page.total_hits is not None and start > page.total_hits
