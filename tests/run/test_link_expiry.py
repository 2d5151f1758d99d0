"""How old links may be, learnt from what they show."""

from __future__ import annotations

import pytest

from landsat_async.run.link_expiry import LinkAges


@pytest.mark.faults("E12")
def test_a_refused_link_halves_the_age_unless_an_older_one_has_worked():
    ages = LinkAges(1800.0)
    assert not ages.is_too_old("h", 1800.0)
    assert ages.refused("h", 100.0)
    assert ages.is_too_old("h", 51.0)
    assert not ages.is_too_old("another", 51.0)
    ages.worked("h", 40.0)
    assert not ages.refused("h", 39.0), "its age was not to blame"
    assert not ages.is_too_old("h", 50.0)
    assert ages.refused("h", 45.0)
    assert ages.is_too_old("h", 41.0)
    assert not ages.is_too_old("h", 40.0)


@pytest.mark.faults("E12")
def test_the_age_recovers_while_links_work():
    ages = LinkAges(1800.0)
    ages.refused("h", 2.0)
    for _ in range(2000):
        limit = next(s for s in range(1800, -1, -1) if not ages.is_too_old("h", float(s)))
        ages.worked("h", float(limit))
    assert not ages.is_too_old("h", 1800.0)
