"""Areas of interest: valid or refused, split at the 180° meridian, and what is sent of them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Polygon, shape

from landsat_async.errors import ConfigError
from landsat_async.rules.aoi import aoi_from_bbox, coverages, intersects, spatial_filters, swapped
from landsat_async.rules.coverage import EARTH_RADIUS_KM, area_km2
from tests.rules.areas import (
    coast,
    collection,
    covered,
    feature,
    footprint,
    parse,
    polygon,
    refused,
    square,
)
from tests.support.volumes import examples


def test_holes_stay_holes_and_several_parts_are_one_area():
    hole = parse(polygon(square(0, 0, 10), square(2, 2, 2)))
    assert hole.geometry.area == 96
    apart = parse(collection(feature(polygon(square(0, 0, 1))), feature(polygon(square(5, 5, 1)))))
    assert isinstance(apart.geometry, MultiPolygon)
    overlapping = parse(collection(feature(polygon(square(0, 0, 2))), feature(polygon(square(1, 1, 2)))))
    assert overlapping.geometry.area == 7


def test_a_point_means_the_scenes_that_contain_it():
    aoi = parse({"type": "Point", "coordinates": [-67.75, 10.16, 400]})
    inside, outside = footprint(-68, 10, -67, 11), footprint(-60, 10, -59, 11)
    assert coverages(aoi, [inside, outside, None]) == [1.0, 0.0, None]
    assert intersects(aoi, [inside, outside, None]) == [True, False, True]
    (one,) = spatial_filters(aoi)
    assert one["filterType"] == "mbr"
    assert one["lowerLeft"] == one["upperRight"] == {"latitude": 10.16, "longitude": -67.75}
    two = parse("MULTIPOINT((-67.75 10.16), (-59.5 10.5))")
    assert coverages(two, [inside]) == [0.5]


@pytest.mark.faults("D12")
def test_D12_a_ring_that_crosses_itself_is_refused_with_the_place():
    said = refused(polygon([[-68, 10], [-67.8, 10.42], [-67.8, 10], [-68, 10.42]]))
    assert "crosses itself near 10.21° N 67.90° W" in said


@pytest.mark.faults("D12", "K18")
def test_D12_a_scribble_of_thousands_of_points_is_refused():
    rng = np.random.default_rng(3)
    ring = rng.uniform(-10, 10, (20_000, 2)).tolist()  # it has 60 million crossings
    assert "crosses itself" in refused(polygon(ring))


@pytest.mark.faults("K18")
@pytest.mark.parametrize("first", [0, 1])
def test_K18_two_combs_across_each_other_are_refused_before_the_union(monkeypatch, first):
    """From whatever corner they begin: every fourth edge of a comb is a long one that goes down, or none is."""
    teeth = 1050  # 4 million crossings
    x = np.repeat(np.linspace(0, 10, 2 * teeth), 2)
    y = np.tile([0.0, 10.0, 10.0, 0.0], teeth)
    comb = np.roll([*np.c_[x, y].tolist(), [10, -1], [0, -1]], -first, axis=0)
    assert Polygon(comb).is_valid
    with monkeypatch.context() as patch:
        patch.setattr(shapely, "union_all", None)
        combs = [feature(polygon(one.tolist())) for one in (comb, comb[:, ::-1])]
        assert "too many times" in refused(collection(*combs))


def test_neighbours_that_share_borders_are_dissolved():
    cells = [feature(polygon(square(x / 10, y / 10, 0.1))) for x in range(20) for y in range(20)]
    assert math.isclose(parse(collection(*cells)).geometry.area, 4)


@pytest.mark.faults("D16")
@pytest.mark.parametrize(
    "document",
    [
        polygon([[175, -10], [-175, -10], [-175, 10], [175, 10]]),
        polygon([[175, -10], [185, -10], [185, 10], [175, 10]]),
        polygon([[-185, -10], [-175, -10], [-175, 10], [-185, 10]]),
        {"type": "MultiPolygon", "coordinates": [[square(175, -10, 5)[:4]], [square(-180, -10, 5)[:4]]]},
    ],
)
def test_D16_an_area_across_the_meridian_is_split_there(document):
    aoi = parse(document)
    west, _, east, _ = aoi.geometry.bounds
    assert (west, east) == (-180, 180)
    assert len(aoi.geometry.geoms) == 2
    assert area_km2(aoi.geometry) < 3e6
    assert len(spatial_filters(aoi)) == 2
    assert covered(spatial_filters(aoi), aoi.geometry)


def test_D16_crossing_is_noted_and_shows_in_the_bbox():
    aoi = parse(polygon([[175, -10], [-175, -10], [-175, 10], [175, 10]], [[179, -1], [-179, -1], [-179, 1], [179, 1]]))
    assert aoi.bbox == (175, -10, -175, 10)
    assert "180°" in aoi.notes[0]
    assert math.isclose(aoi.geometry.area, 10 * 20 - 2 * 2)
    assert "180.00° E" in aoi.place
    box_aoi = aoi_from_bbox((175, -10, -175, 10))
    assert box_aoi.bbox == aoi.bbox
    assert math.isclose(box_aoi.geometry.area, 200)


def test_longitudes_from_0_to_360_are_understood():
    assert parse(polygon(square(290, 10, 1))).bbox == (-70, 10, -69, 11)
    assert parse({"type": "Point", "coordinates": [290, 10]}).bbox == (-70, 10, -70, 10)


def test_a_ring_around_a_pole_includes_the_pole():
    aoi = parse(polygon([[0, 70], [90, 70], [180, 70], [-90, 70]]))
    assert "north pole" in aoi.notes[0]
    cap_km2 = 2 * math.pi * EARTH_RADIUS_KM**2 * (1 - math.sin(math.radians(70)))
    assert math.isclose(area_km2(aoi.geometry), cap_km2, rel_tol=1e-9)
    assert coverages(aoi, [footprint(0, 80, 90, 90)])[0] > 0
    south = parse(polygon([[0, -70], [90, -70], [180, -70], [-90, -70]]))
    assert south.bbox[1] == -90


def test_the_whole_world_is_not_taken_for_a_crossing():
    aoi = parse(polygon([[-180, -90], [180, -90], [180, 90], [-180, 90]]))
    assert math.isclose(area_km2(aoi.geometry), 4 * math.pi * EARTH_RADIUS_KM**2, rel_tol=1e-9)
    assert "360°" in aoi.notes[0]
    assert aoi_from_bbox((-180, -90, 180, 90)).geometry.equals(aoi.geometry)


@pytest.mark.parametrize("bbox", [(0, 1, 1, 0), (0, 0, 0, 1), (181, 0, 182, 1), (180, 0, -180, 1), (0, 0, math.nan, 1)])
def test_a_bbox_without_area_or_off_the_earth_is_refused(bbox):
    with pytest.raises(ConfigError):
        aoi_from_bbox(bbox)


def test_a_box_is_sent_as_a_box_and_a_small_polygon_as_it_is():
    (one,) = spatial_filters(aoi_from_bbox((-68.01, 9.99, -67.49, 10.34)))
    assert one == {
        "filterType": "mbr",
        "lowerLeft": {"latitude": 9.99, "longitude": -68.01},
        "upperRight": {"latitude": 10.34, "longitude": -67.49},
    }
    (two,) = spatial_filters(parse(polygon([[0, 0], [0, 3], [4, 0]])))
    assert two["filterType"] == "geojson"
    assert two["geoJson"]["type"] == "Polygon"
    assert two["geoJson"]["coordinates"] == [[[0, 0], [4, 0], [0, 3], [0, 0]]]  # counter-clockwise, as RFC 7946 asks
    json.dumps(two, allow_nan=False)


def test_many_parts_are_sent_as_one_box():
    parts = [feature(polygon(square(3 * n, n, 1))) for n in range(9)]
    aoi = parse(collection(*parts))
    (one,) = spatial_filters(aoi)
    assert one["filterType"] == "mbr"
    assert covered([one], aoi.geometry)


def test_many_parts_on_both_sides_of_the_meridian_are_sent_as_two_boxes():
    parts = [feature(polygon(square(170 + 2.5 * n, n, 1))) for n in range(9)]
    parts.append(feature(polygon([[179.5, 40], [-179.5, 40], [-179.5, 41], [179.5, 41]])))
    aoi = parse(collection(*parts))
    filters = spatial_filters(aoi)
    assert len(filters) == 2
    assert covered(filters, aoi.geometry)
    assert all(one["upperRight"]["longitude"] - one["lowerLeft"]["longitude"] < 30 for one in filters)


@pytest.mark.faults("D14")
def test_D14_a_coast_line_is_reduced_outward_before_it_is_sent():
    aoi = parse(polygon(coast(20_000)))
    (one,) = spatial_filters(aoi)
    ring = one["geoJson"]["coordinates"][0]
    assert len(ring) <= 200
    sent = shape(one["geoJson"])
    assert sent.is_valid
    assert sent.covers(aoi.geometry)
    assert sent.area < 1.2 * aoi.geometry.area
    assert shapely.get_num_coordinates(aoi.geometry) == 20_001  # the exact comparison stays here


@pytest.mark.faults("D14")
@settings(max_examples=examples(40), deadline=None)
@given(st.integers(0, 2**32), st.integers(201, 2000), st.floats(0.01, 40), st.floats(-170, 170), st.floats(-80, 80))
def test_D14_what_is_sent_is_never_smaller_than_the_area(seed, vertices, size, lon, lat):
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0, 2 * np.pi, vertices))
    radius = size * rng.uniform(0.2, 1, vertices)
    ring = np.c_[lon + radius * np.cos(angle), np.clip(lat + radius * np.sin(angle), -90, 90)]
    if not Polygon(ring).is_valid:
        return
    aoi = parse(polygon(ring.tolist()))
    filters = spatial_filters(aoi)
    assert covered(filters, aoi.geometry)
    for one in filters:
        if one["filterType"] == "geojson":
            assert len(one["geoJson"]["coordinates"][0]) <= 200


def test_the_place_of_swapped_coordinates():
    aoi = aoi_from_bbox((9.99, -68.01, 10.34, -67.49))
    meant = swapped(aoi).place
    assert meant == aoi_from_bbox((-68.01, 9.99, -67.49, 10.34)).place
    assert "10.16° N 67.75° W" in meant
    assert swapped(aoi_from_bbox((7, 46, 7, 46))).place.startswith("7.00° N 46.00° E")


@pytest.mark.parametrize("bbox", [(100, 10, 101, 11), (-100, 10, -99, 11), (170, 10, -170, 11)])
def test_coordinates_that_cannot_be_swapped_have_no_other_place(bbox):
    assert swapped(aoi_from_bbox(bbox)) is None


@pytest.mark.faults("M16")
@pytest.mark.parametrize(
    ("bbox", "width", "crosses"),
    [
        ((-67.49, 9.99, -68.01, 10.34), "359.48", True), ((-179, 0, 178, 1), "357", False),
        ((-180, -90, 180, 90), "360", False),
    ],
)  # fmt: skip
def test_M16_a_box_wider_than_half_the_globe_is_an_area_with_a_warning(bbox, width, crosses):
    (warning,) = aoi_from_bbox(bbox).warnings
    assert f"{width}° wide: from west = {bbox[0]:g} eastwards to east = {bbox[2]:g}" in warning
    assert ("swapped" in warning) is crosses


@pytest.mark.parametrize("bbox", [(-68.01, 9.99, -67.49, 10.34), (170, -20, -170, -10), (0, 0, 180, 10)])
def test_a_box_of_half_the_globe_or_less_is_no_reason_to_warn(bbox):
    assert aoi_from_bbox(bbox).warnings == ()
