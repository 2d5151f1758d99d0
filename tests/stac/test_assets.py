from __future__ import annotations

from dataclasses import replace

import pytest

from landsat_async.rules.bands import BANDS, bands_named, kind_of
from landsat_async.stac.assets import LocalFile, asset_of, href_from, own_grid, scaling_of
from landsat_async.stac.mtl import read_mtl
from landsat_async.stac.pixel_grid import PixelGrid, Raster
from tests.stac.mtl_texts import GROUPS, L1, L2, as_text, groups

MTL = read_mtl(as_text(GROUPS), "MTL.txt")
GRID = PixelGrid(32619, 7741, 7611, 365685.0, 1219515.0, 30.0)
SHA = "ab" * 32


def asset(suffix, display_id=L2, mtl=None, **file):
    name = f"{display_id}_{suffix}"
    return asset_of(display_id, LocalFile(name, name, **file), mtl)


@pytest.mark.parametrize(
    ("suffix", "key", "roles"),
    [
        ("SR_B4.TIF", "red", ["data", "reflectance"]),
        ("ST_B10.TIF", "lwir11", ["data", "temperature"]),
        ("ST_EMIS.TIF", "emis", ["data", "emissivity"]),
        ("QA_PIXEL.TIF", "qa_pixel", ["cloud", "cloud-shadow", "snow-ice", "water-mask"]),
        ("MTL.txt", "mtl.txt", ["metadata"]),
        ("ANG.txt", "ang", ["metadata"]),
        ("thumb_small.jpeg", "thumbnail", ["thumbnail"]),
        ("GCP.txt", "gcp.txt", ["metadata"]),
    ],
)
def test_each_file_has_the_key_of_stactools(suffix, key, roles):
    found = asset(suffix)
    assert (found.key, found.fields["roles"]) == (key, roles)


def test_bundles_and_what_has_no_common_name_are_assets_too():
    bundle = asset_of(L2, LocalFile(f"{L2}.tar", f"{L2}.tar"), None)
    assert (bundle.key, bundle.fields["type"]) == ("bundle", "application/x-tar")
    raster = Raster(GRID, "int16", None)
    odd = asset("XYZ.TIF", raster=raster)
    assert (odd.key, odd.fields["roles"], odd.fields["raster:bands"]) == ("xyz", ["data"], [{"data_type": "int16"}])


def test_size_and_multihash_stand_beside_the_address():
    fields = asset("SR_B4.TIF", size_bytes=5, sha256=SHA).fields
    assert (fields["file:size"], fields["file:checksum"]) == (5, "1220" + SHA)
    assert fields["href"] == f"../../{L2}_SR_B4.TIF"


@pytest.mark.faults("Y32")
def test_a_window_has_the_key_of_its_band_and_a_place_of_its_own():
    own = replace(GRID, rows=3, columns=4, west=GRID.west + 300)
    found = asset("SR_B4.w0a1b2c3d.TIF", raster=Raster(own, "uint16", 0.0))
    assert (found.key, found.window) == ("red", "w0a1b2c3d")
    assert own_grid(found, GRID) == {"proj:shape": [3, 4], "proj:transform": own.transform}
    assert own_grid(found, own) == {}
    assert own_grid(found, None)["proj:code"] == "EPSG:32619"


@pytest.mark.parametrize(
    ("display_id", "name", "scaling"),
    [
        (L2, "red", (3e-05, -0.3)),  # the metadata file decides
        (L2, "blue", (2.75e-05, -0.2)),  # it has nothing of this band
        (L2, "lwir11", (0.00341802, 149.0)),
        (L2, "emis", (0.0001, None)),
        (L2, "qa_pixel", (None, None)),
        (L1, "lwir_vcid_1", (0.067, -0.06709)),
        (L1, "blue", (None, None)),  # NULL
    ],
)
def test_scale_and_offset_are_those_of_the_metadata_file(display_id, name, scaling):
    (band,) = bands_named(name, kind_of(display_id))
    assert scaling_of(display_id, band, MTL) == scaling


def test_without_a_metadata_file_level_2_is_scaled_and_level_1_is_not():
    assert asset("SR_B4.TIF").fields["raster:bands"][0]["scale"] == 2.75e-05
    assert "scale" not in asset("B1.TIF", L1).fields["raster:bands"][0]


@pytest.mark.parametrize("kind", BANDS)
def test_every_raster_of_every_sensor_has_an_asset(kind):
    sensor, level = kind
    start = {"mss13": "LM01", "mss45": "LM05", "tm": "LT05", "etm": "LE07", "oli": "LC08"}[sensor]
    display_id = f"{start}_L{level}{'TP' if level == 1 else 'SP'}_004053_20010705_20200917_02_T1"
    mtl = read_mtl(as_text(groups()), "MTL.txt")
    for band in BANDS[kind]:
        found = asset(f"{band.stem}.TIF", display_id, mtl)
        assert found.key == band.key
        (facts,) = found.fields["raster:bands"]
        assert facts["data_type"] in ("uint8", "uint16", "int16")
        if found.fields.get("eo:bands"):
            assert found.fields["eo:bands"][0]["common_name"] in (band.key, band.group)


@pytest.mark.parametrize(
    ("path", "folder", "href"),
    [
        ("a.TIF", "", "a.TIF"),
        ("a.TIF", "stac/c", "../../a.TIF"),
        ("2024/a.TIF", "2024", "a.TIF"),
        ("2024/a.TIF", "2024/x", "../../2024/a.TIF"),
        ("/vsitar//d/a.tar/a.TIF", "2024", "/vsitar//d/a.tar/a.TIF"),
    ],
)
def test_files_are_named_from_where_the_document_stands(path, folder, href):
    assert href_from(path, folder) == href
