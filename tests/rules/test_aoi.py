import json
import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Polygon, box, mapping, shape

from landsat_async.errors import ConfigError
from landsat_async.rules.aoi import aoi_from_bbox, coverages, intersects, parse_aoi, spatial_filters, swapped
from landsat_async.rules.coverage import EARTH_RADIUS_KM, area_km2
from tests.support.counting import calls_of
from tests.support.volumes import examples

VALENCIA = [[-68.01, 9.99], [-67.49, 9.99], [-67.49, 10.34], [-68.01, 10.34], [-68.01, 9.99]]


def polygon(*rings):
    return {"type": "Polygon", "coordinates": [list(ring) for ring in rings]}


def feature(geometry):
    return {"type": "Feature", "properties": {}, "geometry": geometry}


def collection(*features, **more):
    return {"type": "FeatureCollection", "features": list(features), **more}


def parse(document):
    return parse_aoi(document if isinstance(document, str) else json.dumps(document), source="aoi.geojson")


def refused(document):
    with pytest.raises(ConfigError) as caught:
        parse(document)
    assert str(caught.value).startswith("aoi.geojson: ")
    assert caught.value.reference == "aoi"
    return f"{caught.value} | {caught.value.hint}"


def square(west, south, size):
    return [[west, south], [west + size, south], [west + size, south + size], [west, south + size], [west, south]]


def footprint(west, south, east, north):
    return json.dumps(mapping(box(west, south, east, north)))


def covered(filters, geometry):
    """Whether the filters together contain the geometry."""
    areas = []
    for one in filters:
        if one["filterType"] == "mbr":
            low, high = one["lowerLeft"], one["upperRight"]
            areas.append(box(low["longitude"], low["latitude"], high["longitude"], high["latitude"]))
        else:
            areas.append(shape(one["geoJson"]))
    return shapely.union_all(areas).buffer(1e-9).covers(geometry)


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


@pytest.mark.faults("D11", "D13", "D15", "D17", "D18")
@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("", "is empty"),
        ("  \n", "is empty"),
        ("hello", "neither GeoJSON nor valid WKT"),
        ("42", "neither GeoJSON nor WKT"),
        ("{", "no valid JSON"),
        ("[]", "is no GeoJSON object"),
        ("{}", 'the document has no "type": not GeoJSON'),
        ({"type": None}, "its type is 'None'"),
        ({"type": "Topology"}, "its type is 'Topology'"),
        (collection(), "without features"),
        (feature(None), "the feature has no geometry (null)"),
        (collection(feature(None), feature(None)), "holds no geometry: all its features have null"),
        (collection(None), "feature 1 has no geometry"),
        (collection("x"), "feature 1 is no GeoJSON object"),
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
def test_K18_two_combs_across_each_other_are_refused_before_the_union(monkeypatch):
    teeth = 800
    x = np.repeat(np.linspace(0, 10, 2 * teeth), 2)
    y = np.tile([0.0, 10.0, 10.0, 0.0], teeth)
    comb = [*np.c_[x, y].tolist(), [10, -1], [0, -1]]
    turned = [[lat, lon] for lon, lat in comb]
    assert Polygon(comb).is_valid
    with monkeypatch.context() as patch:
        patch.setattr(shapely, "union_all", None)
        assert "too many times" in refused(collection(feature(polygon(comb)), feature(polygon(turned))))


def test_neighbours_that_share_borders_are_dissolved():
    cells = [feature(polygon(square(x / 10, y / 10, 0.1))) for x in range(20) for y in range(20)]
    assert math.isclose(parse(collection(*cells)).geometry.area, 4)


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


def coast(vertices, *, wiggle=0.02, west=-67.0, south=10.0):
    angle = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
    radius = 2 + 0.3 * np.sin(5 * angle) + 0.1 * np.sin(57 * angle) + wiggle * np.sin(1333 * angle)
    return np.c_[west + radius * np.cos(angle), south + radius * np.sin(angle)].tolist()


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
    aoi = parse(polygon(coast(10_000)))
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
    assert many <= few + 5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-400, 400) | st.floats(-400, 400) | st.sampled_from(["Polygon", "Feature"]),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["type", "coordinates", "features", "geometry", "geometries", "crs"]), inner)
    ),
    max_leaves=20,
)
RINGS = st.lists(st.lists(st.tuples(st.floats(-400, 400), st.floats(-100, 100)), max_size=7), max_size=3)


def usable_or_refused(text):
    try:
        aoi = parse_aoi(text, source="f")
    except ConfigError:
        return
    assert aoi.geometry.is_valid
    west, south, east, north = aoi.geometry.bounds
    assert -180 <= west <= east <= 180
    assert -90 <= south <= north <= 90
    assert spatial_filters(aoi)


@pytest.mark.faults("D11", "D13")
@settings(max_examples=examples(200), deadline=None)
@given(JSON | RINGS.map(lambda rings: polygon(*rings)))
def test_D11_any_json_is_an_area_or_a_config_error(document):
    usable_or_refused(json.dumps(document))


@pytest.mark.slow
@pytest.mark.faults("D11")
@pytest.mark.timeout(1200)
@settings(max_examples=10_000, deadline=None)
@given(JSON | RINGS.map(lambda rings: polygon(*rings)) | st.text(max_size=100))
def test_D11_ten_thousand_documents_are_an_area_or_a_config_error(document):
    usable_or_refused(document if isinstance(document, str) else json.dumps(document))


def test_features_without_geometry_are_left_out_with_a_note():
    good = parse(collection(feature(polygon(VALENCIA))))
    some = parse(collection(feature(None), feature(polygon(VALENCIA)), feature(None)))
    assert some.geometry.equals(good.geometry)
    assert any("2 of its features have no geometry" in note for note in some.notes)
    assert not any("no geometry" in note for note in good.notes)


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
