"""Searches without bounds: nothing may read a whole dataset because the config forgot to say which part of it."""

from __future__ import annotations

import itertools
import math

from landsat_async.config_tables import SearchConfig
from landsat_async.errors import TooManyHits

HITS_WITHOUT_FILTER = 10_000
HITS_WITHOUT_PLACE = 100_000
_CLOUD_EDGES = (1, 2, 5, 10, 20, 50)


def hits_allowed(search: SearchConfig, *, has_area: bool, has_path_row: bool) -> int | None:
    """How many hits a search without a limit may have; None = any number.

    Args:
        search: What to search for.
        has_area: An area bounds it.
        has_path_row: Paths and rows, or tiles, bound it, and the service can filter by them.
    """
    if has_area or has_path_row:
        return None
    narrowed = search.start or search.end or search.cloud_cover or search.months or search.tiers
    return HITS_WITHOUT_PLACE if narrowed else HITS_WITHOUT_FILTER


def unbounded(dataset: str, hits: int) -> TooManyHits:
    """The refusal, with the count and what to add."""
    return TooManyHits(
        f"the search matches {hits:,} scenes of {dataset}, and nothing bounds it",
        total_hits=hits,
        hint="Add an area ([search] bbox or aoi), path_row, start and end, or a limit.",
        reference="search-unbounded",
    )


def cloud_bands(wanted: tuple[float, float] | None) -> list[tuple[int, int]]:
    """Whole percentages, the clearest first, that together hold what was requested; None = everything known."""
    low, high = wanted or (0.0, 100.0)
    first, last = math.floor(low), math.ceil(high)
    edges = [first, *(edge for edge in _CLOUD_EDGES if first < edge < last), *([last] if last > first else [])]
    return [(first, first), *itertools.pairwise(edges)]
