"""The files of the simulator, judged by readers that nobody here wrote."""

from __future__ import annotations

import contextlib
import io
import re
import tarfile
import xml.etree.ElementTree as ElementTree

import pytest

from landsat_async.sim.archive import Archive
from landsat_async.sim.content import sha256
from landsat_async.sim.datasets import DATASETS
from landsat_async.sim.wrs import lonlat_from_utm, utm_from_lonlat

rasterio = pytest.importorskip("rasterio", reason="rasterio is the independent reader of the bands")

ARCHIVE = Archive.demo()
PRODUCTS = {product.display_id: product for product in ARCHIVE}
ONE_OF_EACH = list({(p.sensor, p.level): p for p in ARCHIVE}.values())
SCENES = [product for product in ONE_OF_EACH if product.level != "ARD"]
"""What has one bundle and an MTL."""


@contextlib.contextmanager
def open_band(content):
    with rasterio.MemoryFile(content.read(0, content.size)) as memory, memory.open() as band:
        yield band


def whole(content):
    return content.read(0, content.size)


@pytest.mark.parametrize("product", ONE_OF_EACH, ids=lambda p: f"{p.sensor}-{p.level}")
def test_every_band_opens_in_gdal_at_the_corners_of_the_footprint(product):
    for suffix in product.suffixes:
        if not suffix.endswith(".TIF"):
            continue
        with open_band(ARCHIVE.file(product.file_name(suffix))) as band:
            assert band.crs.to_epsg() == 32_600 + product.frame.zone
            assert band.block_shapes == [(128, 128)]
            assert band.overviews(1) == [2]
            assert band.nodata is not None
            pixel_m = band.transform.a
            corners = product.frame.corners_m
            west, south, east, north = (
                min(x for x, _ in corners),
                min(y for _, y in corners),
                max(x for x, _ in corners),
                max(y for _, y in corners),
            )
            for ours, theirs in zip((west, south, east, north), band.bounds, strict=True):
                assert abs(ours - theirs) < pixel_m
            values = band.read(1)
            assert values.max() > values.min()
            assert values[0, 0] == band.nodata  # outside the rotated footprint


def test_footprints_in_degrees_agree_with_proj():
    from rasterio.warp import transform

    for product in Archive.seeded(500):
        frame = product.frame
        xs, ys = zip(*frame.corners_m, strict=True)
        lons, lats = transform(f"EPSG:{32_600 + frame.zone}", "EPSG:4326", xs, ys)
        for (lon, lat), true_lon, true_lat in zip(frame.corners_deg, lons, lats, strict=True):
            assert abs((lon - true_lon + 180) % 360 - 180) < 1e-5
            assert abs(lat - true_lat) < 1e-5


def test_utm_there_and_back():
    for lon in range(-179, 180, 7):
        for lat in range(-80, 81, 9):
            zone = int((lon + 180) // 6) + 1
            back = lonlat_from_utm(*utm_from_lonlat(lon, lat, zone), zone)
            assert back == pytest.approx((lon, lat), abs=1e-8)


@pytest.mark.parametrize(
    ("path", "row", "lon", "lat"),
    # Centres of recorded footprints: LC09_L1GT_010057_20230305 and LC08_L1TP_226078_20200804.
    [(10, 57, -77.5744, 4.3351), (226, 78, -58.01136, -25.99279)],
)
def test_scene_centres_are_those_of_the_real_grid_within_a_fifth_of_a_degree(path, row, lon, lat):
    from landsat_async.sim.wrs import centre

    assert centre(path, row) == pytest.approx((lon, lat), abs=0.2)


@pytest.mark.parametrize("product", SCENES, ids=lambda p: f"{p.sensor}-{p.level}")
def test_bundles_hold_the_files_of_the_product(product):
    with tarfile.open(fileobj=io.BytesIO(whole(ARCHIVE.bundle(product.display_id)))) as bundle:
        names = bundle.getnames()
        assert names == [product.file_name(suffix) for suffix in product.suffixes]
        for name in names:
            assert bundle.extractfile(name).read() == whole(ARCHIVE.file(name))


@pytest.mark.parametrize("product", SCENES, ids=lambda p: f"{p.sensor}-{p.level}")
def test_mtl_names_every_file_and_ends_with_end(product):
    text = whole(ARCHIVE.file(product.file_name("MTL.txt"))).decode()
    assert text.rstrip().splitlines()[-1] == "END"
    assert set(re.findall(r'FILE_NAME_\S+ = "(.*)"', text)) == {product.file_name(s) for s in product.suffixes}
    assert text.count("\n  GROUP =") == text.count("END_GROUP") - 1
    keys = re.findall(r"FILE_NAME_\S+", text)
    assert len(keys) == len(set(keys))


def test_mtl_xml_is_xml_and_says_the_same():
    product = PRODUCTS["LC08_L2SP_004053_20240705_20240714_02_T1"]
    root = ElementTree.fromstring(whole(ARCHIVE.file(product.file_name("MTL.xml"))))
    assert root.find("PRODUCT_CONTENTS/LANDSAT_PRODUCT_ID").text == product.display_id
    files = [node.text for node in root.find("PRODUCT_CONTENTS") if node.tag.startswith("FILE_NAME")]
    assert files == [product.file_name(suffix) for suffix in product.suffixes]


def test_ang_ends_with_end():
    text = whole(ARCHIVE.file("LC08_L2SP_004053_20240705_20240714_02_T1_ANG.txt")).decode()
    assert text.rstrip().splitlines()[-1] == "END"


def test_mtl_corners_are_the_centres_of_the_corner_pixels():
    product = PRODUCTS["LC08_L2SP_004053_20240705_20240714_02_T1"]
    text = whole(ARCHIVE.file(product.file_name("MTL.txt"))).decode()
    x = float(re.search(r"CORNER_LR_PROJECTION_X_PRODUCT = (.*)", text)[1])
    y = float(re.search(r"CORNER_LR_PROJECTION_Y_PRODUCT = (.*)", text)[1])
    with open_band(ARCHIVE.file(product.file_name("SR_B3.TIF"))) as band:
        assert (x, y) == band.xy(band.height - 1, band.width - 1)


def test_file_lists_equal_those_of_real_products(recorded):
    facts = recorded("fact_product_contents_by_product")
    ours = {(p.sensor, p.level): {f"_{s}" for s in p.suffixes} for p in ARCHIVE}
    compared = 0
    for display_id, fact in facts.items():
        key = tuple(display_id.split("_")[:2])
        if key in ours:
            assert ours[key] == set(fact["suffixes"]), display_id
            compared += 1
    assert compared >= 5


def test_ids_of_a_real_scene():
    product = PRODUCTS["LC08_L2SP_004053_20240705_20240714_02_T1"]
    assert product.entity_id == "LC80040532024187LGN00"
    assert product.secondary_id("SR_B3.TIF") == "L2SR_LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3_TIF"
    assert product.secondary_id("ST_QA.TIF").startswith("L2ST_")
    assert len(product.suffixes) == 22


@pytest.mark.parametrize("product", ONE_OF_EACH, ids=lambda p: f"{p.sensor}-{p.level}")
def test_the_id_of_a_file_leads_back_to_it_and_no_other_does(product):
    ids = {product.secondary_id(suffix): suffix for suffix in product.suffixes}
    assert len(ids) == len(product.suffixes)
    assert {own: product.suffix_of(own) for own in ids} == ids
    some = next(iter(ids))
    for wrong in (product.display_id, some + "X", some[:-1], "X" + some, some.replace(product.display_id, "X")):
        assert product.suffix_of(wrong) is None


def test_every_dataset_has_scenes():
    level_3 = {"landsat_dswe_tile_c2", "landsat_ba_tile_c2"}  # of the demo; tests add their own
    assert {product.dataset.alias for product in ARCHIVE} == set(DATASETS) - level_3


def test_large_bands_open_too():
    archive = Archive.demo(band_bytes=4 << 20)
    content = archive.file("LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF")
    assert content.size == pytest.approx(4 << 20, rel=0.4)
    with open_band(content) as band:
        assert band.compression.name == "deflate"
        assert band.read(1).std() > 10_000  # decoded, Adler-32 included
        west, _, _, north = band.bounds
        assert (west, north) == (602_130, 1_219_410)


def test_browse_images_open():
    with open_band(ARCHIVE.file("LC08_L1TP_004053_20240705_20240713_02_T1_refl.tif")) as image:
        assert image.dtypes == ("uint8",)
        assert image.read(1).std() > 10
    jpeg = ARCHIVE.file("LC08_L1TP_004053_20240705_20240713_02_T1_qb.jpg")
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning), open_band(jpeg) as image:
        assert image.read(1).shape == (64, 64)


def test_a_renewed_file_has_other_bytes_and_an_uncompressed_one_keeps_its_length():
    name = "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF"
    archive = Archive.demo(compress=False)
    before = archive.file(name)
    archive.renew(name)
    after = archive.file(name)
    assert (before.size, sha256(before)) != (after.size, sha256(after))
    assert before.size == after.size
    with open_band(after) as band:
        assert band.read(1).any()


def test_a_reprocessed_product_takes_the_place_of_the_old_one():
    archive = Archive.demo()
    old = archive.find(DATASETS["landsat_ot_c2_l2"], "LC80040532024187LGN00")
    new = archive.reprocess(old.display_id)
    assert archive.find(DATASETS["landsat_ot_c2_l2"], old.entity_id) == new != old
    assert archive.file(f"{old.display_id}.tar") is None
    assert archive.file(f"{new.display_id}.tar") is not None


def test_seeded_archives_have_as_many_different_scenes_as_asked():
    archive = Archive.seeded(1234)
    assert len({product.entity_id for product in archive}) == 1234
    assert len(archive) == 2 * 1234
    staged = sum(p.storage == "dds" for p in Archive.seeded(2000, dds_share=0.25)) / 4000
    assert staged == pytest.approx(0.25, abs=0.05)


def test_the_bundles_of_a_tile_hold_its_files_among_themselves():
    tile = next(product for product in ARCHIVE if product.level == "ARD")
    held = []
    for row in tile.dataset.rows:
        if row.kind == "bundle":
            with tarfile.open(fileobj=io.BytesIO(whole(ARCHIVE.file(f"{tile.display_id}{row.suffix}.tar")))) as bundle:
                held += bundle.getnames()
    assert sorted(held) == sorted(map(tile.file_name, tile.suffixes))
    assert ARCHIVE.bundle(tile.display_id) is None


@pytest.mark.parametrize(
    ("sensor", "known"),
    [("LC08", {21_952, 21_824, 23_888, 21_762, 22_280}), ("LT05", {5_504, 5_440, 7_440, 5_442, 5_896})],
)
def test_flags_are_those_of_a_landscape_with_a_lake_and_clouds(sensor, known):
    product = next(one for one in SCENES if one.sensor == sensor and one.level == "L2SP")
    with open_band(ARCHIVE.file(product.file_name("QA_PIXEL.TIF"))) as band:
        values = set(band.read(1).ravel().tolist())
    assert values <= known | {1}
    assert len(values) > 3
