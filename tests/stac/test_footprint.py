from __future__ import annotations

import json

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.stac.footprint import footprint_of_mtl, footprint_of_text
from landsat_async.stac.mtl import read_mtl
from tests.stac.mtl_texts import as_text, groups


def of(*ring, kind="Polygon"):
    return footprint_of_text(json.dumps({"type": kind, "coordinates": [[*ring, ring[0]]]}))


def test_a_footprint_runs_counter_clockwise_and_has_its_box():
    found = of([0, 0], [0, 2], [4, 2], [4, 0])
    (ring,) = found.geometry["coordinates"]
    assert shapely.LinearRing(ring).is_ccw
    assert found.bbox == [0, 0, 4, 2]
    assert found.centroid == (2, 1)


@pytest.mark.faults("Y31")
@pytest.mark.parametrize(
    "ring",
    [
        ([179, 50], [-178, 50], [-178, 52], [179, 52]),
        ([179, 50], [182, 50], [182, 52], [179, 52]),
        ([-181, 50], [-178, 50], [-178, 52], [-181, 52]),
    ],
)
def test_a_footprint_across_the_180_meridian_is_cut_there(ring):
    found = of(*ring)
    assert found.geometry["type"] == "MultiPolygon"
    shape = shapely.from_geojson(json.dumps(found.geometry))
    assert shape.is_valid
    assert shape.area == pytest.approx(6)
    assert sorted(part.bounds for part in shape.geoms) == [(-180, 50, -178, 52), (179, 50, 180, 52)]
    assert found.bbox == [179, 50, -178, 52]
    assert found.centroid == (pytest.approx(-179.5), pytest.approx(51))


@given(st.floats(-360, 360), st.floats(-80, 80), st.floats(0.1, 20), st.floats(0.1, 5))
def test_wherever_it_lies_its_parts_lie_on_the_map_and_lose_nothing(west, south, width, height):
    found = of([west, south], [west + width, south], [west + width, south + height], [west, south + height])
    shape = shapely.from_geojson(json.dumps(found.geometry))
    assert shape.bounds[0] >= -180
    assert shape.bounds[2] <= 180
    assert shape.area == pytest.approx(width * height, rel=1e-3)
    assert -180 <= found.centroid[0] <= 180


@pytest.mark.parametrize(
    "text",
    [
        None, "", "null", "[]", "{}", '{"type":"Point","coordinates":[1,2]}', '{"type":"Polygon","coordinates":[]}',
        '{"type":"Polygon","coordinates":[[[0,0],[1,1],[0,0]]]}', '{"type":"Polygon","coordinates":[[["a","b"]]]}',
        '{"type":"Polygon","coordinates":[[[0,91],[1,0],[1,1],[0,91]]]}',
        '{"type":"Polygon","coordinates":[[[0,80],[120,80],[-120,80],[0,80]]]}',
        '{"type":"LineString","coordinates":[[0,0],[1,1],[2,0]]}',
    ],
)  # fmt: skip
def test_what_is_no_footprint_is_none(text):
    assert footprint_of_text(text) is None


def test_a_footprint_in_two_parts_is_taken_as_it_is():
    text = '{"type":"MultiPolygon","coordinates":[[[[0,0],[1,0],[1,1],[0,0]]],[[[5,0],[6,0],[6,1],[5,0]]]]}'
    assert footprint_of_text(text).bbox == [0, 0, 6, 1]


def test_corners_of_the_image_stand_in_for_the_footprint():
    assert footprint_of_mtl(read_mtl(as_text(groups()), "MTL.txt")).bbox == [-68.2, 9.0, -66.2, 11.0]
    without = groups(PROJECTION_ATTRIBUTES={"CORNER_UL_LON_PRODUCT": None})
    assert footprint_of_mtl(read_mtl(as_text(without), "MTL.txt")) is None
