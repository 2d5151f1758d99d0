import json
import subprocess
import sys

import numpy as np
import pytest
import shapely
from shapely.geometry import box, mapping

from landsat_async.aoi_files import load_aoi
from landsat_async.errors import ConfigError

AREA = box(-68.01, 9.99, -67.49, 10.34)


def refused(path):
    with pytest.raises(ConfigError) as caught:
        load_aoi(str(path))
    assert str(path) in str(caught.value)
    return f"{caught.value} | {caught.value.hint}"


def vector(path, geometries, crs="EPSG:4326", layer=None, append=False):
    pyogrio = pytest.importorskip("pyogrio", reason="the extra `geo` is not installed")
    kind = geometries[0].geom_type if geometries and geometries[0] is not None else "Polygon"
    bodies = shapely.to_wkb(np.array(geometries, dtype=object))
    more = {"layer": layer} if layer else {}
    pyogrio.raw.write(
        str(path), bodies, [np.arange(len(geometries))], ["n"], geometry_type=kind, crs=crs, append=append, **more
    )
    return path


@pytest.mark.parametrize("name", ["aoi.geojson", "aoi.wkt", "aoi"])
@pytest.mark.parametrize("text", [json.dumps(mapping(AREA)), AREA.wkt, "\ufeff" + AREA.wkt])
def test_text_files_are_told_apart_by_content_and_not_by_name(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert load_aoi(str(tmp_path / name)).bbox == AREA.bounds


@pytest.mark.faults("D11")
def test_D11_missing_folders_binaries_and_giants_are_config_errors(tmp_path):
    assert "No such file" in refused(tmp_path / "none.geojson")
    assert "Is a directory" in refused(tmp_path)
    (tmp_path / "x.geojson").write_bytes(b"\x89PNG\r\n\xff")
    assert "not UTF-8" in refused(tmp_path / "x.geojson")
    with open(tmp_path / "big.geojson", "wb") as file:
        file.truncate(65 * 1024**2)
    assert "64 MiB" in refused(tmp_path / "big.geojson")
    (tmp_path / "empty").write_bytes(b"")
    assert "is empty" in refused(tmp_path / "empty")


@pytest.mark.parametrize("name", ["aoi.shp", "aoi.gpkg", "AOI.GPKG", "aoi.fgb"])
def test_vector_files_are_read_with_every_feature(tmp_path, name):
    other = box(10, 10, 11, 11)
    aoi = load_aoi(str(vector(tmp_path / name, [AREA, other])))
    assert aoi.bbox == (-68.01, 9.99, 11, 11)
    assert aoi.geometry.area == pytest.approx(AREA.area + 1)


@pytest.mark.faults("D18")
@pytest.mark.parametrize("crs", ["EPSG:32619", "EPSG:3857"])
def test_D18_a_vector_file_in_metres_is_refused_with_the_command_that_converts_it(tmp_path, crs):
    path = vector(tmp_path / "aoi.gpkg", [box(600000, 1100000, 610000, 1110000)], crs=crs)
    said = refused(path)
    assert crs in said
    assert f'ogr2ogr -t_srs EPSG:4326 aoi_wgs84.geojson "{path}"' in said


def test_a_shapefile_without_prj_is_judged_by_its_numbers(tmp_path):
    vector(tmp_path / "aoi.shp", [AREA])
    (tmp_path / "aoi.prj").unlink()
    assert load_aoi(str(tmp_path / "aoi.shp")).bbox == AREA.bounds
    vector(tmp_path / "utm.shp", [box(600000, 1100000, 610000, 1110000)])
    (tmp_path / "utm.prj").unlink()
    assert "metres" in refused(tmp_path / "utm.shp")


def test_of_several_layers_the_first_is_used_and_that_is_noted(tmp_path):
    path = vector(tmp_path / "aoi.gpkg", [AREA], layer="lake")
    vector(path, [box(0, 0, 1, 1)], layer="other", append=True)
    aoi = load_aoi(str(path))
    assert aoi.bbox == AREA.bounds
    assert "2 layers" in aoi.notes[-1]
    assert "lake" in aoi.notes[-1]


def test_damaged_and_empty_vector_files_are_config_errors(tmp_path):
    pytest.importorskip("pyogrio", reason="the extra `geo` is not installed")
    (tmp_path / "x.gpkg").write_bytes(b"not a database")
    assert "cannot be read" in refused(tmp_path / "x.gpkg")
    assert "cannot be read" in refused(tmp_path / "none.shp")
    assert "holds no features" in refused(vector(tmp_path / "none.gpkg", []))


def test_without_pyogrio_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyogrio", None)
    assert 'pip install "landsat-async[geo]"' in refused(tmp_path / "aoi.shp")


def test_text_files_need_no_pyogrio(tmp_path):
    (tmp_path / "a.wkt").write_text(AREA.wkt)
    code = "import sys; from landsat_async.aoi_files import load_aoi; load_aoi(sys.argv[1])"
    command = [sys.executable, "-c", code + "; print('pyogrio' in sys.modules)", str(tmp_path / "a.wkt")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "False"
