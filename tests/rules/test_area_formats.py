"""Areas in formats that are not read: named, with the command that converts them."""

from __future__ import annotations

import json
import zipfile

import pytest
from shapely.geometry import box, mapping

from landsat_async.aoi_files import load_aoi
from landsat_async.errors import ConfigError

FEATURE = json.dumps({"type": "Feature", "properties": {}, "geometry": mapping(box(-68, 9, -67, 10))})
KML = '<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2"><Document/></kml>'


def refused(path):
    with pytest.raises(ConfigError) as caught:
        load_aoi(str(path))
    assert str(path) in str(caught.value)
    return str(caught.value), caught.value.hint


def zipped(path, *names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return path


@pytest.mark.faults("M35")
@pytest.mark.parametrize("name", ["aoi.kml", "aoi.geojson", "aoi"])
def test_M35_kml_is_named_whatever_the_file_is_called(tmp_path, name):
    (tmp_path / name).write_text(KML)
    said, hint = refused(tmp_path / name)
    assert "is KML" in said
    assert hint == f'Convert it: ogr2ogr -t_srs EPSG:4326 aoi_wgs84.geojson "{tmp_path / name}"'


@pytest.mark.faults("M35")
@pytest.mark.parametrize(
    ("name", "members", "kind", "inside"),
    [
        ("aoi.kmz", ["files/icon.png", "doc.kml"], "KMZ", "doc.kml"),
        ("aoi.zip", ["data/aoi.dbf", "data/aoi.shp", "data/aoi.shx"], "a zipped shapefile", "data/aoi.shp"),
        ("area", ["AOI.SHP"], "a zipped shapefile", "AOI.SHP"),
        ("aoi.zip", ["x.geojson"], "a zip archive", "x.geojson"),
    ],
)
def test_M35_archives_are_named_by_what_they_hold(tmp_path, name, members, kind, inside):
    said, hint = refused(zipped(tmp_path / name, *members))
    assert f"is {kind}, which is not read" in said
    assert hint.endswith(f'"/vsizip/{tmp_path / name}/{inside}"')


@pytest.mark.faults("M35")
def test_M35_an_archive_without_an_area_or_a_broken_one_is_told(tmp_path):
    assert "holds no area" in refused(zipped(tmp_path / "a.zip", "readme.txt", 'x".kml'))[0]
    (tmp_path / "b.zip").write_bytes(b"PK\x03\x04" + bytes(100))
    assert "holds no area" in refused(tmp_path / "b.zip")[0]


@pytest.mark.faults("M35")
@pytest.mark.parametrize("text", [f"{FEATURE}\n{FEATURE}\n", f"\x1e{FEATURE}\n", f"{FEATURE}\n\n{FEATURE}"])
def test_M35_geojson_lines_are_named(tmp_path, text):
    (tmp_path / "aoi.geojsonl").write_text(text)
    said, hint = refused(tmp_path / "aoi.geojsonl")
    assert "GeoJSON lines" in said
    assert f'"GeoJSONSeq:{tmp_path}/aoi.geojsonl"' in hint


def test_one_line_and_many_lines_of_one_document_are_ordinary_geojson(tmp_path):
    by_line = '{"type": "FeatureCollection", "features": [\n' + f"{FEATURE},\n{FEATURE}\n]}}"
    for text in (FEATURE, FEATURE + "\n", json.dumps(json.loads(FEATURE), indent=2), by_line):
        (tmp_path / "aoi.geojson").write_text(text)
        assert load_aoi(str(tmp_path / "aoi.geojson")).bbox == (-68, 9, -67, 10)


@pytest.mark.faults("M35")
@pytest.mark.parametrize(
    ("text", "said"),
    [("<gpx version='1.1'></gpx>", "GPX"), ("<!doctype html><html></html>", "web page"), ("<x/>", "XML")],
)
def test_M35_other_xml_is_no_area(tmp_path, text, said):
    (tmp_path / "aoi").write_text(text)
    assert said in refused(tmp_path / "aoi")[0]
