"""Bands of real size and layout, as a foreign reader sees them."""

from __future__ import annotations

import datetime
import random
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from landsat_async.sim import SMALL_RASTERS, Archive, Layout, Patch, Product, RealRasters
from landsat_async.sim.content import blocks, sha256

rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed (extra: test)")
warp, windows = pytest.importorskip("rasterio.warp"), pytest.importorskip("rasterio.windows")
pyproj = pytest.importorskip("pyproj", reason="pyproj is not installed (extra: test)")

DAY, LATER = datetime.date(2024, 7, 5), datetime.date(2024, 7, 14)
LAKE = Product("LC08", "L2SP", 4, 53, DAY, LATER, cloud=30.0)
POLE = Product("LC08", "L1GT", 220, 110, DAY, LATER)
LAYOUTS = {
    "usual": Layout(),
    "512": Layout(tile=512, predictor=1),
    "strips": Layout(tile=None),
    "rows": Layout(tile=None, strip_rows=1, overviews="none"),
    "last": Layout(overviews="last"),
    "big": Layout(big=True, index_at_end=True),
    "end": Layout(index_at_end=True, packed=True),
    "motorola": Layout(byte_order=">", pixel_is_point=False),
    "gdal": Layout(leaders=True, sparse=True, packed=True),
}


def small(layout: Layout, *products: Product, **options) -> Archive:
    return Archive(products or (LAKE,), raster=replace(SMALL_RASTERS, layout=layout, **options))


def save(content, path):
    with open(path, "wb") as file:
        file.writelines(blocks(content))
    return path


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_holds_the_same_pixels_and_any_range_is_a_slice(layout, tmp_path):
    content = small(layout).file(LAKE.file_name("SR_B4.TIF"))
    whole = b"".join(blocks(content))
    rng = random.Random(5)
    for _ in range(50):
        start = rng.randrange(len(whole))
        length = rng.randrange(1, 200_000)
        assert content.read(start, length) == whole[start : start + length]
    same = small(Layout()).file(LAKE.file_name("SR_B4.TIF"))
    with (
        rasterio.open(save(content, tmp_path / "a.tif")) as ours,
        rasterio.open(save(same, tmp_path / "b.tif")) as usual,
    ):
        assert ours.crs.to_epsg() == 32619
        assert (ours.transform, ours.nodata, ours.dtypes) == (usual.transform, 0, ("uint16",))
        assert ours.block_shapes == [(layout.tile, layout.tile) if layout.tile else (layout.strip_rows, 770)]
        assert ours.overviews(1) == ([] if layout.overviews == "none" else [2, 4])
        pixels = ours.read(1)
        np.testing.assert_array_equal(pixels, usual.read(1))
        assert 0.2 < (pixels == 0).mean() < 0.5
        if ours.overviews(1):
            np.testing.assert_array_equal(ours.read(1, out_shape=(390, 385)), pixels[::2, ::2])


def test_a_band_of_real_size_is_opened_by_its_bytes_alone(tmp_path):
    archive = Archive([LAKE], raster=RealRasters())
    tracemalloc.start()
    content = archive.file(LAKE.file_name("SR_B4.TIF"))
    edge = content.read(content.size - 1000, 2000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(edge) == 1000
    assert content.size > 70_000_000
    assert peak < 8 << 20
    with rasterio.open(save(content, tmp_path / "real.tif")) as band:
        assert band.shape == (7800, 7700)
        assert band.overviews(1) == [2, 4, 8, 16, 32]
        west, north = band.xy(0, 0)
        assert (west % 30, north % 30, band.transform.a) == (0, 0, 30)
        for (lon, lat), inner in zip(LAKE.frame.corners_deg, ((30, 30), (-30, 30), (-30, -30), (30, -30)), strict=True):
            (x,), (y,) = warp.transform("EPSG:4326", band.crs, [lon], [lat])
            row, column = band.index(x + inner[0] * 10, y - inner[1] * 10)
            assert band.read(1, window=windows.Window(column, row, 1, 1))[0, 0] != 0
            row, column = band.index(x - inner[0] * 10, y + inner[1] * 10)
            assert band.read(1, window=windows.Window(column, row, 1, 1))[0, 0] == 0


def test_panchromatic_and_mss_bands_share_the_first_centre(tmp_path):
    level_1 = replace(LAKE, level="L1TP")
    old = Product("LM05", "L1TP", 4, 53, datetime.date(1986, 4, 12), LATER)
    archive = small(Layout(), level_1, old)
    opened = [rasterio.open(save(archive.file(p.file_name(s)), tmp_path / s)) for p, s in (
        (level_1, "B4.TIF"), (level_1, "B8.TIF"), (old, "B3.TIF"),
    )]  # fmt: skip
    firsts = [band.xy(0, 0) for band in opened]
    assert firsts[0] == firsts[1]
    assert [band.transform.a for band in opened] == [300, 150, 600]
    assert all(x % band.transform.a == 0 == y % band.transform.a for (x, y), band in zip(firsts, opened, strict=True))
    for band in opened:
        band.close()


@pytest.mark.parametrize("written_out", [False, True])
def test_antarctica_is_polar_stereographic(written_out, tmp_path):
    archive = small(Layout(crs_by_parameters=written_out), POLE)
    with rasterio.open(save(archive.file(POLE.file_name("B4.TIF")), tmp_path / "pole.tif")) as band:
        there = pyproj.Transformer.from_crs("EPSG:4326", pyproj.CRS(band.crs.to_wkt()), always_xy=True)
        same = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:3031", always_xy=True)
        assert np.allclose(there.transform(10.0, -75.0), same.transform(10.0, -75.0), atol=1e-6)
        x, y = there.transform(*POLE.frame.centre_deg)
        assert band.read(1)[band.index(x, y)] != 0
        x, y = there.transform(POLE.frame.centre_deg[0], POLE.frame.centre_deg[1] + 2)
        assert band.bounds.left < x < band.bounds.right or band.bounds.bottom < y < band.bounds.top
    assert b"TRUE_SCALE_LAT = -71" in archive.file(POLE.file_name("MTL.txt")).data


SKIES = [
    ("LC08", {
        "cloud": 22280, "shadow": 23888, "cirrus": 54596, "snow": 30048, "dilated": 21762, "water": 21952,
    }, 21824),
    ("LT05", {"cloud": 5896, "shadow": 7440, "cirrus": 5440, "snow": 13664, "dilated": 5442, "water": 5504}, 5440),
    ("LM05", {"cloud": 776, "shadow": 256, "cirrus": 256, "snow": 256, "dilated": 256, "water": 256}, 256),
]  # fmt: skip


@pytest.mark.parametrize(("sensor", "values", "clear"), SKIES, ids=[sky[0] for sky in SKIES])
def test_qa_pixel_has_the_bits_that_the_sensor_knows_where_the_test_put_them(sensor, values, clear, tmp_path):
    product = Product(sensor, "L1TP", 4, 53, DAY, LATER)

    def sky(_product, grid):
        middle = grid.west_m + grid.columns * grid.pixel_m / 2, grid.north_m - grid.rows * grid.pixel_m / 2
        boxes = [
            Patch(kind, middle[0] + n * 6000, middle[1], middle[0] + n * 6000 + 3000, middle[1] + 3000)
            for n, kind in enumerate([*values, "gap"])
        ]
        return [*boxes, Patch("cloud", middle[0], middle[1] - 60_000, middle[0] + 40_000, middle[1] - 20_000, True)]

    archive = small(Layout(), product, sky=sky)
    grid = SMALL_RASTERS.grid(product)
    with rasterio.open(save(archive.file(product.file_name("QA_PIXEL.TIF")), tmp_path / "qa.tif")) as band:
        assert band.nodata == 1
        pixels = band.read(1)
    for patch in sky(product, grid)[:-1]:
        column = round((patch.west_m - grid.west_m) / grid.pixel_m + 2)
        row = round((grid.north_m - patch.north_m) / grid.pixel_m + 2)
        assert pixels[row, column] == (1 if patch.kind == "gap" else values[patch.kind])
    cloud_m2 = np.count_nonzero(pixels & 8) * grid.pixel_m**2
    assert cloud_m2 == pytest.approx(np.pi * 20_000**2 + 3000**2, rel=0.02)
    assert np.bincount(pixels.ravel()).argmax() in (1, clear)


def test_the_usual_sky_is_about_as_cloudy_as_the_metadata_say(tmp_path):
    with rasterio.open(save(small(Layout()).file(LAKE.file_name("QA_PIXEL.TIF")), tmp_path / "qa.tif")) as band:
        pixels = band.read(1)
    seen = pixels != 1
    assert 0.1 < np.count_nonzero(pixels[seen] & 8) / np.count_nonzero(seen) < 0.35


def test_the_same_product_has_the_same_bytes_and_a_new_version_others():
    name, archive = LAKE.file_name("SR_B4.TIF"), small(Layout())
    before = sha256(archive.file(name))
    assert before == sha256(small(Layout()).file(name))
    archive.renew(name)
    assert sha256(archive.file(name)) != before
