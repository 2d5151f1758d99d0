from __future__ import annotations

import shutil

import numpy as np
import pyproj
import pytest
import rasterio
from rasterio import warp

from landsat_async.stac.assets import LocalFile, asset_of
from landsat_async.stac.pixel_grid import raster_of_tiff
from landsat_async.stac.vrt import vrts_of
from tests.stac.mtl_texts import L1, L2
from tests.stac.test_pixel_grid import ALBERS, REGIONS

TILE = "LC08_CU_008010_20231101_20231116_02"


def write(folder, display_id, suffix, *, pixel=30.0, columns=6, dtype="uint16", west=300.0, crs="EPSG:32619"):
    path = folder / f"{display_id}_{suffix}"
    values = np.arange(1, columns * columns + 1).reshape(columns, columns).astype(dtype)
    profile = {"width": columns, "height": columns, "count": 1, "dtype": dtype, "crs": crs}
    transform = rasterio.Affine(pixel, 0, west, 0, -pixel, 900)
    with rasterio.open(path, "w", driver="GTiff", transform=transform, **profile) as file:
        file.write(values, 1)
    return asset_of(display_id, LocalFile(path.name, path.name, raster=raster_of_tiff(path.read_bytes())), None), values


@pytest.mark.faults("Y63")
def test_a_vrt_of_a_tile_lies_where_the_tile_lies(tmp_path):
    albers = pyproj.CRS(ALBERS.format(*REGIONS["CU"])).to_wkt("WKT1_GDAL")
    made, _ = write(tmp_path, TILE, "SR_B4.TIF", crs=albers)
    ((name, text),) = vrts_of(TILE, "", [made]).items()
    (tmp_path / name).write_text(text)
    with rasterio.open(tmp_path / name) as vrt, rasterio.open(tmp_path / made.file.name) as band:
        assert warp.transform(vrt.crs, "EPSG:4326", [1e5], [9e5]) == warp.transform(band.crs, "EPSG:4326", [1e5], [9e5])
        assert vrt.descriptions == ("red",)


def test_gdal_reads_the_bands_with_names_scale_offset_nodata_and_units(tmp_path):
    folder = tmp_path / "before"
    folder.mkdir()
    made = [write(folder, L2, suffix) for suffix in ("SR_B4.TIF", "ST_B10.TIF", "QA_PIXEL.TIF")]
    made.append(write(folder, L2, "ST_EMIS.TIF", dtype="int16"))
    ((name, text),) = vrts_of(L2, "", [asset for asset, _ in made]).items()
    (folder / name).write_text(text)
    shutil.move(folder, tmp_path / "after")
    with rasterio.open(tmp_path / "after" / name) as vrt:
        assert vrt.descriptions == ("red", "lwir11", "qa_pixel", "emis")
        assert vrt.scales == (2.75e-05, 0.00341802, 1.0, 0.0001)
        assert vrt.offsets == (-0.2, 149.0, 0.0, 0.0)
        assert vrt.nodatavals == (0, 0, 1, -9999)
        assert vrt.units == (None, "kelvin", "bit index", None)
        assert (vrt.crs.to_epsg(), vrt.transform[2], vrt.transform[5]) == (32619, 300.0, 900.0)
        for number, (_, values) in enumerate(made, 1):
            assert (vrt.read(number) == values).all()


@pytest.mark.faults("Y35")
def test_a_band_of_other_pixels_lies_where_it_belongs(tmp_path):
    """The panchromatic band of level 1: pixels of half the side, its first centre on that of the others."""
    made = [write(tmp_path, L1, suffix) for suffix in ("B1.TIF", "B2.TIF")]
    pan, _ = write(tmp_path, L1, "B8.TIF", pixel=15.0, columns=12)
    ((name, text),) = vrts_of(L1, "", [*(asset for asset, _ in made), pan]).items()
    (tmp_path / name).write_text(text)
    with rasterio.open(tmp_path / name) as vrt:
        assert vrt.descriptions == ("blue", "green", "pan")
        assert (vrt.width, vrt.height) == (6, 6)
        values = np.arange(1, 145).reshape(12, 12)
        assert vrt.read(3)[0, 0] in values[:2, :2]
        assert vrt.read(3)[5, 5] in values[10:, 10:]


def test_windows_have_rasters_of_their_own(tmp_path):
    whole, _ = write(tmp_path, L2, "SR_B4.TIF")
    window, values = write(tmp_path, L2, "SR_B4.w0a1b2c3d.TIF", columns=2, west=330.0)
    both = vrts_of(L2, "", [whole, window])
    assert list(both) == [f"{L2}.vrt", f"{L2}.w0a1b2c3d.vrt"]
    ((name, text),) = vrts_of(L2, "", [window]).items()
    assert name == f"{L2}.vrt"
    (tmp_path / name).write_text(text)
    with rasterio.open(tmp_path / name) as vrt:
        assert (vrt.shape, vrt.transform[2]) == ((2, 2), 330.0)
        assert (vrt.read(1) == values).all()


def test_a_scene_without_rasters_has_no_vrt():
    assert vrts_of(L2, "", [asset_of(L2, LocalFile(f"{L2}_MTL.txt", f"{L2}_MTL.txt"), None)]) == {}
