from __future__ import annotations

import io

import numpy as np
import pyproj
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.io import MemoryFile

from landsat_async.stac.mtl import read_mtl
from landsat_async.stac.pixel_grid import PixelGrid, grid_of_mtl, raster_of_tiff
from tests.stac.mtl_texts import as_text, groups


def grid(**changes):
    return grid_of_mtl(read_mtl(as_text(groups(PROJECTION_ATTRIBUTES=changes)), "MTL.txt"))


ALBERS = "+proj=aea +lat_0={} +lon_0={} +lat_1={} +lat_2={} +x_0=0 +y_0=0 +datum=WGS84 +units=m"
REGIONS = {"CU": (23, -96, 29.5, 45.5), "AK": (50, -154, 55, 65), "HI": (3, -157, 8, 18)}


@pytest.mark.faults("Y63")
@pytest.mark.parametrize("region", REGIONS)
def test_the_projection_of_tiles_has_no_code_and_is_written_out(region):
    crs = pyproj.CRS(ALBERS.format(*REGIONS[region]))
    found = raster_of_tiff(tiff(crs=crs.to_wkt("WKT1_GDAL"))).grid
    assert found.epsg is None
    ours = pyproj.CRS(found.crs)
    assert ours.is_projected
    to_ours, to_theirs = (pyproj.Transformer.from_crs(4326, one, always_xy=True) for one in (ours, crs))
    west, north = REGIONS[region][1], REGIONS[region][0]
    assert to_ours.transform(west + 5, north + 7) == pytest.approx(to_theirs.transform(west + 5, north + 7), abs=1e-6)


@pytest.mark.parametrize(
    "other", ["+proj=aea +lat_1=29.5 +lat_2=45.5 +lon_0=-96 +ellps=GRS80 +units=m", "+proj=laea +lat_0=5 +datum=WGS84"]
)
def test_another_projection_without_a_code_is_left_to_the_file(other):
    assert raster_of_tiff(tiff(crs=pyproj.CRS(other).to_wkt("WKT1_GDAL"))).grid.crs is None


@pytest.mark.faults("Y30")
def test_corners_of_the_metadata_file_are_centres_of_pixels():
    assert grid() == PixelGrid(32619, 7741, 7611, 365685.0, 1219515.0, 30.0)
    assert grid().transform == [30.0, 0.0, 365685.0, 0.0, -30.0, 1219515.0]
    assert grid().shape == [7741, 7611]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 32619),
        ({"CORNER_UL_PROJECTION_Y_PRODUCT": "-683700.000"}, 32619),
        ({"UTM_ZONE": None, "TRUE_SCALE_LAT": "-71.00000"}, 3031),
        ({"UTM_ZONE": None, "TRUE_SCALE_LAT": "71.00000"}, 3995),
        ({"UTM_ZONE": None}, None),
    ],
)
def test_codes_are_those_of_the_geotiffs_of_usgs(changes, code):
    assert grid(**changes).epsg == code


def test_a_grid_that_is_not_told_is_none():
    assert grid(REFLECTIVE_LINES=None) is None
    assert grid_of_mtl(read_mtl(as_text(groups()), "MTL.txt"), "PANCHROMATIC") is None


def tiff(**profile):
    profile = {
        "driver": "GTiff", "width": 7, "height": 5, "count": 1, "dtype": "uint16", "crs": "EPSG:32619",
        "transform": rasterio.Affine(30, 0, 365685, 0, -30, 1219515), "nodata": 0,
    } | profile  # fmt: skip
    with MemoryFile() as memory:
        with memory.open(**profile) as file:
            file.write(np.ones((5, 7), profile["dtype"]), 1)
        return bytes(memory.getbuffer())


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("order", ["LITTLE", "BIG"])
def test_the_head_of_a_geotiff_is_read_as_gdal_reads_it(dtype, order):
    raster = raster_of_tiff(tiff(dtype=dtype, ENDIANNESS=order))
    assert raster.grid == PixelGrid(32619, 5, 7, 365685.0, 1219515.0, 30.0)
    assert (raster.data_type, raster.nodata) == (dtype, 0.0)


def test_a_place_that_means_the_middle_of_a_pixel_is_moved_to_its_edge():
    with MemoryFile() as memory:
        transform = rasterio.Affine(30, 0, 0, 0, -30, 0)
        profile = {"width": 2, "height": 2, "count": 1, "dtype": "uint8", "crs": "EPSG:32601", "transform": transform}
        with memory.open(driver="GTiff", **profile) as file:
            file.update_tags(AREA_OR_POINT="Point")
        raster = raster_of_tiff(bytes(memory.getbuffer()))
    assert (raster.grid.west, raster.grid.north) == (0.0, 0.0)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"II*\0", b"PK\3\4" * 10, tiff()[:100], tiff(crs=None),
        tiff(transform=rasterio.Affine(30, 0, 0, 0, -20, 0)), tiff(BIGTIFF="YES"),
    ],
    ids=["empty", "short", "zip", "cut", "no place", "oblong", "BigTIFF"],
)  # fmt: skip
def test_what_is_no_geotiff_of_that_kind_is_none(data):
    assert raster_of_tiff(data) is None


@given(st.integers(0, 600), st.binary(min_size=1, max_size=8))
def test_any_bytes_are_read_or_refused(place, junk):
    whole = io.BytesIO(WHOLE)
    whole.seek(min(place, len(WHOLE) - 1))
    whole.write(junk)
    raster_of_tiff(whole.getvalue())


WHOLE = tiff()
