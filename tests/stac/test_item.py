from __future__ import annotations

import pytest

from landsat_async.stac.assets import LocalFile, asset_of
from landsat_async.stac.item import LANDSAT_V2, SceneFacts, Versions, collection_of, item_of, moment, moment_of
from landsat_async.stac.mtl import read_mtl
from landsat_async.stac.pixel_grid import PixelGrid, Raster
from tests.stac.mtl_texts import GROUPS, L2, as_text, groups

MTL = read_mtl(as_text(GROUPS), "MTL.txt")
FOOTPRINT = '{"type":"Polygon","coordinates":[[[-68,9],[-66,9.1],[-66.2,11],[-68.1,10.9],[-68,9]]]}'
SCENE = SceneFacts(L2, "LC80040532024187LGN00", "landsat_ot_c2_l2", "2024-07-05", 4.0, FOOTPRINT, 1720000000.0)


def assets(*suffixes, raster=None):
    return [asset_of(L2, LocalFile(f"{L2}_{one}", f"{L2}_{one}", raster=raster), MTL) for one in suffixes]


def properties(scene=SCENE, **changes):
    return item_of(scene, read_mtl(as_text(groups(**changes)), "MTL.txt"), [])["properties"]


def test_an_item_says_what_the_metadata_file_says():
    item = item_of(SCENE, MTL, assets("SR_B4.TIF", "MTL.txt"))
    known = item["properties"]
    assert (item["id"], item["collection"]) == (L2, "landsat-c2-l2")
    assert known["datetime"] == "2024-07-05T14:50:01.123456Z"
    assert known["created"] == "2024-07-03T09:46:40Z"
    assert (known["platform"], known["instruments"], known["gsd"]) == ("landsat-8", ["oli", "tirs"], 30)
    assert (known["eo:cloud_cover"], known["landsat:cloud_cover_land"]) == (4.27, 4.3)
    assert (known["view:sun_azimuth"], known["view:off_nadir"]) == (247.5, 0)
    assert (known["proj:code"], known["grid:code"]) == ("EPSG:32619", "WRS2-004053")
    assert (known["sci:doi"], known["version"]) == ("10.5066/P9OGBGM6", "2024-07-14")
    assert known["landsat:product_generated"] == "2024-07-14T05:45:26Z"
    assert item["bbox"] == [-68.1, 9, -66, 11]
    assert sorted(item["assets"]) == ["mtl.txt", "red"]


@pytest.mark.faults("Y33")
@pytest.mark.parametrize("cloud", ["-1", "-1.00", "NULL", "101", None])
def test_an_unknown_cloud_cover_is_left_out(cloud):
    assert "eo:cloud_cover" not in properties(IMAGE_ATTRIBUTES={"CLOUD_COVER": cloud})


@pytest.mark.faults("Y34")
def test_a_view_from_the_side_has_its_angle():
    roll = {"NADIR_OFFNADIR": "OFFNADIR", "ROLL_ANGLE": "-11.696"}
    assert properties(IMAGE_ATTRIBUTES=roll)["view:off_nadir"] == 11.696


def test_without_a_metadata_file_an_item_says_what_search_and_files_tell():
    raster = Raster(PixelGrid(32619, 5, 7, 365685.0, 1219515.0, 30.0), "uint16", 0.0)
    item = item_of(SCENE, None, assets("SR_B4.TIF", raster=raster))
    known = item["properties"]
    assert known["datetime"] is None
    assert (known["start_datetime"], known["end_datetime"]) == ("2024-07-05T00:00:00Z", "2024-07-05T23:59:59Z")
    assert (known["eo:cloud_cover"], known["proj:code"], known["proj:shape"]) == (4.0, "EPSG:32619", [5, 7])
    assert LANDSAT_V2 not in item["stac_extensions"]
    assert item["bbox"] == [-68.1, 9, -66, 11]


def test_without_any_place_an_item_has_no_geometry():
    item = item_of(SceneFacts(L2, "E"), None, [])
    assert item["geometry"] is None
    assert "bbox" not in item


def test_versions_know_of_each_other():
    item = item_of(SCENE, MTL, [], Versions("OLD", "NEW", "NEWEST"))
    assert item["properties"]["deprecated"] is True
    links = {link["rel"]: link["href"] for link in item["links"]}
    assert links["predecessor-version"] == "OLD.json"
    assert links["successor-version"] == "NEW.json"
    assert links["latest-version"] == "NEWEST.json"
    newest = item_of(SCENE, MTL, [], Versions("OLD", None, L2))
    assert "deprecated" not in newest["properties"]
    assert "latest-version" not in {link["rel"] for link in newest["links"]}


def test_two_windows_of_a_band_are_two_assets():
    found = item_of(SCENE, MTL, assets("SR_B4.w00000002.TIF", "SR_B4.w00000001.TIF", "SR_B4.TIF"))["assets"]
    assert {key: fields["href"][-13:] for key, fields in found.items()} == {
        "red": "T1_SR_B4.TIF", "red_w00000001": "w00000001.TIF", "red_w00000002": "w00000002.TIF",
    } | {"red": found["red"]["href"][-13:]}  # fmt: skip


@pytest.mark.parametrize(
    ("display_id", "collection"),
    [
        (L2, "landsat-c2-l2"),
        ("LM01_L1GS_001010_19720908_20200909_02_T2", "landsat-c2-l1"),
        ("LC08_CU_008001_20231101_20231116_02", "landsat-c2-ard"),
        ("LC08_CU_015007_20220416_20220423_02_DSWE", "landsat-c2-l3"),
        ("something", "landsat-c2"),
    ],
)
def test_items_lie_in_a_collection_of_their_level(display_id, collection):
    assert collection_of(display_id) == collection
    item = item_of(SceneFacts(display_id, "E", acquired="2020-01-01"), None, [])
    assert item["collection"] == collection


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2020-01-02 03:04:05.1234567Z", "2020-01-02T03:04:05.123456Z"),
        ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05Z"),
        ("2020-01-02 03:04:05.5Z", "2020-01-02T03:04:05.500000Z"),
        ("2020-01-02 03:04:05.000Z", "2020-01-02T03:04:05Z"),
        ("2020-01-02 None", None),
        (None, None),
    ],
)
def test_moments_are_written_as_stac_wants_them(text, moment):
    assert moment_of(text) == moment


def test_a_unix_time_is_written_in_utc():
    assert moment(0.9) == "1970-01-01T00:00:00Z"


@pytest.mark.faults("Y63")
def test_a_tile_is_named_by_its_place_in_the_grid_and_its_projection_is_written_out():
    tile = "LC08_CU_008010_20231101_20231116_02"
    raster = Raster(PixelGrid(None, 5000, 5000, -1215585.0, 1814805.0, 30.0, 'PROJCRS["Albers"]'), "uint16", 0)
    names = [f"{tile}_SR_B4.TIF", f"{tile}_SR.tar"]
    files = [LocalFile(name, name, raster=raster if name.endswith("TIF") else None) for name in names]
    item = item_of(SceneFacts(tile, tile, footprint=FOOTPRINT), None, [asset_of(tile, file, None) for file in files])
    known = item["properties"]
    assert (known["proj:code"], known["proj:wkt2"]) == (None, 'PROJCRS["Albers"]')
    place = ("landsat:grid_region", "landsat:grid_horizontal", "landsat:grid_vertical", "landsat:collection_number")
    assert tuple(known[name] for name in place) == ("CU", "08", "10", "02")
    assert item["assets"].keys() == {"red", "bundle_sr"}
    assert item["assets"]["bundle_sr"]["roles"] == ["data"]
