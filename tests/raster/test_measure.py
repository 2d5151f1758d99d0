"""Clouds in an area, judged by rasterio and numpy."""

from __future__ import annotations

import datetime
from dataclasses import replace

import numpy as np
import pytest
import shapely
from shapely.geometry import Point, Polygon, mapping

from landsat_async.raster.grid import BrokenRaster, UnsupportedRaster
from landsat_async.raster.measure import measure_clouds
from landsat_async.raster.window import layout_of
from landsat_async.rules.clouds import Flag, MeasureSpec
from landsat_async.sim import SMALL_RASTERS, Archive, Layout, Product, RealRasters
from landsat_async.sim.content import Literal
from landsat_async.sim.pictures import QaPicture

rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed (extra: test)")
features = pytest.importorskip("rasterio.features")
pyproj = pytest.importorskip("pyproj", reason="pyproj is not installed (extra: test)")

DAY, LATER = datetime.date(2024, 7, 5), datetime.date(2024, 7, 14)
PLACES = [
    Product("LC08", "L1TP", 4, 53, DAY, LATER, cloud=35.0),
    Product("LE07", "L1TP", 84, 24, DAY, LATER, cloud=20.0),
    Product("LM05", "L1TP", 4, 53, datetime.date(1986, 4, 12), LATER, cloud=50.0),
    Product("LC09", "L1GT", 220, 110, DAY, LATER, cloud=40.0),
]
LAYOUTS = [
    Layout(),
    Layout(tile=512, predictor=1),
    Layout(tile=None),
    Layout(big=True, index_at_end=True, leaders=True),
]
USUAL = (Flag.CLOUD, Flag.DILATED, Flag.SHADOW, Flag.CIRRUS)
BITS = {"LC": 0b11110, "LE": 0b11010, "LM": 0b01000}
MADE = range(1024)
"""Columns and rows of all tiles of a small raster, apart from the largest of its overviews."""
_block = QaPicture.block


@pytest.fixture(autouse=True)
def _pixels_are_made_once(monkeypatch):
    """Every layout of a scene has the same pixels; to make each of its tiles anew takes most of the time here."""
    whole = {}

    def cut(picture, x, y):
        if max(x.stop, y.stop) > MADE.stop:
            return _block(picture, x, y)
        if picture.grid not in whole:
            whole[picture.grid] = _block(picture, MADE, MADE)
        return whole[picture.grid][y.start : y.stop : y.step, x.start : x.stop : x.step]

    monkeypatch.setattr(QaPicture, "block", cut)


def content_of(product, layout):
    archive = Archive([product], raster=replace(SMALL_RASTERS, layout=layout))
    content = archive.file(product.file_name("QA_PIXEL.TIF"))
    return Literal(content.read(0, content.size))  # its tiles are computed once


def reader(content):
    return lambda size, at: content.read(at, size)


def measured(content, geometry, sensor, counts=USUAL):
    read = reader(content)
    spec = MeasureSpec(shapely.to_wkb(geometry), sensor, counts)
    return measure_clouds(read, layout_of(read, content.size), spec)


def judged(path, geometry, sensor):
    """Share of the area with data, and percent of cloud, by rasterio's mask of the area."""
    with rasterio.open(path) as band:
        to_metres = pyproj.Transformer.from_crs("EPSG:4326", pyproj.CRS(band.crs.to_wkt()), always_xy=True)
        cut = shapely.segmentize(geometry, 0.005)
        bent = shapely.transform(cut, lambda p: np.column_stack(to_metres.transform(*p.T)))
        inside = features.geometry_mask([mapping(bent)], band.shape, band.transform, invert=True)
        values = band.read(1)[inside]
        pixels = abs(bent.area / band.transform.a**2)
    seen = values[values & 1 == 0]
    return pixels, len(seen), 100 * np.count_nonzero(seen & BITS[sensor[:2]]) / max(1, len(seen))


def polygon_in(product, rng):
    """A polygon in the scene, or partly beside it."""
    lon, lat = product.frame.centre_deg
    stretch = 1 / np.cos(np.radians(lat))
    corners, size_deg = int(rng.integers(3, 40)), rng.uniform(0.05, 0.6)
    angles, radii = np.sort(rng.uniform(0, 2 * np.pi, corners)), rng.uniform(0.3, 1, corners) * size_deg
    middle = lon + stretch * rng.uniform(-0.7, 0.7), lat + rng.uniform(-0.7, 0.7)
    points = [middle[0] + stretch * radii * np.cos(angles), middle[1] + radii * np.sin(angles)]
    return Polygon(np.column_stack(points)).buffer(0)


def compare(product, content, path, seed):
    geometry = polygon_in(product, np.random.default_rng(seed))
    found = measured(content, geometry, product.sensor)
    pixels, valid, cloud = judged(path, geometry, product.sensor)
    assert found.pixels == pytest.approx(pixels, rel=0.02, abs=8)
    assert found.valid == pytest.approx(valid, abs=2)
    assert (found.cloud_percent or 0.0) == pytest.approx(cloud, abs=0.01 if valid > 20_000 else 100 / max(1, valid))


@pytest.mark.parametrize("product", PLACES, ids=lambda product: product.sensor)
def test_the_figures_are_those_of_rasterio_and_numpy(product, tmp_path):
    for number, layout in enumerate(LAYOUTS):
        content = content_of(product, layout)
        path = tmp_path / f"{number}.tif"
        path.write_bytes(content.read(0, content.size))
        for seed in range(3):
            compare(product, content, path, 100 * number + seed)


@pytest.mark.slow
def test_two_hundred_polygons(tmp_path):
    for number, product in enumerate(PLACES):
        content = content_of(product, LAYOUTS[number])
        path = tmp_path / f"{number}.tif"
        path.write_bytes(content.read(0, content.size))
        for seed in range(50):
            compare(product, content, path, 1000 + seed)


def test_only_the_index_and_the_tiles_of_the_area_are_read():
    raster = RealRasters(pixel_m=60, columns=2_800, rows=2_800)
    content = Archive([PLACES[0]], raster=raster).file(PLACES[0].file_name("QA_PIXEL.TIF"))
    asked = []

    def read(size, at):
        asked.append(size)
        return content.read(at, size)

    lon, lat = PLACES[0].frame.centre_deg
    spec = MeasureSpec(shapely.to_wkb(shapely.box(lon, lat, lon + 0.01, lat + 0.01)), "LC08", USUAL)
    assert measure_clouds(read, layout_of(read, content.size), spec).valid > 0
    assert sum(asked) < content.size / 20


def test_a_point_is_one_pixel_and_what_lies_beside_has_no_data():
    content = content_of(PLACES[0], Layout())
    lon, lat = PLACES[0].frame.centre_deg
    assert measured(content, Point(lon, lat), "LC08").pixels == 1
    beside = measured(content, shapely.box(lon + 3, lat, lon + 3.1, lat + 0.1), "LC08")
    assert (beside.valid, beside.cloud_percent) == (0, None)
    assert beside.pixels > 1000
    far = measured(content, shapely.box(lon + 100, lat, lon + 101, lat + 1), "LC08")
    assert (far.pixels, far.valid) == (0, 0)


def test_other_rasters_are_refused():
    product = PLACES[0]
    archive = Archive([product], raster=SMALL_RASTERS)
    angles = archive.file(product.file_name("VAA.TIF"))
    with pytest.raises(UnsupportedRaster, match="16 bits"):
        measured(angles, Point(0, 0), "LC08")
    cut = content_of(product, Layout()).read(0, 9000)
    with pytest.raises(BrokenRaster):
        layout_of(lambda size, at: cut[at : at + size], len(cut))
