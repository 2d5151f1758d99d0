"""Which searches are too large, and the bands of cloud cover."""

from __future__ import annotations

import datetime as dt

import pytest

from landsat_async.config_tables import SearchConfig
from landsat_async.run.search_bounds import cloud_bands, hits_allowed


@pytest.mark.faults("M14")
@pytest.mark.parametrize(
    ("values", "place", "allowed"),
    [
        ({}, {}, 10_000), ({"start": dt.date(2024, 1, 1)}, {}, 100_000), ({"cloud_cover": (0, 9)}, {}, 100_000),
        ({"months": (7,)}, {}, 100_000), ({"tiers": ("T1",)}, {}, 100_000),
        ({}, {"has_area": True}, None), ({}, {"has_path_row": True}, None),
        ({"path_row": ((4, 53),)}, {}, 10_000),  # the service cannot be asked for it
    ],
)  # fmt: skip
def test_M14_how_many_hits_a_search_may_have(values, place, allowed):
    place = {"has_area": False, "has_path_row": False} | place
    assert hits_allowed(SearchConfig(datasets=("x",), **values), **place) == allowed


@pytest.mark.parametrize(
    ("asked", "bands"),
    [
        (None, [(0, 0), (0, 1), (1, 2), (2, 5), (5, 10), (10, 20), (20, 50), (50, 100)]),
        ((0, 10), [(0, 0), (0, 1), (1, 2), (2, 5), (5, 10)]),
        ((3.2, 7.5), [(3, 3), (3, 5), (5, 8)]), ((0, 0), [(0, 0)]), ((40, 40.5), [(40, 40), (40, 41)]),
    ],
)  # fmt: skip
def test_bands_hold_everything_the_clearest_first(asked, bands):
    assert cloud_bands(asked) == bands
