"""How much of an area footprints cover."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import shapely
from shapely.geometry import Polygon, shape

from landsat_async.rules.aoi import aoi_from_bbox, coverages, intersects
from landsat_async.rules.coverage import EARTH_RADIUS_KM, area_km2
from tests.rules.areas import (
    coast,
    footprint,
    parse,
    polygon,
    square,
)
from tests.support.counting import calls_of


def test_coverage_is_measured_on_the_sphere_and_not_in_degrees():
    aoi = aoi_from_bbox((0, 0, 10, 80))
    (share,) = coverages(aoi, [footprint(0, 0, 10, 40)])
    expected = math.sin(math.radians(40)) / math.sin(math.radians(80))
    assert math.isclose(share, expected, rel_tol=1e-9)  # 0.5 in degrees, 0.65 on the sphere


def test_area_under_a_slanted_edge_is_exact():
    slanted = shapely.segmentize(Polygon([[0, 0], [10, 0], [0, 60]]), 0.001)
    lon, lat = np.radians(shapely.get_coordinates(slanted)).T
    by_small_steps = abs(np.sum(np.diff(lon) * (np.sin(lat[1:]) + np.sin(lat[:-1])) / 2)) * EARTH_RADIUS_KM**2
    assert math.isclose(area_km2(Polygon([[0, 0], [10, 0], [0, 60]])), by_small_steps, rel_tol=1e-6)


def test_coverage_goes_from_none_to_all_and_counts_holes():
    aoi = parse(polygon(square(0, 0, 10), square(4, 4, 2)))
    shares = coverages(aoi, [footprint(-1, -1, 11, 11), footprint(20, 20, 21, 21), footprint(4.5, 4.5, 5.5, 5.5)])
    assert shares == [1.0, 0.0, 0.0]
    assert intersects(aoi, [footprint(4.5, 4.5, 5.5, 5.5), footprint(3.5, 4.5, 5.5, 5.5)]) == [False, True]


@pytest.mark.faults("C16")
@pytest.mark.parametrize(
    "text",
    [
        None, "", "x", "{}", "null", '{"type":"Point","coordinates":[1,2]}', '{"type":"Polygon","coordinates":[]}',
        json.dumps(polygon([[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]])),
        '{"type":"Polygon","coordinates":[[[0,0],[1,1]]]}',
        "[" * 100_000, 7,
    ],
)  # fmt: skip
def test_C16_a_footprint_that_cannot_be_used_is_unknown_and_not_left_out(text):
    aoi = aoi_from_bbox((0, 0, 1, 1))
    good = footprint(0, 0, 1, 0.5)
    shares = coverages(aoi, [good, text, good])
    assert shares[1] is None
    assert shares[0] == shares[2] == pytest.approx(0.5, abs=1e-4)
    assert intersects(aoi, [good, text]) == [True, True]


def test_no_footprints_at_all():
    assert coverages(aoi_from_bbox((0, 0, 1, 1)), []) == []
    assert intersects(aoi_from_bbox((0, 0, 1, 1)), []) == []


@pytest.mark.parametrize(
    "ring",
    [
        [[175, -5], [-175, -5], [-175, 5], [175, 5], [175, -5]],
        [[175, -5], [185, -5], [185, 5], [175, 5], [175, -5]],
        [[-185, -5], [-175, -5], [-175, 5], [-185, 5], [-185, -5]],
    ],
)
def test_footprints_across_the_meridian_are_measured_in_every_form(ring):
    text = json.dumps(polygon(ring))
    both_sides = aoi_from_bbox((170, -5, -170, 5))
    east_side, west_side = aoi_from_bbox((170, -5, 180, 5)), aoi_from_bbox((-180, -5, -170, 5))
    for aoi in (both_sides, east_side, west_side):
        assert coverages(aoi, [text]) == [pytest.approx(0.5)]
        assert intersects(aoi, [text]) == [True]
    far = aoi_from_bbox((-10, -5, 10, 5))
    assert coverages(far, [text]) == [0.0]
    assert intersects(far, [text]) == [False]


def test_a_long_coast_line_is_measured_within_a_thousandth():
    aoi = parse(polygon(coast(4_000)))  # from 2,000 on it is thinned
    rng = np.random.default_rng(5)
    places = [(-69 + 3 * rng.random(), 8 + 3 * rng.random()) for _ in range(8)]
    texts = [footprint(west, south, west + 1.8, south + 1.8) for west, south in places]
    exact = [area_km2(aoi.geometry.intersection(shape(json.loads(t)))) / area_km2(aoi.geometry) for t in texts]
    assert coverages(aoi, texts) == pytest.approx(exact, abs=1e-3)


def test_footprints_are_looked_at_together_and_not_one_by_one():
    """Ten times as many take no more calls; `benchmarks.decisions` has the seconds for 50,000."""
    aoi = parse(polygon(coast(500, wiggle=0)))
    rng = np.random.default_rng(6)
    corners = np.array([[-1, 0.8], [0.8, 1], [1, -0.8], [-0.8, -1], [-1, 0.8]])
    centres = rng.uniform(-3, 3, (1000, 2)) + [-67, 10]
    texts = [json.dumps(polygon((corners + centre).round(5).tolist())) for centre in centres]
    coverages(aoi, texts[:10])
    few, many = (calls_of(lambda texts=some: coverages(aoi, texts)) for some in (texts[:100], texts))
    assert sum(share > 0 for share in coverages(aoi, texts)) > 200
    assert many < 2 * few
