"""What a text may hold to be an area, and what is said of one that is none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon

from tests.rules.areas import (
    JSON,
    RINGS,
    VALENCIA,
    collection,
    feature,
    parse,
    polygon,
    refused,
    square,
    usable_or_refused,
)
from tests.support.volumes import examples


@pytest.mark.parametrize(
    "document",
    [
        polygon(VALENCIA),
        feature(polygon(VALENCIA)),
        collection(feature(polygon(VALENCIA))),
        {"type": "GeometryCollection", "geometries": [polygon(VALENCIA)]},
        feature({"type": "GeometryCollection", "geometries": [polygon(VALENCIA)]}),
        {"type": "MultiPolygon", "coordinates": [[VALENCIA]]},
        polygon([[*position, 430.0] for position in VALENCIA]),
        polygon(VALENCIA[:-1]),
        polygon(VALENCIA[::-1]),
        "\ufeff " + json.dumps(polygon(VALENCIA)) + "\r\n",
        Polygon(VALENCIA).wkt,
        "SRID=4326;" + Polygon(VALENCIA).wkt,
        "srid=4326; " + Polygon(VALENCIA).wkt.lower(),
        "POLYGON Z ((-68.01 9.99 1, -67.49 9.99 1, -67.49 10.34 1, -68.01 10.34 1, -68.01 9.99 1))",
        f"GEOMETRYCOLLECTION({Polygon(VALENCIA).wkt})",
        {**polygon(VALENCIA), "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}},
        collection(feature(polygon(VALENCIA)), crs={"type": "name", "properties": {"name": "EPSG:4326"}}),
        {**polygon(VALENCIA), "crs": None},
    ],
)
@pytest.mark.faults("D17")
def test_D17_every_form_of_one_area_is_the_same_area(document):
    aoi = parse(document)
    assert aoi.geometry.normalize().equals(Polygon(VALENCIA))
    assert aoi.bbox == (-68.01, 9.99, -67.49, 10.34)
    assert not aoi.geometry.has_z
    assert aoi.notes == ()
    assert "10.17° N 67.75° W" in aoi.place or "10.16° N 67.75° W" in aoi.place


@pytest.mark.faults("D11", "D13", "D15", "D17", "D18")
@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("", "is empty"),
        ("  \n", "is empty"),
        ("hello", "neither GeoJSON nor valid WKT"),
        ("42", "neither GeoJSON nor WKT"),
        ("{", "not valid JSON"),
        ("[]", "is not a GeoJSON object"),
        ("{}", 'the document has no "type": not GeoJSON'),
        ({"type": None}, "its type is 'None'"),
        ({"type": "Topology"}, "its type is 'Topology'"),
        (collection(), "without features"),
        (feature(None), "the feature has no geometry (null)"),
        (collection(feature(None), feature(None)), "holds no geometry: all its features have null"),
        (collection(None), "feature 1 has no geometry"),
        (collection("x"), "feature 1 is not a GeoJSON object"),
        (feature(polygon()), "without coordinates"),
        (polygon([]), "must be numbers"),
        (polygon([["0", "0"], ["1", "0"], ["1", "1"]]), "must be numbers"),
        (polygon([[0, 0], ["1", 0], [1, 1]]), "must be numbers"),
        (polygon([[True, False], [True, True], [False, False]]), "must be numbers"),
        (polygon([[0], [1], [2]]), "must be numbers"),
        (polygon([[0, None], [1, 1], [1, 0]]), "must be numbers"),
        (polygon([0, 1, 2]), "must be numbers"),
        (polygon([[0, 0], [1, 1], [1, 10**400]]), "must be numbers"),
        ({"type": "Polygon", "coordinates": 3}, "without coordinates"),
        ({"type": "Polygon", "coordinates": [3]}, "must be numbers"),
        (polygon([[0, 0], [1, 1]]), "fewer than three corners"),
        ('{"type":"Point","coordinates":[NaN,0]}', "NaN"),
        ('{"type":"Point","coordinates":[1e999,0]}', "infinite"),
        ("POINT(nan 0)", "NaN or infinite"),
        ("POLYGON EMPTY", "is empty"),
        ("POLYGON((0 0, 1 1", "valid WKT"),
        ("LINESTRING(0 0, 1 1)", "has no area"),
        ({"type": "LineString", "coordinates": [[0, 0], [1, 1]]}, "has no area"),
        (polygon([[0, 0], [1, 1], [2, 2], [0, 0]]), "without area"),
        (polygon([[0, 0], [0, 0], [0, 0], [0, 0]]), "without area"),
        (polygon(square(0, 0, 1), square(5, 5, 1)), "not valid (hole lies outside shell)"),
        (polygon([[10.2, -167.8], [10.3, -167.8], [10.3, -167.5]]), "swapped"),
        (polygon([[612345, 1104567], [622345, 1104567], [622345, 1114567]]), "metres"),
        (polygon([[612345, 1104567], [622345, 1104567], [622345, 1114567]]), "ogr2ogr -t_srs EPSG:4326"),
        (polygon([[100, 95], [101, 95], [101, 96]]), "outside the Earth"),
        ("SRID=32619;POINT(1 2)", "EPSG:32619"),
        ({**polygon(VALENCIA), "crs": {"type": "name", "properties": {"name": "EPSG:32619"}}}, "ogr2ogr"),
        ({**polygon(VALENCIA), "crs": "x"}, "another coordinate system"),
        (collection({**feature(polygon(VALENCIA)), "crs": {"properties": {"name": "EPSG:25830"}}}), "EPSG:25830"),
        (collection(feature(polygon(VALENCIA)), feature({"type": "Point", "coordinates": [0, 0]})), "mixes"),
    ],
)
def test_what_cannot_be_used_is_said_with_feature_and_fault(document, said):
    assert said in refused(document)


@pytest.mark.faults("K18", "D11")
@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        '{"type":"GeometryCollection","geometries":[' * 20_000,
        "GEOMETRYCOLLECTION(" * 50_000,
        "POLYGON(" + "(" * 50_000,
        '{"type":"Point","coordinates":[' + "9" * 5000 + ",0]}",
    ],
)
def test_K18_deep_nesting_and_endless_numbers_are_config_errors(text):
    refused(text)


def test_nested_collections_are_bounded():
    nested = polygon(VALENCIA)
    for _ in range(30):
        nested = {"type": "GeometryCollection", "geometries": [nested]}
    assert "too deeply" in refused(nested)


@pytest.mark.faults("D11", "D13")
@settings(max_examples=examples(200), deadline=None)
@given(JSON | RINGS.map(lambda rings: polygon(*rings)))
def test_D11_any_json_is_an_area_or_a_config_error(document):
    usable_or_refused(json.dumps(document))


@pytest.mark.slow
@pytest.mark.faults("D11")
@pytest.mark.timeout(1200)
@settings(max_examples=10_000, deadline=None, derandomize=False)
@given(JSON | RINGS.map(lambda rings: polygon(*rings)) | st.text(max_size=100))
def test_D11_ten_thousand_documents_are_an_area_or_a_config_error(document):
    usable_or_refused(document if isinstance(document, str) else json.dumps(document))


def test_features_without_geometry_are_left_out_with_a_note():
    good = parse(collection(feature(polygon(VALENCIA))))
    some = parse(collection(feature(None), feature(polygon(VALENCIA)), feature(None)))
    assert some.geometry.equals(good.geometry)
    assert any("2 of its features have no geometry" in note for note in some.notes)
    assert not any("no geometry" in note for note in good.notes)
